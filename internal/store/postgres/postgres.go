// Package postgres opens a PostgreSQL database, version 13 or later.
//
// The pool is pgx's, used through database/sql so that the queries are the same as SQLite's. Beside it, one connection listens for what other nodes
// announce. An advisory lock is held while a node migrates the database.
package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	oldest = 130000 // server_version_num
	// lockKey is "clavig" in ASCII. Another node may hold the lock, migrating, for as long as lockTries seconds.
	lockKey          = 0x636c61766967
	lockTries        = 300
	statementTimeout = "15s"
	maxConnections   = 24
)

// Open connects and brings the schema up to this version. A database of a newer version is refused.
func Open(ctx context.Context, url credential.Secret) (store.Backend, error) {
	config, err := parse(url)
	if err != nil {
		return store.Backend{}, err
	}
	config.MaxConns = maxConnections
	config.ConnConfig.RuntimeParams["statement_timeout"] = statementTimeout
	config.ConnConfig.RuntimeParams["application_name"] = "claviger"
	// Whatever the server or the role defaults to: an acknowledged write is on disk, and locks mean what the rules were written for.
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	config.ConnConfig.RuntimeParams["default_transaction_isolation"] = "read committed"
	if config.ConnConfig.ValidateConnect == nil { // of several hosts, the one that is not behind
		config.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return store.Backend{}, unreachable(err)
	}
	db := stdlib.OpenDBFromPool(pool)
	b := store.Backend{
		Name: "postgres", Read: db, Write: db, Classify: classify, Listen: listener{config.ConnConfig}.listen,
		Snapshot: func(ctx context.Context) (*sql.Tx, error) { return snapshot(ctx, db) },
		Renew:    pool.Reset,
		Analyze:  func(ctx context.Context) error { return analyze(ctx, db) },
		Analyzes: true, // by autovacuum
		Clock:    func(ctx context.Context) (time.Time, error) { return databaseTime(ctx, db) },
		Pools:    func() []store.Pool { return []store.Pool{poolOf(pool.Stat())} },
		Close: func() error {
			err := db.Close()
			pool.Close()
			return err
		},
	}
	if err = recent(ctx, db); err == nil {
		b.Version, err = migrate(ctx, db)
	}
	if err != nil {
		return store.Backend{}, errors.Join(err, b.Close())
	}
	return b, nil
}

// recent refuses servers that are too old.
func recent(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int`).Scan(&version); err != nil {
		return unreachable(err)
	}
	if version < oldest {
		return fmt.Errorf("PostgreSQL 13 or later is needed; this server says %d", version)
	}
	return nil
}

// migrate brings the schema up to this version, one node at a time.
func migrate(ctx context.Context, db *sql.DB) (version int64, err error) {
	m := migrating(db)
	m.Lock, err = lock.NewPostgresSessionLocker(lock.WithLockID(lockKey), lock.WithLockTimeout(1, lockTries))
	if err != nil {
		return 0, fmt.Errorf("migration of the database: %w", err)
	}
	return m.Up(ctx)
}

// snapshot begins a transaction whose statements may take as long as whoever reads them does.
func snapshot(ctx context.Context, db *sql.DB) (*sql.Tx, error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, `SET LOCAL statement_timeout = 0`); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx, nil
}

// analyze gathers statistics for as long as that takes.
func analyze(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, statement := range []string{`SET LOCAL statement_timeout = 0`, `ANALYZE`} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// databaseTime asks the server what time it is now, whenever its transaction began.
func databaseTime(ctx context.Context, db *sql.DB) (now time.Time, err error) {
	err = db.QueryRowContext(ctx, `SELECT clock_timestamp()`).Scan(&now)
	return now.UTC(), err
}

// poolOf reads pgx's pool: database/sql above it keeps no connections of its own.
func poolOf(s *pgxpool.Stat) store.Pool {
	return store.Pool{
		Name: "all", Max: int(s.MaxConns()), Open: int(s.TotalConns()), Busy: int(s.AcquiredConns()),
		Waits: s.EmptyAcquireCount(), Waited: s.EmptyAcquireWaitTime(),
	}
}

func parse(url credential.Secret) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url.Reveal())
	if err != nil {
		// pgx's own message quotes the URL, password included.
		return nil, errors.New("the database URL cannot be read: use postgres://user:password@host:port/database")
	}
	return config, nil
}

func migrating(db *sql.DB) store.Migrations {
	return store.Migrations{Dialect: goose.DialectPostgres, DB: db, Files: migrations, Begun: begun}
}

func begun(ctx context.Context, db *sql.DB) (yes bool, err error) {
	err = db.QueryRowContext(ctx, `SELECT to_regclass('goose_db_version') IS NOT NULL`).Scan(&yes)
	return yes, err
}

// Schema says how far the database has come. It changes nothing and takes no lock.
func Schema(ctx context.Context, url credential.Secret) (s store.Schema, err error) {
	config, err := parse(url)
	if err != nil {
		return s, err
	}
	db := stdlib.OpenDB(*config.ConnConfig)
	defer db.Close()
	if err := db.PingContext(ctx); err != nil {
		return s, unreachable(err)
	}
	return migrating(db).Schema(ctx)
}

// unreachable drops what could hold the password.
func unreachable(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Errorf("PostgreSQL refused the connection: %s (%s)", e.Message, e.Code)
	}
	return errors.New("PostgreSQL cannot be reached: check database.url and that the server runs")
}

// classify tells failures apart by SQLSTATE, and those of the connection by what they wrap.
func classify(err error) store.Failure {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return classifyConnection(err)
	}
	switch e.Code {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return store.Contention
	case "23505": // unique_violation
		return store.Duplicate
	case "58030", "XX001": // io_error, data_corrupted
		return store.Fatal
	case "57P01", "57P02", "57P05": // admin_shutdown, crash_shutdown, idle_session_timeout
		return store.Disconnected
	}
	return store.Other
}

// classifyConnection tells a connection that was lost from one that cannot be made and from a request that ran out of time.
func classifyConnection(err error) store.Failure {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return store.Other
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return store.Other
	}
	for _, lost := range []error{
		driver.ErrBadConn, pgconn.ErrConnClosed, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE,
	} {
		if errors.Is(err, lost) {
			return store.Disconnected
		}
	}
	return store.Other
}
