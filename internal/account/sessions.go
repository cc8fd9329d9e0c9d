package account

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
)

// EndSessionsOf ends in an account the sessions of a person that had ended by its policy, or are
// about to. It is called before the policy stops binding the person: a session that belongs to no
// account could otherwise be used again.
func EndSessionsOf(ctx context.Context, tx SessionTx, account ident.AccountID, user ident.UserID, now time.Time) error {
	p, err := tx.Policy(ctx, account)
	if err != nil {
		return err
	}
	seenBy, begunBy := p.EndedSessionCutoffs(now)
	return tx.EndSessionsOf(ctx, account, user, seenBy, begunBy)
}

// EndSessions does what EndSessionsOf does, for all people of an account.
func EndSessions(ctx context.Context, tx SessionTx, account ident.AccountID, now time.Time) error {
	p, err := tx.Policy(ctx, account)
	if err != nil {
		return err
	}
	seenBy, begunBy := p.EndedSessionCutoffs(now)
	return tx.EndSessionsIn(ctx, account, seenBy, begunBy)
}
