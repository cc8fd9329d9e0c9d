package storetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/usage"
)

var useCases = []testCase{
	{"of a key's uses the latest counts, in whatever order they come", theLatestUseCounts},
	{"a use without an address keeps the one on file", aUseKeepsTheAddress},
	{"a use of the secret of before a refresh counts for it too", aUseOfThePreviousSecret},
	{"a use of a key that is gone is ignored", aUseOfAKeyThatIsGone},
	{"of a scope of a key the latest day counts, and goes with the key", theLatestDayOfAScopeCounts},
	{"uses that were written after their key was deleted are removed", usesWithoutKeyAreRemoved},
	{"uses are no changes", usesAreNoChanges},
	{"uses that cannot be written are written not at all", usesAreWrittenTogether},
}

func (fx *fixture) recordUses(uses ...usage.Use) {
	fx.Helper()
	fx.must(fx.store.RecordUses(fx.Context(), uses))
}

// lastUseIs fails the test if the key has another last use.
func (fx *fixture) lastUseIs(k key.Key, at time.Time, ip string) {
	fx.Helper()
	got, err := fx.store.Key(fx.Context(), k.Tenant, k.ID)
	fx.must(err)
	if !got.LastUsedAt.Equal(at) || got.LastUsedIP != ip {
		fx.Errorf("last used at %v from %q, want %v from %q", got.LastUsedAt, got.LastUsedIP, at, ip)
	}
	if facts := fx.facts(k.Lookups[0]); !facts.LastUsedAt.Equal(at) {
		fx.Errorf("the facts say last used at %v, want %v", facts.LastUsedAt, at)
	}
}

// twoKeys creates two keys of one owner.
func (fx *fixture) twoKeys() (one, two key.Key) {
	fx.Helper()
	t := fx.tenantWithCap(0)
	owner := fx.member(t, scope.Member)
	one, first := fx.newKey(t, owner, 1)
	two, second := fx.newKey(t, owner, 2)
	fx.insertKey(one, first)
	fx.insertKey(two, second)
	return one, two
}

func theLatestUseCounts(fx *fixture) {
	one, two := fx.twoKeys()
	fx.recordUses()
	fx.lastUseIs(one, time.Time{}, "")
	first := fx.after(time.Second)
	later := fx.after(time.Minute)
	last := fx.after(time.Hour)
	fx.recordUses(usage.Use{Key: one.ID, At: later, IP: "192.0.2.2"},
		usage.Use{Key: two.ID, At: first, IP: "192.0.2.3"})
	fx.lastUseIs(one, later, "192.0.2.2")
	fx.lastUseIs(two, first, "192.0.2.3")
	fx.recordUses(usage.Use{Key: one.ID, At: first, IP: "192.0.2.4"}) // earlier than the stored one
	fx.lastUseIs(one, later, "192.0.2.2")
	fx.recordUses(usage.Use{Key: two.ID, At: last, IP: "192.0.2.5"}, usage.Use{Key: one.ID, At: later, IP: "192.0.2.4"})
	fx.lastUseIs(one, later, "192.0.2.2")
	fx.lastUseIs(two, last, "192.0.2.5")
}

func aUseKeepsTheAddress(fx *fixture) {
	one, _ := fx.twoKeys()
	for i, c := range []struct{ from, want string }{
		{"", ""},
		{"192.0.2.2", "192.0.2.2"},
		{"", "192.0.2.2"},
		{"2001:db8::2", "2001:db8::2"},
	} {
		at := fx.after(time.Duration(i+1) * time.Second)
		fx.recordUses(usage.Use{Key: one.ID, At: at, IP: c.from})
		fx.lastUseIs(one, at, c.want)
	}
}

func aUseOfThePreviousSecret(fx *fixture) {
	one, two := fx.twoKeys()
	for _, k := range []key.Key{one, two} {
		fx.insertPrevious(k, "before-"+k.Lookups[0])
	}
	previous := func() []string {
		return fx.queryRows(`SELECT last_used_at FROM key_secrets WHERE position = 'previous'
			ORDER BY key_id = $1 DESC`,
			one.ID)
	}
	current := fx.after(time.Second)
	before := fx.after(time.Minute)
	later := fx.after(time.Hour)
	fx.recordUses(usage.Use{Key: one.ID, At: current, IP: "192.0.2.2"})
	if got := previous(); !slices.Equal(got, []string{"-", "-"}) {
		fx.Errorf("a use of the current secret counts for the previous one: %v", got)
	}
	fx.recordUses(usage.Use{Key: one.ID, At: later, IP: "192.0.2.3", PreviousAt: before})
	fx.lastUseIs(one, later, "192.0.2.3")
	if got := previous(); !slices.Equal(got, []string{cell(before.UnixMicro()), "-"}) {
		fx.Errorf("previous secrets were last used at %v", got)
	}
	// earlier, or of another secret
	for _, late := range []usage.Use{{PreviousAt: current}, {PreviousAt: later, PreviousSerial: 1}} {
		late.Key, late.At = one.ID, later
		fx.recordUses(late)
		if got := previous(); !slices.Equal(got, []string{cell(before.UnixMicro()), "-"}) {
			fx.Errorf("after %+v previous secrets were last used at %v", late, got)
		}
	}
	if got := queryValue[int64](fx, `SELECT COUNT(last_used_at) FROM key_secrets
		WHERE position = 'current'`); got != 0 {
		fx.Error("a use of the previous secret counts for the current one")
	}
}

func aUseOfAKeyThatIsGone(fx *fixture) {
	one, _ := fx.twoKeys()
	at := fx.after(time.Second)
	fx.recordUses(usage.Use{Key: ident.KeyID("key_gone"), At: at, PreviousAt: at},
		usage.Use{Key: one.ID, At: at, IP: "192.0.2.2"})
	fx.lastUseIs(one, at, "192.0.2.2")
}

func usesWithoutKeyAreRemoved(fx *fixture) {
	one, two := fx.twoKeys()
	at := fx.after(time.Second)
	write := func() {
		for _, id := range []ident.KeyID{"key_0", one.ID, two.ID, "key_zzzzzzzzzzzzzzzzzzzz"} {
			fx.recordUses(usage.Use{Key: id, At: at})
			fx.must(fx.store.RecordScopeUses(fx.Context(), []usage.ScopeUse{
				{Key: id, Scope: "a:b", On: at.Truncate(policy.Day)},
				{Key: id, Scope: "c:d", On: at.Truncate(policy.Day)},
			}))
		}
	}
	write()
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteKey(ctx, one.ID) })
	write() // what requests used a moment before
	var position usage.OrphanPosition
	for range 9 { // it comes around
		var err error
		position, err = fx.store.DeleteUsesWithoutKey(fx.Context(), position, 2)
		fx.must(err)
	}
	for _, table := range []string{"key_uses", "key_scope_uses"} {
		left := fx.queryRows(`SELECT DISTINCT key_id FROM ` + table)
		if !slices.Equal(left, []string{string(two.ID)}) {
			fx.Errorf("%s has rows of %v, want those of %s", table, left, two.ID)
		}
	}
}

func usesAreNoChanges(fx *fixture) {
	one, _ := fx.twoKeys()
	changes := fx.changes()
	told := fx.invalidations.count()
	want := one.UpdatedAt
	fx.recordUses(usage.Use{Key: one.ID, At: fx.after(time.Second)})
	if fx.changes() != changes {
		fx.Error("a use counts as a change")
	}
	fx.invalidated(told)
	if got, err := fx.store.Key(fx.Context(), one.Tenant, one.ID); err != nil || !got.UpdatedAt.Equal(want) {
		fx.Errorf("a use updates the key: %v (%v)", got.UpdatedAt, err)
	}
}

func usesAreWrittenTogether(fx *fixture) {
	one, two := fx.twoKeys()
	fx.insertPrevious(two, "before")
	before := fx.dump()
	fx.faults.statement = func(text string) error {
		if strings.Contains(text, "UPDATE key_secrets") {
			return errInjected
		}
		return nil
	}
	at := fx.after(time.Second)
	err := fx.store.RecordUses(fx.Context(), []usage.Use{{Key: one.ID, At: at}, {Key: two.ID, At: at, PreviousAt: at}})
	fx.faults.statement = nil
	if fault.KindOf(err) != fault.Unavailable || !errors.Is(err, errInjected) {
		fx.Errorf("RecordUses says %v, want unavailable", err)
	}
	fx.isUnchanged(before)
	fx.canWrite()
}

func theLatestDayOfAScopeCounts(fx *fixture) {
	one, two := fx.twoKeys()
	day := fx.clock.Now().Truncate(policy.Day)
	use := func(k key.Key, name scope.Scope, days int) usage.ScopeUse {
		return usage.ScopeUse{Key: k.ID, Scope: name, On: day.Add(time.Duration(days) * policy.Day)}
	}
	for _, batch := range [][]usage.ScopeUse{
		nil,
		{use(one, "a:b", 1), use(one, "c:d", 3), use(two, "a:b", 2)},
		{use(one, "a:b", 2), use(one, "c:d", 1)}, // the second is earlier than the stored one
	} {
		fx.must(fx.store.RecordScopeUses(fx.Context(), batch))
	}
	want := map[int]map[ident.KeyID]scope.Set{2: {one.ID: {"a:b", "c:d"}, two.ID: {"a:b"}}, 3: {one.ID: {"c:d"}}, 4: {}}
	for since, used := range want {
		got, err := fx.store.ScopesUsed(fx.Context(), []ident.KeyID{one.ID, two.ID},
			day.Add(time.Duration(since)*policy.Day))
		fx.must(err)
		if !maps.EqualFunc(got, used, slices.Equal) {
			fx.Errorf("since day %d: %v, want %v", since, got, used)
		}
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteKey(ctx, one.ID) })
	if left := fx.queryRows(`SELECT key_id FROM key_scope_uses`); !slices.Equal(left, []string{string(two.ID)}) {
		fx.Errorf("once the key is deleted there are uses of %v", left)
	}
}
