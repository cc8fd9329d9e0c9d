package notice

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// List returns up to limit notices, newest first; state "" stands for any. The entry point lets
// only the operator call it.
func (s *Service) List(ctx context.Context, state State, limit int) ([]Entry, error) {
	if state != "" && !slices.Contains(states[:], state) {
		return nil, fault.Refuse(fault.Field{
			Name: "state", Code: "unknown",
			Message: "Use waiting, claimed, sending, sent, skipped, dead or in_doubt.",
		})
	}
	return s.Store.Notices(ctx, state, limit)
}

// Retry makes a notice due now: a waiting one, or one that was skipped, is dead or is in doubt, as
// if it had never been tried. A notice in doubt may then arrive twice.
func (s *Service) Retry(ctx context.Context, who principal.Principal, id ident.NoticeID) error {
	return s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		e, err := tx.LockNotice(ctx, id)
		if err != nil {
			return audit.Event{}, err
		}
		return Retry(ctx, tx, who, e, s.Now())
	})
}

// Retry makes a locked notice due now, and returns the event of that. It refuses a notice that was
// sent or is being sent.
func Retry(ctx context.Context, tx RetryTx, who principal.Principal, e Entry, now time.Time) (audit.Event, error) {
	switch e.State {
	case Sent:
		return audit.Event{}, fault.New(fault.Conflict, "The notice was sent. It cannot be sent again.")
	case Leased, Sending:
		return audit.Event{},
			fault.New(fault.Conflict, "The notice is being sent at the moment. Look at its state in a minute.")
	}
	event := audit.By(who, audit.ActionNoticeRetry,
		audit.Target{Type: "notice", ID: string(e.ID), Name: string(e.Kind)})
	return event.With("was", string(e.State)), tx.RetryNotice(ctx, e.ID, now)
}

// RetryDead does the same for all dead notices, and returns how many. It leaves out those in doubt:
// an operator who accepts that one may arrive twice must name it.
func (s *Service) RetryDead(ctx context.Context, who principal.Principal) (n int64, err error) {
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		n, err = tx.RetryDead(ctx, s.Now())
		if err == nil && n == 0 {
			err = audit.ErrNothing
		}
		event := audit.By(who, audit.ActionNoticeRetry, audit.Target{Type: "notice"})
		return event.With("notices", strconv.FormatInt(n, 10)), err
	})
	return n, err
}
