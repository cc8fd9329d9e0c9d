// Package postgres opens a PostgreSQL database, version 13 or later.
//
// The pools are pgx's, used through database/sql, so that PostgreSQL and SQLite share their
// queries. Each use of the database has its own pool (see split), and one connection listens for
// the announcements of other nodes. Every session sets the settings that Claviger relies on and its
// limits (see bounds). A node holds an advisory lock while it migrates the database.
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
	"io/fs"
	"net"
	"strings"
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

//go:embed migrations/*.sql expansions/*.sql
var migrations embed.FS

const (
	oldestVersion = 130000 // in the form of server_version_num
	// lockKey is "clavig" in ASCII. A node that migrates may hold the lock for up to lockTries
	// seconds.
	lockKey   = 0x636c61766967
	lockTries = 300
)

// Open connects to the database and migrates its schema as far as nodes of the version before
// understand it; a database that no server has used yet, completely. It refuses a database of a
// newer version.
func Open(ctx context.Context, url credential.Secret) (store.Backend, error) {
	return OpenSized(ctx, url, DefaultConnections)
}

// OpenSized is Open with a maximum number of connections; fewer than MinConnections count as
// MinConnections.
func OpenSized(ctx context.Context, url credential.Secret, connections int) (store.Backend, error) {
	config, err := parse(url)
	if err != nil {
		return store.Backend{}, err
	}
	if config.ConnConfig.ValidateConnect == nil { // of several hosts, use the primary server
		config.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	}
	version, schema, err := migrate(ctx, config, max(connections, MinConnections), false)
	if err != nil {
		return store.Backend{}, err
	}
	p := &pools{}
	share := split(connections)
	b := store.Backend{
		Name: "postgres", Version: version.Version, Known: version.Known,
		Classify: classify, Pools: p.stats, CloseIdle: p.closeIdle, Close: p.close,
		Listen:         listener{config.ConnConfig, readBounds.withSchema(schema)}.listen,
		RowLock:        "FOR NO KEY UPDATE",
		AnalyzesItself: true, // autovacuum does
		DriverPrepares: true,
	}
	b.Verify = p.open(ctx, config, "verify", share.verify, verifyBounds.withSchema(schema), recheckAfter)
	b.Control = p.open(ctx, config, "control", controlConnections, verifyBounds.withSchema(schema), recheckAfter)
	b.Read = p.open(ctx, config, "read", share.read, readBounds.withSchema(schema), recheckAfter)
	b.Write = p.open(ctx, config, "write", share.write, writeBounds.withSchema(schema), 0)
	b.Maintenance = p.open(ctx, config, "maintenance", maintenanceConnections, maintenanceBounds.withSchema(schema), 0)
	b.Restore = b.Maintenance
	b.Clock = func(ctx context.Context) (time.Time, error) { return databaseTime(ctx, b.Control) }
	b.Analyze = func(ctx context.Context) error {
		_, err := b.Maintenance.ExecContext(ctx, `ANALYZE`)
		return err
	}
	b.Readers, b.Writers = share.read, share.write
	b.ShortenLockWait = func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "SET LOCAL lock_timeout = '900ms'")
		return err
	}
	b.Snapshot = func(ctx context.Context) (*sql.Tx, error) {
		return b.Maintenance.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	}
	if p.err == nil {
		p.err = b.Verify.PingContext(ctx) // this also checks every setting
	}
	if p.err != nil {
		return store.Backend{}, errors.Join(explain(p.err, config.ConnConfig), p.close())
	}
	return b, nil
}

// Finish migrates the schema completely. Nodes of the version before stop. It returns the schema
// afterwards.
func Finish(ctx context.Context, url credential.Secret) (after store.Schema, err error) {
	config, err := parse(url)
	if err != nil {
		return after, err
	}
	after, _, err = migrate(ctx, config, 0, true)
	return after, err
}

// migrate migrates the schema, completely if finish is set, one node at a time. It returns the name
// of PostgreSQL's schema that contains the tables. It uses connections of its own and closes them.
func migrate(ctx context.Context, config *pgxpool.Config, connections int,
	finish bool,
) (version store.Schema, schema string, err error) {
	db, schema, err := openChecked(ctx, config, migrationBounds, connections)
	if err != nil {
		return version, "", err
	}
	defer db.Close()
	m := newMigrations(db)
	m.Lock, err = lock.NewPostgresSessionLocker(lock.WithLockID(lockKey), lock.WithLockTimeout(1, lockTries))
	if err != nil {
		return version, "", fmt.Errorf("migration of the database: %w", err)
	}
	version, err = m.Up(ctx, finish)
	return version, schema, explainMigration(err, config.ConnConfig)
}

// openChecked opens a database and checks that it can be used. It returns the name of PostgreSQL's
// schema that contains the tables. It refuses a server with fewer than the given number of
// connections; 0 skips that check.
func openChecked(ctx context.Context, config *pgxpool.Config, b bounds, connections int) (*sql.DB, string, error) {
	first := stdlib.OpenDB(*config.ConnConfig, stdlib.OptionAfterConnect(b.onConnect))
	defer first.Close()
	found, err := readFacts(ctx, first, connections)
	if err != nil {
		return nil, "", explain(err, config.ConnConfig)
	}
	schema := found.schema.String
	return stdlib.OpenDB(*config.ConnConfig, stdlib.OptionAfterConnect(b.withSchema(schema).onConnect)), schema, nil
}

// databaseTime returns the present time of the server, independent of the start of the transaction.
func databaseTime(ctx context.Context, db *sql.DB) (now time.Time, err error) {
	err = db.QueryRowContext(ctx, `SELECT clock_timestamp()`).Scan(&now)
	return now.UTC(), err
}

// parse parses a database URL. It refuses a URL that leaves TLS optional.
func parse(url credential.Secret) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url.Reveal())
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("a file that database.url names, such as sslrootcert, cannot be read: %w", file)
	}
	if err != nil && strings.Contains(err.Error(), tlsNotConfigured) {
		return nil, errors.New("TLS cannot be used as database.url says: sslrootcert, sslcert and sslkey are files " +
			"in PEM, and sslmode is disable, require, verify-ca or verify-full")
	}
	if err != nil {
		// pgx's own message quotes the URL with the password.
		return nil, errors.New("the database URL cannot be read: use postgres://user:password@host:port/database" +
			encodingAdvice)
	}
	if hasUnencodedPassword(url.Reveal()) {
		return nil, errors.New("the database URL has an @ behind its host, as where the password is not " +
			"percent-encoded: " +
			"use postgres://user:password@host:port/database" + encodingAdvice)
	}
	c := config.ConnConfig
	if _, optional := withoutTLS(&c.Config); len(optional) > 0 {
		return nil, errOptionalTLS(optional[0])
	}
	c.DialFunc = dial
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, connectTimeout)
	c.RuntimeParams["application_name"] = "claviger"
	c.RuntimeParams["client_encoding"] = "UTF8" // also before the first statement
	return config, nil
}

// tlsNotConfigured is pgx's message for settings of TLS that it cannot use. It has no error type.
const tlsNotConfigured = "failed to configure TLS"

// hasUnencodedPassword reports whether the password of a URL probably contains a slash, a question
// mark or a number sign that is not percent-encoded. The host then ends inside the password, or is
// a part of it that follows another @, and an @ follows later.
func hasUnencodedPassword(text string) bool {
	_, rest, isURL := strings.Cut(text, "://")
	if !isURL {
		return false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		return false
	}
	before, _, found := strings.Cut(rest[end:], "@")
	_, parameters, _ := strings.Cut(before, "?")
	return found && !strings.Contains(parameters, "=") // as in ?user=me@example
}

func newMigrations(db *sql.DB) store.Migrations {
	return store.Migrations{
		Dialect: goose.DialectPostgres, DB: db, Files: migrations, HasTable: hasTable, Contract: contract,
	}
}

func hasTable(ctx context.Context, db *sql.DB, name string) (yes bool, err error) {
	err = db.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&yes)
	return yes, err
}

// Schema returns the version of the database's schema. It changes nothing and takes no lock.
func Schema(ctx context.Context, url credential.Secret) (s store.Schema, err error) {
	config, err := parse(url)
	if err != nil {
		return s, err
	}
	db, _, err := openChecked(ctx, config, readBounds, 0)
	if err != nil {
		return s, err
	}
	defer db.Close()
	s, err = newMigrations(db).Schema(ctx)
	return s, explainMigration(err, config.ConnConfig)
}

// classify returns the class of an error, by SQLSTATE or by the connection error that it wraps.
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
	case "23502", "23514": // not_null_violation, check_violation
		return store.Rejected
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "22", "42": // data exception, syntax error or access rule violation
		return store.Rejected
	}
	return store.Other
}

// classifyConnection distinguishes a lost connection from one that cannot be opened and from a
// request that ran out of time.
func classifyConnection(err error) store.Failure {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return store.Other
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return store.Other
	}
	for _, lost := range []error{
		driver.ErrBadConn, pgconn.ErrConnClosed, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET,
		syscall.EPIPE,
		syscall.ETIMEDOUT, syscall.ECONNABORTED, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
	} {
		if errors.Is(err, lost) {
			return store.Disconnected
		}
	}
	return store.Other
}
