// Package testkit starts a complete Claviger on a free port with a database of its own, for tests
// that use it as clients do.
//
// A test runs on one engine, or on both where they may differ: SQLite with a real file, and
// PostgreSQL with a database of its own on a real server. The address of that server is in
// CLAVIGER_TEST_POSTGRES; `make test` sets it. Without it, tests on PostgreSQL fail; none is
// skipped.
//
// The files:
//
//	engine.go       Engine and its databases
//	server.go       Server: a running node, with fixtures for people, tenants and keys
//	nodes.go        TwoNodes on one database, DatabaseLink between a node and its database
//	clock.go        Clock, which tests move
//	mailserver.go   MailServer; mailbox.go reads what a server sends
//	expect.go       assertions
//	request.go      requests as they are written, without package client
//	sql.go          statements beside the server
//	others          fixtures of one subject, such as invitations and restores
package testkit

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/store/postgres"
	"github.com/claviger-dev/claviger/internal/store/sqlite"
)

// Engine is a database engine.
type Engine string

// The engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// Engines returns all engines.
func Engines() []Engine { return []Engine{SQLite, Postgres} }

// OnEachEngine runs the test on each engine, on both in parallel.
func OnEachEngine(t *testing.T, test func(t *testing.T, e Engine)) {
	t.Helper()
	for _, e := range Engines() {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// Config returns settings with a new database and data directory. Both are removed after the test.
func (e Engine) Config(t testing.TB) config.Config {
	t.Helper()
	c := config.Default()
	c.Server.Listen, c.Server.MetricsListen = "127.0.0.1:0", "127.0.0.1:0"
	c.Data = t.TempDir()
	if err := os.Chmod(c.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	c.Limits.ChangesPerMinute = 100_000 // tests change more than people do
	c.Limits.AnonymousPerMinute = 100_000
	if e == Postgres {
		c.Database.URL = credential.NewSecret(MigratedDatabase(t))
		return c
	}
	if err := os.WriteFile(filepath.Join(c.Data, "claviger.db"), migrated(), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// MigratedFile creates an empty SQLite database with all migrations and returns its path. It is
// removed after the test.
func MigratedFile(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "claviger.db")
	if err := os.WriteFile(file, migrated(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// migrated returns the content of an empty SQLite database with all migrations. It is made once per
// process. Under the race detector that takes a second: goose needs four megabytes for each line of
// a migration, of which the detector clears its own record, too.
var migrated = sync.OnceValue(func() []byte {
	dir, err := os.MkdirTemp("", "claviger-testkit-")
	must(err)
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "claviger.db")
	backend, err := sqlite.Open(context.Background(), file)
	must(err)
	must(backend.Close())
	content, err := os.ReadFile(file)
	must(err)
	return content
})

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// NewDatabase creates an empty PostgreSQL database and returns its URL. The database is dropped
// after the test.
func NewDatabase(t testing.TB) string {
	t.Helper()
	return CopyDatabase(t, "template0")
}

// CopyDatabase creates a copy of the PostgreSQL database of the name and returns its URL. The copy
// is dropped after the test.
func CopyDatabase(t testing.TB, template string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	OnServer(t, "CREATE DATABASE "+name+" TEMPLATE "+template)
	t.Cleanup(func() { OnServer(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return databaseURL(t, name)
}

// NewTemplate creates an empty PostgreSQL database to make copies of, and returns its name and URL.
// It ends with the server of the tests.
func NewTemplate(t testing.TB) (name, address string) {
	t.Helper()
	name = "template_" + strings.ToLower(rand.Text())
	OnServer(t, "CREATE DATABASE "+name)
	return name, databaseURL(t, name)
}

// databaseURL returns the URL of a database on the server of the tests.
func databaseURL(t testing.TB, name string) string {
	t.Helper()
	address, err := url.Parse(server(t))
	if err != nil {
		t.Fatal("CLAVIGER_TEST_POSTGRES is not a URL")
	}
	address.Path = "/" + name
	return address.String()
}

// MigratedDatabase creates an empty PostgreSQL database with all migrations and returns its URL.
// The database is dropped after the test.
func MigratedDatabase(t testing.TB) string {
	t.Helper()
	return CopyDatabase(t, template(t))
}

var (
	templateOnce sync.Once
	templateName string
)

// template returns the name of a migrated database. It is migrated once per process: copying it
// takes a tenth of the time.
func template(t testing.TB) string {
	t.Helper()
	templateOnce.Do(func() {
		name, address := NewTemplate(t)
		backend, err := postgres.Open(t.Context(), credential.NewSecret(address))
		if err == nil {
			err = backend.Close()
		}
		if err != nil {
			t.Fatalf("template of PostgreSQL databases: %v", err)
		}
		templateName = name
	})
	if templateName == "" {
		t.Fatal("no template of PostgreSQL databases: see the first test that failed")
	}
	return templateName
}

// server returns the URL of the PostgreSQL server of the tests.
func server(t testing.TB) string {
	t.Helper()
	address := os.Getenv("CLAVIGER_TEST_POSTGRES")
	if address == "" {
		t.Fatal("no PostgreSQL to test on: run `make test`, or `scripts/with-postgres go test …`")
	}
	return address
}

// OnServer runs a statement on the PostgreSQL server, in a database of no test.
func OnServer(t testing.TB, statement string, args ...any) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server(t))
	if err != nil {
		t.Fatalf("PostgreSQL of the tests: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Database opens a second connection to a database: PostgreSQL by its URL, or SQLite by its file if
// the URL is "". It neither migrates nor locks the database, and closes the connection after the
// test.
func Database(t testing.TB, postgresURL, file string) *sql.DB {
	t.Helper()
	driver, source := "pgx", postgresURL // both drivers come with the packages of the store
	if source == "" {
		driver, source = "sqlite",
			(&url.URL{Scheme: "file", Opaque: file, RawQuery: "_pragma=busy_timeout(10000)"}).String()
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// OnEachPairOfEngines runs the test for each pair of an engine to back up and an engine to restore
// to.
func OnEachPairOfEngines(t *testing.T, test func(t *testing.T, from, to Engine)) {
	t.Helper()
	OnEachEngine(t, func(t *testing.T, from Engine) {
		for _, to := range Engines() {
			t.Run("to "+string(to), func(t *testing.T) { test(t, from, to) })
		}
	})
}
