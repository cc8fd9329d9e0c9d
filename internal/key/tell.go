package key

import (
	"context"

	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// facts of the key for a notice to its owner about what somebody did.
func (k Key) facts(rules []policy.Rule, by principal.Person) notice.Facts {
	f := notice.Facts{Tenant: k.Tenant, KeyName: k.Name, PublicID: k.PublicID, Last4: k.Last4, Expiry: k.Life(rules).Expiry, By: notice.Self}
	if by.ID != k.Owner.ID {
		f.By = notice.Named(by.Name, by.Email)
	}
	return f
}

// tellCreated tells the owner of a key that somebody else made.
func tellCreated(ctx context.Context, tx Tx, k Key, rules []policy.Rule) error {
	if k.CreatedBy.ID == k.Owner.ID {
		return nil
	}
	f := k.facts(rules, k.CreatedBy)
	f.ByLink = k.Delivery == ByLink
	return tx.PlanNotice(ctx, notice.OfKey(notice.KeyCreated, k.Owner.ID, k.ID, k.CreatedAt, f))
}

// tellRefreshed tells the owner also of what they did themselves: it may have been somebody with their session.
func (c *changing) tellRefreshed(ctx context.Context, tx Tx) error {
	f := c.facts(c.tenant.Rules, c.by.Person)
	return tx.PlanNotice(ctx, notice.OfKey(notice.KeyRefreshed, c.Owner.ID, c.ID, c.now, f, c.Serial))
}

// tellRevealed tells the owner, who alone can have done it, for the same reason.
func (c *changing) tellRevealed(ctx context.Context, tx Tx, address string) error {
	f := c.facts(c.tenant.Rules, c.by.Person)
	f.Address = address
	return tx.PlanNotice(ctx, notice.OfKey(notice.KeyRevealed, c.Owner.ID, c.ID, c.now, f, c.now.UnixMicro()))
}

// tellDisabled tells the owner of a key that somebody else disabled, or idleness.
func (c *changing) tellDisabled(ctx context.Context, tx Tx) error {
	if c.DisabledBy == c.Owner.ID {
		return nil
	}
	f := c.facts(c.tenant.Rules, c.by.Person)
	if c.DisabledBy == "" {
		f.LastUsedAt, f.IdleDays = c.LastUsedAt, c.tenant.Settings.IdleDays
	}
	return tx.PlanNotice(ctx, notice.OfKey(notice.KeyDisabled, c.Owner.ID, c.ID, c.now, f, c.now.UnixMicro()))
}

// tellRevoked tells the owner, also of what they did themselves, of a key that is revoked or deleted, once.
func (c *changing) tellRevoked(ctx context.Context, tx Tx, why string, deleted bool) error {
	if !c.RevokedAt.IsZero() {
		return nil
	}
	f := c.facts(c.tenant.Rules, c.by.Person)
	f.Why, f.Deleted = why, deleted
	return tx.PlanNotice(ctx, notice.OfKey(notice.KeyRevoked, c.Owner.ID, c.ID, c.now, f))
}

// tellExpiring tells the owner at once where a new expiry is nearer than a threshold, however young the secret is.
func (c *changing) tellExpiring(ctx context.Context, tx Tx) error {
	n, near := c.subject().Stage(c.tenant.Rules, c.now)
	if !near {
		return nil
	}
	return tx.PlanNotice(ctx, n)
}

// warnedIdle reports whether the key is to be disabled for idleness and its owner had time enough to hear of it.
func (c *changing) warnedIdle(ctx context.Context, tx Tx) (bool, error) {
	n, idle := c.subject().Idle(c.tenant, c.horizon)
	if !idle {
		return false, nil
	}
	at, err := tx.NoticePlanned(ctx, n)
	return !at.IsZero() && !c.horizon.Before(at.Add(policy.IdleNotice)), err
}

// subject is the key as far as time does something to it.
func (c *changing) subject() notice.Subject {
	return notice.Subject{
		Key: c.ID, Tenant: c.Tenant, Account: c.tenant.Account, Owner: c.Owner.ID, Name: c.Name, PublicID: c.PublicID, Last4: c.Last4, Serial: c.Serial,
		SetAt: c.SecretSetAt, ExpiresAt: c.ExpiresAt, RevokedAt: c.RevokedAt, DisabledAt: c.DisabledAt, LastUsedAt: c.LastUsedAt, EnabledAt: c.EnabledAt,
	}
}
