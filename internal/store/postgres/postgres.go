// Package postgres opens a PostgreSQL database, version 13 or later.
//
// The pools are pgx's, used through database/sql so that the queries are the same as SQLite's. Each use of the database has a
// pool of its own (see split), and one connection listens for what other nodes announce. Every session sets what it relies on, and what it
// may hold for how long (see bounds). An advisory lock is held while a node migrates the database.
package postgres

import (
	"cmp"
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
	lockKey   = 0x636c61766967
	lockTries = 300
)

// Open connects and brings the schema up to this version. A database of a newer version is refused.
func Open(ctx context.Context, url credential.Secret) (store.Backend, error) {
	return OpenSized(ctx, url, DefaultConnections)
}

// OpenSized is Open with at most the given number of connections, and at least MinConnections.
func OpenSized(ctx context.Context, url credential.Secret, connections int) (store.Backend, error) {
	config, err := parse(url)
	if err != nil {
		return store.Backend{}, err
	}
	if config.ConnConfig.ValidateConnect == nil { // of several hosts, the one that is not behind
		config.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	}
	version, err := migrate(ctx, config)
	if err != nil {
		return store.Backend{}, err
	}
	p := &pools{}
	share := split(connections)
	b := store.Backend{
		Name: "postgres", Version: version, Classify: classify, Pools: p.stats, Renew: p.renew, Close: p.close,
		Listen:   listener{config.ConnConfig}.listen,
		Analyzes: true, // by autovacuum
	}
	b.Verify = p.open(ctx, config, "verify", share.verify, verifyBounds, recheck)
	b.Control = p.open(ctx, config, "control", controlConnections, verifyBounds, recheck)
	b.Read = p.open(ctx, config, "read", share.read, readBounds, recheck)
	b.Write = p.open(ctx, config, "write", share.write, writeBounds, 0)
	b.Maintenance = p.open(ctx, config, "maintenance", maintenanceConnections, maintenanceBounds, 0)
	b.Restore = b.Maintenance
	b.Clock = func(ctx context.Context) (time.Time, error) { return databaseTime(ctx, b.Control) }
	b.Analyze = func(ctx context.Context) error {
		_, err := b.Maintenance.ExecContext(ctx, `ANALYZE`)
		return err
	}
	b.Readers, b.Writers = share.read, share.write
	b.Impatient = func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "SET LOCAL lock_timeout = '900ms'")
		return err
	}
	b.Snapshot = func(ctx context.Context) (*sql.Tx, error) {
		return b.Maintenance.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	}
	if p.err == nil {
		p.err = b.Verify.PingContext(ctx) // and so every setting is seen to hold
	}
	if p.err != nil {
		return store.Backend{}, errors.Join(unreachable(p.err), p.close())
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

// migrate brings the schema up to this version, one node at a time. It has connections of its own, which are closed afterwards.
func migrate(ctx context.Context, config *pgxpool.Config) (version int64, err error) {
	db := stdlib.OpenDB(*config.ConnConfig, stdlib.OptionAfterConnect(migrationBounds.connected))
	defer db.Close()
	if err := recent(ctx, db); err != nil {
		return 0, err
	}
	m := migrating(db)
	m.Lock, err = lock.NewPostgresSessionLocker(lock.WithLockID(lockKey), lock.WithLockTimeout(1, lockTries))
	if err != nil {
		return 0, fmt.Errorf("migration of the database: %w", err)
	}
	return m.Up(ctx)
}

// databaseTime asks the server what time it is now, whenever its transaction began.
func databaseTime(ctx context.Context, db *sql.DB) (now time.Time, err error) {
	err = db.QueryRowContext(ctx, `SELECT clock_timestamp()`).Scan(&now)
	return now.UTC(), err
}

func parse(url credential.Secret) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url.Reveal())
	if err != nil {
		// pgx's own message quotes the URL, password included.
		return nil, errors.New("the database URL cannot be read: use postgres://user:password@host:port/database")
	}
	c := config.ConnConfig
	c.DialFunc = dial
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, connectTimeout)
	c.RuntimeParams["application_name"] = "claviger"
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
	db := stdlib.OpenDB(*config.ConnConfig, stdlib.OptionAfterConnect(readBounds.connected))
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
	if e, ok := errors.AsType[*errSetting](err); ok {
		return e
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
	case "53100": // disk_full
		return store.Full
	case "58030", "XX001": // io_error, data_corrupted
		return store.Fatal
	case "57P01", "57P02", "57P05", // admin_shutdown, crash_shutdown, idle_session_timeout
		"25P03", "25P04": // idle_in_transaction_session_timeout, transaction_timeout
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
