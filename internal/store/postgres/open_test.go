package postgres_test

import (
	"context"
	"database/sql"
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

// raw connects outside of the store.
func raw(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, text string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func closeBackend(t *testing.T, b store.Backend) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// refused fails the test if the URL opens, or if the error does not say why not.
func refused(t *testing.T, url, why string) {
	t.Helper()
	b, err := postgres.Open(t.Context(), credential.NewSecret(url))
	if err == nil {
		closeBackend(t, b)
		t.Errorf("opened, although: %s", why)
		return
	}
	if !strings.Contains(err.Error(), why) {
		t.Errorf("Open says %q, want %q in it", err, why)
	}
}

// versions returns goose's records and the names of the tables.
func versions(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(),
		`SELECT CAST(goose_db_version AS TEXT) FROM goose_db_version UNION ALL SELECT tablename FROM pg_tables
			WHERE schemaname = 'public' ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// bounded returns the settings of the sessions of each pool, where the pools differ.
func bounded(b store.Backend) map[*sql.DB]map[string]string {
	all := map[*sql.DB]map[string]string{
		b.Verify:  {"statement_timeout": "5s", "lock_timeout": "4s", "idle_in_transaction_session_timeout": "4s"},
		b.Control: {"statement_timeout": "5s", "lock_timeout": "4s", "idle_in_transaction_session_timeout": "4s"},
		b.Read:    {"statement_timeout": "15s", "lock_timeout": "8s", "idle_in_transaction_session_timeout": "4s"},
		b.Write:   {"statement_timeout": "9s", "lock_timeout": "8s", "idle_in_transaction_session_timeout": "4s"},
		b.Maintenance: {
			"statement_timeout": "12h", "lock_timeout": "8s",
			"idle_in_transaction_session_timeout": "5min",
		},
	}
	for db, settings := range all {
		settings["synchronous_commit"] = "on"
		settings["transaction_isolation"] = "read committed"
		settings["transaction_read_only"] = "off"
		settings["tcp_user_timeout"], settings["tcp_keepalives_idle"] = "10000", "5"
		if db == b.Maintenance {
			settings["tcp_user_timeout"] = "300000"
		}
	}
	return all
}

func demandBounds(t *testing.T, when string, b store.Backend) {
	t.Helper()
	for db, settings := range bounded(b) {
		for setting, want := range settings {
			var got string
			if err := db.QueryRowContext(t.Context(), `SHOW `+setting).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %s is %s, want %s (%v)", when, setting, got, want, err)
			}
		}
	}
}

// unlike sets every default of the database to a value that Claviger does not rely on.
func unlike(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for _, setting := range []string{
		"synchronous_commit = off", "default_transaction_isolation = 'serializable'",
		"default_transaction_read_only = on", "statement_timeout = 0",
		"lock_timeout = 0", "idle_in_transaction_session_timeout = 0", "tcp_user_timeout = 0",
		"tcp_keepalives_idle = 0",
	} {
		exec(t, conn,
			`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET `+strings.ReplaceAll(setting, "'",
				"''")+`', current_database()); END $$`)
	}
}

func TestASessionIsSetAndBoundedWhateverTheServersDefaults(t *testing.T) {
	address := testkit.NewDatabase(t)
	unlike(t, raw(t, address))
	b := open(t, address)
	defer closeBackend(t, b)
	demandBounds(t, "at first", b)
}

func TestASessionThatWasResetIsSetAgainBeforeItsNextChange(t *testing.T) {
	address := testkit.NewDatabase(t)
	unlike(t, raw(t, address))
	b := open(t, address)
	defer closeBackend(t, b)
	for _, db := range []*sql.DB{b.Write, b.Maintenance} {
		if _, err := db.ExecContext(t.Context(), `RESET ALL`); err != nil {
			t.Fatal(err)
		}
	}
	demandBounds(t, "after RESET ALL", b)
}

func TestNoSettingIsLeftToTheStartOfAConnection(t *testing.T) {
	pooler := &pooler{}
	b := open(t, testkit.DatabaseProxy(t, testkit.NewDatabase(t), pooler.serve))
	defer closeBackend(t, b)
	demandBounds(t, "behind a pooler", b)
	if seen := pooler.parameters(); len(seen) == 0 {
		t.Error("nobody came through the pooler")
	} else {
		for _, name := range seen {
			if !slices.Contains([]string{"user", "database", "application_name", "client_encoding"}, name) {
				t.Errorf("a connection begins with the parameter %s, which poolers refuse", name)
			}
		}
	}
}

func TestANewerDatabaseIsRefusedUntouched(t *testing.T) {
	url := testkit.NewDatabase(t)
	closeBackend(t, open(t, url))
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
			closeBackend(t, b)
		})
	}
	all.Wait()
	conn := raw(t, url)
	var twice, locks int
	err := conn.QueryRow(t.Context(), `SELECT COUNT(*) - COUNT(DISTINCT version_id) FROM goose_db_version`).Scan(&twice)
	if err != nil || twice != 0 {
		t.Errorf("%d migrations ran twice (%v)", twice, err)
	}
	err = conn.QueryRow(t.Context(),
		`SELECT COUNT(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE l.locktype = 'advisory'
			AND d.datname = current_database()`).Scan(&locks)
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
		"an @ and a / in it": "postgres://postgres:x@" + password + "/more@127.0.0.1:1/claviger",
		"an @ and a # in it": "postgres://postgres:x@" + password + "#more@127.0.0.1:1/claviger",
		"a bad escape":       "postgres://postgres:" + password + "%zz@127.0.0.1/claviger",
		"a space in it":      "postgres://postgres:" + password + " @127.0.0.1/claviger",
		"key and value":      "host=127.0.0.1 port=x user=postgres password=" + password,
		"the password alone": password,
		"password in query":  "postgres://127.0.0.1:1/claviger?password=" + password,
	} {
		b, err := postgres.Open(t.Context(), credential.NewSecret(url))
		if err == nil {
			closeBackend(t, b)
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
	exec(t, conn, `CREATE TABLE goose_db_version (a TEXT)`) // nobody created it meanwhile
	exec(t, conn, `DROP TABLE goose_db_version`)
	b := open(t, url)
	demandSchema("while a node has it", func(known int64) int64 { return known })
	exec(t, conn, `DELETE FROM goose_db_version WHERE version_id > 1`)
	demandSchema("at the first version", func(int64) int64 { return 1 })
	closeBackend(t, b)
}
