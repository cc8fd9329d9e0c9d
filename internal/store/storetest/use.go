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
	"github.com/claviger-dev/claviger/internal/verify"
)

var useGuarantees = []guarantee{
	{"of a key's uses the latest counts, in whatever order they come", theLatestUseCounts},
	{"a use without an address keeps the one on file", aUseKeepsTheAddress},
	{"a use of the secret of before a refresh counts for it too", aUseOfThePreviousSecret},
	{"a use of a key that is gone is ignored", aUseOfAKeyThatIsGone},
	{"of a scope of a key the latest day counts, and goes with the key", theLatestDayOfAScopeCounts},
	{"uses are no changes", usesAreNoChanges},
	{"uses that cannot be written are written not at all", usesAreWrittenTogether},
}

func (h *house) use(uses ...verify.Use) {
	h.Helper()
	h.must(h.store.RecordUses(h.Context(), uses))
}

// used fails the test where the key's last use is another.
func (h *house) used(k key.Key, at time.Time, ip string) {
	h.Helper()
	got, err := h.store.Key(h.Context(), k.Tenant, k.ID)
	h.must(err)
	if !got.LastUsedAt.Equal(at) || got.LastUsedIP != ip {
		h.Errorf("last used at %v from %q, want %v from %q", got.LastUsedAt, got.LastUsedIP, at, ip)
	}
	if facts := h.facts(k.Lookups[0]); !facts.LastUsedAt.Equal(at) {
		h.Errorf("the facts say last used at %v, want %v", facts.LastUsedAt, at)
	}
}

// usedKeys are two plain keys of one owner.
func (h *house) usedKeys() (one, two key.Key) {
	h.Helper()
	t := h.aTenant(0)
	owner := h.member(t, scope.Member)
	one, first := h.stored(t, owner, 1)
	two, second := h.stored(t, owner, 2)
	h.insert(one, first)
	h.insert(two, second)
	return one, two
}

func theLatestUseCounts(h *house) {
	one, two := h.usedKeys()
	h.use()
	h.used(one, time.Time{}, "")
	first, later, last := h.later(time.Second), h.later(time.Minute), h.later(time.Hour)
	h.use(verify.Use{Key: one.ID, At: later, IP: "192.0.2.2"}, verify.Use{Key: two.ID, At: first, IP: "192.0.2.3"})
	h.used(one, later, "192.0.2.2")
	h.used(two, first, "192.0.2.3")
	h.use(verify.Use{Key: one.ID, At: first, IP: "192.0.2.4"}) // earlier than what is on file
	h.used(one, later, "192.0.2.2")
	h.use(verify.Use{Key: two.ID, At: last, IP: "192.0.2.5"}, verify.Use{Key: one.ID, At: later, IP: "192.0.2.4"})
	h.used(one, later, "192.0.2.2")
	h.used(two, last, "192.0.2.5")
}

func aUseKeepsTheAddress(h *house) {
	one, _ := h.usedKeys()
	for i, c := range []struct{ from, want string }{{"", ""}, {"192.0.2.2", "192.0.2.2"}, {"", "192.0.2.2"}, {"2001:db8::2", "2001:db8::2"}} {
		at := h.later(time.Duration(i+1) * time.Second)
		h.use(verify.Use{Key: one.ID, At: at, IP: c.from})
		h.used(one, at, c.want)
	}
}

func aUseOfThePreviousSecret(h *house) {
	one, two := h.usedKeys()
	for _, k := range []key.Key{one, two} {
		h.previous(k, "before-"+k.Lookups[0])
	}
	previous := func() []string {
		return h.rows(`SELECT last_used_at FROM key_secrets WHERE position = 'previous' ORDER BY key_id = $1 DESC`, one.ID)
	}
	current, before, later := h.later(time.Second), h.later(time.Minute), h.later(time.Hour)
	h.use(verify.Use{Key: one.ID, At: current, IP: "192.0.2.2"})
	if got := previous(); !slices.Equal(got, []string{"-", "-"}) {
		h.Errorf("a use of the current secret counts for the previous one: %v", got)
	}
	h.use(verify.Use{Key: one.ID, At: later, IP: "192.0.2.3", PreviousAt: before})
	h.used(one, later, "192.0.2.3")
	if got := previous(); !slices.Equal(got, []string{cell(before.UnixMicro()), "-"}) {
		h.Errorf("previous secrets were last used at %v", got)
	}
	for _, late := range []verify.Use{{PreviousAt: current}, {PreviousAt: later, PreviousSerial: 1}} { // earlier, or of another secret
		late.Key, late.At = one.ID, later
		h.use(late)
		if got := previous(); !slices.Equal(got, []string{cell(before.UnixMicro()), "-"}) {
			h.Errorf("after %+v previous secrets were last used at %v", late, got)
		}
	}
	if got := ask[int64](h, `SELECT COUNT(last_used_at) FROM key_secrets WHERE position = 'current'`); got != 0 {
		h.Error("a use of the previous secret counts for the current one")
	}
}

func aUseOfAKeyThatIsGone(h *house) {
	one, _ := h.usedKeys()
	at := h.later(time.Second)
	h.use(verify.Use{Key: ident.KeyID("key_gone"), At: at, PreviousAt: at}, verify.Use{Key: one.ID, At: at, IP: "192.0.2.2"})
	h.used(one, at, "192.0.2.2")
}

func usesAreNoChanges(h *house) {
	one, _ := h.usedKeys()
	changes, told, want := h.changes(), h.stale.count(), one.UpdatedAt
	h.use(verify.Use{Key: one.ID, At: h.later(time.Second)})
	if h.changes() != changes {
		h.Error("a use counts as a change")
	}
	h.outdated(told)
	if got, err := h.store.Key(h.Context(), one.Tenant, one.ID); err != nil || !got.UpdatedAt.Equal(want) {
		h.Errorf("a use updates the key: %v (%v)", got.UpdatedAt, err)
	}
}

func usesAreWrittenTogether(h *house) {
	one, two := h.usedKeys()
	h.previous(two, "before")
	before := h.dump()
	h.faults.statement = func(text string) error {
		if strings.Contains(text, "UPDATE key_secrets") {
			return errInjected
		}
		return nil
	}
	at := h.later(time.Second)
	err := h.store.RecordUses(h.Context(), []verify.Use{{Key: one.ID, At: at}, {Key: two.ID, At: at, PreviousAt: at}})
	h.faults.statement = nil
	if fault.KindOf(err) != fault.Unavailable || !errors.Is(err, errInjected) {
		h.Errorf("RecordUses says %v, want unavailable", err)
	}
	h.unchanged(before)
	h.goesOn()
}

func theLatestDayOfAScopeCounts(h *house) {
	one, two := h.usedKeys()
	day := h.clock.Now().Truncate(policy.Day)
	use := func(k key.Key, name scope.Scope, days int) verify.ScopeUse {
		return verify.ScopeUse{Key: k.ID, Scope: name, On: day.Add(time.Duration(days) * policy.Day)}
	}
	for _, batch := range [][]verify.ScopeUse{
		nil,
		{use(one, "a:b", 1), use(one, "c:d", 3), use(two, "a:b", 2)},
		{use(one, "a:b", 2), use(one, "c:d", 1)}, // the second is earlier than what is on file
	} {
		h.must(h.store.RecordScopeUses(h.Context(), batch))
	}
	want := map[int]map[ident.KeyID]scope.Set{2: {one.ID: {"a:b", "c:d"}, two.ID: {"a:b"}}, 3: {one.ID: {"c:d"}}, 4: {}}
	for since, used := range want {
		got, err := h.store.ScopesUsed(h.Context(), []ident.KeyID{one.ID, two.ID}, day.Add(time.Duration(since)*policy.Day))
		if h.must(err); !maps.EqualFunc(got, used, slices.Equal) {
			h.Errorf("since day %d: %v, want %v", since, got, used)
		}
	}
	h.in(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteKey(ctx, one.ID) })
	if left := h.rows(`SELECT key_id FROM key_scope_uses`); !slices.Equal(left, []string{string(two.ID)}) {
		h.Errorf("once the key is deleted there are uses of %v", left)
	}
}
