package key

import (
	"context"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// changing is a key under change, with what was read in the same transaction.
type changing struct {
	Key
	tenant policy.Tenant
	// by is the caller's authority, owner that of the key's owner.
	by, owner principal.Authority
	now       time.Time
	// horizon is set for what is done because of a key's age; see Service.Horizon.
	horizon time.Time
	// details and effects of the event.
	details map[string]string
	effects []audit.Effect
}

// affect adds an effect on the key to the event.
func (c *changing) affect(kind audit.EffectKind) {
	c.effects = append(c.effects, audit.Effect{Kind: kind, Tenant: c.Tenant, Key: c.ID})
}

// change runs one operation on a key that its owner or an admin of the tenant may do, names it to the audit trail, and gives the key as it then is.
func (s *Service) change(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID,
	operate operation,
) (v View, err error) {
	caller, err := person(who)
	if err != nil {
		return View{}, err
	}
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		c, err := s.open(ctx, tx, caller, tenant, id)
		if err != nil {
			return audit.Event{}, err
		}
		before := slices.Clone(c.Lookups)
		action, err := operate(ctx, tx, &c)
		v = s.view(who, c.tenant, c.Key)
		return c.event(who, action).OutdatesLookups(distinct(append(before, c.Lookups...))...), err // the event also with ErrNothing: see there
	})
	return v, err
}

// event says what was done to the key.
func (c *changing) event(who principal.Principal, action audit.Action) audit.Event {
	e := audit.By(who, action, target(c.Key)).In(c.Tenant, c.tenant.Account).With("public_id", c.PublicID)
	for name, value := range c.details {
		e = e.With(name, value)
	}
	return e.WithEffects(c.effects...)
}

// open locks and reads what a change needs, and judges whether the caller may make one.
func (s *Service) open(ctx context.Context, tx Tx, caller principal.Person, tenant ident.TenantID, id ident.KeyID) (c changing, err error) {
	owner, err := tx.KeyOwner(ctx, tenant, id)
	if err != nil {
		return c, err
	}
	if c.by, c.owner, err = authorities(ctx, tx, tenant, caller.ID, owner); err != nil {
		return c, err
	}
	if c.Key, err = tx.LockKey(ctx, tenant, id); err != nil {
		return c, err
	}
	// Once the locks are had: what became of the tenant, and what ran out, while this waited for them counts.
	if c.tenant, err = tx.TenantRules(ctx, tenant); err != nil {
		return c, err
	}
	c.now = s.Now()
	return c, mayChange(c.by, c.tenant.Settings, c.Key)
}

// mayChange lets the owner and admins through; to anyone who may not even see the key it does not exist.
func mayChange(own principal.Authority, settings policy.Settings, k Key) error {
	role := own.Acting()
	switch {
	case role == "":
		return fault.NotFound
	case role == scope.Admin, k.Owner.ID == own.Person.ID:
		return nil
	case role == scope.Member && settings.Visibility == policy.SeeOwn:
		return fault.NotFound
	}
	return fault.New(fault.Forbidden, "Only the key's owner or an admin of the tenant may do this.")
}

var errRevoked = fault.New(fault.Conflict, "The key is revoked for good.")

// Revoke ends a key for good and gives its tombstone; gone is true where the tenant keeps none. Repeating it changes nothing.
func (s *Service) Revoke(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID, reason string) (v View, gone bool, err error) {
	reason, faults := text.Description("reason", reason)
	if err := fault.Refuse(faults...); err != nil {
		return View{}, false, err
	}
	v, err = s.change(ctx, who, tenant, id, func(ctx context.Context, tx Tx, c *changing) (audit.Action, error) {
		gone = c.tenant.Settings.RevokeMode == policy.Delete
		if !gone && !c.RevokedAt.IsZero() {
			return "", audit.ErrNothing
		}
		if err := c.tellRevoked(ctx, tx, reason, gone); err != nil {
			return "", err
		}
		c.affect(audit.EffectKeyRevoked)
		if gone {
			return audit.ActionKeyRevoke, tx.DeleteKey(ctx, id)
		}
		c.RevokedAt, c.RevokedReason, c.Slot, c.UpdatedAt = c.now, reason, 0, c.now
		return audit.ActionKeyRevoke, tx.RevokeKey(ctx, id, c.now, c.by.Person.ID, reason)
	})
	return v, gone, err
}

// Delete removes a key's row; its audit trail stays.
func (s *Service) Delete(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID) error {
	_, err := s.change(ctx, who, tenant, id, func(ctx context.Context, tx Tx, c *changing) (audit.Action, error) {
		if err := c.tellRevoked(ctx, tx, "", true); err != nil {
			return "", err
		}
		c.affect(audit.EffectKeyRevoked)
		return audit.ActionKeyDelete, tx.DeleteKey(ctx, id)
	})
	return err
}

// Disable takes a key out of use until it is enabled. Repeating it changes nothing, unless an admin thereby takes the decision over from the owner.
func (s *Service) Disable(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID) (View, error) {
	return s.change(ctx, who, tenant, id, func(ctx context.Context, tx Tx, c *changing) (audit.Action, error) {
		byAdmin := c.Owner.ID != c.by.Person.ID
		switch {
		case !c.RevokedAt.IsZero():
			return "", errRevoked
		case !c.DisabledAt.IsZero() && (c.DisabledByAdmin || !byAdmin):
			return "", audit.ErrNothing
		}
		c.DisabledAt, c.DisabledBy, c.DisabledByAdmin, c.UpdatedAt = c.now, c.by.Person.ID, byAdmin, c.now
		if err := c.tellDisabled(ctx, tx); err != nil {
			return "", err
		}
		c.affect(audit.EffectKeyDisabled)
		return audit.ActionKeyDisable, tx.SetDisabled(ctx, c.Key)
	})
}

// Enable brings a disabled key back into use. What an admin or idleness disabled, only an admin enables.
func (s *Service) Enable(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID) (View, error) {
	return s.change(ctx, who, tenant, id, func(ctx context.Context, tx Tx, c *changing) (audit.Action, error) {
		switch {
		case !c.RevokedAt.IsZero():
			return "", errRevoked
		case c.DisabledAt.IsZero():
			return "", audit.ErrNothing
		case c.DisabledByAdmin && c.by.Acting() != scope.Admin:
			return "", fault.New(fault.Forbidden, "Not its owner disabled this key; only an admin of the tenant enables it.")
		}
		c.DisabledAt, c.DisabledBy, c.DisabledByAdmin, c.EnabledAt, c.UpdatedAt = time.Time{}, "", false, c.now, c.now
		c.affect(audit.EffectKeyEnabled)
		return audit.ActionKeyEnable, tx.SetDisabled(ctx, c.Key)
	})
}
