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
	// settleDeadline bounds how long a COMMIT may be in doubt before the process gives up.
	settleDeadline = 10 * time.Second
	// settlePause is the first pause between two looks at what became of a COMMIT; each is twice the one before, up to
	// maxSettlePause.
	settlePause    = 20 * time.Millisecond
	maxSettlePause = 500 * time.Millisecond
)

const selectChange query = `SELECT id FROM audit_events WHERE change_number = $1`

// commit ends a transaction whose change is on record, and settles one whose outcome is unknown.
func (s *Store) commit(ctx context.Context, tx *Tx, change int64, event audit.Event) error {
	failure := tx.tx.Commit()
	if failure == nil {
		return s.landed(change, event)
	}
	if s.backend.Classify(failure) == Full { // which is an answer: nothing was kept
		s.Outdate(event.Stale)
		return failure
	}
	kept, err := s.settle(ctx, failure, change, event.ID)
	switch {
	case err != nil:
		s.Outdate(event.Stale)
		s.halt(err)
		return unsettled(err, "It is not known whether the change was kept, and this node is stopping. Look before you repeat it.")
	case kept:
		return s.landed(change, event)
	}
	s.Outdate(event.Stale)
	return unsettled(failure, "The change was not kept. Try again.")
}

// landed does what comes after a COMMIT and before the answer.
func (s *Store) landed(change int64, event audit.Event) error {
	s.counts.Events.Add(1)
	s.full.Store(false)
	s.Outdate(event.Stale)
	return s.committed(change, event)
}

func unsettled(cause error, message string) error {
	return fault.Wrap(fault.Unavailable, fmt.Errorf("%w: %w", errInDoubt, cause), message)
}

// settle finds out what became of a COMMIT that failed. It may land long after its connection broke, and facts that were
// read in between would be stale without anyone knowing. The transaction holds the row of the change counter until it is
// over, so whoever gets that row comes after it and sees whether its event is there. That is tried on new connections until
// settleDeadline is over; then, and where the engine can no longer be trusted, it returns an error and the process must stop.
func (s *Store) settle(ctx context.Context, failure error, change int64, id ident.EventID) (kept bool, err error) {
	if s.backend.Classify(failure) == Fatal {
		return false, failure
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.SettleWithin)
	defer cancel()
	for pause := settlePause; ; pause = min(2*pause, maxSettlePause) {
		kept, err := s.look(ctx, change, id)
		if err == nil {
			return kept, nil
		}
		if s.disconnected(err) {
			s.backend.Renew()
		}
		if s.backend.Classify(err) == Fatal {
			return false, err
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("a COMMIT stays in doubt: %w", errors.Join(failure, err))
		case <-time.After(pause/2 + rand.N(pause/2)): // many writes may be in doubt at once
		}
	}
}

// look waits for the row of the change counter and reports whether the change is on record with this event.
func (s *Store) look(ctx context.Context, change int64, id ident.EventID) (kept bool, err error) {
	tx, err := s.backend.Write.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }() // it changes nothing
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

// disconnected reports whether the connection was lost before a COMMIT was sent: the server keeps nothing of it then.
func (s *Store) disconnected(err error) bool {
	return err != nil && !errors.Is(err, errInDoubt) && s.backend.Classify(err) == Disconnected
}

// again reports whether a read is tried once more: its connection was lost, and a new one is had by then.
func (s *Store) again(err error) bool {
	lost := s.disconnected(err)
	if lost {
		s.backend.Renew()
	}
	return lost
}
