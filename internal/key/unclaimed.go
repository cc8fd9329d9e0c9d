package key

import (
	"context"

	"github.com/claviger-dev/claviger/internal/audit"
)

// DeleteUnclaimed deletes the keys that their owners did not claim in time.
func (s *Sweeper) DeleteUnclaimed(ctx context.Context) error {
	unclaimed := func() ([]Ref, error) { return s.Store.KeysUnclaimedBy(ctx, s.Horizon()) }
	return s.sweep(ctx, unclaimed, func(ctx context.Context, tx SweepTx, c *keyTx) (audit.Action, error) {
		if !c.unclaimed() || c.Open.ExpiresAt.After(c.horizon) { // an admin made another link meanwhile
			return "", audit.ErrNothing
		}
		c.details = map[string]string{"reason": "unclaimed"}
		c.addEffect(audit.EffectKeyRevoked)
		return audit.ActionKeyDelete, tx.DeleteKey(ctx, c.ID)
	})
}
