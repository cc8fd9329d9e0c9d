package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/principal"
)

const (
	// writeWait is how long a change waits for its turn, within its deadline. A node that vanished
	// can hold the row that all changes need for as long as PostgreSQL's
	// idle_in_transaction_session_timeout; the wait is longer, so no change is refused because of
	// it.
	writeWait = 5 * time.Second
	readWait  = 3 * time.Second
)

// gates bound the number of concurrent uses of the database and share them fairly.
type gates struct {
	// reads admits reads, by the caller in the context. One caller gets at most half of the
	// connections.
	reads *admission.Gate
	// changes admits the changes of people and keys, one at a time for each principal.
	changes *admission.Gate
	// own admits the writes of operators and of Claviger's jobs. No caller delays them.
	own *admission.Gate
	// snapshots admits backups. A backup holds a connection until its reader has read all of it.
	snapshots *admission.Gate
}

func newGates(b Backend) gates {
	readers, writers := max(b.Readers, 1), max(b.Writers, 1)
	own := max(writers/2, 1) // SQLite has one connection; both gates get one slot
	return gates{
		reads: admission.NewGate(admission.Limits{
			Concurrency: readers, PerCaller: max(readers/2, 1), Queue: 2048,
			QueuePerCaller: 256, Wait: readWait,
		}),
		changes: admission.NewGate(admission.Limits{
			Concurrency: max(writers-own, 1), PerCaller: 1, Queue: 1024,
			QueuePerCaller: 64, Wait: writeWait,
		}),
		own: admission.NewGate(admission.Limits{
			Concurrency: own, PerCaller: max(own-1, 1), Queue: 256,
			QueuePerCaller: 256, Wait: writeWait,
		}),
		snapshots: admission.NewGate(admission.Limits{
			Concurrency: 2, PerCaller: 2, Queue: 2, QueuePerCaller: 2,
			Wait: time.Second,
		}),
	}
}

// admit waits for the turn of a principal to write.
func (g *gates) admit(ctx context.Context, who principal.Principal) (admission.Permit, error) {
	switch who.Kind() {
	case principal.KindOperator, principal.KindSystem:
		return g.own.Acquire(ctx, admission.ForPrincipal(who))
	}
	return g.changes.Acquire(ctx, admission.ForPrincipal(who))
}

// EachGate calls emit with the statistics of each gate and its name.
func (s *Store) EachGate(emit func(s admission.Stats, name string)) {
	emit(s.gates.reads.Stats(), "reads")
	emit(s.gates.changes.Stats(), "changes")
	emit(s.gates.own.Stats(), "own_writes")
}

// execUnaudited runs a statement outside of the ledger: it changes nothing that needs an event.
// ARCHITECTURE.md lists the cases. It returns the number of rows that the statement changed.
func (s *Store) execUnaudited(ctx context.Context, q query, args ...any) (int64, error) {
	return s.execUnauditedThrough(ctx, s.gates.own, "", q, args...)
}

// execUnauditedOf is execUnaudited on behalf of a caller.
func (s *Store) execUnauditedOf(ctx context.Context, c admission.Caller, q query, args ...any) (int64, error) {
	return s.execUnauditedThrough(ctx, s.gates.changes, c, q, args...)
}

func (s *Store) execUnauditedThrough(ctx context.Context, g *admission.Gate, c admission.Caller, q query,
	args ...any,
) (n int64, err error) {
	if err := s.writable(); err != nil {
		return 0, err
	}
	return s.execThrough(ctx, g, c, q, args...)
}

// execThrough runs a statement once the gate admits it. It also runs while the clock is in doubt.
func (s *Store) execThrough(ctx context.Context, g *admission.Gate, c admission.Caller, q query,
	args ...any,
) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()
	pass, err := g.Acquire(ctx, c)
	if err != nil {
		return 0, s.fault(err)
	}
	defer pass.Release()
	result, err := s.backend.Write.ExecContext(ctx, string(q), args...)
	if err != nil {
		return 0, s.fault(err)
	}
	s.full.Store(false)
	n, err = result.RowsAffected()
	return n, s.fault(err)
}

// unauditedTx is execUnaudited for several statements: all are kept or none.
func (s *Store) unauditedTx(ctx context.Context, write func(context.Context, *sql.Tx) error) error {
	if err := s.writable(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()
	pass, err := s.gates.own.Acquire(ctx, "")
	if err != nil {
		return s.fault(err)
	}
	defer pass.Release()
	tx, err := s.begin(ctx, s.backend.Write)
	if err != nil {
		return s.fault(err)
	}
	if err := write(ctx, tx); err != nil {
		return errors.Join(s.fault(err), tx.Rollback())
	}
	return s.fault(tx.Commit())
}

// writableWithin bounds the check of Writable.
const writableWithin = 1500 * time.Millisecond

// Writable reports whether a change could be made now: a transaction begins and gets the row that
// every change needs. It changes nothing.
func (s *Store) Writable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writableWithin)
	defer cancel()
	pass, err := s.gates.own.Acquire(ctx, "readiness")
	if err != nil {
		return err
	}
	defer pass.Release()
	tx, err := s.begin(ctx, s.backend.Write)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing was changed
	if s.backend.ShortenLockWait != nil {
		if err := s.backend.ShortenLockWait(ctx, tx); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, string(lockChange))
	return err
}
