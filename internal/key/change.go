package key

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// Revoke ends a key for good and gives its tombstone; gone is true where the tenant keeps none. Repeating it changes nothing.
func (s *Service) Revoke(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID, reason string) (k Key, gone bool, err error) {
	reason, faults := text.Description("reason", reason)
	if err := fault.Refuse(faults...); err != nil {
		return Key{}, false, err
	}
	err = s.change(ctx, who, tenant, id, func(ctx context.Context, tx Tx, t policy.Tenant, found Key) (string, error) {
		k, gone = found, t.Settings.RevokeMode == policy.Delete
		if gone {
			return "key.revoke", tx.DeleteKey(ctx, id)
		}
		if !k.RevokedAt.IsZero() {
			return "", audit.ErrNothing
		}
		by, _ := who.Session()
		k.RevokedAt, k.RevokedReason, k.Slot = s.Now(), reason, 0
		k.UpdatedAt = k.RevokedAt
		return "key.revoke", tx.RevokeKey(ctx, id, k.RevokedAt, by.User.ID, reason)
	})
	return k, gone, err
}

// Delete removes a key's row; its audit trail stays.
func (s *Service) Delete(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID) error {
	return s.change(ctx, who, tenant, id, func(ctx context.Context, tx Tx, _ policy.Tenant, _ Key) (string, error) {
		return "key.delete", tx.DeleteKey(ctx, id)
	})
}

// change runs one operation on a key that its owner or an admin of the tenant may do, and names it to the audit trail.
func (s *Service) change(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID,
	operate func(context.Context, Tx, policy.Tenant, Key) (action string, err error),
) error {
	caller, err := person(who)
	if err != nil {
		return err
	}
	return s.Ledger.Write(ctx, func(ctx context.Context, tx Tx) (audit.Event, error) {
		t, err := tx.TenantRules(ctx, tenant)
		if err != nil {
			return audit.Event{}, err
		}
		own, err := tx.Authority(ctx, tenant, caller.ID)
		if err != nil {
			return audit.Event{}, err
		}
		k, err := tx.LockKey(ctx, tenant, id)
		if err != nil {
			return audit.Event{}, err
		}
		if err := mayChange(own, t.Settings, k); err != nil {
			return audit.Event{}, err
		}
		action, err := operate(ctx, tx, t, k)
		if err != nil {
			return audit.Event{}, err
		}
		return audit.By(who, action, target(k)).In(tenant, t.Account).OutdatesLookups(k.Lookups...).With("public_id", k.PublicID), nil
	})
}

// mayChange lets the owner and admins through; to anyone who may not even see the key it does not exist.
func mayChange(own Authority, settings policy.Settings, k Key) error {
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

// Disable takes a key out of use until it is enabled. Repeating it changes nothing, unless an admin thereby takes the decision over from the owner.
func (s *Service) Disable(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID) (k Key, err error) {
	caller, _ := who.Session()
	err = s.change(ctx, who, tenant, id, func(ctx context.Context, tx Tx, _ policy.Tenant, found Key) (string, error) {
		k = found
		byAdmin := found.Owner.ID != caller.User.ID
		switch {
		case !found.RevokedAt.IsZero():
			return "", errRevoked
		case !found.DisabledAt.IsZero() && (found.DisabledByAdmin || !byAdmin):
			return "", audit.ErrNothing
		}
		k.DisabledAt, k.DisabledBy, k.DisabledByAdmin = s.Now(), caller.User.ID, byAdmin
		k.UpdatedAt = k.DisabledAt
		return "key.disable", tx.SetDisabled(ctx, k)
	})
	return k, err
}

// Enable brings a disabled key back into use. What an admin disabled, only an admin enables.
func (s *Service) Enable(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID) (k Key, err error) {
	caller, _ := who.Session()
	err = s.change(ctx, who, tenant, id, func(ctx context.Context, tx Tx, _ policy.Tenant, found Key) (string, error) {
		k = found
		switch {
		case !found.RevokedAt.IsZero():
			return "", errRevoked
		case found.DisabledAt.IsZero():
			return "", audit.ErrNothing
		}
		if err := mayEnable(ctx, tx, found, caller.User.ID); err != nil {
			return "", err
		}
		k.DisabledAt, k.DisabledBy, k.DisabledByAdmin = time.Time{}, "", false
		k.UpdatedAt = s.Now()
		return "key.enable", tx.SetDisabled(ctx, k)
	})
	return k, err
}

var errRevoked = fault.New(fault.Conflict, "The key is revoked for good.")

func mayEnable(ctx context.Context, tx Tx, k Key, caller ident.UserID) error {
	own, err := tx.Authority(ctx, k.Tenant, caller)
	if err != nil {
		return err
	}
	if k.DisabledByAdmin && own.Acting() != scope.Admin {
		return fault.New(fault.Forbidden, "An admin of the tenant disabled this key; only an admin enables it.")
	}
	return nil
}
