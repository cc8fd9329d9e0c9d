package cli_test

import (
	"cmp"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/postgres"
	"github.com/claviger-dev/claviger/internal/store/sqlite"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// installation is a data directory and a database for one process at a time.
type installation struct {
	engine testkit.Engine
	data   string
	// url is the URL of PostgreSQL; "" for SQLite.
	url string
	// listen is the address to listen on; "" for a free port of the loopback address.
	listen string
	// env is added to the environment, and before is put before the command.
	env, before []string
	// dir is the working directory of the process.
	dir string
	// program is the program to run; "" for binary.
	program string
}

// newInstallation returns an installation whose data directory does not exist yet.
func newInstallation(t testing.TB, e testkit.Engine) *installation {
	t.Helper()
	s := emptyInstallation(t, e)
	if e == testkit.Postgres {
		s.url = testkit.NewDatabase(t)
	}
	return s
}

// emptyInstallation is newInstallation without a database in PostgreSQL.
func emptyInstallation(t testing.TB, e testkit.Engine) *installation {
	t.Helper()
	must(t, lookAtSources())
	return &installation{engine: e, data: filepath.Join(t.TempDir(), "data"), dir: t.TempDir()}
}

// launch runs claviger with these arguments.
func (s *installation) launch(t testing.TB, args ...string) *process {
	t.Helper()
	return launch(t, s.command(args...))
}

// command returns a command that runs claviger with these arguments and only the environment of the
// installation.
func (s *installation) command(args ...string) *exec.Cmd {
	words := append(append(s.before[:len(s.before):len(s.before)], cmp.Or(s.program, binary)), args...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = s.dir
	// Tests make more changes per minute than people.
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "CLAVIGER_LIMITS_CHANGES_PER_MINUTE=100000",
		"CLAVIGER_LIMITS_ANONYMOUS_PER_MINUTE=100000",
	}
	if s.url != "" {
		cmd.Env = append(cmd.Env, "CLAVIGER_DATABASE_URL="+s.url)
	}
	cmd.Env = append(cmd.Env, s.env...)
	return cmd
}

// devArgs returns the arguments of `claviger dev` with output for programs.
func (s *installation) devArgs(more ...string) []string {
	return append([]string{"dev", "--output", "json", "--listen", cmp.Or(s.listen, "127.0.0.1:0"), "--data", s.data},
		more...)
}

// dev starts `claviger dev`. process.ready returns its output.
func (s *installation) dev(t testing.TB, more ...string) *process {
	t.Helper()
	return s.launch(t, s.devArgs(more...)...)
}

// serveArgs returns the arguments of `claviger serve`.
func (s *installation) serveArgs(more ...string) []string {
	return append([]string{"serve", "--listen", cmp.Or(s.listen, "127.0.0.1:0"), "--data", s.data}, more...)
}

// serve starts `claviger serve`.
func (s *installation) serve(t testing.TB, more ...string) *process {
	t.Helper()
	return s.launch(t, s.serveArgs(more...)...)
}

// withStore opens the store like claviger. No process may run at the same time.
func (s *installation) withStore(t testing.TB, use func(*store.Store)) {
	t.Helper()
	var backend store.Backend
	var err error
	if s.engine == testkit.SQLite {
		backend, err = sqlite.Open(t.Context(), s.databaseFile())
	} else {
		backend, err = postgres.Open(t.Context(), credential.NewSecret(s.url))
	}
	must(t, err)
	opened := store.New(backend, store.Options{Now: time.Now, Rand: rand.Reader})
	if text, err := os.ReadFile(filepath.Join(s.data, "root.key")); err == nil {
		root, err := credential.ParseRoot(string(text))
		must(t, err)
		opened.SetRoot(root)
	}
	defer func() { must(t, opened.Close()) }()
	use(opened)
}

// withDB opens the database without migration or lock, so that a process may run at the same time.
func (s *installation) withDB(t testing.TB, use func(*sql.DB)) {
	t.Helper()
	db := testkit.Database(t, s.url, s.databaseFile())
	db.SetMaxOpenConns(1)
	defer func() { must(t, db.Close()) }()
	use(db)
}

// exec executes a statement in the database.
func (s *installation) exec(t testing.TB, statement string) {
	t.Helper()
	s.withDB(t, func(db *sql.DB) {
		_, err := db.ExecContext(t.Context(), statement)
		must(t, err)
	})
}

func (s *installation) databaseFile() string { return filepath.Join(s.data, "claviger.db") }

// rows returns every row of every table, except the given tables, with texts and bytes unencoded.
func (s *installation) rows(t testing.TB, except ...string) (rows []string) {
	t.Helper()
	tables := `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`
	if s.engine == testkit.Postgres {
		tables = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name`
	}
	s.withDB(t, func(db *sql.DB) {
		var names []string
		eachRow(t, db, tables, func(row []any) { names = append(names, fmt.Sprint(row[0])) })
		for _, name := range names {
			if slices.Contains(except, name) {
				continue
			}
			eachRow(t, db, `SELECT * FROM "`+name+`"`, func(row []any) { rows = append(rows, rowText(name, row)) })
		}
	})
	return rows
}

func rowText(table string, row []any) string {
	text := "table " + table
	for _, v := range row {
		if raw, ok := v.([]byte); ok {
			v = string(raw)
		}
		text += fmt.Sprint("\t", v)
	}
	return text
}

func eachRow(t testing.TB, db *sql.DB, query string, use func([]any)) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	must(t, err)
	columns, err := rows.Columns()
	must(t, err)
	row, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		must(t, rows.Scan(into...))
		use(row)
	}
	must(t, errors.Join(rows.Err(), rows.Close()))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
