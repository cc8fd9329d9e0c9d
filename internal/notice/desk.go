package notice

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// List gives notices for the operator, the newest first; "" lists those in any state.
func (s *Service) List(ctx context.Context, state State, limit int) ([]Entry, error) {
	if state != "" && !slices.Contains(states[:], state) {
		return nil, fault.Refuse(fault.Field{Name: "state", Code: "unknown", Message: fmt.Sprintf("Use one of %v.", states)})
	}
	return s.Store.Notices(ctx, state, limit)
}

// Retry lets a notice be sent anew: one that waits at once, one that is over without having been sent as if it had never been tried. One that is in doubt may then
// arrive twice.
func (s *Service) Retry(ctx context.Context, who principal.Principal, id ident.NoticeID) error {
	return s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		e, err := tx.LockNotice(ctx, id)
		switch {
		case err != nil:
			return audit.Event{}, err
		case e.State == Sent:
			return audit.Event{}, fault.New(fault.Conflict, "The notice was sent.")
		case e.State == Claimed || e.State == Sending:
			return audit.Event{}, fault.New(fault.Conflict, "The notice is being sent.")
		}
		event := audit.By(who, audit.ActionNoticeRetry, audit.Target{Type: "notice", ID: string(id), Name: string(e.Kind)})
		return event.With("was", string(e.State)), tx.RetryNotice(ctx, id, s.Now())
	})
}

// RetryDead does so for all that are dead, and gives how many. Those in doubt it leaves alone: whoever wants to risk that one arrives twice names it.
func (s *Service) RetryDead(ctx context.Context, who principal.Principal) (n int64, err error) {
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		if n, err = tx.RetryDead(ctx, s.Now()); err == nil && n == 0 {
			err = audit.ErrNothing
		}
		event := audit.By(who, audit.ActionNoticeRetry, audit.Target{Type: "notice"})
		return event.With("notices", strconv.FormatInt(n, 10)), err
	})
	return n, err
}
