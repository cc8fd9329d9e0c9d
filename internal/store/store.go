// Package store keeps all data of Claviger, in SQLite or in PostgreSQL, with one text for every
// query.
//
// A [Backend] is an open database of either engine, made by store/sqlite or store/postgres. The
// [Store] reads through its pools. Only a [Ledger] writes; its transactions are [Tx]. Each domain
// package declares in small interfaces what it needs of the two. Store contains no rules, and no
// driver type leaves it.
//
// Queries are constants of type query, one file for each kind of object. A test prepares every
// query on both engines.
package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/usage"
)

// query is the text of a statement. It is the same on both engines.
type query string

// Failure is the class of a driver's error.
type Failure int

// The classes that the store treats differently.
const (
	// Other errors are final and have no special meaning.
	Other Failure = iota
	// Contention was rolled back by the engine; the transaction may run again.
	Contention
	// Duplicate violates a unique index.
	Duplicate
	// Full means that the disk is full. Nothing was kept.
	Full
	// Fatal means that the engine may lose what it acknowledged, for example after a failed fsync.
	// The process must stop.
	Fatal
	// Disconnected means that the connection was lost. It says nothing about the statement.
	Disconnected
	// Rejected means that the engine refuses the statement or its data. This is a bug of the
	// program; the next attempt would fail as well.
	Rejected
)

const (
	// verifyDeadline and readDeadline bound one query, even if the database does not answer.
	verifyDeadline = 5 * time.Second
	readDeadline   = 20 * time.Second
	// retryAfter is the Retry-After time for clients if the database did not answer or was locked
	// for too long.
	retryAfter = time.Second
)

// Backend is an open database.
type Backend struct {
	// Name of the engine: "sqlite" or "postgres".
	Name string
	// Each use of the database has its own pool, so that none waits for the connections of another.
	// Verify reads the facts for decisions, Control serves readiness and the change feed, Read
	// everything else. Maintenance serves rare, long work. Restore writes restores and repairs of
	// the clock; it may be one of the other pools.
	Verify, Control, Read, Write, Maintenance, Restore *sql.DB
	// Readers and Writers are the numbers of connections of Read and Write.
	Readers, Writers int
	// ShortenLockWait makes a transaction wait less than a second for locks; nil if a transaction
	// waits for nothing once it has begun.
	ShortenLockWait func(context.Context, *sql.Tx) error
	// RowLock is the end of a SELECT that locks its rows until the transaction ends; "" if a
	// writing transaction has the database to itself.
	RowLock string
	// Version is the version of the schema after the migration. Known is the newest one that this
	// program knows; it is higher until the upgrade is finished.
	Version, Known int64
	// Classify returns the class of an error, by the codes of the driver.
	Classify func(error) Failure
	// Listen calls woken for each change that any node announces, until the context ends or its
	// connection fails; nil if only one process uses the database.
	Listen func(ctx context.Context, woken func()) error
	// Clock returns the time of the database server's clock; nil if the database uses this
	// machine's clock.
	Clock func(context.Context) (time.Time, error)
	// Snapshot begins a read-only transaction that sees one moment and may take long.
	Snapshot func(context.Context) (*sql.Tx, error)
	// CloseIdle closes the idle connections of the pools. It is called after a connection was found
	// to be lost, because others may be lost too.
	CloseIdle func()
	// Analyze updates the statistics of the query planner for tables that have changed much. It
	// blocks writes for at most the time that one table takes.
	Analyze func(context.Context) error
	// AnalyzesItself is set if the engine updates its statistics itself.
	AnalyzesItself bool
	// Checkpoint removes the remains of deleted rows from the write-ahead log; nil if the engine
	// does that itself.
	Checkpoint func(context.Context) error
	// DriverPrepares is set if the driver keeps the statements of each connection prepared.
	DriverPrepares bool
	// Pools returns the usage of the pools.
	Pools func() []Pool
	// Close closes the pools and releases the database.
	Close func() error
}

// Options of a Store. Now and Rand are required.
type Options struct {
	Now func() time.Time
	// Horizon is the time that irreversible deletions use. It is never ahead of Now, which is its
	// default.
	Horizon func() time.Time
	Rand    io.Reader
	// Invalidate is called with what a change makes stale, after its COMMIT and before Write
	// returns.
	Invalidate func(audit.Invalidation)
	// Committed is called for each change, after its COMMIT and before Write returns. If it fails,
	// the process must stop.
	Committed func(change int64, e audit.Event) error
	// Fatal is called when the engine can no longer be trusted.
	Fatal func(error)
	// ResolveWithin bounds how long the outcome of a COMMIT may stay unknown before the process
	// must stop. The default is ten seconds. For tests.
	ResolveWithin time.Duration
	// Uptime returns the uptime of the machine, including time in suspension. The default is
	// clock.Uptime.
	Uptime func() time.Duration
	// Doubt returns why the time of Now cannot be trusted; nil while it can. Nothing is written
	// while it is in doubt.
	Doubt func() error
	// LastUse returns the last use of a key, if this node has seen one that may not be on record
	// yet. The default knows none.
	LastUse func(ident.KeyID) (usage.Use, bool)
	// Trace is called when a write begins. The function that it returns is called with the outcome
	// when the write has ended.
	Trace func(context.Context) (context.Context, func(result string, failed bool))
}

// Store keeps all data of Claviger.
type Store struct {
	backend Backend
	Options
	// auditKey signs the heads of the audit trail; nil before the root secret is known.
	auditKey *audit.Key
	// verifying, control, reading, maintenance, writing and restoring hold the statements of their
	// pools.
	verifying, control, reading, maintenance, writing, restoring *statements

	gates    gates
	halted   atomic.Bool
	obsolete atomic.Pointer[Obsolete]
	// upgraded is set once the upgrade of the database is known to be finished.
	upgraded atomic.Bool
	// searchable is set once search_words is known to have the words of everything.
	searchable atomic.Bool
	// full is set when a write finds the disk full, and cleared by the next write that succeeds.
	full   atomic.Bool
	counts WriteMetrics
}

// New returns a store on an open, migrated database.
func New(b Backend, o Options) *Store {
	if o.Invalidate == nil {
		o.Invalidate = func(audit.Invalidation) {}
	}
	if o.Committed == nil {
		o.Committed = func(int64, audit.Event) error { return nil }
	}
	if o.Uptime == nil {
		o.Uptime = clock.Uptime
	}
	if o.Horizon == nil {
		o.Horizon = o.Now
	}
	if o.Doubt == nil {
		o.Doubt = func() error { return nil }
	}
	if o.Fatal == nil {
		o.Fatal = func(error) {}
	}
	if o.LastUse == nil {
		o.LastUse = func(ident.KeyID) (usage.Use, bool) { return usage.Use{}, false }
	}
	if b.CloseIdle == nil {
		b.CloseIdle = func() {}
	}
	o.ResolveWithin = cmp.Or(o.ResolveWithin, resolveDeadline)
	if o.Trace == nil {
		o.Trace = func(ctx context.Context) (context.Context, func(string, bool)) { return ctx, func(string, bool) {} }
	}
	s := &Store{backend: b, Options: o, gates: newGates(b)}
	s.verifying = &statements{
		db: b.Verify, driverPrepares: b.DriverPrepares, shouldRetry: s.shouldRetry,
		limit: verifyDeadline,
	}
	s.control = &statements{
		db: b.Control, driverPrepares: b.DriverPrepares, shouldRetry: s.shouldRetry,
		limit: verifyDeadline,
	}
	s.reading = &statements{
		db: b.Read, driverPrepares: b.DriverPrepares, shouldRetry: s.shouldRetry,
		limit: readDeadline, gate: s.gates.reads,
	}
	s.maintenance = &statements{db: b.Maintenance, driverPrepares: b.DriverPrepares, shouldRetry: s.shouldRetry}
	s.writing = &statements{db: b.Write, driverPrepares: b.DriverPrepares, shouldRetry: s.shouldRetry}
	s.restoring = s.writing
	if b.Restore != b.Write {
		s.restoring = &statements{db: b.Restore, driverPrepares: b.DriverPrepares, shouldRetry: s.shouldRetry}
	}
	return s
}

// Close closes the database.
func (s *Store) Close() error { return s.backend.Close() }

// Engine returns the name of the database's engine.
func (s *Store) Engine() string { return s.backend.Name }

// Known returns the newest version of the schema that this program knows. The database has it once
// the upgrade is finished.
func (s *Store) Known() int64 { return s.backend.Known }

// Analyze updates the statistics of the query planner.
func (s *Store) Analyze(ctx context.Context) error { return s.fault(s.backend.Analyze(ctx)) }

// Checkpoint removes the remains of deleted rows from the engine's write-ahead log, if the engine
// does not do that itself.
func (s *Store) Checkpoint(ctx context.Context) error {
	if s.backend.Checkpoint == nil {
		return nil
	}
	return s.fault(s.backend.Checkpoint(ctx))
}

// Analyzes reports whether the engine updates its statistics itself.
func (s *Store) Analyzes() bool { return s.backend.AnalyzesItself }

// Ready reports whether the database answers.
func (s *Store) Ready(ctx context.Context) error {
	var one int
	if err := s.control.row(ctx, selectOne).Scan(&one); err != nil {
		return s.fault(err)
	}
	return nil
}

// Full reports whether the last write found the disk full.
func (s *Store) Full() bool { return s.full.Load() }

// Halted reports whether Halt was called.
func (s *Store) Halted() bool { return s.halted.Load() }

// Halt refuses all further writes.
func (s *Store) Halt() { s.halted.Store(true) }

// writable returns why nothing can be written now; nil if writing is possible.
func (s *Store) writable() error {
	if err := s.writesRefused(); err != nil {
		return err
	}
	return s.Doubt()
}

func (s *Store) halt(why error) {
	s.Halt()
	s.Fatal(why)
}

const (
	selectOne query = `SELECT 1`
	// selectVersion reads goose's table of migrations.
	selectVersion query = `SELECT MAX(version_id) FROM goose_db_version`
)

// fault adds a kind to a driver's error: NotFound for a missing row, Internal for a rejected
// statement, Unavailable for everything else.
func (s *Store) fault(err error) error {
	if err == nil || fault.KindOf(err) != fault.Internal {
		return err
	}
	if errors.Is(err, sql.ErrNoRows) {
		return fault.NotFound
	}
	switch s.backend.Classify(err) {
	case Fatal:
		s.halt(err)
	case Rejected:
		return fault.Wrap(fault.Internal, err, "")
	case Full:
		s.full.Store(true)
		return fault.Wrap(fault.Unavailable, err,
			"The disk of the database is full. Nothing was changed. Try again once there is room.")
	}
	return fault.WrapRetry(fault.Unavailable, err, retryAfter, "The database did not answer. Try again.")
}

// querier runs queries: the statements of a pool or a transaction.
type querier interface {
	// rows runs a query. Close its rows before you call done.
	rows(ctx context.Context, q query, args ...any) (rows *sql.Rows, done func(), err error)
	// row runs a query that returns one row. The row must be scanned.
	row(ctx context.Context, q query, args ...any) scanner
}

// forEachRow runs the query and calls do for each row.
func forEachRow(ctx context.Context, from querier, q query, do func(*sql.Rows) error, args ...any) error {
	rows, done, err := from.rows(ctx, q, args...)
	if err != nil {
		return err
	}
	defer done()
	defer rows.Close()
	for rows.Next() {
		if err := do(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// collect runs the query and returns what scan makes of each row. If one row cannot be read, it
// returns no rows.
func collect[T any](
	ctx context.Context, from querier, q query, scan func(scanner) (T, error), args ...any,
) (all []T, err error) {
	err = forEachRow(ctx, from, q, func(row *sql.Rows) error {
		item, err := scan(row)
		if err != nil {
			return err
		}
		all = append(all, item)
		return nil
	}, args...)
	if err != nil {
		return nil, err
	}
	return all, nil
}

// ids returns the single column of a query.
func ids[T ident.ID](ctx context.Context, from querier, q query, args ...any) (all []T, err error) {
	err = forEachRow(ctx, from, q, func(row *sql.Rows) error {
		var id T
		if err := row.Scan(&id); err != nil {
			return err
		}
		all = append(all, id)
		return nil
	}, args...)
	return all, err
}
