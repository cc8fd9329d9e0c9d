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
// ExpiredRetention, and previous secrets that ended longer than policy.Grace ago. Their holders
// then get the same answer as those of a value that was never issued.
func (s *ManagementKeys) ForgetExpired(ctx context.Context) error {
	err := forgetAll(ctx, func() ([]ManagementKeyRef, error) {
		return s.Store.ManagementKeysExpiredBy(ctx, s.Horizon().Add(-s.ExpiredRetention))
	}, s.forgetDigests)
	if err != nil {
		return err
	}
	return forgetAll(ctx, func() ([]ManagementKeyRef, error) {
		return s.Store.ManagementKeysWithPreviousEndedBy(ctx, s.Horizon().Add(-policy.Grace))
	}, s.forgetPrevious)
}

// forgetAll runs forget for the management keys that find returns, until it returns none or forget
// changes none of them.
func forgetAll(ctx context.Context, find func() ([]ManagementKeyRef, error),
	forget func(context.Context, ManagementKeyRef) (bool, error),
) error {
	for {
		found, err := find()
		if err != nil || len(found) == 0 {
			return err
		}
		progress := false
		for _, r := range found {
			forgotten, err := forget(ctx, r)
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

// forgetDigests deletes the digests of a management key if it is still due.
func (s *ManagementKeys) forgetDigests(ctx context.Context, r ManagementKeyRef) (forgotten bool, err error) {
	return s.forget(ctx, r, func(ctx context.Context, tx ManagementKeyTx, k ManagementKey) (audit.Event, error) {
		t, err := tx.TenantRules(ctx, r.Tenant)
		if err != nil {
			return audit.Event{}, err
		}
		life := k.dates().Under(t.Rules)
		if life.Status(s.Now()) != policy.Expired || !life.Expiry.Passed(s.Horizon().Add(-s.ExpiredRetention)) {
			return audit.Event{}, audit.ErrNothing
		}
		n, err := tx.ForgetManagementDigests(ctx, r.ID)
		if err == nil && n == 0 {
			err = audit.ErrNothing
		}
		e := audit.By(principal.System(), audit.ActionManagementKeyForget, managementTarget(k))
		return e.With("expired_at", life.Expiry.At.UTC().Format(time.RFC3339)), err
	})
}

// forgetPrevious deletes the previous secret of a management key if it is still due.
func (s *ManagementKeys) forgetPrevious(ctx context.Context, r ManagementKeyRef) (forgotten bool, err error) {
	return s.forget(ctx, r, func(ctx context.Context, tx ManagementKeyTx, k ManagementKey) (audit.Event, error) {
		until := k.Previous.Until
		if until.IsZero() || s.Horizon().Before(until.Add(policy.Grace)) {
			return audit.Event{}, audit.ErrNothing
		}
		e := audit.By(principal.System(), audit.ActionManagementKeyForgetPrevious, managementTarget(k))
		return e.With("ended_at", until.UTC().Format(time.RFC3339)),
			tx.EndPreviousManagementSecret(ctx, r.ID, s.Now())
	})
}

// forget runs a change of a locked management key. It reports whether the change did anything.
func (s *ManagementKeys) forget(ctx context.Context, r ManagementKeyRef,
	change func(context.Context, ManagementKeyTx, ManagementKey) (audit.Event, error),
) (forgotten bool, err error) {
	err = tenancy.InTenant(ctx, s.Ledger, principal.System(), r.Tenant,
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
			e, err := change(ctx, tx, k)
			forgotten = err == nil
			return e.With(audit.DetailServiceAccount, string(r.Account)), err
		})
	if errors.Is(err, fault.NotFound) { // it was deleted meanwhile
		return false, nil
	}
	return forgotten, err
}
