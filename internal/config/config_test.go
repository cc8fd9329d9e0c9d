package config_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/credential"
)

// machine holds the sources of a Config.
type machine struct {
	flags map[string]string
	env   []string
	// files by name, with the mode in modes, or else 0600.
	files  map[string]string
	modes  map[string]fs.FileMode
	noFile bool
}

func (m machine) load() (*config.Loaded, error) {
	disk := fstest.MapFS{}
	for name, text := range m.files {
		mode, ok := m.modes[name]
		if !ok {
			mode = 0o600
		}
		disk[name] = &fstest.MapFile{Data: []byte(text), Mode: mode}
	}
	return config.Load(config.Sources{Flags: m.flags, Environ: m.env, Open: disk.Open, NoFile: m.noFile})
}

// revealing compares secrets by their text.
var revealing = cmp.Options{
	cmp.Comparer(func(a, b credential.Secret) bool { return a.Reveal() == b.Reveal() }),
	cmp.Comparer(func(a, b config.Proxies) bool { return fmt.Sprint(a) == fmt.Sprint(b) }),
}

// samples are valid values other than the defaults.
var samples = map[string]string{
	"server.listen":                "127.0.0.1:9000",
	"server.socket":                "/run/claviger/api.sock",
	"server.socket_group":          "web",
	"server.base_url":              "https://keys.example.com",
	"server.tls.cert":              "tls.pem",
	"server.tls.key":               "tls.key",
	"server.trusted_proxies":       "10.0.0.0/8=nginx,192.0.2.1",
	"server.routes":                "routes.yaml",
	"server.limits.header_bytes":   "4096",
	"server.limits.header_timeout": "1s",
	"server.limits.read_timeout":   "2s",
	"server.limits.write_timeout":  "3s",
	"server.limits.idle_timeout":   "1m30s",
	"server.metrics_listen":        "127.0.0.1:9180",
	"server.metrics_hosts":         "keys.example.com,node1.example.com",
	"data":                         "/var/lib/claviger",
	"database.url":                 "postgres://u:p@h/d",
	"database.max_staleness":       "5s",
	"database.max_connections":     "32",
	"root_secret":                  "a root secret",
	"legacy_password_before":       "2026-01-31",
	"gateway.listen":               "127.0.0.1:8081",
	"gateway.base_url":             "https://api.example.com",
	"gateway.upstream":             "http://127.0.0.1:9001/inner",
	"gateway.upstreams":            "app_01m8k6w12gk3m4np=http://127.0.0.1:9002,other.example.com=https://[::1]:9003",
	"gateway.hosts":                "api.example.com=default,other.example.com=other",
	"gateway.ca":                   "upstream-ca.pem",
	"gateway.session_path":         "none",
	"gateway.body_bytes":           "1048576",
	"gateway.concurrent_requests":  "50",
	"gateway.response_timeout":     "5s",
	"gateway.stall_timeout":        "10s",
	"keys.expired_retention_days":  "120",
	"limits.changes_per_minute":    "600",
	"limits.anonymous_per_minute":  "60",
	"log.level":                    "warn",
	"log.format":                   "json",
	"mail.smtp":                    "mail.example.com:587",
	"mail.tls":                     "tls",
	"mail.ca":                      "ca.pem",
	"mail.username":                "claviger",
	"mail.password":                "a password",
	"mail.from":                    "Keys <keys@example.com>",
	"mail.helo":                    "keys.example.com",
	"mail.timeout":                 "30s",
	"uses.rows_per_second":         "500",
}

// pairs are settings that must be set together.
var pairs = map[string][]string{
	"server.tls.cert": {"server.tls.key"}, "server.tls.key": {"server.tls.cert"}, "mail.username": {"mail.password"},
	"mail.password": {"mail.username"}, "gateway.listen": {"gateway.upstream"},
	"gateway.upstream": {"gateway.listen"}, "gateway.upstreams": {"gateway.listen"},
	"gateway.hosts": {"gateway.upstream"}, "gateway.base_url": {"gateway.listen", "gateway.upstream"},
}

func TestEverySettingCanBeSetInEveryWay(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range config.Settings() {
		t.Run(s.Key, func(t *testing.T) {
			sample := samples[s.Key]
			if sample == "" || s.Doc == "" || !strings.HasSuffix(s.Doc, ".") {
				t.Fatalf("no sample or no description: %q", s.Doc)
			}
			pair := []string{}
			for _, other := range pairs[s.Key] {
				pair = append(pair, "CLAVIGER_"+strings.ToUpper(strings.ReplaceAll(other, ".", "_"))+"="+samples[other])
			}
			ways := map[string]machine{
				"file":     {files: map[string]string{"claviger.yaml": nested(s.Key, sample)}, env: pair},
				"variable": {env: append(pair, s.Env()+"="+sample)},
			}
			names := []string{"### " + s.Key + "\n", s.Env()}
			if s.Secret {
				held := map[string]string{"secret": sample + "\n"}
				ways["variable of a file"] = machine{env: append(pair, s.Env()+"_FILE=secret"), files: held}
				ways["flag of a file"] = machine{
					flags: map[string]string{s.Flag() + "-file": "secret"}, files: held,
					env: pair,
				}
				ways["file of a file"] = machine{files: map[string]string{"claviger.yaml": nested(s.FileKey(),
					"secret"), "secret": sample}, env: pair}
				names = append(names, s.Env()+"_FILE", "--"+s.Flag()+"-file", s.FileKey())
			} else {
				ways["flag"] = machine{flags: map[string]string{s.Flag(): sample}, env: pair}
				names = append(names, "--"+s.Flag()+"`")
			}
			requireAlike(t, ways, pair)
			for _, name := range names {
				if !strings.Contains(string(page), name) {
					t.Errorf("docs/configuration.md does not name %q", name)
				}
			}
		})
	}
}

// requireAlike requires that every source leads to the same Config, which differs from the default.
func requireAlike(t *testing.T, ways map[string]machine, env []string) {
	t.Helper()
	var first *config.Loaded
	for _, way := range slices.Sorted(maps.Keys(ways)) {
		got, err := ways[way].load()
		if err != nil {
			t.Fatalf("by %s: %v", way, err)
		}
		if cmp.Equal(got.Config, config.Default(), revealing) {
			t.Errorf("by %s nothing is set", way)
		}
		if first == nil {
			first = got
		}
		if diff := cmp.Diff(first.Config, got.Config, revealing); diff != "" {
			t.Errorf("by %s it is another set-up:\n%s", way, diff)
		}
	}
}

// nested returns a setting in the form of a configuration file.
func nested(key, value string) (text string) {
	names := strings.Split(key, ".")
	for depth, name := range names {
		text += strings.Repeat("  ", depth) + name + ":"
		if depth < len(names)-1 {
			text += "\n"
		}
	}
	return text + " " + value + "\n"
}

func TestThePageAboutSettingsIsTheGeneratedOne(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Reference(), string(page)); diff != "" {
		t.Errorf("run make generate:\n%s", diff)
	}
}

func TestNothingNeedsToBeSet(t *testing.T) {
	got, err := machine{}.load()
	if err != nil || got.File != "" {
		t.Fatalf("%q, %v", got.File, err)
	}
	zero, err := config.Config{}.Resolve()
	if err != nil || !cmp.Equal(got.Config, zero, revealing) || zero.Server.Listen != "127.0.0.1:8080" ||
		zero.Data != "./claviger-data" {
		t.Errorf("%+v, %v", zero, err)
	}
}

func TestTheFirstSourceThatHasASettingCounts(t *testing.T) {
	file := map[string]string{
		"claviger.yaml": "data: file\n", "other.yaml": "data: other\n",
		"flagged.yaml": "data: flagged\n",
	}
	cases := []struct {
		name string
		machine
		want string
	}{
		{"the default", machine{}, "./claviger-data"},
		{"a file before the default", machine{files: file}, "file"},
		{
			"the file of the variable before the one that is there",
			machine{files: file, env: []string{"CLAVIGER_CONFIG=other.yaml"}},
			"other",
		},
		{
			"the file of the flag before both",
			machine{
				files: file, env: []string{"CLAVIGER_CONFIG=other.yaml"},
				flags: map[string]string{"config": "flagged.yaml"},
			},
			"flagged",
		},
		{"the environment before the file", machine{files: file, env: []string{"CLAVIGER_DATA=env"}}, "env"},
		{
			"the flag before the environment",
			machine{files: file, env: []string{"CLAVIGER_DATA=env"}, flags: map[string]string{"data": "flag"}},
			"flag",
		},
		{"no file for a command that reads none", machine{files: file, noFile: true}, "./claviger-data"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.load()
			if err != nil || got.Data != c.want {
				t.Errorf("%+v, %v; want %s", got, err, c.want)
			}
		})
	}
	held := machine{
		files: map[string]string{"claviger.yaml": "database:\n  url: postgres://file\n", "url": "postgres://held"},
		env:   []string{"CLAVIGER_DATABASE_URL_FILE=url"},
	}
	if got, err := held.load(); err != nil || got.Database.URL.Reveal() != "postgres://held" {
		t.Errorf("a secret of the file counts before the environment's: %v", err)
	}
}

func TestAListIsTheSameInEveryForm(t *testing.T) {
	want := "[10.0.0.0/8=nginx 192.0.2.1/32 2001:db8::/32=envoy 192.0.2.2/32]"
	items := []string{"10.1.2.3/8=nginx", "192.0.2.1", "2001:db8::/32=envoy", "::ffff:192.0.2.2"}
	for form, m := range map[string]machine{
		"a list": {files: map[string]string{"claviger.yaml": "server:\n  trusted_proxies:\n    - " +
			strings.Join(items, "\n    - ")}},
		"a list in brackets": {files: map[string]string{"claviger.yaml": `server: {trusted_proxies: ["` +
			strings.Join(items, `", "`) + `"]}`}},
		"commas": {flags: map[string]string{"trusted-proxies": strings.Join(items, ", ")}},
	} {
		got, err := m.load()
		if err != nil || fmt.Sprint(got.Server.TrustedProxies) != want {
			t.Errorf("%s: %v, %v", form, got, err)
		}
	}
}

func TestThePrintedSettingsAreInForceAndHoldNoSecret(t *testing.T) {
	m := machine{
		files: map[string]string{"claviger.yaml": "root_secret: " + never +
			"\nserver:\n  trusted_proxies: [10.0.0.0/8, 192.0.2.1]\ndata: 'a: b'\n"},
		env:   []string{"CLAVIGER_DATABASE_URL=postgres://u:" + never + "@h/d"},
		flags: map[string]string{"log-level": "debug"},
	}
	set, err := m.load()
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	if err := errors.Join(set.Print(&page), err); err != nil || strings.Contains(page.String(), never) {
		t.Fatalf("%v\n%s", err, page.String())
	}
	for _, line := range []string{
		"  listen: 127.0.0.1:8080 # default\n", "  # base_url is not set\n",
		"  trusted_proxies: 10.0.0.0/8,192.0.2.1 # claviger.yaml:3\n", "data: 'a: b' # claviger.yaml:4\n",
		"  url: '[redacted]' # CLAVIGER_DATABASE_URL\n", "root_secret: '[redacted]' # claviger.yaml:1\n",
		"  level: debug # --log-level\n",
	} {
		if !strings.Contains(page.String(), line) {
			t.Errorf("the page has no line %q:\n%s", line, page.String())
		}
	}
	again, err := machine{files: map[string]string{"claviger.yaml": page.String()}}.load()
	if err != nil {
		t.Fatal(err)
	}
	again.Database.URL, again.RootSecret = set.Database.URL, set.RootSecret
	if diff := cmp.Diff(set.Config, again.Config, revealing); diff != "" {
		t.Errorf("read again it is another set-up:\n%s", diff)
	}
}

func FuzzFile(f *testing.F) {
	for _, seed := range []string{
		"server:\n  listen: :1\n", "data: x\ndata: y", "a: &b [*b]", "- x", "? x\n: y",
		"server: {tls: {cert: a, key: b}}", "<<: {data: x}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := machine{files: map[string]string{"claviger.yaml": text}}.load()
		if err != nil {
			return
		}
		var page strings.Builder
		if err := set.Print(&page); err != nil {
			t.Fatal(err)
		}
	})
}
