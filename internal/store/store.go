// Package store keeps everything Claviger knows, in SQLite or in PostgreSQL, with one text for every query.
//
// A [Backend] is an open database of either engine, from store/sqlite or store/postgres. The [Store] reads through its pool; the only way to
// write is a [Ledger], whose transactions are [Tx]. Each domain package names in small interfaces what it needs of the two;
// no rule lives here, and no driver type leaves.
//
// Queries are constants of type query, one file for each noun. A test prepares every one of them on both engines.
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
)

// query is the text of a statement, the same on both engines.
type query string

// Failure is what an engine says about an error of its driver.
type Failure int

// The failures that the store tells apart.
const (
	// Other failures are final and say nothing.
	Other Failure = iota
	// Contention was rolled back by the engine and may be repeated.
	Contention
	// Duplicate broke a unique index.
	Duplicate
	// Full means that there was no room to write: nothing was kept.
	Full
	// Fatal means that the engine can no longer be trusted to keep what it acknowledges (failed fsync): the process must stop.
	Fatal
	// Disconnected means that the connection was lost, and says nothing about what was asked.
	Disconnected
)

const (
	// verifyDeadline and readDeadline bound one query, also where the database does not say a word.
	verifyDeadline = 5 * time.Second
	readDeadline   = 20 * time.Second
	// retryAfter is what clients are told to wait where the database did not answer, or was locked by somebody else for too long.
	retryAfter = time.Second
)

// Backend is an open database.
type Backend struct {
	// Name of the engine: "sqlite" or "postgres".
	Name string
	// Verify, Control, Read and Write are pools of their own, so that no use of the database waits for the connections of another:
	// Verify reads facts for decisions, Control what readiness and the follower look at, Read everything else. Maintenance serves what is rare
	// and takes long. Restore is the pool that a restore writes with; it may be one of the others.
	Verify, Control, Read, Write, Maintenance, Restore *sql.DB
	// Readers and Writers are how many connections Read and Write may have.
	Readers, Writers int
	// Impatient lets a transaction wait for locks less than a second; nil where a transaction waits for nothing once it has begun.
	Impatient func(context.Context, *sql.Tx) error
	// Version of the schema that this program made or found.
	Version int64
	// Classify tells failures apart by the driver's codes.
	Classify func(error) Failure
	// Listen calls woken for each change that any node announces, until the context ends or its connection fails; nil where one process has the database to itself.
	Listen func(ctx context.Context, woken func()) error
	// Clock returns the time by the database's own clock; nil where it has none but this machine's.
	Clock func(context.Context) (time.Time, error)
	// Snapshot begins a transaction that sees one moment, reads alone and may take its time.
	Snapshot func(context.Context) (*sql.Tx, error)
	// Renew closes the idle connections of the pools, after one of them was found to be lost: the others may be, too.
	Renew func()
	// Analyze gathers what the query planner knows of tables that have changed much since it last did. It holds up writes for
	// no longer than one table takes.
	Analyze func(context.Context) error
	// Analyzes is set where the engine does so by itself.
	Analyzes bool
	// Pools tells how much of the pools is in use.
	Pools func() []Pool
	// Close ends the pools and gives the database free.
	Close func() error
}

// Options of a Store. Now and Rand are required.
type Options struct {
	Now func() time.Time
	// Horizon is the time that deletions which cannot be undone go by; it is never ahead of Now, which it defaults to.
	Horizon func() time.Time
	Rand    io.Reader
	// Outdate is told what each change makes stale, after its COMMIT and before Write returns.
	Outdate func(audit.Stale)
	// Committed is told of each change after its COMMIT and before Write returns. Where it fails, the process must stop.
	Committed func(change int64, e audit.Event) error
	// Fatal is called when the engine can no longer be trusted.
	Fatal func(error)
	// SettleWithin bounds how long a COMMIT may be in doubt before the process must stop; ten seconds by default. For tests.
	SettleWithin time.Duration
	// Uptime returns how long the machine has been up, suspensions included; clock.Uptime by default.
	Uptime func() time.Duration
	// Doubt returns why the time that Now tells cannot be trusted; nil while it can. Nothing is written in doubt.
	Doubt func() error
	// Trace is called when a write begins; what it gives is called with the outcome when it has ended.
	Trace func(context.Context) (context.Context, func(result string, failed bool))
}

// Store keeps everything Claviger knows.
type Store struct {
	backend Backend
	Options
	// verifying, control, reading, maintenance and writing have the statements of their pools.
	verifying, control, reading, maintenance, writing *statements

	gates    gates
	halted   atomic.Bool
	obsolete atomic.Pointer[Obsolete]
	// full is set from a write that found no room to one that did.
	full   atomic.Bool
	counts Counts
}

// New takes an open, migrated database.
func New(b Backend, o Options) *Store {
	if o.Outdate == nil {
		o.Outdate = func(audit.Stale) {}
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
	if b.Renew == nil {
		b.Renew = func() {}
	}
	o.SettleWithin = cmp.Or(o.SettleWithin, settleDeadline)
	if o.Trace == nil {
		o.Trace = func(ctx context.Context) (context.Context, func(string, bool)) { return ctx, func(string, bool) {} }
	}
	s := &Store{backend: b, Options: o, gates: newGates(b)}
	s.verifying = &statements{db: b.Verify, again: s.again, within: verifyDeadline}
	s.control = &statements{db: b.Control, again: s.again, within: verifyDeadline}
	s.reading = &statements{db: b.Read, again: s.again, within: readDeadline, gate: s.gates.reads}
	s.maintenance = &statements{db: b.Maintenance, again: s.again}
	s.writing = &statements{db: b.Write, again: s.again}
	return s
}

// Close ends the database.
func (s *Store) Close() error { return s.backend.Close() }

// Engine is the name of the database's engine.
func (s *Store) Engine() string { return s.backend.Name }

// Version of the schema.
func (s *Store) Version() int64 { return s.backend.Version }

// Analyze gathers what the query planner knows of the tables.
func (s *Store) Analyze(ctx context.Context) error { return s.fault(s.backend.Analyze(ctx)) }

// Analyzes reports whether the engine calls Analyze by itself.
func (s *Store) Analyzes() bool { return s.backend.Analyzes }

// Ready reports whether the database answers.
func (s *Store) Ready(ctx context.Context) error {
	var one int
	if err := s.control.row(ctx, selectOne).Scan(&one); err != nil {
		return s.fault(err)
	}
	return nil
}

// Full reports whether the last write found no room.
func (s *Store) Full() bool { return s.full.Load() }

// Halted reports whether writes are refused.
func (s *Store) Halted() bool { return s.halted.Load() }

// Halt refuses every write from now on.
func (s *Store) Halt() { s.halted.Store(true) }

// writable returns why nothing can be written now; nil where it can.
func (s *Store) writable() error {
	if err := s.refused(); err != nil {
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
	// selectVersion reads the table of the migrations, which is goose's.
	selectVersion query = `SELECT MAX(version_id) FROM goose_db_version`
)

// fault gives a driver's error a kind: NotFound for no row, Unavailable for everything that is not known to be final.
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
	case Full:
		s.full.Store(true)
		return fault.Wrap(fault.Unavailable, err, "The disk of the database is full. Nothing was changed. Try again once there is room.")
	}
	return fault.WrapRetry(fault.Unavailable, err, retryAfter, "The database did not answer. Try again.")
}

// reader is what the pool for reading and a transaction have in common.
type reader interface {
	// rows runs a query. Its rows are closed before done is called.
	rows(ctx context.Context, q query, args ...any) (rows *sql.Rows, done func(), err error)
	// row runs a query of one row, which must be scanned.
	row(ctx context.Context, q query, args ...any) scanner
}

// each runs the query and calls take for every row.
func each(ctx context.Context, from reader, q query, take func(*sql.Rows) error, args ...any) error {
	rows, done, err := from.rows(ctx, q, args...)
	if err != nil {
		return err
	}
	defer done()
	defer rows.Close()
	for rows.Next() {
		if err := take(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// collect runs the query and returns what scan makes of each row; nothing where one of them cannot be read.
func collect[T any](
	ctx context.Context, from reader, q query, scan func(scanner) (T, error), args ...any,
) (all []T, err error) {
	err = each(ctx, from, q, func(row *sql.Rows) error {
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

// ids gives the one column of a query.
func ids[T ident.ID](ctx context.Context, from reader, q query, args ...any) (all []T, err error) {
	err = each(ctx, from, q, func(row *sql.Rows) error {
		var id T
		if err := row.Scan(&id); err != nil {
			return err
		}
		all = append(all, id)
		return nil
	}, args...)
	return all, err
}
