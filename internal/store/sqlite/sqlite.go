// Package sqlite opens the embedded database: one file, one writer, many readers.
//
// SQLite's pragmas belong to a connection, so all of them stand in the data source name, and [Open] asserts them. WAL lets readers
// go on while the one writer commits; synchronous FULL makes an acknowledged commit survive a power cut.
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

	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/claviger-dev/claviger/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Open opens the file, makes it with mode 0600 if it is new, and brings its schema up to this version. A database of a newer version is
// refused. The caller holds a lock on the directory: SQLite keeps other processes' writes apart, not their caches true.
func Open(ctx context.Context, file string) (store.Backend, error) {
	if err := private(file); err != nil {
		return store.Backend{}, err
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
	b.Readers, b.Writers = readers, 1
	b.Snapshot = func(ctx context.Context) (*sql.Tx, error) {
		return b.Maintenance.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	}
	b.Analyze = func(ctx context.Context) error { return analyze(ctx, b.Maintenance, b.Write, p.reopen) }
	if p.err != nil {
		return store.Backend{}, errors.Join(p.err, p.close())
	}
	var err error
	if b.Version, err = prepare(ctx, b); err != nil {
		return store.Backend{}, errors.Join(err, b.Close())
	}
	return b, nil
}

const readOnly = "_pragma=query_only(1)"

// pools are what a backend has open on its file.
type pools struct {
	file  string
	names []string
	sizes []int
	all   []*sql.DB
	err   error
}

// open adds a pool. No connection is made before one is needed.
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
	p.names, p.sizes, p.all = append(p.names, name), append(p.sizes, connections), append(p.all, db)
	return db
}

// reopen closes the idle connections. A connection reads the statistics of the planner when it opens the file.
func (p *pools) reopen() {
	for i, db := range p.all {
		if p.names[i] == "write" { // it gathered them
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
	for _, db := range slices.Backward(p.all) { // the writer last: a reader cannot remove the WAL
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}

// Pragmas are set on every connection.
var pragmas = []struct{ name, set, want string }{
	{"journal_mode", "WAL", "wal"},
	{"synchronous", "FULL", "2"},
	{"foreign_keys", "1", "1"},
	{"busy_timeout", "5000", "5000"},
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

func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

func private(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

func prepare(ctx context.Context, b store.Backend) (version int64, err error) {
	if err := assert(ctx, b.Write); err != nil {
		return 0, err
	}
	if version, err = migrating(b.Write).Up(ctx); err != nil {
		return 0, err
	}
	return version, errors.Join(assert(ctx, b.Verify), assert(ctx, b.Read))
}

func migrating(db *sql.DB) store.Migrations {
	return store.Migrations{Dialect: goose.DialectSQLite3, DB: db, Files: migrations, Begun: begun}
}

func begun(ctx context.Context, db *sql.DB) (yes bool, err error) {
	err = db.QueryRowContext(ctx, `SELECT COUNT(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`).Scan(&yes)
	return yes, err
}

// Schema says how far the database of the file has come. It changes nothing, and may look while another process has the database open.
func Schema(ctx context.Context, file string) (s store.Schema, err error) {
	source := fileURL(file, "mode=ro&_pragma=busy_timeout(5000)")
	switch {
	case !exists(file):
		source = ":memory:" // as new as one that is yet to be made
	case !exists(file + "-wal"):
		source = fileURL(file, "immutable=1") // nobody has it open; a WAL made by us would be left behind, and might be of another user
	}
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return s, err
	}
	defer db.Close()
	return migrating(db).Schema(ctx)
}

const (
	// analysisLimit is how many rows of each index ANALYZE looks at.
	analysisLimit = "analysis_limit(1000)"
	// outdated returns a statement for each table that has never been analyzed or whose size has changed tenfold since
	// (0x02), those too that this connection has not queried (0x10000). It runs none of them (0x01): it would hold the lock
	// for writing from the first to the last.
	outdated = `PRAGMA optimize = 0x10003`
)

// minAnalyzed is from how many rows on a table is analyzed. Without statistics SQLite takes a table for a large one and uses
// its indexes; by those of a handful of rows it would read the table whole, until it looks at it the next time.
const minAnalyzed = 10_000

// analyze gathers statistics, one table at a time: writes that wait for the connection go on after each. Connections read
// statistics when they open the file, so those that are idle are closed.
func analyze(ctx context.Context, read, write *sql.DB, reopen func()) error {
	statements, err := texts(ctx, write, outdated)
	for _, statement := range statements {
		table := statement[strings.LastIndexByte(statement, '.')+1:] // ANALYZE "main"."keys"
		var rows int
		if err := read.QueryRowContext(ctx, fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 FROM %s LIMIT %d)", table, minAnalyzed)).Scan(&rows); err != nil {
			return err
		}
		if rows < minAnalyzed {
			continue
		}
		if _, err := write.ExecContext(ctx, statement); err != nil {
			return err
		}
		reopen()
	}
	return err
}

// texts returns the one column of a query.
func texts(ctx context.Context, db *sql.DB, query string) (all []string, err error) {
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

// assert checks that a connection has every pragma.
func assert(ctx context.Context, db *sql.DB) error {
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

// classify tells failures apart by SQLite's result codes.
func classify(err error) store.Failure {
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return store.Other
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return store.Duplicate
	case sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC:
		return store.Fatal
	}
	switch e.Code() & 0xff { // the primary code of an extended one
	case sqlite3.SQLITE_BUSY:
		return store.Contention
	case sqlite3.SQLITE_FULL:
		return store.Full
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return store.Fatal
	}
	return store.Other
}
