// Package testkit boots the whole of Claviger on a free port with a database of its own, for tests that come in by the public door.
//
// Every test runs on both engines: a real SQLite file, and a database of its own in a real PostgreSQL, whose address `make test` gives
// in CLAVIGER_TEST_POSTGRES. A test that finds no PostgreSQL fails; it does not skip.
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

// Engine is a kind of database.
type Engine string

// The engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// Engines lists them.
func Engines() []Engine { return []Engine{SQLite, Postgres} }

// OnEachEngine runs the test once on either engine, on both at a time.
func OnEachEngine(t *testing.T, test func(t *testing.T, e Engine)) {
	t.Helper()
	for _, e := range Engines() {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// Config gives a set-up with a fresh database and a data directory that go with the test.
func (e Engine) Config(t testing.TB) config.Config {
	t.Helper()
	c := config.Default()
	c.Server.Listen, c.Server.MetricsListen = "127.0.0.1:0", "127.0.0.1:0"
	c.Data = t.TempDir()
	c.Limits.ChangesPerMinute = 100_000 // tests change more than people do
	if e == Postgres {
		c.Database.URL = credential.NewSecret(MigratedDatabase(t))
		return c
	}
	if err := os.WriteFile(filepath.Join(c.Data, "claviger.db"), migrated(), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// migrated is a SQLite database with every migration and nothing else, made once: under the race detector that takes a good part of a short test.
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

// NewDatabase makes an empty PostgreSQL database that is dropped with the test, and returns its URL.
func NewDatabase(t testing.TB) string {
	t.Helper()
	return newDatabase(t, "template0")
}

// newDatabase makes a copy of the template.
func newDatabase(t testing.TB, template string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	OnServer(t, "CREATE DATABASE "+name+" TEMPLATE "+template)
	t.Cleanup(func() { OnServer(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return databaseURL(t, name)
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

// MigratedDatabase makes a PostgreSQL database with every migration and nothing else, which is dropped
// with the test, and returns its URL.
func MigratedDatabase(t testing.TB) string {
	t.Helper()
	return newDatabase(t, template(t))
}

var (
	templateOnce sync.Once
	templateName string
)

// template migrates a database once for all tests of the process: copying it takes a tenth of the time.
func template(t testing.TB) string {
	t.Helper()
	templateOnce.Do(func() {
		name := "template_" + strings.ToLower(rand.Text()) // it goes with the server of the tests
		OnServer(t, "CREATE DATABASE "+name)
		backend, err := postgres.Open(t.Context(), credential.NewSecret(databaseURL(t, name)))
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

// server is the URL of the PostgreSQL to test on.
func server(t testing.TB) string {
	t.Helper()
	address := os.Getenv("CLAVIGER_TEST_POSTGRES")
	if address == "" {
		t.Fatal("no PostgreSQL to test on: run `make test`, or `scripts/with-postgres go test …`")
	}
	return address
}

// OnServer runs a statement on the PostgreSQL server, in a database that belongs to no test.
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

// Database opens a database beside whoever has it open: PostgreSQL by its URL, or SQLite by its file where there is none. It is neither migrated nor locked,
// and is closed with the test.
func Database(t testing.TB, postgresURL, file string) *sql.DB {
	t.Helper()
	driver, source := "pgx", postgresURL // both drivers come with the packages of the store
	if source == "" {
		driver, source = "sqlite", (&url.URL{Scheme: "file", Opaque: file, RawQuery: "_pragma=busy_timeout(10000)"}).String()
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
