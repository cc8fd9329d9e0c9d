package key

import (
	"context"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
)

// DisableIdle disables the keys that nobody has used for as long as their tenant allows, once the
// notice about it has been in the outbox for policy.IdleNotice. The caller must have stored recent
// uses first. Only an admin enables such a key again. One call examines a bounded number of keys;
// the next call goes on after them.
func (s *Sweeper) DisableIdle(ctx context.Context) error {
	tenants, err := s.Store.IdleTenants(ctx)
	if err != nil {
		return err
	}
	return s.idle.RunPass(tenants, func(tenant ident.TenantID, after Position) (*Position, error) {
		return s.disableIdleIn(ctx, tenant, after)
	})
}

// disableIdleIn disables idle keys in the next part of a tenant's keys. It decides about each of
// them: a key whose notice was late is not due yet, although others after it are.
func (s *Sweeper) disableIdleIn(ctx context.Context, tenant ident.TenantID, after Position) (*Position, error) {
	t, err := s.Store.TenantRules(ctx, tenant)
	if err != nil {
		return nil, err
	}
	now := s.Horizon()
	since := t.IdleRule().IdleCutoff(now.Add(-policy.IdleMargin))
	if since.IsZero() {
		return nil, nil
	}
	idle, last, err := s.Store.IdleKeys(ctx, tenant, since, after)
	if err != nil {
		return nil, err
	}
	var refs []Ref
	for _, h := range idle {
		if !h.expired(t.Rules, now) {
			refs = append(refs, Ref{tenant, h.Key})
		}
	}
	_, err = s.sweepKeys(ctx, refs, disableIdle)
	return last, err
}

func disableIdle(ctx context.Context, tx SweepTx, c *keyTx) (audit.Action, error) {
	due, err := c.dueForIdleDisable(ctx, tx)
	if err == nil && !due {
		err = audit.ErrNothing
	}
	if err != nil {
		return "", err
	}
	c.DisabledAt = c.now
	c.DisabledBy = ""
	c.DisabledByAdmin = true
	c.UpdatedAt = c.now
	c.details = map[string]string{"reason": "idle"}
	if err := c.notifyDisabled(ctx, tx); err != nil {
		return "", err
	}
	c.addEffect(audit.EffectKeyDisabled)
	return audit.ActionKeyDisable, tx.SetDisabled(ctx, c.Key)
}

// dueForIdleDisable reports whether the key is idle and its owner was notified at least
// policy.IdleNotice ago. Subjects get no notice.
func (c *keyTx) dueForIdleDisable(ctx context.Context, tx SweepTx) (bool, error) {
	if !notice.Reaches(c.Owner.Type()) {
		return c.noticeSubject().IdleWithoutNotice(c.tenant, c.horizon), nil
	}
	n, idle := c.noticeSubject().Idle(c.tenant, c.horizon)
	if !idle {
		return false, nil
	}
	at, err := tx.NoticePlanned(ctx, n)
	return !at.IsZero() && !c.horizon.Before(at.Add(policy.IdleNotice)), err
}
