package key

import (
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

// Hold is a key that holds one of its owner's slots.
type Hold struct {
	Key  ident.KeyID
	Slot int64
	// ExpiresAt and SecretSetAt decide with the account's rules whether the hold has lapsed.
	ExpiresAt   time.Time
	SecretSetAt time.Time
}

// lapsed reports whether the key has expired: it gives its slot back when its owner next needs one.
func (h Hold) lapsed(rules []policy.Rule, now time.Time) bool {
	return policy.EffectiveExpiry(h.ExpiresAt, h.SecretSetAt, rules).Passed(now)
}

// Place gives a new key the lowest free slot under the cap, and the lapsed keys whose slots are freed first. ok is false where the
// cap is reached. The caller holds a lock on the owner; the unique index on the slot is the backstop.
func Place(limit int, held []Hold, rules []policy.Rule, now time.Time) (slot int64, freed []ident.KeyID, ok bool) {
	var taken []int64
	for _, h := range held {
		if h.lapsed(rules, now) {
			freed = append(freed, h.Key)
			continue
		}
		taken = append(taken, h.Slot)
	}
	if len(taken) >= limit {
		return 0, nil, false
	}
	for slot = 1; slices.Contains(taken, slot); slot++ {
	}
	return slot, freed, true
}
