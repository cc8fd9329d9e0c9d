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
	"server.base_url":              "https://keys.example.com",
	"server.tls.cert":              "tls.pem",
	"server.tls.key":               "tls.key",
	"server.trusted_proxies":       "10.0.0.0/8,192.0.2.1",
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
}

// pairs are settings that must be set together.
var pairs = map[string]string{
	"server.tls.cert": "server.tls.key", "server.tls.key": "server.tls.cert", "mail.username": "mail.password",
	"mail.password": "mail.username",
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
			if other := pairs[s.Key]; other != "" {
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

// never is a text that must not be shown.
const never = "n0t-T0-be-SH0WN"

func TestWhatIsWrongIsRefusedAndNotRepeated(t *testing.T) {
	file := func(text string) machine { return machine{files: map[string]string{"claviger.yaml": text}} }
	env := func(entries ...string) machine {
		return machine{env: entries, files: map[string]string{"empty": " \n"}}
	}
	cases := []struct {
		name string
		machine
		says string
	}{
		{"an unknown name", file("datta: x\n"), "claviger.yaml:1: datta: unknown setting: did you mean data?"},
		{
			"an unknown section", file("\nsevrer:\n  listen: x\n"),
			"claviger.yaml:2: sevrer: unknown setting: did you mean server?",
		},
		{"a name without its section", file("listen: x\n"), "did you mean server.listen?"},
		{"a name in the wrong section", file("server:\n  url: x\n"), "did you mean server.base_url?"},
		{
			"an unknown name that may be a secret", file(never + never + never + ": x\n"),
			"claviger.yaml:1: unknown setting",
		},
		{"a setting twice", file("data: x\ndata: y\n"), "claviger.yaml:2: data: the name occurs twice"},
		{
			"a section twice", file("log:\n  level: info\nlog:\n  format: json\n"),
			"claviger.yaml:3: log: the name occurs twice",
		},
		{"a section for a value", file("data:\n  x: y\n"), "claviger.yaml:1: data: expected a single value"},
		{"a list for a value", file("data: [" + never + "]\n"), "claviger.yaml:1: data: expected a single value"},
		{
			"a value for a section", file("server: " + never + "\n"),
			"claviger.yaml:1: server: expected names and values",
		},
		{"no value", file("data:\n"), "claviger.yaml:1: data is set but empty"},
		{"a list for all of it", file("- " + never + "\n"), "claviger.yaml:1: expected names and values"},
		{"no YAML", file("data: {" + never), "claviger.yaml: yaml: line 1"},
		{"an alias", file("root_secret: *" + never + "\n"), "claviger.yaml: yaml: unknown anchor '…' referenced"},
		{"two documents", file("data: x\n---\ndata: y\n"), "only one document is allowed"},
		{"a secret that others can read", machine{
			files: map[string]string{"claviger.yaml": "database:\n  url: " + never + "\n"},
			modes: map[string]fs.FileMode{"claviger.yaml": 0o640},
		}, "claviger.yaml:2: database.url: other users can read the secret in this file"},
		{"a file without a name", env("CLAVIGER_CONFIG="), "the name of the configuration file is empty"},
		{"a file that is not there", machine{flags: map[string]string{"config": "none.yaml"}}, "none.yaml"},

		{
			"an unknown variable", env("CLAVIGER_DATBASE_URL=" + never),
			"CLAVIGER_DATBASE_URL: unknown setting: did you mean CLAVIGER_DATABASE_URL?",
		},
		{"a variable without its section", env("CLAVIGER_LISTEN=" + never), "did you mean CLAVIGER_SERVER_LISTEN?"},
		{"a port in a variable of its own", env("CLAVIGER_PORT=8080"), "CLAVIGER_PORT: unknown setting"},
		{"an empty variable", env("CLAVIGER_DATABASE_URL="), "CLAVIGER_DATABASE_URL is set but empty"},
		{
			"a secret and its file", env("CLAVIGER_DATABASE_URL="+never, "CLAVIGER_DATABASE_URL_FILE=x"),
			"CLAVIGER_DATABASE_URL and CLAVIGER_DATABASE_URL_FILE are both set",
		},
		{
			"a secret in a file that is not there", env("CLAVIGER_DATABASE_URL_FILE=none"),
			"CLAVIGER_DATABASE_URL_FILE: open none: file does not exist",
		},
		{
			"a secret in an empty file", env("CLAVIGER_DATABASE_URL_FILE=empty"),
			"CLAVIGER_DATABASE_URL_FILE: empty: it is empty",
		},
		{
			"a variable for a file where none is read",
			machine{env: []string{"CLAVIGER_CONFIG=x"}, noFile: true},
			"CLAVIGER_CONFIG: this command reads no configuration file",
		},

		{
			"an address without a port", env("CLAVIGER_SERVER_LISTEN=" + never),
			"CLAVIGER_SERVER_LISTEN: give an address and a port",
		},
		{"a port that is none", env("CLAVIGER_SERVER_LISTEN=:70000"), "give an address and a port"},
		{
			"a base URL with a path", env("CLAVIGER_SERVER_BASE_URL=https://x/" + never),
			"give a scheme and a host without a path",
		},
		{
			"a base URL with a password", env("CLAVIGER_SERVER_BASE_URL=https://u:" + never + "@x"),
			"give a scheme and a host without a path",
		},
		{
			"a base URL without a host", env("CLAVIGER_SERVER_BASE_URL=https://:8080"),
			"give a scheme and a host without a path",
		},
		{
			"a base URL of another scheme", env("CLAVIGER_SERVER_BASE_URL=ftp://x"),
			"give a scheme and a host without a path",
		},
		{
			"a proxy that is a name", env("CLAVIGER_SERVER_TRUSTED_PROXIES=10.0.0.0/8," + never),
			"give networks and addresses",
		},
		{"a proxy in a zone", env("CLAVIGER_SERVER_TRUSTED_PROXIES=fe80::1%eth0"), "give networks and addresses"},
		{"too few bytes", env("CLAVIGER_SERVER_LIMITS_HEADER_BYTES=0"), "give a number of bytes from 1024 to 1048576"},
		{"no time", env("CLAVIGER_SERVER_LIMITS_READ_TIMEOUT=0"), "give a time of at most an hour"},
		{"a time without a unit", env("CLAVIGER_SERVER_LIMITS_READ_TIMEOUT=20"), "give a time of at most an hour"},
		{
			"an unknown level",
			machine{flags: map[string]string{"log-level": never}},
			"--log-level: give one of [debug error info warn]",
		},
		{
			"an unknown format",
			machine{flags: map[string]string{"log-format": never}},
			"--log-format: give one of [json text]",
		},
		{
			"a mail server without a port", env("CLAVIGER_MAIL_SMTP=mail.example.com"),
			"CLAVIGER_MAIL_SMTP: give a host and a port",
		},
		{
			"a mail server on port 0", env("CLAVIGER_MAIL_SMTP=mail.example.com:0"),
			"CLAVIGER_MAIL_SMTP: give a host and a port",
		},
		{"two senders", env("CLAVIGER_MAIL_FROM=a@example.com, b@example.com"), "CLAVIGER_MAIL_FROM: give one address"},
		{
			"a sender with another header", env("CLAVIGER_MAIL_FROM=a@example.com\r\nBcc: b@example.com"),
			"CLAVIGER_MAIL_FROM: give one address",
		},
		{
			"mail in the clear to another machine", env("CLAVIGER_MAIL_SMTP=192.0.2.1:25", "CLAVIGER_MAIL_TLS=none"),
			"mail.tls: none is only allowed for a mail server at a loopback address",
		},
		{
			"mail in the clear to a name", env("CLAVIGER_MAIL_SMTP=localhost:25", "CLAVIGER_MAIL_TLS=none"),
			"mail.tls: none is only allowed for a mail server at a loopback address",
		},
		{
			"a name for the mail server without a password", env("CLAVIGER_MAIL_USERNAME=x"),
			"mail.username and mail.password: set both",
		},
		{
			"a certificate without its key", env("CLAVIGER_SERVER_TLS_CERT=x"),
			"server.tls.cert and server.tls.key: set both",
		},
		{
			"TLS at a base URL without",
			env("CLAVIGER_SERVER_TLS_CERT=x", "CLAVIGER_SERVER_TLS_KEY=y", "CLAVIGER_SERVER_BASE_URL=http://x"),
			"must begin with https://",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.load()
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), never) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
		})
	}
}

func TestWhatIsRightIsTaken(t *testing.T) {
	cases := []struct {
		name string
		machine
		want func(*config.Config)
	}{
		{"an empty file", machine{files: map[string]string{"claviger.yaml": ""}}, func(*config.Config) {}},
		{
			"a file of comments",
			machine{files: map[string]string{"claviger.yaml": "# server:\n"}},
			func(*config.Config) {},
		},
		{
			"a section whose settings are comments",
			machine{files: map[string]string{"claviger.yaml": "server:\n  # listen: x\n"}},
			func(*config.Config) {},
		},
		{"a file that all can read, without a secret", machine{
			files: map[string]string{"claviger.yaml": "data: x\ndatabase:\n  url_file: url\n", "url": "u"},
			modes: map[string]fs.FileMode{"claviger.yaml": 0o644},
		}, func(c *config.Config) { c.Data, c.Database.URL = "x", credential.NewSecret("u") }},
		{
			"a base URL with a slash at the end",
			machine{flags: map[string]string{"base-url": "http://x:1/"}},
			func(c *config.Config) { c.Server.BaseURL = "http://x:1" },
		},
		{"variables that Kubernetes and Docker set", machine{env: []string{
			"CLAVIGER_SERVICE_HOST=10.0.0.1", "CLAVIGER_SERVICE_PORT=80", "CLAVIGER_SERVICE_PORT_HTTP=80",
			"CLAVIGER_PORT=tcp://10.0.0.1:80",
			"CLAVIGER_PORT_80_TCP=tcp://10.0.0.1:80", "CLAVIGER_PORT_80_TCP_PROTO=tcp", "CLAVIGER_PORT_80_TCP_PORT=80",
			"CLAVIGER_PORT_80_TCP_ADDR=10.0.0.1",
			"CLAVIGER_DB_SERVICE_HOST=10.0.0.2", "CLAVIGER_DB_PORT=tcp://10.0.0.2:5432",
		}}, func(*config.Config) {}},
		{
			"variables of others",
			machine{env: []string{"PATH=x", "CLAVIGER_TEST_POSTGRES=x", "claviger_listen=y", "CLAVIGERX=z", "="}},
			func(*config.Config) {},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.load()
			if err != nil {
				t.Fatal(err)
			}
			want := config.Default()
			c.want(&want)
			if diff := cmp.Diff(want, got.Config, revealing); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// secretForms are forms in which editors, shells and container systems store a secret in a file or
// variable.
var secretForms = map[string]string{
	"alone": "a b", "with a line end": "a b\n", "with a line end of Windows": "a b\r\n",
	"with white space around":  " \t\n a b \n\n",
	"behind a byte-order mark": "\ufeffa b\r\n",
}

func TestASecretIsReadTheSameWhereverItStands(t *testing.T) {
	for name, text := range secretForms {
		for _, key := range []string{"root_secret", "database.url", "mail.password"} {
			variable := "CLAVIGER_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
			for form, m := range map[string]machine{
				"a file":     {env: []string{variable + "_FILE=secret"}, files: map[string]string{"secret": text}},
				"a variable": {env: []string{variable + "=" + text}},
			} {
				if key == "mail.password" {
					m.env = append(m.env, "CLAVIGER_MAIL_USERNAME=x")
				}
				got, err := m.load()
				if err != nil {
					t.Errorf("%s %s, in %s: %v", key, name, form, err)
					continue
				}
				for _, secret := range []credential.Secret{got.RootSecret, got.Database.URL, got.Mail.Password} {
					if secret.Reveal() != "a b" && !secret.IsZero() {
						t.Errorf("%s %s, in %s, is %q", key, name, form, secret.Reveal())
					}
				}
			}
		}
	}
}

func TestWhatIsNotOneSecretIsRefusedByTheNameOfItsPlaceAlone(t *testing.T) {
	for text, says := range map[string]string{
		never + "\n" + never: "more than one line", "\xff\xfe" + never: "UTF-16", never + "\x00": "control characters",
		never + "\xff": "not UTF-8", " \n": "it is empty", "\ufeff": "it is empty",
		strings.Repeat(never, 64<<10): "longer than",
	} {
		file := machine{
			env:   []string{"CLAVIGER_ROOT_SECRET_FILE=name-of-file"},
			files: map[string]string{"name-of-file": text},
		}
		_, err := file.load()
		if err == nil || !strings.Contains(err.Error(), "CLAVIGER_ROOT_SECRET_FILE: name-of-file: ") ||
			!strings.Contains(err.Error(), says) || strings.Contains(err.Error(), never) {
			t.Errorf("in a file: %v, want one that says %q", err, says)
		}
		if len(text) > 64<<10 {
			continue
		}
		_, err = machine{env: []string{"CLAVIGER_ROOT_SECRET=" + text}}.load()
		if err == nil || !strings.Contains(err.Error(), "CLAVIGER_ROOT_SECRET: ") || !strings.Contains(err.Error(),
			says) ||
			strings.Contains(err.Error(), never) {
			t.Errorf("in a variable: %v, want one that says %q", err, says)
		}
	}
}

func TestAFileOfASecretIsRefusedWhereOthersCanWriteItAndToldWhereTheyCanRead(t *testing.T) {
	for mode, want := range map[fs.FileMode]string{
		0o400: "", 0o600: "", 0o440: "", 0o640: "", 0o644: "exposed", 0o444: "exposed", 0o604: "exposed",
		0o660: "refused", 0o602: "refused", 0o666: "refused",
	} {
		got, err := machine{
			env:   []string{"CLAVIGER_DATABASE_URL_FILE=url"},
			files: map[string]string{"url": never}, modes: map[string]fs.FileMode{"url": mode},
		}.load()
		outcome := ""
		switch {
		case err != nil && strings.Contains(err.Error(), "chmod 600") && !strings.Contains(err.Error(), never):
			outcome = "refused"
		case err != nil:
			outcome = err.Error()
		case len(got.Exposed) > 0:
			outcome = "exposed"
			if want := (config.ExposedFile{
				Setting: "CLAVIGER_DATABASE_URL_FILE",
				File:    "url",
			}); got.Exposed[0] != want {
				t.Errorf("exposed is %+v, not %+v", got.Exposed[0], want)
			}
		}
		if outcome != want {
			t.Errorf("mode %04o: %q, want %q", mode, outcome, want)
		}
	}
}

func TestAListIsTheSameInEveryForm(t *testing.T) {
	want := "[10.0.0.0/8 192.0.2.1/32 2001:db8::/32 192.0.2.2/32]"
	items := []string{"10.1.2.3/8", "192.0.2.1", "2001:db8::/32", "::ffff:192.0.2.2"}
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
