package key_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// held returns a key in a slot that expires so long after noon; 0 for never.
func held(slot int64, expires time.Duration) key.SlotHolder {
	h := key.SlotHolder{
		Key: ident.KeyID("key_" + string(rune('a'+slot))), Slot: slot,
		SecretSetAt: noon.Add(-time.Hour),
	}
	if expires != 0 {
		h.ExpiresAt = noon.Add(expires)
	}
	return h
}

func TestAllocateSlot(t *testing.T) {
	const never, past = 0, -time.Second
	longAgo := key.SlotHolder{Key: "key_old", Slot: 1, SecretSetAt: noon.Add(-90 * policy.Day)}
	rule := policy.Rule{Reason: policy.ByAutoExpiry, Days: 90, Since: noon.Add(-365 * policy.Day)}
	for name, c := range map[string]struct {
		limit   int
		holders []key.SlotHolder
		rules   []policy.Rule
		slot    int64 // 0 if the limit is reached
		freed   []ident.KeyID
	}{
		"the first key":            {limit: 2, slot: 1},
		"the slot after the first": {limit: 2, holders: []key.SlotHolder{held(1, never)}, slot: 2},
		"the lowest free slot":     {limit: 3, holders: []key.SlotHolder{held(1, never), held(3, never)}, slot: 2},
		"the limit is reached":     {limit: 2, holders: []key.SlotHolder{held(1, never), held(2, never)}},
		"an expired key loses its slot": {
			limit: 2, holders: []key.SlotHolder{held(1, past), held(2, never)}, slot: 1,
			freed: []ident.KeyID{held(1, 0).Key},
		},
		"every expired key loses its slot": {
			limit: 2, holders: []key.SlotHolder{held(1, never), held(2, past), held(3, past)}, slot: 2,
			freed: []ident.KeyID{held(2, 0).Key, held(3, 0).Key},
		},
		"a key that expires a moment later keeps its slot": {
			limit:   1,
			holders: []key.SlotHolder{held(1, time.Nanosecond)},
		},
		"a key that a rule expired loses its slot": {
			limit: 1, holders: []key.SlotHolder{longAgo}, rules: []policy.Rule{rule}, slot: 1,
			freed: []ident.KeyID{"key_old"},
		},
		"the limit was lowered": {
			limit: 1, holders: []key.SlotHolder{held(1, past), held(2, never), held(3, never)},
			freed: []ident.KeyID{held(1, 0).Key},
		},
		"no key may be held": {limit: 0},
	} {
		t.Run(name, func(t *testing.T) {
			slot, freed, ok := key.AllocateSlot(c.limit, c.holders, c.rules, noon)
			if slot != c.slot || ok != (c.slot != 0) || !slices.Equal(freed, c.freed) {
				t.Errorf("slot %d, freed %v, %t; want slot %d, freed %v", slot, freed, ok, c.slot, c.freed)
			}
		})
	}
}

// However many keys an owner creates, never more than the limit hold a slot and have not expired.
func TestNoOwnerGetsMoreSlotsThanTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		expiries := rapid.SliceOfN(rapid.IntRange(-3, 3), 0, 12).Draw(t, "hours until each key expires, 0 for never")
		var holders []key.SlotHolder
		now := noon
		for i, hours := range expiries {
			now = now.Add(time.Hour)
			slot, freed, ok := key.AllocateSlot(limit, holders, nil, now)
			holders = slices.DeleteFunc(holders, func(h key.SlotHolder) bool { return slices.Contains(freed, h.Key) })
			if !ok {
				if len(holders) < limit {
					t.Fatalf("refused with %d of %d keys", len(holders), limit)
				}
				continue
			}
			h := key.SlotHolder{Key: ident.KeyID(rune('a' + i)), Slot: slot, SecretSetAt: now}
			if hours != 0 {
				h.ExpiresAt = now.Add(time.Duration(hours) * time.Hour)
			}
			if slices.ContainsFunc(holders, func(other key.SlotHolder) bool { return other.Slot == slot }) {
				t.Fatalf("slot %d is held by two keys", slot)
			}
			holders = append(holders, h)
			if slot < 1 || slot > int64(limit) || len(holders) > limit {
				t.Fatalf("slot %d, %d holders, limit %d", slot, len(holders), limit)
			}
		}
	})
}
