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

var capCases = []testCase{
	{
		"of many who create at once only as many succeed as the cap allows, without a second attempt",
		theCapHoldsAgainstMany,
	},
	{"an expired key gives its slot to the next one in the same change", anExpiredKeyGivesItsSlot},
	{"a revoked key gives its slot, a disabled one does not", aRevokedKeyGivesItsSlot},
	{"without a cap keys take ascending slots", slotsAscendWithoutACap},
	{"one owner's keys leave another's slots alone", slotsAreTheOwners},
}

// slots returns the slots of an owner's keys in a tenant.
func (fx *fixture) slots(t tenancy.Tenant, owner principal.Person) []string {
	fx.Helper()
	return fx.queryRows(`SELECT slot FROM keys WHERE tenant_id = $1 AND owner_id = $2
		ORDER BY COALESCE(slot, 0), id`, t.ID,
		owner.ID)
}

func (fx *fixture) slotsAre(t tenancy.Tenant, owner principal.Person, want ...string) {
	fx.Helper()
	if got := fx.slots(t, owner); !slices.Equal(got, want) {
		fx.Errorf("the owner's slots are %v, want %v", got, want)
	}
}

// atCap fails the test if the owner can create another key.
func (fx *fixture) atCap(who principal.Principal, t tenancy.Tenant) {
	fx.Helper()
	if _, err := fx.services().keys.Create(fx.Context(), who, t.ID, anyKey()); !errors.Is(err, fault.KeyLimitReached) {
		fx.Errorf("one more key than the cap: %v, want %s", err, fault.KeyLimitReached)
	}
}

func theCapHoldsAgainstMany(fx *fixture) {
	const (
		trials   = 3
		creators = 32
		limit    = 2
	)
	t := fx.tenantWithCap(limit)
	for range trials {
		owner := fx.member(t, scope.Member)
		who := fx.signIn(owner)
		var attempts atomic.Int64
		fx.faults.begin = func() error {
			attempts.Add(1)
			return nil
		}
		made, refused := fx.race(creators, who, t)
		fx.faults.begin = nil
		if made != limit || refused != creators-limit {
			fx.Errorf("%d of %d were made and %d refused, want %d and %d", made, creators, refused, limit,
				creators-limit)
		}
		if got := attempts.Load(); got != creators {
			fx.Errorf("%d creators made %d attempts: the owner is not locked", creators, got)
		}
		fx.slotsAre(t, owner, "1", "2")
	}
}

// race creates keys concurrently, and counts the created keys and those that the cap refused.
func (fx *fixture) race(creators int, who principal.Principal, t tenancy.Tenant) (made, refused int64) {
	var all sync.WaitGroup
	var keys, limits atomic.Int64
	start := make(chan struct{})
	for range creators {
		all.Go(func() {
			<-start
			switch _, err := fx.services().keys.Create(fx.Context(), who, t.ID, anyKey()); {
			case err == nil:
				keys.Add(1)
			case errors.Is(err, fault.KeyLimitReached):
				limits.Add(1)
			default:
				fx.Error(err)
			}
		})
	}
	close(start)
	all.Wait()
	return keys.Load(), limits.Load()
}

func anExpiredKeyGivesItsSlot(fx *fixture) {
	t := fx.tenantWithCap(2)
	owner := fx.member(t, scope.Member)
	who := fx.signIn(owner)
	short := anyKey()
	soon := fx.after(time.Hour)
	short.ExpiresAt = &soon
	expiring := fx.createKey(who, t, short)
	fx.createKey(who, t, anyKey())
	fx.atCap(who, t)

	end := fx.clock.move(time.Hour)
	before := fx.dump()
	fx.faults.statement = failTimes(errInjected, 1, "INTO audit_events")
	if _, err := fx.services().keys.Create(fx.Context(), who, t.ID, anyKey()); !errors.Is(err, errInjected) {
		fx.Errorf("the change that was to fail says %v", err)
	}
	fx.faults.statement = nil
	fx.isUnchanged(before) // the slot is freed together with the new key, or not at all

	next := fx.createKey(who, t, anyKey())
	if next.Slot != 1 {
		fx.Errorf("at %v the next key got slot %d, want the expired one's", end, next.Slot)
	}
	fx.slotsAre(t, owner, "-", "1", "2")
	if k, err := fx.store.Key(fx.Context(), t.ID, expiring.ID); err != nil || k.Slot != 0 {
		fx.Errorf("the expired key has slot %d, want none (%v)", k.Slot, err)
	}
	fx.atCap(who, t)
}

func aRevokedKeyGivesItsSlot(fx *fixture) {
	t := fx.tenantWithCap(2)
	owner := fx.member(t, scope.Member)
	who := fx.signIn(owner)
	first, second := fx.createKey(who, t, anyKey()), fx.createKey(who, t, anyKey())
	_, err := fx.services().keys.Disable(fx.Context(), who, t.ID, second.ID)
	fx.must(err)
	fx.atCap(who, t)
	_, _, err = fx.services().keys.Revoke(fx.Context(), who, t.ID, first.ID, "")
	fx.must(err)
	fx.slotsAre(t, owner, "-", "2")
	if next := fx.createKey(who, t, anyKey()); next.Slot != 1 {
		fx.Errorf("the next key got slot %d, want the revoked one's", next.Slot)
	}
	fx.atCap(who, t)
}

func slotsAscendWithoutACap(fx *fixture) {
	t := fx.tenantWithCap(0)
	owner := fx.member(t, scope.Member)
	who := fx.signIn(owner)
	var made []key.Key
	for range 4 {
		made = append(made, fx.createKey(who, t, anyKey()))
	}
	fx.must(fx.services().keys.Delete(fx.Context(), who, t.ID, made[1].ID))
	fx.createKey(who, t, anyKey())
	fx.slotsAre(t, owner, "1", "3", "4", "5")
}

func slotsAreTheOwners(fx *fixture) {
	one := fx.tenantWithCap(1)
	owner, other := fx.member(one, scope.Member), fx.member(one, scope.Member)
	two := fx.tenant(one.Account, func(s *policy.Settings) { s.KeysPerUser = 1 })
	fx.join(two, owner, scope.Member)
	for _, c := range []struct {
		who principal.Person
		in  tenancy.Tenant
	}{{owner, one}, {other, one}, {owner, two}} {
		who := fx.signIn(c.who)
		fx.createKey(who, c.in, anyKey())
		fx.slotsAre(c.in, c.who, "1")
		fx.atCap(who, c.in)
	}
}
