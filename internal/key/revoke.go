package key

import (
	"context"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/text"
)

// Revoke ends a key for ever and returns its tombstone. deleted is true where the tenant keeps no
// tombstones: the key is gone then. To revoke a revoked key changes nothing.
func (s *Service) Revoke(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID,
	reason string,
) (v View, deleted bool, err error) {
	reason, faults := text.Description("reason", reason)
	if err := fault.Refuse(faults...); err != nil {
		return View{}, false, err
	}
	v, err = s.change(ctx, who, tenant, id, policy.MayRevokeKeys,
		func(ctx context.Context, tx ChangeTx, c *keyTx) (audit.Action, error) {
			deleted = c.tenant.Settings.RevokeMode == policy.Delete
			if !deleted && c.revoked() {
				return "", audit.ErrNothing
			}
			if err := c.notifyRevoked(ctx, tx, reason, deleted); err != nil {
				return "", err
			}
			c.addEffect(audit.EffectKeyRevoked)
			if deleted {
				return audit.ActionKeyRevoke, tx.DeleteKey(ctx, id)
			}
			c.RevokedAt = c.now
			c.RevokedReason = reason
			c.Slot = 0
			c.UpdatedAt = c.now
			return audit.ActionKeyRevoke, tx.RevokeKey(ctx, id, c.now, c.by.party().ID, reason)
		})
	return v, deleted, err
}

// Delete removes a key. Its audit trail stays.
func (s *Service) Delete(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID) error {
	_, err := s.change(ctx, who, tenant, id, policy.MayRevokeKeys,
		func(ctx context.Context, tx ChangeTx, c *keyTx) (audit.Action, error) {
			if err := c.notifyRevoked(ctx, tx, "", true); err != nil {
				return "", err
			}
			c.addEffect(audit.EffectKeyRevoked)
			return audit.ActionKeyDelete, tx.DeleteKey(ctx, id)
		})
	return err
}
