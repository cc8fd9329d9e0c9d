package key

import (
	"context"
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

// SlotHolder is a key that holds one of its owner's slots.
type SlotHolder struct {
	Key  ident.KeyID
	Slot int64
	// ExpiresAt and SecretSetAt decide, with the account's rules, whether the key has expired.
	ExpiresAt   time.Time
	SecretSetAt time.Time
}

// expired reports whether the key has expired. Such a key loses its slot when its owner needs one.
func (h SlotHolder) expired(rules []policy.Rule, now time.Time) bool {
	return policy.EffectiveExpiry(h.ExpiresAt, h.SecretSetAt, rules).Passed(now)
}

// AllocateSlot returns the lowest free slot for a new key under the cap of limit slots, and the
// expired keys whose slots must be freed first. ok is false if the keys that have not expired hold
// all slots. The caller holds a lock on the owner; the unique index on the slot is the backstop.
func AllocateSlot(limit int, holders []SlotHolder, rules []policy.Rule,
	now time.Time,
) (slot int64, freed []ident.KeyID, ok bool) {
	used := map[int64]bool{}
	for _, h := range holders {
		if h.expired(rules, now) {
			freed = append(freed, h.Key)
			continue
		}
		used[h.Slot] = true
	}
	if len(used) >= limit {
		return 0, freed, false
	}
	for slot = 1; used[slot]; slot++ {
	}
	return slot, freed, true
}

// allocateSlot returns a slot for a key of the owner and frees the slots of expired keys.
func allocateSlot(ctx context.Context, tx SlotTx, t policy.Tenant, caller ident.UserID, owner ident.PartyID,
	now time.Time,
) (int64, error) {
	limit, setting := t.Settings.KeyLimit(owner.Type())
	if limit == 0 {
		return allocateUncappedSlot(ctx, tx, t, caller, owner, now)
	}
	holders, err := tx.SlotHolders(ctx, t.ID, owner)
	if err != nil {
		return 0, err
	}
	slot, freed, ok := AllocateSlot(limit, holders, t.Rules, now)
	if !ok {
		return 0, fault.New(fault.KeyLimitReached, fmt.Sprintf(
			"%s %d of %d keys in this tenant (`%s`). "+
				"Revoke one, or ask an administrator to raise the limit.",
			holds(caller, owner), len(holders)-len(freed), limit, setting))
	}
	if len(freed) == 0 {
		return slot, nil
	}
	return slot, tx.FreeSlots(ctx, freed)
}

// allocateUncappedSlot returns the slot after the owner's highest one, in a tenant without a cap.
// Keys hold slots there too, so that a cap can be set later. The holders are counted only once the
// highest slot has reached the limit that applies without a cap.
func allocateUncappedSlot(ctx context.Context, tx SlotTx, t policy.Tenant, caller ident.UserID, owner ident.PartyID,
	now time.Time,
) (int64, error) {
	highest, err := tx.HighestSlot(ctx, t.ID, owner)
	if err != nil || highest < policy.MaxKeysPerOwner {
		return highest + 1, err
	}
	if err := tx.FreeExpiredSlots(ctx, t.ID, owner, now, policy.LatestExpiredSecret(t.Rules, now)); err != nil {
		return 0, err
	}
	count, err := tx.CountSlotHolders(ctx, t.ID, owner, policy.MaxKeysPerOwner)
	if err == nil && count >= policy.MaxKeysPerOwner {
		err = fault.New(fault.KeyLimitReached, fmt.Sprintf(
			"%s %d of at most %d keys in this tenant. Revoke one first.", holds(caller, owner), count,
			policy.MaxKeysPerOwner))
	}
	return highest + 1, err
}

// holds begins a sentence about the keys of the owner, for the caller.
func holds(caller ident.UserID, owner ident.PartyID) string {
	if owner == ident.PartyID(caller) {
		return "You hold"
	}
	return "The owner holds"
}
