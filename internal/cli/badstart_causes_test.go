package cli_test

import (
	"crypto/rand"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/testkit"
)

const (
	urlPassword   = "open/sesame?of@database+%"
	malformedRoot = "a-root-secret-that-is-too-short-by-a-bit"
)

var badStarts = []badStart{
	{
		name: "a file stands where the data directory should be", only: testkit.SQLite, says: "data directory: ",
		arrange: func(t *testing.T, s *installation) func() {
			return inPlaceOf(t, s.data, "no directory")
		},
	},
	{
		name: "the data directory cannot be made", only: testkit.SQLite, says: "data directory: ",
		args: func(s *installation) []string {
			return []string{"dev", "--listen", "127.0.0.1:0", "--data", filepath.Join(s.data, "root.key", "data")}
		},
	},
	{
		name: "another process has the data directory", says: "another claviger is using it",
		arrange: func(t *testing.T, s *installation) func() {
			return withOtherProcess(t, s)
		},
	},
	{name: "the port is in use", says: "address already in use", arrange: func(t *testing.T, s *installation) func() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		s.listen = l.Addr().String()
		return func() { s.listen = ""; must(t, l.Close()) }
	}},
	{name: "the address is none", only: testkit.SQLite, says: "address", args: func(s *installation) []string {
		return []string{"dev", "--listen", "nonsense", "--data", s.data}
	}},

	{
		name: "a file stands where the socket should be", says: "claviger.sock is not a socket",
		arrange: func(t *testing.T, s *installation) func() {
			file := filepath.Join(s.data, "claviger.sock")
			must(t, os.WriteFile(file, []byte("somebody's own"), 0o600))
			return func() { must(t, os.Remove(file)) }
		},
	},

	{
		name: "root.key is that of another database", says: "the root secret is not the one",
		arrange: func(t *testing.T, s *installation) func() {
			return inPlaceOf(t, filepath.Join(s.data, "root.key"), otherRoot())
		},
	},
	{
		name: "root.key is malformed", only: testkit.SQLite, says: "root.key: the root secret must be",
		arrange: func(t *testing.T, s *installation) func() {
			return inPlaceOf(t, filepath.Join(s.data, "root.key"), malformedRoot)
		},
	},
	{
		name: "root.key is empty", only: testkit.SQLite, says: "root.key: it is empty",
		arrange: func(t *testing.T, s *installation) func() {
			return inPlaceOf(t, filepath.Join(s.data, "root.key"), "")
		},
	},
	{
		name: "the root secret of the environment is that of another database", says: "the root secret is not the one",
		arrange: func(_ *testing.T, s *installation) func() {
			return s.with("CLAVIGER_ROOT_SECRET=" + otherRoot())
		},
	},
	{
		name: "the root secret of the environment is malformed", only: testkit.SQLite, says: "the root secret must be",
		arrange: func(_ *testing.T, s *installation) func() {
			return s.with("CLAVIGER_ROOT_SECRET=" + malformedRoot)
		},
	},
	{
		name: "the file of the root secret is not there", only: testkit.SQLite, says: "CLAVIGER_ROOT_SECRET_FILE: ",
		arrange: func(_ *testing.T, s *installation) func() {
			return s.with("CLAVIGER_ROOT_SECRET_FILE=" + filepath.Join(s.dir, "none"))
		},
	},
	{
		name: "the root secret is given twice", only: testkit.SQLite,
		says: "CLAVIGER_ROOT_SECRET and CLAVIGER_ROOT_SECRET_FILE are both set",
		arrange: func(_ *testing.T, s *installation) func() {
			return s.with("CLAVIGER_ROOT_SECRET="+malformedRoot,
				"CLAVIGER_ROOT_SECRET_FILE="+filepath.Join(s.data, "root.key"))
		},
	},
	{
		name: "the root secret is set but empty", only: testkit.SQLite, says: "CLAVIGER_ROOT_SECRET is set but empty",
		arrange: func(_ *testing.T, s *installation) func() {
			return s.with("CLAVIGER_ROOT_SECRET=")
		},
	},

	{
		name: "dev.json is of another database", says: "dev.json is of another database",
		arrange: func(t *testing.T, s *installation) func() {
			file := filepath.Join(s.data, "dev.json")
			text, err := os.ReadFile(file)
			must(t, err)
			return inPlaceOf(t, file,
				regexp.MustCompile(`"ten_[0-9a-z]{16}"`).ReplaceAllString(string(text), `"ten_0000000000000000"`))
		},
	},

	{
		name: "the database is of a newer version", says: "newer than this program's",
		arrange: func(t *testing.T, s *installation) func() {
			s.exec(t, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`)
			return func() { s.exec(t, `DELETE FROM goose_db_version WHERE version_id = 9999`) }
		},
	},
	{
		name: "a table of the database is gone", says: "applications",
		arrange: func(t *testing.T, s *installation) func() {
			s.exec(t, `ALTER TABLE applications RENAME TO applications_away`) // no job reads it
			return func() { s.exec(t, `ALTER TABLE applications_away RENAME TO applications`) }
		},
	},
	{
		name: "the database file is none", only: testkit.SQLite, says: "not a database",
		arrange: func(t *testing.T, s *installation) func() {
			return inPlaceOf(t, s.databaseFile(),
				"This is not a database. It is longer than the header of a database, "+
					"which has a hundred bytes, so that SQLite reads it.")
		},
	},
	{
		name: "the database file is a directory", only: testkit.SQLite, says: "claviger.db",
		arrange: func(t *testing.T, s *installation) func() {
			mend := inPlaceOf(t, s.databaseFile(), "")
			must(t, os.Remove(s.databaseFile()))
			must(t, os.Mkdir(s.databaseFile(), 0o700))
			return mend
		},
	},
	{name: "dev.json is no JSON", says: "dev.json", arrange: func(t *testing.T, s *installation) func() {
		return inPlaceOf(t, filepath.Join(s.data, "dev.json"), `{"url":`)
	}},

	{
		name: "the database is named twice", only: testkit.SQLite,
		says: "CLAVIGER_DATABASE_URL and CLAVIGER_DATABASE_URL_FILE are both set",
		arrange: func(_ *testing.T, s *installation) func() {
			return s.with("CLAVIGER_DATABASE_URL=postgres://u:"+url.QueryEscape(urlPassword)+"@127.0.0.1/x",
				"CLAVIGER_DATABASE_URL_FILE="+filepath.Join(s.dir, "none"))
		},
	},
	{
		name: "the database is set but empty", only: testkit.SQLite, says: "CLAVIGER_DATABASE_URL is set but empty",
		arrange: func(_ *testing.T, s *installation) func() {
			return s.with("CLAVIGER_DATABASE_URL=")
		},
	},
	{
		name: "PostgreSQL is not there", only: testkit.SQLite, says: "PostgreSQL cannot be reached",
		arrange: func(_ *testing.T, s *installation) func() {
			return s.with("CLAVIGER_DATABASE_URL=postgres://u:" + url.QueryEscape(urlPassword) + "@127.0.0.1:1/x")
		},
	},
	{
		name: "the URL of PostgreSQL is malformed", only: testkit.SQLite, says: "the database URL cannot be read",
		arrange: func(_ *testing.T, s *installation) func() {
			return s.with("CLAVIGER_DATABASE_URL=postgres://u:" + url.QueryEscape(urlPassword) +
				"@127.0.0.1:nonsense/x")
		},
	},
	{
		name: "the URL of PostgreSQL is malformed by its password", only: testkit.SQLite,
		says: "the database URL cannot be read", arrange: func(_ *testing.T, s *installation) func() {
			return s.with("CLAVIGER_DATABASE_URL=postgres://u:" + urlPassword + "@127.0.0.1:1/x")
		},
	},
	{
		name: "PostgreSQL has no such database", only: testkit.Postgres, says: "does not exist",
		arrange: func(t *testing.T, s *installation) func() {
			u, err := url.Parse(s.url)
			must(t, err)
			u.User, u.Path = url.UserPassword(u.User.Username(), urlPassword), "/no_such_database"
			return s.with("CLAVIGER_DATABASE_URL=" + u.String())
		},
	},
	{
		name: "another node's root secret is missing", only: testkit.Postgres, says: "the root secret is missing",
		args: func(s *installation) []string {
			return []string{"dev", "--listen", "127.0.0.1:0", "--data", filepath.Join(s.dir, "other")}
		},
	},

	{
		name: "a flag is unknown", only: testkit.SQLite, usage: true, says: "unknown flag: --nonsense",
		args: func(s *installation) []string { return s.devArgs("--nonsense") },
	},
	{
		name: "a flag has no number", only: testkit.SQLite, usage: true, says: "--sample-keys",
		args: func(s *installation) []string { return s.devArgs("--sample-keys", "many", "--sample-file", "keys") },
	},
	{
		name: "a number is negative", only: testkit.SQLite, usage: true, says: "--sample-keys: give 0 or more",
		args: func(s *installation) []string { return s.devArgs("--sample-keys", "-1", "--sample-file", "keys") },
	},
	{
		name: "an argument is left over", only: testkit.SQLite, usage: true,
		says: `unexpected argument "extra": this command takes flags`,
		args: func(s *installation) []string { return s.devArgs("extra") },
	},
	{
		name: "a command is unknown", only: testkit.SQLite, usage: true, says: `unknown command "nonsense"`,
		args: func(*installation) []string { return []string{"nonsense"} },
	},
	{
		name: "a command is mistyped", only: testkit.SQLite, usage: true, says: `unknown command "dve"`,
		args: func(*installation) []string { return []string{"dve"} },
	},
	{
		name: "a sub-command is mistyped", only: testkit.SQLite, usage: true, says: `unknown command "statu"`,
		args: func(*installation) []string { return []string{"migrate", "statu"} },
	},
	{
		name: "a sub-command is missing", only: testkit.SQLite, says: "needs a subcommand: status, up or finish",
		args: func(*installation) []string { return []string{"migrate"} },
	},
	{
		name: "sample keys have no file", only: testkit.SQLite, usage: true,
		says: "give --sample-keys and --sample-file together",
		args: func(s *installation) []string { return s.devArgs("--sample-keys", "1") },
	},
	{
		name: "a sample file has no keys", only: testkit.SQLite, usage: true,
		says: "give --sample-keys and --sample-file together",
		args: func(s *installation) []string { return s.devArgs("--sample-file", "keys") },
	},
	{name: "the sample file cannot be written", says: "sample keys: ", args: func(s *installation) []string {
		return s.devArgs("--sample-keys", "1", "--sample-file", filepath.Join(s.dir, "none", "keys"))
	}},
	{
		name: "the database is of a newer version, in production", says: "newer than this program's",
		args: (*installation).serving, arrange: func(t *testing.T, s *installation) func() {
			s.exec(t, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`)
			return func() { s.exec(t, `DELETE FROM goose_db_version WHERE version_id = 9999`) }
		},
	},
	{
		name: "a flag is mistyped", only: testkit.SQLite, usage: true,
		says: "unknown flag: --lisen: did you mean --listen?",
		args: func(s *installation) []string { return s.serveArgs("--lisen", "x") },
	},
	{
		name: "a secret is an argument", only: testkit.SQLite, usage: true,
		says: "unknown flag: --root-secret: did you mean --root-secret-file?", args: func(s *installation) []string {
			return s.serveArgs("--root-secret", malformedRoot)
		},
	},
	{
		name: "a variable is mistyped", only: testkit.SQLite,
		says: "CLAVIGER_LISTEN: unknown setting: did you mean CLAVIGER_SERVER_LISTEN?", args: (*installation).serving,
		arrange: func(_ *testing.T, s *installation) func() {
			return s.with("CLAVIGER_LISTEN=127.0.0.1:0")
		},
	},
	{
		name: "a variable is mistyped, with sample data", only: testkit.SQLite,
		says: "CLAVIGER_DATABASE_URI: unknown setting: did you mean CLAVIGER_DATABASE_URL?",
		arrange: func(_ *testing.T, s *installation) func() {
			return s.with("CLAVIGER_DATABASE_URI=" + urlPassword)
		},
	},
	{
		name: "the configuration file is not there", only: testkit.SQLite, says: "configuration file: open none.yaml",
		args: func(s *installation) []string { return s.serveArgs("--config", "none.yaml") },
	},
	{
		name: "a name in the configuration file is mistyped", only: testkit.SQLite,
		says: "claviger.yaml:2: server.lsten: unknown setting: did you mean server.listen?",
		args: (*installation).serving,
		arrange: func(t *testing.T, s *installation) func() {
			return s.settings(t, "server:\n  lsten: x\n", 0o644)
		},
	},
	{
		name: "the configuration file has a value of another kind", only: testkit.SQLite,
		says: "claviger.yaml:1: data: expected a single value",
		args: func(*installation) []string { return []string{"serve"} },
		arrange: func(t *testing.T, s *installation) func() {
			return s.settings(t, "data: ["+malformedRoot+"]\n", 0o600)
		},
	},
	{
		name: "others can read a secret in the configuration file", only: testkit.SQLite,
		says: "claviger.yaml:1: root_secret: other users can read the secret in this file",
		args: (*installation).serving,
		arrange: func(t *testing.T, s *installation) func() {
			return s.settings(t, "root_secret: "+malformedRoot+"\n", 0o640)
		},
	},
	{
		name: "sample data is to go where a configuration file says", only: testkit.SQLite,
		says: "CLAVIGER_CONFIG: this command reads no configuration file",
		arrange: func(_ *testing.T, s *installation) func() {
			return s.with("CLAVIGER_CONFIG=claviger.yaml")
		},
	},
	{
		name: "the certificate is not there", only: testkit.SQLite, says: "server.tls: open none.pem",
		args: func(s *installation) []string { return s.serveArgs("--tls-cert", "none.pem", "--tls-key", "none.key") },
	},
	{
		name: "the certificate is none", only: testkit.SQLite, says: "server.tls: tls: failed to find any PEM data",
		args: func(s *installation) []string {
			return s.serveArgs("--tls-cert", filepath.Join(s.data, "dev.json"), "--tls-key",
				filepath.Join(s.data, "dev.json"))
		},
	},
	{
		name: "the certificate has no key", only: testkit.SQLite,
		says: "server.tls.cert and server.tls.key: set both",
		args: func(s *installation) []string { return s.serveArgs("--tls-cert", "none.pem") },
	},
	{
		name: "the output is unknown", only: testkit.SQLite, usage: true, says: "--output: give text or json",
		args: func(s *installation) []string { return s.devArgs("--output", "xml") },
	},
}

// inPlaceOf replaces a path by a file, and returns a function that restores the path.
func inPlaceOf(t testing.TB, path, content string) (restore func()) {
	t.Helper()
	away := filepath.Join(t.TempDir(), "away")
	must(t, os.Rename(path, away))
	must(t, os.WriteFile(path, []byte(content), 0o600))
	return func() {
		must(t, os.RemoveAll(path))
		must(t, os.Rename(away, path))
	}
}

// serving are the arguments of a valid `claviger serve`.
func (s *installation) serving() []string { return s.serveArgs() }

// settings creates a configuration file, and returns a function that removes it.
func (s *installation) settings(t testing.TB, text string, mode fs.FileMode) (restore func()) {
	t.Helper()
	file := filepath.Join(s.dir, "claviger.yaml")
	must(t, os.WriteFile(file, []byte(text), mode))
	return func() { must(t, os.Remove(file)) }
}

// withOtherProcess runs another process on the installation. The returned function requires that
// the process was not disturbed, and stops it.
func withOtherProcess(t testing.TB, s *installation) (restore func()) {
	t.Helper()
	p := s.dev(t)
	line := p.ready()
	return func() {
		requireWorking(t, line)
		p.term()
	}
}

// with sets environment variables, and returns a function that removes them.
func (s *installation) with(variables ...string) (restore func()) {
	s.env = variables
	return func() { s.env = nil }
}

func otherRoot() string { return credential.NewRoot(rand.Reader).Text().Reveal() }
