package postgres_test

import (
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/postgres"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// raw connects past the store.
func raw(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, text string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func shut(t *testing.T, b store.Backend) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// refused fails the test where the URL opens, or where the error does not say why.
func refused(t *testing.T, url, why string) {
	t.Helper()
	b, err := postgres.Open(t.Context(), credential.NewSecret(url))
	if err == nil {
		shut(t, b)
		t.Errorf("opened, although: %s", why)
		return
	}
	if !strings.Contains(err.Error(), why) {
		t.Errorf("Open says %q, want %q in it", err, why)
	}
}

// versions gives what goose has noted, and the tables.
func versions(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT CAST(goose_db_version AS TEXT) FROM goose_db_version UNION ALL SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAConnectionIsSetWhateverTheServersDefaults(t *testing.T) {
	address := testkit.NewDatabase(t)
	conn := raw(t, address)
	for _, setting := range []string{"synchronous_commit = off", "default_transaction_isolation = 'serializable'", "statement_timeout = 0"} {
		exec(t, conn, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET `+strings.ReplaceAll(setting, "'", "''")+`', current_database()); END $$`)
	}
	b := open(t, address)
	defer shut(t, b)
	for setting, want := range map[string]string{"synchronous_commit": "on", "transaction_isolation": "read committed", "statement_timeout": "15s"} {
		var got string
		if err := b.Write.QueryRowContext(t.Context(), `SHOW `+setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, want %s (%v)", setting, got, want, err)
		}
	}
}

func TestANewerDatabaseIsRefusedUntouched(t *testing.T) {
	url := testkit.NewDatabase(t)
	shut(t, open(t, url))
	conn := raw(t, url)
	exec(t, conn, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, TRUE)`)
	exec(t, conn, `CREATE TABLE of_the_future (a TEXT)`)
	before := versions(t, conn)
	refused(t, url, "has version 99999, newer than this program's")
	refused(t, url, "has version 99999, newer than this program's")
	if !slices.Equal(versions(t, conn), before) {
		t.Error("the newer database was changed")
	}
}

func TestNodesThatOpenANewDatabaseAtOnceMigrateItOnce(t *testing.T) {
	url := testkit.NewDatabase(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			b, err := postgres.Open(t.Context(), credential.NewSecret(url))
			if err != nil {
				t.Error(err)
				return
			}
			shut(t, b)
		})
	}
	all.Wait()
	conn := raw(t, url)
	var twice, locks int
	err := conn.QueryRow(t.Context(), `SELECT COUNT(*) - COUNT(DISTINCT version_id) FROM goose_db_version`).Scan(&twice)
	if err != nil || twice != 0 {
		t.Errorf("%d migrations ran twice (%v)", twice, err)
	}
	err = conn.QueryRow(t.Context(), `SELECT COUNT(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE l.locktype = 'advisory' AND d.datname = current_database()`).Scan(&locks)
	if err != nil || locks != 0 {
		t.Errorf("%d locks are left: the next node would wait (%v)", locks, err)
	}
}

func TestAURLThatDoesNotOpenNeverShowsItsPassword(t *testing.T) {
	const password = "hunter2-and-more"
	good := testkit.NewDatabase(t)
	with := func(change func(*url.URL)) string {
		u, err := url.Parse(good)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("postgres", password)
		change(u)
		return u.String()
	}
	for how, url := range map[string]string{
		"a wrong host":       with(func(u *url.URL) { u.Host = "host.invalid:5432" }),
		"a wrong port":       with(func(u *url.URL) { u.Host = "127.0.0.1:1" }),
		"a port of letters":  strings.Replace(with(func(*url.URL) {}), "127.0.0.1:", "127.0.0.1:x", 1),
		"a wrong database":   with(func(u *url.URL) { u.Path = "/nowhere" }),
		"a wrong user":       with(func(u *url.URL) { u.User = url.UserPassword("nobody", password) }),
		"TLS where is none":  with(func(u *url.URL) { u.RawQuery = "sslmode=require" }),
		"a wrong setting":    with(func(u *url.URL) { u.RawQuery = "sslmode=nonsense" }),
		"a wrong parameter":  with(func(u *url.URL) { u.RawQuery += "&no_such_setting=1" }),
		"a wrong pool":       with(func(u *url.URL) { u.RawQuery += "&pool_max_conns=many" }),
		"a wrong scheme":     with(func(u *url.URL) { u.Scheme = "mysql" }),
		"a bad escape":       "postgres://postgres:" + password + "%zz@127.0.0.1/claviger",
		"a space in it":      "postgres://postgres:" + password + " @127.0.0.1/claviger",
		"key and value":      "host=127.0.0.1 port=x user=postgres password=" + password,
		"the password alone": password,
		"password in query":  "postgres://127.0.0.1:1/claviger?password=" + password,
	} {
		b, err := postgres.Open(t.Context(), credential.NewSecret(url))
		if err == nil {
			shut(t, b)
			t.Errorf("%s: it opened", how)
			continue
		}
		for ; err != nil; err = unwrapped(err) {
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: the error shows the password: %v", how, err)
			}
		}
	}
}

func unwrapped(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return nil
}

func TestTheSchemaIsToldAndNothingChanged(t *testing.T) {
	url := testkit.NewDatabase(t)
	demandSchema := func(when string, version func(known int64) int64) {
		t.Helper()
		s, err := postgres.Schema(t.Context(), credential.NewSecret(url))
		if err != nil || s.Known < 2 || s.Version != version(s.Known) {
			t.Errorf("%s: %+v, %v", when, s, err)
		}
	}
	conn := raw(t, url)
	demandSchema("in an empty database", func(int64) int64 { return 0 })
	exec(t, conn, `CREATE TABLE goose_db_version (a TEXT)`) // nobody has made it meanwhile
	exec(t, conn, `DROP TABLE goose_db_version`)
	b := open(t, url)
	demandSchema("while a node has it", func(known int64) int64 { return known })
	exec(t, conn, `DELETE FROM goose_db_version WHERE version_id > 1`)
	demandSchema("at the first version", func(int64) int64 { return 1 })
	shut(t, b)
}
