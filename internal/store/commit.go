package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
)

const (
	// resolveDeadline bounds how long the outcome of a COMMIT may stay unknown before the process
	// stops.
	resolveDeadline = 10 * time.Second
	// resolvePause is the first pause between two attempts to learn the outcome of a COMMIT. Each
	// further pause is twice as long, up to maxResolvePause.
	resolvePause    = 20 * time.Millisecond
	maxResolvePause = 500 * time.Millisecond
)

const selectChange query = `SELECT id FROM audit_events WHERE change_number = $1`

// commit commits a transaction whose event is written. If the outcome of the COMMIT is unknown, it
// finds the outcome.
func (s *Store) commit(ctx context.Context, tx *Tx, change int64, event audit.Event) error {
	failure := tx.tx.Commit()
	if failure == nil {
		return s.afterCommit(change, event)
	}
	if s.backend.Classify(failure) == Full { // a definite answer: nothing was kept
		s.invalidateInDoubt(event.Invalidates)
		return failure
	}
	kept, err := s.resolveCommit(ctx, failure, change, event.ID)
	switch {
	case err != nil:
		s.invalidateInDoubt(event.Invalidates)
		s.halt(err)
		return commitError(err,
			"It is not known whether the change was kept, and this node is stopping. Look before you repeat it.")
	case kept:
		return s.afterCommit(change, event)
	}
	s.invalidateInDoubt(event.Invalidates)
	return commitError(failure, "The change was not kept. Try again.")
}

// afterCommit runs between a successful COMMIT and the answer.
func (s *Store) afterCommit(change int64, event audit.Event) error {
	s.counts.Events.Add(1)
	s.full.Store(false)
	s.invalidateCommitted(change, event.Invalidates)
	return s.notifyCommitted(change, event)
}

func commitError(cause error, message string) error {
	return fault.Wrap(fault.Unavailable, fmt.Errorf("%w: %w", errInDoubt, cause), message)
}

// resolveCommit finds the outcome of a COMMIT that failed. Such a COMMIT may still succeed long
// after its connection broke, and facts that were read in between would be stale without a sign.
// The transaction holds the row of the change counter until it ends. A later transaction that gets
// this row therefore sees whether the event was kept. resolveCommit tries this on new connections
// until resolveDeadline has passed. Then, or if the engine can no longer be trusted, it returns an
// error and the process must stop.
func (s *Store) resolveCommit(ctx context.Context, failure error, change int64,
	id ident.EventID,
) (kept bool, err error) {
	if s.backend.Classify(failure) == Fatal {
		return false, failure
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.ResolveWithin)
	defer cancel()
	var last error // error of the last attempt that was not cut off by the deadline
	for pause := resolvePause; ; pause = min(2*pause, maxResolvePause) {
		kept, err := s.findEvent(ctx, change, id)
		if err == nil {
			return kept, nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		if s.disconnected(err) {
			s.closeIdle()
		}
		if s.backend.Classify(err) == Fatal {
			return false, err
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("a COMMIT stays in doubt: %w", errors.Join(failure, last))
		case <-time.After(pause/2 + rand.N(pause/2)): // many writes may wait for their outcome at once
		}
	}
}

// findEvent waits for the row of the change counter. It reports whether the change was kept with
// this event.
func (s *Store) findEvent(ctx context.Context, change int64, id ident.EventID) (kept bool, err error) {
	tx, err := s.backend.Write.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }() // nothing is changed
	if _, err := tx.ExecContext(ctx, string(lockChange)); err != nil {
		return false, err
	}
	var found ident.EventID
	err = tx.QueryRowContext(ctx, string(selectChange), change).Scan(&found)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil && found == id, err
}

// disconnected reports whether the connection was lost before a COMMIT was sent. The server keeps
// nothing of such a transaction.
func (s *Store) disconnected(err error) bool {
	return err != nil && !errors.Is(err, errInDoubt) && s.backend.Classify(err) == Disconnected
}

// shouldRetry reports whether a failed read runs once more. It does if its connection was lost; the
// idle connections are closed first.
func (s *Store) shouldRetry(err error) bool {
	lost := s.disconnected(err)
	if lost {
		s.closeIdle()
	}
	return lost
}

// closeIdle closes the idle connections.
func (s *Store) closeIdle() {
	if s.backend.CloseIdle != nil {
		s.backend.CloseIdle()
	}
}

// begin begins a transaction. If that fails, nothing was sent, so begin tries once more on a new
// connection.
func (s *Store) begin(ctx context.Context, db *sql.DB) (*sql.Tx, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err == nil || ctx.Err() != nil {
		return tx, err
	}
	s.closeIdle()
	return db.BeginTx(ctx, nil)
}
