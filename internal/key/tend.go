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
type operation = func(ctx context.Context, tx Tx, c *changing) (action audit.Action, err error)

// tend does to keys what nobody asked for but their age: to those that some gives, again and again until it gives none or to none of them anything was
// done. It judges each anew, under its lock.
func (s *Service) tend(ctx context.Context, some func() ([]Ref, error), operate operation) error {
	for {
		refs, err := some()
		if err != nil {
			return err
		}
		done, err := s.tendAll(ctx, refs, operate)
		if err != nil || done == 0 {
			return err
		}
	}
}

// tendAll gives to how many something was done.
func (s *Service) tendAll(ctx context.Context, refs []Ref, operate operation) (done int, err error) {
	for _, r := range refs {
		n, err := s.tendOne(ctx, r, operate)
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// tendOne gives 1 where something was done.
func (s *Service) tendOne(ctx context.Context, r Ref, operate operation) (done int, err error) {
	err = s.Ledger.Write(ctx, principal.System(), func(ctx context.Context, tx Tx) (audit.Event, error) {
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
		c.now, c.horizon = s.Now(), s.Horizon()
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
	by := s.Horizon().Add(-s.KeepExpired)
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
	over := s.Horizon().Add(-policy.Grace)
	return s.tend(ctx, func() ([]Ref, error) { return s.Store.PreviousOverBy(ctx, over) }, forgetPrevious)
}

func (s *Service) forget(ctx context.Context, tx Tx, c *changing) (audit.Action, error) {
	life := c.Life(c.tenant.Rules)
	if !c.ForgottenAt.IsZero() || life.State(c.now) != policy.Expired || !life.Expiry.Passed(c.horizon.Add(-s.KeepExpired)) {
		return "", audit.ErrNothing
	}
	c.details = map[string]string{"expired_at": life.Expiry.At.UTC().Format(time.RFC3339)}
	return audit.ActionKeyForget, tx.ForgetDigests(ctx, c.ID, c.now)
}

func forgetPrevious(ctx context.Context, tx Tx, c *changing) (audit.Action, error) {
	if c.Previous.Until.IsZero() || c.horizon.Before(c.Previous.Until.Add(policy.Grace)) {
		return "", audit.ErrNothing
	}
	return audit.ActionKeyForgetPrevious, tx.EndPrevious(ctx, c.ID, c.now)
}

// DisableIdle disables the keys that nobody has used for as long as their tenant lets them be idle, once the notice of it was in the outbox for long enough. Last uses are
// on record up to a moment ago. Only an admin enables such a key again.
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
		if err := s.disableIdleIn(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// disableIdleIn goes through all keys of a tenant that are idle and have not expired: those whose owner was told late come before others that are due.
func (s *Service) disableIdleIn(ctx context.Context, t policy.Tenant) error {
	now, after := s.Horizon(), Hold{}
	since := t.Idleness().IdleSince(now.Add(-policy.IdleMargin))
	for !since.IsZero() {
		held, err := s.Store.IdleKeys(ctx, t.ID, since, after)
		if err != nil || len(held) == 0 {
			return err
		}
		after = held[len(held)-1]
		var refs []Ref
		for _, h := range held {
			if !h.lapsed(t.Rules, now) {
				refs = append(refs, Ref{t.ID, h.Key})
			}
		}
		if _, err := s.tendAll(ctx, refs, disableIdle); err != nil {
			return err
		}
	}
	return nil
}

func disableIdle(ctx context.Context, tx Tx, c *changing) (audit.Action, error) {
	warned, err := c.warnedIdle(ctx, tx)
	if err == nil && !warned {
		err = audit.ErrNothing
	}
	if err != nil {
		return "", err
	}
	c.DisabledAt, c.DisabledBy, c.DisabledByAdmin, c.UpdatedAt = c.now, "", true, c.now
	c.details = map[string]string{"reason": "idle"}
	if err := c.tellDisabled(ctx, tx); err != nil {
		return "", err
	}
	c.affect(audit.EffectKeyDisabled)
	return audit.ActionKeyDisable, tx.SetDisabled(ctx, c.Key)
}
