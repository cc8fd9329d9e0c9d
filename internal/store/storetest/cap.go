package storetest

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

var capGuarantees = []guarantee{
	{"of many who create at once only as many succeed as the cap allows, without a second attempt", theCapHoldsAgainstMany},
	{"an expired key gives its slot to the next one in the same change", anExpiredKeyGivesItsSlot},
	{"a revoked key gives its slot, a disabled one does not", aRevokedKeyGivesItsSlot},
	{"without a cap keys take ascending slots", slotsAscendWithoutACap},
	{"one owner's keys leave another's slots alone", slotsAreTheOwners},
}

// slots lists the slots that an owner's keys hold in a tenant.
func (h *house) slots(t tenancy.Tenant, owner principal.Person) []string {
	h.Helper()
	return h.rows(`SELECT slot FROM keys WHERE tenant_id = $1 AND owner_id = $2 ORDER BY COALESCE(slot, 0), id`, t.ID, owner.ID)
}

func (h *house) slotsAre(t tenancy.Tenant, owner principal.Person, want ...string) {
	h.Helper()
	if got := h.slots(t, owner); !slices.Equal(got, want) {
		h.Errorf("the owner's slots are %v, want %v", got, want)
	}
}

// full fails the test where the owner can make another key.
func (h *house) full(who principal.Principal, t tenancy.Tenant) {
	h.Helper()
	if _, err := h.services().keys.Create(h.Context(), who, t.ID, anyKey()); !errors.Is(err, fault.KeyLimitReached) {
		h.Errorf("one more key than the cap: %v, want %s", err, fault.KeyLimitReached)
	}
}

func theCapHoldsAgainstMany(h *house) {
	const trials, creators, limit = 3, 32, 2
	t := h.aTenant(limit)
	for range trials {
		owner := h.member(t, scope.Member)
		who := h.as(owner)
		var attempts atomic.Int64
		h.faults.begin = func() error {
			attempts.Add(1)
			return nil
		}
		made, refused := h.race(creators, who, t)
		h.faults.begin = nil
		if made != limit || refused != creators-limit {
			h.Errorf("%d of %d were made and %d refused, want %d and %d", made, creators, refused, limit, creators-limit)
		}
		if got := attempts.Load(); got != creators {
			h.Errorf("%d creators made %d attempts: the owner is not locked", creators, got)
		}
		h.slotsAre(t, owner, "1", "2")
	}
}

// race lets so many create a key at once, and counts the keys made and those refused by the cap.
func (h *house) race(creators int, who principal.Principal, t tenancy.Tenant) (made, refused int64) {
	var all sync.WaitGroup
	var keys, limits atomic.Int64
	start := make(chan struct{})
	for range creators {
		all.Go(func() {
			<-start
			switch _, err := h.services().keys.Create(h.Context(), who, t.ID, anyKey()); {
			case err == nil:
				keys.Add(1)
			case errors.Is(err, fault.KeyLimitReached):
				limits.Add(1)
			default:
				h.Error(err)
			}
		})
	}
	close(start)
	all.Wait()
	return keys.Load(), limits.Load()
}

func anExpiredKeyGivesItsSlot(h *house) {
	t := h.aTenant(2)
	owner := h.member(t, scope.Member)
	who := h.as(owner)
	short := anyKey()
	soon := h.later(time.Hour)
	short.ExpiresAt = &soon
	expiring := h.key(who, t, short)
	h.key(who, t, anyKey())
	h.full(who, t)

	end := h.clock.move(time.Hour)
	before := h.dump()
	h.faults.statement = failing(errInjected, 1, "INTO audit_events")
	if _, err := h.services().keys.Create(h.Context(), who, t.ID, anyKey()); !errors.Is(err, errInjected) {
		h.Errorf("the change that was to fail says %v", err)
	}
	h.faults.statement = nil
	h.unchanged(before) // the slot is given with the key that needs it, or not at all

	next := h.key(who, t, anyKey())
	if next.Slot != 1 {
		h.Errorf("at %v the next key got slot %d, want the expired one's", end, next.Slot)
	}
	h.slotsAre(t, owner, "-", "1", "2")
	if k, err := h.store.Key(h.Context(), t.ID, expiring.ID); err != nil || k.Slot != 0 {
		h.Errorf("the expired key has slot %d, want none (%v)", k.Slot, err)
	}
	h.full(who, t)
}

func aRevokedKeyGivesItsSlot(h *house) {
	t := h.aTenant(2)
	owner := h.member(t, scope.Member)
	who := h.as(owner)
	first, second := h.key(who, t, anyKey()), h.key(who, t, anyKey())
	_, err := h.services().keys.Disable(h.Context(), who, t.ID, second.ID)
	h.must(err)
	h.full(who, t)
	_, _, err = h.services().keys.Revoke(h.Context(), who, t.ID, first.ID, "")
	h.must(err)
	h.slotsAre(t, owner, "-", "2")
	if next := h.key(who, t, anyKey()); next.Slot != 1 {
		h.Errorf("the next key got slot %d, want the revoked one's", next.Slot)
	}
	h.full(who, t)
}

func slotsAscendWithoutACap(h *house) {
	t := h.aTenant(0)
	owner := h.member(t, scope.Member)
	who := h.as(owner)
	var made []key.Key
	for range 4 {
		made = append(made, h.key(who, t, anyKey()))
	}
	h.must(h.services().keys.Delete(h.Context(), who, t.ID, made[1].ID))
	h.key(who, t, anyKey())
	h.slotsAre(t, owner, "1", "3", "4", "5")
}

func slotsAreTheOwners(h *house) {
	one := h.aTenant(1)
	owner, other := h.member(one, scope.Member), h.member(one, scope.Member)
	two := h.tenant(one.Account, func(s *policy.Settings) { s.KeysPerUser = 1 })
	h.join(two, owner, scope.Member)
	for _, c := range []struct {
		who principal.Person
		in  tenancy.Tenant
	}{{owner, one}, {other, one}, {owner, two}} {
		who := h.as(c.who)
		h.key(who, c.in, anyKey())
		h.slotsAre(c.in, c.who, "1")
		h.full(who, c.in)
	}
}
