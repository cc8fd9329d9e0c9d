// Package postgres opens a PostgreSQL database, version 13 or later.
//
// The pool is pgx's, used through database/sql so that the queries are the same as SQLite's. One connection of its own holds an advisory
// lock for as long as the process lives: until nodes tell each other what changed, a second one on the same database
// would decide from stale facts, and is refused (docs/adr).
package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	oldest = 130000 // server_version_num
	// lockKey is "clavig" in ASCII.
	lockKey          = 0x636c61766967
	statementTimeout = "15s"
	maxConnections   = 24
)

// Open connects, takes the lock of the single node and brings the schema up to this version. A database of a newer version is refused.
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
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return store.Backend{}, unreachable(err)
	}
	lock, err := take(ctx, pool)
	if err != nil {
		pool.Close()
		return store.Backend{}, err
	}
	db := stdlib.OpenDBFromPool(pool)
	b := store.Backend{
		Name: "postgres", Read: db, Write: db, Classify: classify, Held: lock.held,
		Snapshot: func(ctx context.Context) (*sql.Tx, error) { return snapshot(ctx, db) },
		Pools:    func() []store.Pool { return []store.Pool{poolOf(pool.Stat())} },
		Close: func() error {
			err := errors.Join(db.Close(), lock.release())
			pool.Close()
			return err
		},
	}
	if b.Version, err = migrating(db).Up(ctx); err != nil {
		return store.Backend{}, errors.Join(err, b.Close())
	}
	return b, nil
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

// classify tells failures apart by SQLSTATE.
func classify(err error) store.Failure {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return store.Other
	}
	switch e.Code {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return store.Contention
	case "23505": // unique_violation
		return store.Duplicate
	case "58030", "XX001": // io_error, data_corrupted
		return store.Fatal
	}
	return store.Other
}
