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
)

// Disable makes a key unusable until it is enabled. A disabled key stays as it is, but for one that
// its owner or a program disabled: an admin can disable it once more, and then only an admin
// enables it.
func (s *Service) Disable(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.KeyID,
) (View, error) {
	return s.change(ctx, who, tenant, id, policy.MayDisableKeys,
		func(ctx context.Context, tx ChangeTx, c *keyTx) (audit.Action, error) {
			byAdmin := !c.Owner.Is(c.by.Person.ID)
			switch {
			case c.revoked():
				return "", errRevoked
			case !c.DisabledAt.IsZero() && (!byAdmin || c.by.management != nil || c.adminDisabled()):
				return "", audit.ErrNothing
			}
			c.DisabledAt = c.now
			c.DisabledBy = c.by.party().ID
			c.DisabledByAdmin = byAdmin
			c.UpdatedAt = c.now
			if err := c.notifyDisabled(ctx, tx); err != nil {
				return "", err
			}
			c.addEffect(audit.EffectKeyDisabled)
			return audit.ActionKeyDisable, tx.SetDisabled(ctx, c.Key)
		})
}

// adminDisabled reports whether a person who is an admin, or idleness, disabled the key.
func (c *keyTx) adminDisabled() bool {
	return c.DisabledByAdmin && c.DisabledBy.Type() != ident.ManagementKeyParty
}

// Enable makes a disabled key usable again. Only an admin enables a key that an admin or idleness
// disabled.
func (s *Service) Enable(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.KeyID,
) (View, error) {
	return s.change(ctx, who, tenant, id, policy.MayDisableKeys,
		func(ctx context.Context, tx ChangeTx, c *keyTx) (audit.Action, error) {
			switch {
			case c.revoked():
				return "", errRevoked
			case c.DisabledAt.IsZero():
				return "", audit.ErrNothing
			case c.by.management != nil && c.DisabledBy.Type() != ident.ManagementKeyParty:
				return "", fault.New(fault.Forbidden,
					"A person disabled this key, or it was idle for too long. Only people may enable it.")
			case c.by.management == nil && c.DisabledByAdmin && c.by.EffectiveRole() != scope.Admin:
				return "", fault.New(fault.Forbidden,
					"An admin disabled this key, or it was idle for too long. Ask an admin of the tenant to enable it.")
			}
			c.DisabledAt = time.Time{}
			c.DisabledBy = ""
			c.DisabledByAdmin = false
			c.EnabledAt = c.now
			c.UpdatedAt = c.now
			c.addEffect(audit.EffectKeyEnabled)
			return audit.ActionKeyEnable, tx.SetDisabled(ctx, c.Key)
		})
}
