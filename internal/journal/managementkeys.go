package journal

import (
	"context"
	"reflect"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
)

// ManagementKeyTx reads and changes management keys.
type ManagementKeyTx interface {
	LockManagementKey(ctx context.Context, tenant ident.TenantID,
		id ident.ManagementKeyID) (machine.ManagementKey, error)
	EditManagementKey(ctx context.Context, k machine.ManagementKey) error
	EndPreviousManagementSecret(ctx context.Context, id ident.ManagementKeyID, at time.Time) error
	RevokeManagementKey(ctx context.Context, id ident.ManagementKeyID, at time.Time, by ident.PartyID,
		reason string) error
}

// managementState is the latest state of a management key.
type managementState struct {
	tenant                  ident.TenantID
	revoked                 bool
	serial, previousEndedAt int
	// rights is nil if the journal says nothing about them. Otherwise the management key expired
	// at expires.
	rights  *policy.ManagementRights
	expires time.Time
}

func (s *State) applyManagementKey(f audit.Effect) {
	k := s.management[f.ManagementKey]
	if k == nil {
		k = &managementState{tenant: f.Tenant}
		s.management[f.ManagementKey] = k
	}
	if k.revoked { // permanently
		return
	}
	switch f.Kind {
	case audit.EffectManagementKeyRevoked:
		*k = managementState{tenant: f.Tenant, revoked: true}
	case audit.EffectManagementKeyRefreshed:
		k.serial = f.Serial
		k.expires = time.Time{} // the refresh says how long the new secret lives
	case audit.EffectManagementKeyPreviousEnded:
		k.previousEndedAt = f.Serial
	case audit.EffectManagementKeyNarrowed:
		k.rights, k.expires = f.Rights, f.Expires
	}
}

// managementKey takes from a management key what it lost after the backup.
func (a applier) managementKey(ctx context.Context, id ident.ManagementKeyID,
	last *managementState,
) (taken bool, err error) {
	k, err := a.tx.Management.LockManagementKey(ctx, last.tenant, id)
	if err != nil || !k.RevokedAt.IsZero() {
		return false, err
	}
	if last.revoked || k.Serial < last.serial { // the secret of a later refresh is lost, and the old one was to end
		return true, a.tx.Management.RevokeManagementKey(ctx, id, a.now, "", revokeReason)
	}
	if last.previousEndedAt == k.Serial && !k.Previous.Until.IsZero() {
		taken, err = true, a.tx.Management.EndPreviousManagementSecret(ctx, id, a.now)
	}
	if err == nil && last.restrict(&k) {
		k.UpdatedAt = a.now
		taken, err = true, a.tx.Management.EditManagementKey(ctx, k)
	}
	return taken, err
}

// restrict takes from the management key what it has in the backup and lost later. It reports
// whether the management key changed.
func (last *managementState) restrict(k *machine.ManagementKey) (narrowed bool) {
	if last.rights == nil {
		return false
	}
	if !last.expires.IsZero() && last.expires.Before(k.ExpiresAt) {
		k.ExpiresAt, narrowed = last.expires, true
	}
	less := k.Rights.Narrowed(*last.rights).Normal()
	if !reflect.DeepEqual(less, k.Rights.Normal()) {
		k.Rights, narrowed = less, true
	}
	return narrowed
}
