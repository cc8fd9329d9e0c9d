package config_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/credential"
)

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
		{
			"an upstream without a gateway", file("gateway:\n  upstream: http://127.0.0.1:9001\n"),
			"gateway.listen: give the address of the gateway",
		},
		{
			"a gateway without an upstream", file("gateway:\n  listen: 127.0.0.1:8081\n"),
			"gateway.upstream: give the URL of the protected API",
		},
		{
			"an upstream with a password", file("gateway:\n  upstream: http://a:" + never + "@b\n"),
			"gateway.upstream: give a scheme and a host",
		},
		{
			"an upstream of another scheme", file("gateway:\n  upstream: ftp://b\n"),
			"gateway.upstream: give a scheme and a host",
		},
		{
			"an application with two upstreams",
			file("gateway:\n  upstreams: [a.example.com=http://b, a.example.com=http://c]\n"),
			"gateway.upstreams: give each application and host once",
		},
		{
			"a host without an entry", file("gateway:\n  hosts: a.example.com\n"),
			"gateway.hosts: give host names without a port, each with the name of its entry",
		},
		{
			"a path that is none", file("gateway:\n  session_path: /a/../b\n"),
			"gateway.session_path: give a path",
		},
		{"a body of no size", file("gateway:\n  body_bytes: 0\n"), "gateway.body_bytes: give a number of bytes"},
		{"a gateway at the URL of Claviger", machine{env: []string{
			"CLAVIGER_GATEWAY_LISTEN=127.0.0.1:8081", "CLAVIGER_GATEWAY_UPSTREAM=http://127.0.0.1:9001",
			"CLAVIGER_GATEWAY_BASE_URL=https://Keys.example.com:443",
			"CLAVIGER_SERVER_BASE_URL=https://keys.example.com",
		}}, "gateway.base_url: must differ from server.base_url"},
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
