package key

import (
	"context"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Sweeper changes keys because of their age: it forgets, disables or deletes them. Jobs call its
// methods. Each method decides about every key anew under the key's lock, so it can run at any time
// and on several nodes.
type Sweeper struct {
	Ledger audit.Ledger[SweepTx]
	Store  SweepStore
	Now    func() time.Time
	// Horizon is the time that decides about changes that cannot be undone. It is never later than
	// Now, and stands still while the clock is in doubt.
	Horizon func() time.Time
	// ExpiredRetention is how long the holder of an expired key is told that it expired; at least
	// policy.Grace.
	ExpiredRetention time.Duration

	// idle is the position of DisableIdle.
	idle policy.Traversal[Position]
}

// Ref names a key.
type Ref struct {
	Tenant ident.TenantID
	Key    ident.KeyID
}

// sweepOperation is an operation of a sweep.
type sweepOperation = func(ctx context.Context, tx SweepTx, c *keyTx) (audit.Action, error)

// sweep runs an operation on the keys that some returns, again and again, until some returns none
// or the operation changed none of them.
func (s *Sweeper) sweep(ctx context.Context, some func() ([]Ref, error), operate sweepOperation) error {
	for {
		refs, err := some()
		if err != nil {
			return err
		}
		changed, err := s.sweepKeys(ctx, refs, operate)
		if err != nil || changed == 0 {
			return err
		}
	}
}

// sweepKeys returns how many of the keys were changed.
func (s *Sweeper) sweepKeys(ctx context.Context, refs []Ref, operate sweepOperation) (changed int, err error) {
	for _, r := range refs {
		done, err := s.sweepKey(ctx, r, operate)
		if err != nil {
			return changed, err
		}
		if done {
			changed++
		}
	}
	return changed, nil
}

// sweepKey reports whether the key was changed.
func (s *Sweeper) sweepKey(ctx context.Context, r Ref, operate sweepOperation) (changed bool, err error) {
	err = s.Ledger.Write(ctx, principal.System(), func(ctx context.Context, tx SweepTx) (audit.Event, error) {
		c := keyTx{}
		changed = false
		c.Key, err = tx.LockKey(ctx, r.Tenant, r.Key)
		if errors.Is(err, fault.NotFound) {
			return audit.Event{}, audit.ErrNothing
		}
		if err != nil {
			return audit.Event{}, err
		}
		c.tenant, err = tx.TenantRules(ctx, r.Tenant)
		if err != nil {
			return audit.Event{}, err
		}
		c.now, c.horizon = s.Now(), s.Horizon()
		action, err := operate(ctx, tx, &c)
		if err != nil {
			return audit.Event{}, err
		}
		changed = true
		return c.event(principal.System(), action).InvalidatesLookups(c.Lookups...), nil
	})
	return changed, err
}
