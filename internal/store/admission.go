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
	// writeWait is how long a change waits for its turn, within its deadline. So long may the row that all changes need be held
	// by a node that vanished (idle_in_transaction_session_timeout of PostgreSQL's sessions), and nobody's change be refused for it.
	writeWait = 5 * time.Second
	readWait  = 3 * time.Second
)

// gates decide whose turn it is at the database.
type gates struct {
	// reads are admitted on behalf of the caller in the context, up to half of the connections for one.
	reads *admission.Gate
	// changes are those of people and keys: one at a time of each.
	changes *admission.Gate
	// own are the writes of operators and of Claviger's jobs, which no caller delays.
	own *admission.Gate
	// snapshots are backups that are under way. Each holds a connection for as long as whoever takes it needs.
	snapshots *admission.Gate
}

func newGates(b Backend) gates {
	readers, writers := max(b.Readers, 1), max(b.Writers, 1)
	own := max(writers/2, 1) // of SQLite's one connection both have a half
	return gates{
		reads:     admission.NewGate(admission.Limits{Slots: readers, PerCaller: max(readers/2, 1), Queue: 2048, QueuePerCaller: 256, Wait: readWait}),
		changes:   admission.NewGate(admission.Limits{Slots: max(writers-own, 1), PerCaller: 1, Queue: 1024, QueuePerCaller: 64, Wait: writeWait}),
		own:       admission.NewGate(admission.Limits{Slots: own, PerCaller: max(own-1, 1), Queue: 256, QueuePerCaller: 256, Wait: writeWait}),
		snapshots: admission.NewGate(admission.Limits{Slots: 2, PerCaller: 2, Queue: 2, QueuePerCaller: 2, Wait: time.Second}),
	}
}

// admit waits until it is a principal's turn to write.
func (g *gates) admit(ctx context.Context, who principal.Principal) (admission.Pass, error) {
	switch who.Kind() {
	case principal.ByOS, principal.ByItself:
		return g.own.Enter(ctx, admission.Of(who))
	}
	return g.changes.Enter(ctx, admission.Of(who))
}

// EachGate gives how busy each gate is.
func (s *Store) EachGate(give func(s admission.Stats, name string)) {
	give(s.gates.reads.Stats(), "reads")
	give(s.gates.changes.Stats(), "changes")
	give(s.gates.own.Stats(), "own_writes")
}

// aside runs one of the few statements that go past the ledger: what they write is no change of anything and has no event. It gives how many rows it touched.
func (s *Store) aside(ctx context.Context, q query, args ...any) (int64, error) {
	return s.asideThrough(ctx, s.gates.own, "", q, args...)
}

// asideOf is aside on behalf of a caller.
func (s *Store) asideOf(ctx context.Context, c admission.Caller, q query, args ...any) (int64, error) {
	return s.asideThrough(ctx, s.gates.changes, c, q, args...)
}

func (s *Store) asideThrough(ctx context.Context, g *admission.Gate, c admission.Caller, q query, args ...any) (n int64, err error) {
	if err := s.writable(); err != nil {
		return 0, err
	}
	return s.execThrough(ctx, g, c, q, args...)
}

// execThrough runs a statement in a turn of the gate, also while the clock is in doubt.
func (s *Store) execThrough(ctx context.Context, g *admission.Gate, c admission.Caller, q query, args ...any) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()
	pass, err := g.Enter(ctx, c)
	if err != nil {
		return 0, s.fault(err)
	}
	defer pass.Leave()
	result, err := s.backend.Write.ExecContext(ctx, string(q), args...)
	if err != nil {
		return 0, s.fault(err)
	}
	s.full.Store(false)
	n, err = result.RowsAffected()
	return n, s.fault(err)
}

// asideTx is aside for more than one statement: all or none.
func (s *Store) asideTx(ctx context.Context, write func(context.Context, *sql.Tx) error) error {
	if err := s.writable(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()
	pass, err := s.gates.own.Enter(ctx, "")
	if err != nil {
		return s.fault(err)
	}
	defer pass.Leave()
	tx, err := s.backend.Write.BeginTx(ctx, nil)
	if err != nil {
		return s.fault(err)
	}
	if err := write(ctx, tx); err != nil {
		return errors.Join(s.fault(err), tx.Rollback())
	}
	return s.fault(tx.Commit())
}

// writableWithin bounds how long Writable looks.
const writableWithin = 1500 * time.Millisecond

// Writable reports whether a change can be made: that a transaction begins and gets the row which every change needs. It changes nothing.
func (s *Store) Writable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writableWithin)
	defer cancel()
	pass, err := s.gates.own.Enter(ctx, "readiness")
	if err != nil {
		return err
	}
	defer pass.Leave()
	tx, err := s.backend.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // it changed nothing
	if s.backend.Impatient != nil {
		if err := s.backend.Impatient(ctx, tx); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, string(lockChange))
	return err
}
