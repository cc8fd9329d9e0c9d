package key

import (
	"context"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// keyTx is a locked key, with what a change of it reads in the same transaction.
type keyTx struct {
	Key
	tenant policy.Tenant
	// by is the caller's authority, and owner is what the key's owner may do. A sweep has neither.
	by    actorRights
	owner Owner
	now   time.Time
	// horizon is set in a sweep: see Sweeper.Horizon.
	horizon time.Time
	// details and effects become part of the event.
	details map[string]string
	effects []audit.Effect
}

// addEffect adds an effect on the key to the event.
func (c *keyTx) addEffect(kind audit.EffectKind) {
	c.effects = append(c.effects, audit.Effect{Kind: kind, Tenant: c.Tenant, Key: c.ID})
}

// event describes the change of the key.
func (c *keyTx) event(who principal.Principal, action audit.Action) audit.Event {
	e := audit.By(who, action, target(c.Key)).In(c.Tenant, c.tenant.Account).With("public_id", c.PublicID)
	for name, value := range c.details {
		e = e.With(name, value)
	}
	return e.WithEffects(c.effects...)
}

// expired reports whether the key's authority has ended by time.
func (c *keyTx) expired() bool { return c.Life(c.tenant.Rules).Expiry.Passed(c.now) }

// operation changes a locked key and names the change for the audit trail. It returns
// audit.ErrNothing if there is nothing to change.
type operation = func(ctx context.Context, tx ChangeTx, c *keyTx) (audit.Action, error)

// change runs an operation on a key that the caller may change, and returns the key as it is
// afterwards. A management key needs the permission; "" is for what only people do. What it changes
// must be within its ceilings before and afterwards.
func (s *Service) change(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID,
	permission policy.Permission, operate operation,
) (v View, err error) {
	caller, err := actorOf(who)
	if err != nil {
		return View{}, err
	}
	err = s.Changes.Write(ctx, who, func(ctx context.Context, tx ChangeTx) (audit.Event, error) {
		c, err := s.lock(ctx, tx, caller, tenant, id, permission)
		if err == nil {
			err = who.RequireSessionIn(c.tenant.Account)
		}
		if err != nil {
			return audit.Event{}, err
		}
		if permission == policy.MayRefreshKeys {
			if err := c.by.countCreate(ctx, tx, c.now); err != nil {
				return audit.Event{}, err
			}
		}
		before := slices.Clone(c.Lookups)
		action, err := operate(ctx, tx, &c)
		if err == nil {
			err = c.by.requireWithin(c.Key, permission)
		}
		v = caller.viewFor(s.view(caller.person.ID, c.by.EffectiveRole(), c.tenant, c.Key))
		// With audit.ErrNothing too, the event says which cache entries may be out of date.
		return c.event(who, action).InvalidatesLookups(sortedUnique(append(before, c.Lookups...))...), err
	})
	return v, err
}

// lock locks and reads what a change needs, and checks whether the caller may change the key.
func (s *Service) lock(ctx context.Context, tx ChangeTx, caller actor, tenant ident.TenantID, id ident.KeyID,
	permission policy.Permission,
) (c keyTx, err error) {
	owner, err := tx.KeyOwner(ctx, tenant, id)
	if err != nil {
		return c, err
	}
	c.by, c.owner, err = lockActor(ctx, tx, tenant, caller, owner)
	if err != nil {
		return c, err
	}
	c.Key, err = tx.LockKey(ctx, tenant, id)
	if err != nil {
		return c, err
	}
	// The settings and the time are read after the locks: while this transaction waited for them,
	// the tenant may have changed and the key may have expired.
	c.tenant, err = tx.TenantRules(ctx, tenant)
	if err != nil {
		return c, err
	}
	c.now = s.Now()
	if err := c.by.authorizeOperation(c.tenant, c.Key, permission, c.now); err != nil {
		return c, err
	}
	return c, c.by.requireWithin(c.Key, permission)
}
