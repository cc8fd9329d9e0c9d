package key

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/policy"
)

// ForgetExpired deletes the digests of keys that expired longer ago than ExpiredRetention, and
// previous secrets that ended longer than policy.Grace ago. Their holders then get the same answer
// as a person without a key.
func (s *Sweeper) ForgetExpired(ctx context.Context) error {
	by := s.Horizon().Add(-s.ExpiredRetention)
	if err := s.sweep(ctx, func() ([]Ref, error) { return s.Store.KeysExpiredBy(ctx, by) }, s.forget); err != nil {
		return err
	}
	policies, err := s.Store.Policies(ctx)
	if err != nil {
		return err
	}
	for _, account := range slices.Sorted(maps.Keys(policies)) {
		setBy := policy.LatestExpiredSecret(policies[account], by)
		if setBy.IsZero() {
			continue
		}
		some := func() ([]Ref, error) { return s.Store.KeysSetBy(ctx, account, setBy) }
		if err := s.sweep(ctx, some, s.forget); err != nil {
			return err
		}
	}
	ended := s.Horizon().Add(-policy.Grace)
	return s.sweep(ctx, func() ([]Ref, error) { return s.Store.KeysWithPreviousEndedBy(ctx, ended) }, forgetPrevious)
}

func (s *Sweeper) forget(ctx context.Context, tx SweepTx, c *keyTx) (audit.Action, error) {
	life := c.Life(c.tenant.Rules)
	if !c.ForgottenAt.IsZero() || life.Status(c.now) != policy.Expired ||
		!life.Expiry.Passed(c.horizon.Add(-s.ExpiredRetention)) {
		return "", audit.ErrNothing
	}
	c.details = map[string]string{"expired_at": life.Expiry.At.UTC().Format(time.RFC3339)}
	return audit.ActionKeyForget, tx.ForgetDigests(ctx, c.ID, c.now)
}

func forgetPrevious(ctx context.Context, tx SweepTx, c *keyTx) (audit.Action, error) {
	if c.Previous.Until.IsZero() || c.horizon.Before(c.Previous.Until.Add(policy.Grace)) {
		return "", audit.ErrNothing
	}
	return audit.ActionKeyForgetPrevious, tx.EndPrevious(ctx, c.ID, c.now)
}
