package key

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Ref names a key.
type Ref struct {
	Tenant ident.TenantID
	Key    ident.KeyID
}

// operation does something to a key that is locked, and names it to the audit trail; audit.ErrNothing leaves the key alone.
type operation = func(ctx context.Context, tx Tx, c *changing) (action string, err error)

// tend does to keys what nobody asked for but their age: to those that some gives, again and again until it gives none or to none of them anything was
// done. It judges each anew, under its lock.
func (s *Service) tend(ctx context.Context, some func() ([]Ref, error), operate operation) error {
	for {
		refs, err := some()
		if err != nil {
			return err
		}
		done := 0
		for _, r := range refs {
			n, err := s.tendOne(ctx, r, operate)
			if err != nil {
				return err
			}
			done += n
		}
		if done == 0 {
			return nil
		}
	}
}

// tendOne gives 1 where something was done.
func (s *Service) tendOne(ctx context.Context, r Ref, operate operation) (done int, err error) {
	err = s.Ledger.Write(ctx, func(ctx context.Context, tx Tx) (audit.Event, error) {
		c := changing{}
		done = 0
		if c.Key, err = tx.LockKey(ctx, r.Tenant, r.Key); errors.Is(err, fault.NotFound) {
			return audit.Event{}, audit.ErrNothing
		}
		if err != nil {
			return audit.Event{}, err
		}
		if c.tenant, err = tx.TenantRules(ctx, r.Tenant); err != nil {
			return audit.Event{}, err
		}
		c.now = s.Now()
		action, err := operate(ctx, tx, &c)
		if err != nil {
			return audit.Event{}, err
		}
		done = 1
		return c.event(principal.System(), action).OutdatesLookups(c.Lookups...), nil
	})
	return done, err
}

// ForgetExpired takes the digests from keys that have been expired for longer than they are kept, and the previous secrets from those where it ran out so
// long ago that it counts for nothing. Their holders are then told what strangers are.
func (s *Service) ForgetExpired(ctx context.Context) error {
	by := s.Now().Add(-s.KeepExpired)
	if err := s.tend(ctx, func() ([]Ref, error) { return s.Store.KeysExpiredBy(ctx, by) }, s.forget); err != nil {
		return err
	}
	policies, err := s.Store.Policies(ctx)
	if err != nil {
		return err
	}
	for _, account := range slices.Sorted(maps.Keys(policies)) {
		setBy := policy.SetBy(policies[account], by)
		if setBy.IsZero() {
			continue
		}
		if err := s.tend(ctx, func() ([]Ref, error) { return s.Store.KeysSetBy(ctx, account, setBy) }, s.forget); err != nil {
			return err
		}
	}
	over := s.Now().Add(-policy.Grace)
	return s.tend(ctx, func() ([]Ref, error) { return s.Store.PreviousOverBy(ctx, over) }, forgetPrevious)
}

func (s *Service) forget(ctx context.Context, tx Tx, c *changing) (string, error) {
	life := c.Life(c.tenant.Rules)
	if !c.ForgottenAt.IsZero() || life.State(c.now) != policy.Expired || !life.Expiry.Passed(c.now.Add(-s.KeepExpired)) {
		return "", audit.ErrNothing
	}
	c.details = map[string]string{"expired_at": life.Expiry.At.UTC().Format(time.RFC3339)}
	return "key.forget", tx.ForgetDigests(ctx, c.ID, c.now)
}

func forgetPrevious(ctx context.Context, tx Tx, c *changing) (string, error) {
	if c.Previous.Until.IsZero() || c.now.Before(c.Previous.Until.Add(policy.Grace)) {
		return "", audit.ErrNothing
	}
	return "key.forget_previous", tx.EndPrevious(ctx, c.ID, c.now)
}

// idleMargin is how much longer than its tenant lets it a key is left before it is disabled for idleness: a last use may come on record a little late.
const idleMargin = time.Minute

// DisableIdle disables the keys that nobody has used for as long as their tenant lets them be idle. Last uses are on record up to a moment ago. Only an admin
// enables such a key again.
func (s *Service) DisableIdle(ctx context.Context) error {
	tenants, err := s.Store.IdleTenants(ctx)
	if err != nil {
		return err
	}
	for _, id := range tenants {
		t, err := s.Store.TenantRules(ctx, id)
		if err != nil {
			return err
		}
		if err := s.tend(ctx, s.idle(ctx, t), disableIdle); err != nil {
			return err
		}
	}
	return nil
}

// idle gives the idle keys of a tenant that have not expired, some at a time.
func (s *Service) idle(ctx context.Context, t policy.Tenant) func() ([]Ref, error) {
	now, after := s.Now(), ident.KeyID("")
	since := t.Idleness().IdleSince(now.Add(-idleMargin))
	return func() (refs []Ref, err error) {
		for len(refs) == 0 && !since.IsZero() {
			held, err := s.Store.IdleKeys(ctx, t.ID, since, after)
			if err != nil || len(held) == 0 {
				return nil, err
			}
			for _, h := range held {
				if after = h.Key; !h.lapsed(t.Rules, now) {
					refs = append(refs, Ref{t.ID, h.Key})
				}
			}
		}
		return refs, nil
	}
}

func disableIdle(ctx context.Context, tx Tx, c *changing) (string, error) {
	due := c.IdleAt(c.tenant)
	if c.Life(c.tenant.Rules).State(c.now) != policy.Active || due.IsZero() || due.After(c.now.Add(-idleMargin)) {
		return "", audit.ErrNothing
	}
	c.DisabledAt, c.DisabledBy, c.DisabledByAdmin, c.UpdatedAt = c.now, "", true, c.now
	c.details = map[string]string{"reason": "idle"}
	return "key.disable", tx.SetDisabled(ctx, c.Key)
}
