package tenancy

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// EndedOwner is an owner of keys whose end revokes them in a tenant: a service account, a subject
// or a user that was deleted, or a member who was removed. From the moment of the end every key of
// the owner is revoked. The rows of the first MaxEndedAtOnce keys are written with the end, and
// those of the others by a job.
type EndedOwner struct {
	Tenant ident.TenantID
	ID     ident.PartyID
	At     time.Time
	// By ended the owner. Reason is shown with the keys.
	By     ident.PartyID
	Reason string
}

// MaxEndedAtOnce is how many keys one transaction revokes because their owner ended.
const MaxEndedAtOnce = 500

// KeyPosition is the position of a key among the keys of its owner.
type KeyPosition struct {
	At time.Time
	ID ident.KeyID
}

// EndOwnerTx ends owners.
type EndOwnerTx interface {
	// EndOwner revokes the first keys of an owner; in mode policy.Delete it deletes them. All calls
	// in a transaction revoke up to MaxEndedAtOnce keys. If there are more, it leaves the owner to
	// the job that calls RevokeEnded. It returns how many keys the end revokes, up to 10,000; none
	// if the owner had already ended in the tenant.
	EndOwner(ctx context.Context, o EndedOwner, mode policy.RevokeMode) (int, error)
}

// EndedOwnersTx revokes the keys of owners that ended.
type EndedOwnersTx interface {
	RulesTx
	LockTx
	// LockEndedOwner locks an owner that ended. It returns fault.NotFound where all its keys are
	// revoked.
	LockEndedOwner(ctx context.Context, tenant ident.TenantID, id ident.PartyID) (EndedOwner, error)
	// RevokeEnded revokes up to MaxEndedAtOnce keys of an owner after a position, and returns how
	// many and the position of the last. It returns nil if no key is left; the owner is then off
	// the list.
	RevokeEnded(ctx context.Context, o EndedOwner, mode policy.RevokeMode, after KeyPosition) (int, *KeyPosition, error)
}

// EndedOwnersStore lists owners that ended.
type EndedOwnersStore interface {
	// EndedOwners lists some of the owners that ended and whose keys are not all revoked, the first
	// that ended first.
	EndedOwners(ctx context.Context) ([]EndedOwner, error)
}

// EndedOwners revokes the keys of owners that ended.
type EndedOwners struct {
	Ledger audit.Ledger[EndedOwnersTx]
	Store  EndedOwnersStore
}

// RevokeKeys revokes the keys of all owners that ended, in transactions of at most MaxEndedAtOnce
// keys.
func (s *EndedOwners) RevokeKeys(ctx context.Context) error {
	owners, err := s.Store.EndedOwners(ctx)
	if err != nil {
		return err
	}
	for _, o := range owners {
		for at := (&KeyPosition{}); at != nil; {
			at, err = s.revokeNext(ctx, o, *at)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// revokeNext revokes the next keys of an owner and returns the position that it reached; nil at the
// end.
func (s *EndedOwners) revokeNext(ctx context.Context, o EndedOwner, after KeyPosition) (last *KeyPosition, err error) {
	who := principal.System()
	err = InTenant(ctx, s.Ledger, who, o.Tenant,
		func(ctx context.Context, tx EndedOwnersTx, t Tenant) (audit.Event, error) {
			last = nil
			ended, err := tx.LockEndedOwner(ctx, o.Tenant, o.ID)
			if err != nil {
				return audit.Event{}, err
			}
			var n int
			n, last, err = tx.RevokeEnded(ctx, ended, t.Settings.RevokeMode, after)
			e := audit.By(who, audit.ActionKeySweep, audit.Target{Type: string(o.ID.Type()), ID: string(o.ID)})
			return e.With("keys", strconv.Itoa(n)).InvalidatesOwners(o.ID), err
		})
	if errors.Is(err, fault.NotFound) { // another node was first
		return nil, nil
	}
	return last, err
}
