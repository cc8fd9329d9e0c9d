package machine

import (
	"context"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// ManagementKeyRef names a management key.
type ManagementKeyRef struct {
	Tenant ident.TenantID
	// Account is the service account that it belongs to.
	Account ident.ServiceAccountID
	ID      ident.ManagementKeyID
}

// ForgetExpired deletes the digests of management keys that expired longer ago than
// ExpiredRetention. Their holders then get the same answer as those of a value that was never
// issued.
func (s *ManagementKeys) ForgetExpired(ctx context.Context) error {
	for {
		found, err := s.Store.ManagementKeysExpiredBy(ctx, s.Horizon().Add(-s.ExpiredRetention))
		if err != nil || len(found) == 0 {
			return err
		}
		progress := false
		for _, r := range found {
			forgotten, err := s.forget(ctx, r)
			if err != nil {
				return err
			}
			progress = progress || forgotten
		}
		if !progress { // other nodes, or refreshes, were first
			return nil
		}
	}
}

// forget deletes the digests of a management key if it is still due.
func (s *ManagementKeys) forget(ctx context.Context, r ManagementKeyRef) (forgotten bool, err error) {
	who := principal.System()
	err = tenancy.InTenant(ctx, s.Ledger, who, r.Tenant,
		func(ctx context.Context, tx ManagementKeyTx, _ tenancy.Tenant) (audit.Event, error) {
			forgotten = false
			_, err := tx.LockManagementOwner(ctx, r.Tenant, r.Account)
			if err != nil && !errors.Is(err, fault.NotFound) { // a deleted service account
				return audit.Event{}, err
			}
			k, err := tx.LockManagementKey(ctx, r.Tenant, r.ID)
			if err != nil {
				return audit.Event{}, err
			}
			t, err := tx.TenantRules(ctx, r.Tenant)
			if err != nil {
				return audit.Event{}, err
			}
			life := k.dates().Under(t.Rules)
			if life.Status(s.Now()) != policy.Expired ||
				!life.Expiry.Passed(s.Horizon().Add(-s.ExpiredRetention)) {
				return audit.Event{}, audit.ErrNothing
			}
			n, err := tx.ForgetManagementDigests(ctx, r.ID)
			if err == nil && n == 0 {
				err = audit.ErrNothing
			}
			forgotten = err == nil
			e := audit.By(who, audit.ActionManagementKeyForget, managementTarget(k))
			e = e.With(audit.DetailServiceAccount, string(r.Account))
			return e.With("expired_at", life.Expiry.At.UTC().Format(time.RFC3339)), err
		})
	if errors.Is(err, fault.NotFound) { // it was deleted meanwhile
		return false, nil
	}
	return forgotten, err
}
