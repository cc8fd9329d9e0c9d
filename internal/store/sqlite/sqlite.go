// Package sqlite opens the embedded database: one file, one writer, many readers.
//
// SQLite's pragmas belong to a connection. The data source name therefore sets all of them, and
// [Open] checks them. In WAL mode readers continue while the writer commits; with synchronous FULL
// an acknowledged commit survives a power cut.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/claviger-dev/claviger/internal/store"
)

//go:embed migrations/*.sql expansions/*.sql
var migrations embed.FS

// Open opens the file, creates it with mode 0600 if it does not exist, and migrates its schema to
// this version. It refuses a database of a newer version. The caller must hold the lock of the
// directory: SQLite separates the writes of processes, but does not keep their caches consistent.
func Open(ctx context.Context, file string) (store.Backend, error) {
	if err := createPrivate(file); err != nil {
		return store.Backend{}, explain(err, file)
	}
	p := &pools{file: file}
	b := store.Backend{Name: "sqlite", Classify: classify, Pools: p.stats, Close: p.close}
	b.Write = p.open("write", 1, "_txlock=immediate&_pragma="+analysisLimit)
	readers := max(4, runtime.NumCPU())
	b.Verify = p.open("verify", readers, readOnly)
	b.Control = p.open("control", 2, readOnly)
	b.Read = p.open("read", readers, readOnly)
	b.Maintenance = p.open("maintenance", 3, readOnly)
	b.Restore = b.Write
	p.openCheckpoints()
	b.Readers, b.Writers = readers, 1
	b.Snapshot = func(ctx context.Context) (*sql.Tx, error) {
		return b.Maintenance.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	}
	b.Analyze = func(ctx context.Context) error { return analyze(ctx, b.Maintenance, b.Write, p.closeIdle) }
	b.Checkpoint = p.checkpoint
	if p.err != nil {
		return store.Backend{}, errors.Join(p.err, p.close())
	}
	schema, err := prepare(ctx, b)
	if err != nil {
		return store.Backend{}, errors.Join(explain(err, file), b.Close())
	}
	b.Version, b.Known = schema.Version, schema.Known
	return b, nil
}

const readOnly = "_pragma=query_only(1)"

// pools are the open pools of a backend.
type pools struct {
	file  string
	names []string
	sizes []int
	all   []*sql.DB
	// checkpointDB has the connection that moves the WAL into the file.
	checkpointDB *sql.DB
	err          error
}

// open adds a pool. Connections are opened when they are needed.
func (p *pools) open(name string, connections int, extra string) *sql.DB {
	if p.err != nil {
		return nil
	}
	db, err := sql.Open("sqlite", dsn(p.file, extra))
	if err != nil {
		p.err = err
		return nil
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	p.names = append(p.names, name)
	p.sizes = append(p.sizes, connections)
	p.all = append(p.all, db)
	return db
}

// closeIdle closes the idle connections. A connection reads the planner's statistics only when it
// opens the file.
func (p *pools) closeIdle() {
	for i, db := range p.all {
		if p.names[i] == "write" { // it wrote the statistics itself
			continue
		}
		db.SetMaxIdleConns(0)
		db.SetMaxIdleConns(p.sizes[i])
	}
}

func (p *pools) stats() []store.Pool {
	list := make([]store.Pool, len(p.all))
	for i, db := range p.all {
		list[i] = store.PoolOf(p.names[i], db)
	}
	return list
}

func (p *pools) close() error {
	var errs []error
	if p.checkpointDB != nil {
		errs = append(errs, p.checkpointDB.Close())
	}
	for _, db := range slices.Backward(p.all) { // the writer last, because a reader cannot remove the WAL
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}

// pragmas are set on every connection.
var pragmas = []struct{ name, set, want string }{
	{"journal_mode", "WAL", "wal"},
	{"synchronous", "FULL", "2"},
	{"foreign_keys", "1", "1"},
	{"busy_timeout", "5000", "5000"},
	{"secure_delete", "1", "1"}, // deleted and overwritten data is replaced by zeros
}

func dsn(file, extra string) string {
	q := extra
	for _, p := range pragmas {
		q += "&_pragma=" + p.name + "(" + p.set + ")"
	}
	return fileURL(file, q)
}

func fileURL(file, query string) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath(), RawQuery: query}).String()
}

func fileExists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

func createPrivate(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

// prepare migrates the database completely: only this process uses it.
func prepare(ctx context.Context, b store.Backend) (s store.Schema, err error) {
	if err := checkPragmas(ctx, b.Write); err != nil {
		return s, err
	}
	s, err = newMigrations(b.Write, migrations).Up(ctx, true)
	if err != nil {
		return s, err
	}
	return s, errors.Join(checkPragmas(ctx, b.Write), checkPragmas(ctx, b.Verify), checkPragmas(ctx, b.Read))
}

func newMigrations(db *sql.DB, files fs.FS) store.Migrations {
	return store.Migrations{
		Dialect: goose.DialectSQLite3, DB: db, Files: files, HasTable: hasTable,
		Contract: withoutForeignKeys,
		Go:       []*goose.Migration{rebuildMigration(files, 17, "migrations/00017_owners.sql")},
	}
}

func hasTable(ctx context.Context, db *sql.DB, name string) (yes bool, err error) {
	err = db.QueryRowContext(ctx, `SELECT COUNT(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = $1`,
		name).Scan(&yes)
	return yes, err
}

// Schema returns the version of the file's schema. It changes nothing, and works while another
// process has the database open.
func Schema(ctx context.Context, file string) (s store.Schema, err error) {
	source := fileURL(file, "mode=ro&_pragma=busy_timeout(5000)")
	switch {
	case !fileExists(file):
		source = ":memory:" // like a file that does not exist yet
	case !fileExists(file + "-wal"):
		// no process has it open; a WAL that we created would stay, perhaps owned by another user
		source = fileURL(file, "immutable=1")
	}
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return s, err
	}
	defer db.Close()
	s, err = newMigrations(db, migrations).Schema(ctx)
	if err != nil {
		return s, explain(err, file)
	}
	return s, nil
}

const (
	// analysisLimit is the number of rows of each index that ANALYZE reads.
	analysisLimit = "analysis_limit(1000)"
	// selectOutdated returns an ANALYZE statement for each table that was never analyzed or whose
	// size changed tenfold since (0x02), including tables that this connection has not queried
	// (0x10000). It runs none of them (0x01), because it would hold the write lock until the last
	// one ends.
	selectOutdated = `PRAGMA optimize = 0x10003`
)

// minAnalyzedRows is the number of rows from which a table is analyzed. Without statistics SQLite
// assumes a large table and uses its indexes. With statistics of a few rows it would read the whole
// table until the next analysis.
const minAnalyzedRows = 10_000

// analyze updates the statistics one table at a time, so that waiting writes run in between.
// Connections read statistics when they open the file, so the idle ones are closed.
func analyze(ctx context.Context, read, write *sql.DB, reopen func()) error {
	statements, err := queryTexts(ctx, write, selectOutdated)
	for _, statement := range statements {
		table := statement[strings.LastIndexByte(statement, '.')+1:] // ANALYZE "main"."keys"
		var rows int
		if err := read.QueryRowContext(ctx,
			fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 FROM %s LIMIT %d)", table,
				minAnalyzedRows)).Scan(&rows); err != nil {
			return err
		}
		if rows < minAnalyzedRows {
			continue
		}
		if _, err := write.ExecContext(ctx, statement); err != nil {
			return err
		}
		reopen()
	}
	return err
}

// queryTexts returns the single column of a query.
func queryTexts(ctx context.Context, db *sql.DB, query string) (all []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
}

// checkPragmas checks that a connection has every pragma.
func checkPragmas(ctx context.Context, db *sql.DB) error {
	for _, p := range pragmas {
		var got string
		if err := db.QueryRowContext(ctx, "PRAGMA "+p.name).Scan(&got); err != nil {
			return err
		}
		if got != p.want {
			return fmt.Errorf("SQLite runs with %s = %s instead of %s", p.name, got, p.want)
		}
	}
	return nil
}

// classify returns the class of an error by SQLite's result code.
func classify(err error) store.Failure {
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return store.Other
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return store.Duplicate
	case sqlite3.SQLITE_CONSTRAINT_NOTNULL, sqlite3.SQLITE_CONSTRAINT_CHECK, sqlite3.SQLITE_CONSTRAINT_DATATYPE:
		return store.Rejected
	case sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC:
		return store.Fatal
	}
	switch e.Code() & 0xff { // the primary code of an extended code
	case sqlite3.SQLITE_BUSY:
		return store.Contention
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_MISUSE,
		sqlite3.SQLITE_TOOBIG:
		return store.Rejected
	case sqlite3.SQLITE_FULL:
		return store.Full
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return store.Fatal
	}
	return store.Other
}
