package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/usage"
)

var watchCases = []testCase{
	{"of a watched key the first use and the last refusal count, in whatever order they come", theFirstUseIsKept},
	{"a wrong secret hides no refusal of the right one, in whatever order they come", aWrongSecretHidesNothing},
	{"a secret that is shown again begins a new watch", aNewWatchReplacesTheOld},
	{"a tenant has a share of the watches, and its oldest give way", aTenantHasAShareOfTheWatches},
	{"the watches that began last are listed, and old ones removed", theLatestWatchesAreListed},
	{"watches are no changes", watchesAreNoChanges},
}

func (fx *fixture) watch(id ident.KeyID, tenant ident.TenantID, at time.Time) usage.Watch {
	fx.Helper()
	w := usage.Watch{Key: id, ShownAt: at}
	fx.must(fx.store.InsertWatch(fx.Context(), w, tenant, 3))
	return w
}

// seenIs fails the test unless the key did this since its secret was shown.
func (fx *fixture) seenIs(what string, want usage.Sighting) {
	fx.Helper()
	got, err := fx.store.Sighting(fx.Context(), want.Key)
	fx.must(err)
	if got != want {
		fx.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

// watched are the keys that are watched after a time, at most n.
func (fx *fixture) watched(after time.Time, n int) (list []ident.KeyID) {
	fx.Helper()
	watches, err := fx.store.Watches(fx.Context(), after, n)
	fx.must(err)
	for _, w := range watches {
		list = append(list, w.Key)
	}
	return list
}

func theFirstUseIsKept(fx *fixture) {
	at := func(s int) time.Time { return fx.after(time.Duration(s) * time.Second) }
	w := fx.watch("key_1", "ten_1", at(0))
	fx.seenIs("nothing yet", usage.Sighting{Watch: w})
	used := func(s int) usage.Seen { return usage.Seen{At: at(s), IP: "192.0.2.1", Transport: policy.Bearer} }
	refused := func(s int) usage.Seen {
		return usage.Seen{
			At: at(s), Code: fault.InsufficientScope, Missing: "bookings:create", IP: "192.0.2.2",
			Transport: policy.Basic,
		}
	}
	record := func(used, refused usage.Seen) {
		fx.Helper()
		fx.must(fx.store.RecordSightings(fx.Context(), []usage.Sighting{{Watch: w, Used: used, Refused: refused}}))
	}
	record(usage.Seen{}, refused(4))
	fx.seenIs("a refusal", usage.Sighting{Watch: w, Refused: refused(4)})
	record(used(3), refused(2)) // of another node, whose flush is late
	record(used(5), usage.Seen{})
	fx.seenIs("both", usage.Sighting{Watch: w, Used: used(3), Refused: refused(4)})
	record(used(1), refused(6))
	fx.seenIs("earlier and later", usage.Sighting{Watch: w, Used: used(1), Refused: refused(6)})
	if _, err := fx.store.Sighting(fx.Context(), "key_2"); !errors.Is(err, fault.NotFound) {
		fx.Errorf("a key that is not watched: %v", err)
	}
}

func aWrongSecretHidesNothing(fx *fixture) {
	w := fx.watch("key_1", "ten_1", fx.after(0))
	refused := func(s int, code fault.Kind) usage.Sighting {
		return usage.Sighting{Watch: w, Refused: usage.Seen{
			At: fx.after(time.Duration(s) * time.Second), Code: code, Transport: policy.Bearer,
		}}
	}
	for _, step := range []struct {
		what           string
		recorded, want usage.Sighting
	}{
		{"a wrong secret", refused(3, fault.KeyInvalid), refused(3, fault.KeyInvalid)},
		{"an earlier one", refused(2, fault.KeyInvalid), refused(3, fault.KeyInvalid)},
		{"a later one", refused(4, fault.KeyInvalid), refused(4, fault.KeyInvalid)},
		{"the right secret, before it", refused(1, fault.InsufficientScope), refused(1, fault.InsufficientScope)},
		{"a wrong secret, after it", refused(5, fault.KeyInvalid), refused(1, fault.InsufficientScope)},
		{"the right secret again", refused(6, fault.KeyDisabled), refused(6, fault.KeyDisabled)},
		{"the right secret, late", refused(5, fault.InsufficientScope), refused(6, fault.KeyDisabled)},
	} {
		fx.must(fx.store.RecordSightings(fx.Context(), []usage.Sighting{step.recorded}))
		fx.seenIs(step.what, step.want)
	}
}

func aNewWatchReplacesTheOld(fx *fixture) {
	old := fx.watch("key_1", "ten_1", fx.after(0))
	seen := usage.Seen{At: fx.after(time.Second), Transport: policy.Bearer}
	fx.must(fx.store.RecordSightings(fx.Context(), []usage.Sighting{{Watch: old, Used: seen, Refused: seen}}))
	again := fx.watch("key_1", "ten_1", fx.after(time.Minute))
	fx.seenIs("the new watch", usage.Sighting{Watch: again})
	fx.must(fx.store.RecordSightings(fx.Context(), []usage.Sighting{{Watch: old, Used: seen, Refused: seen}}))
	fx.seenIs("after what the old secret did", usage.Sighting{Watch: again})
}

func aTenantHasAShareOfTheWatches(fx *fixture) {
	start := fx.after(-time.Second)
	fx.watch("key_other", "ten_2", fx.after(0))
	for i, id := range []ident.KeyID{"key_1", "key_2", "key_3", "key_4"} {
		fx.watch(id, "ten_1", fx.after(time.Duration(i+1)*time.Second))
	}
	if got := fx.watched(start, 10); !slices.Equal(got, []ident.KeyID{"key_4", "key_3", "key_2", "key_other"}) {
		fx.Errorf("watched are %v", got)
	}
}

func theLatestWatchesAreListed(fx *fixture) {
	start := fx.after(0)
	for i, id := range []ident.KeyID{"key_1", "key_2", "key_3"} {
		fx.watch(id, "ten_1", start.Add(time.Duration(i)*time.Second))
	}
	if got := fx.watched(start, 1); !slices.Equal(got, []ident.KeyID{"key_3"}) {
		fx.Errorf("the latest: %v", got)
	}
	if got := fx.watched(start, 10); !slices.Equal(got, []ident.KeyID{"key_3", "key_2"}) {
		fx.Errorf("after the first: %v", got)
	}
	fx.must(fx.store.RemoveWatches(fx.Context(), start.Add(time.Second)))
	if got := fx.watched(start.Add(-time.Hour), 10); !slices.Equal(got, []ident.KeyID{"key_3"}) {
		fx.Errorf("after the others were removed: %v", got)
	}
}

func watchesAreNoChanges(fx *fixture) {
	changes := fx.changes()
	w := fx.watch("key_1", "ten_1", fx.after(0))
	fx.must(fx.store.RecordSightings(fx.Context(), []usage.Sighting{{Watch: w, Used: usage.Seen{At: w.ShownAt}}}))
	if fx.changes() != changes {
		fx.Error("a watch counts as a change")
	}
}
