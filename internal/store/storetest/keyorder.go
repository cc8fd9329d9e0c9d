package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/text"
	"github.com/claviger-dev/claviger/internal/usage"
)

var keyOrderCases = []testCase{
	{"keys are listed in every order, without one missing, in pages of any size", keysAreListedInEveryOrder},
	{"orders that need what an older version did not write wait for it", ordersWaitForTheJob},
	{"keys of owners who are renamed or deleted stay in the list by owner", ownersOfKeysChange},
	{"keys are counted and listed by scope, application and plan, those of the tenant alone", groupsAreCounted},
	{"service accounts and subjects are found by beginnings of words", machinesAreFound},
}

// allOrders are the orders that the store has.
func allOrders() (all []key.Order) {
	for _, by := range []key.Sort{key.ByCreation, key.ByUse, key.ByName, key.ByOwner} {
		all = append(all, key.Order{By: by}, key.Order{By: by, Up: true})
	}
	return all
}

// inOrder reads a whole list, part by part, as the domain does it: past a position where one
// request stopped.
func (fx *fixture) inOrder(t tenancy.Tenant, o key.Order, filter key.Filter, limit int) (ids []ident.KeyID) {
	fx.Helper()
	page := key.Page{Limit: limit, Order: o}
	for range 1000 {
		keys, stopped, err := fx.store.Keys(fx.Context(), t.ID, filter, page)
		fx.must(err)
		var last *key.Position
		for _, k := range keys {
			ids = append(ids, k.ID)
			last = &key.Position{At: k.CreatedAt, Key: k.ID}
			if o != (key.Order{}) {
				last = &k.Position
			}
		}
		switch {
		case stopped != nil:
			page = page.From(*stopped, limit)
		case len(keys) < limit:
			return ids
		default:
			page = page.From(*last, limit)
		}
	}
	fx.Fatal("the list has no end")
	return nil
}

// statesInOrder is inOrder for the states of keys.
func (fx *fixture) statesInOrder(t tenancy.Tenant, o key.Order, limit int) (ids []ident.KeyID) {
	fx.Helper()
	var after key.Position
	for {
		states, _, err := fx.store.KeyStates(fx.Context(), t.ID, o, after, limit, key.States{})
		fx.must(err)
		for _, k := range states {
			ids = append(ids, k.ID)
			after = key.Position{At: k.CreatedAt, Key: k.ID}
			if o != (key.Order{}) {
				after = k.Position
			}
		}
		if len(states) < limit {
			return ids
		}
	}
}

// sortedKeys inserts keys of owners of each type, some of which were used, and keys of another
// tenant.
func (fx *fixture) sortedKeys(t tenancy.Tenant) (all []key.Key) {
	fx.Helper()
	elsewhere := fx.tenantWithCap(0)
	people := []principal.Person{fx.member(t, scope.Member), fx.member(t, scope.Member)}
	account, subject := fx.serviceAccount(t.ID), fx.subject(t, "cus-1", "")
	owners := []principal.Party{
		people[0].Party(), people[1].Party(),
		{ID: ident.PartyID(account.ID), Name: account.Name},
		{ID: ident.PartyID(subject.ID), Name: subject.ExternalID},
	}
	for i, name := range []string{
		"beta export", "Alpha", "alpha", "gamma export", "Ähre", "Beta export 2", "zeta", "Alpha",
	} {
		k, secret := fx.newKeyOf(t, owners[i%len(owners)], int64(i+1))
		k.Name, k.Owner = name, owners[i%len(owners)]
		k.CreatedAt = fx.after(time.Duration(i*7%8) * time.Minute)
		fx.insertKey(k, secret)
		if i%3 != 0 {
			k.LastUsedAt = fx.after(time.Duration(i*5%8) * time.Hour)
			fx.recordUses(usage.Use{Key: k.ID, Tenant: t.ID, At: k.LastUsedAt})
		}
		all = append(all, k)
	}
	other := fx.namedKey(elsewhere, "Alpha of another tenant")
	fx.recordUses(usage.Use{Key: other.ID, Tenant: elsewhere.ID, At: fx.after(0)})
	return all
}

// compareKeys compares two keys by what the order is about. Keys that are equal in this may stand
// in either order.
func compareKeys(o key.Order, a, b key.Key) int {
	order := 0
	switch o.By {
	case key.ByUse:
		order = a.LastUsedAt.Compare(b.LastUsedAt)
	case key.ByName:
		order = cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	case key.ByOwner:
		order = cmp.Compare(strings.ToLower(a.Owner.Name), strings.ToLower(b.Owner.Name))
	default:
		order = a.CreatedAt.Compare(b.CreatedAt)
	}
	if !o.Up {
		order = -order
	}
	return order
}

func keysAreListedInEveryOrder(fx *fixture) {
	t := fx.tenantWithCap(0)
	keys := map[ident.KeyID]key.Key{}
	for _, k := range fx.sortedKeys(t) {
		keys[k.ID] = k
	}
	check := func(what string, o key.Order, ids []ident.KeyID, want int) {
		fx.Helper()
		if n := len(slices.Compact(slices.Sorted(slices.Values(ids)))); n != want || len(ids) != want {
			fx.Errorf("%s in the order %+v: %d keys, of which %d differ, want %d", what, o, len(ids), n, want)
		}
		for i := 1; i < len(ids); i++ {
			if compareKeys(o, keys[ids[i-1]], keys[ids[i]]) > 0 {
				fx.Errorf("%s in the order %+v: %q before %q", what, o, keys[ids[i-1]].Name, keys[ids[i]].Name)
			}
		}
	}
	exports, mine := key.Filter{Query: "export"}, key.Filter{}
	for _, k := range keys {
		mine.Owner = cmp.Or(mine.Owner, k.Owner.ID)
	}
	for _, o := range allOrders() {
		for _, limit := range []int{1, 2, 3, 50} {
			check("all", o, fx.inOrder(t, o, key.Filter{}, limit), len(keys))
			check("exports", o, fx.inOrder(t, o, exports, limit), 3)
			check("those of an owner", o, fx.inOrder(t, o, mine, limit), 2)
			check("states", o, fx.statesInOrder(t, o, limit), len(keys))
		}
	}
}

func ordersWaitForTheJob(fx *fixture) {
	t := fx.tenantWithCap(0)
	all := fx.sortedKeys(t)
	want := map[key.Order][]ident.KeyID{}
	for _, o := range allOrders() {
		want[o] = fx.inOrder(t, o, key.Filter{}, 3)
	}
	fx.exec(`UPDATE key_uses SET tenant_id = NULL`)
	fx.exec(`UPDATE key_grants SET tenant_id = NULL`)
	fx.forgetWords()
	for _, o := range allOrders() {
		_, _, err := fx.store.Keys(fx.Context(), t.ID, key.Filter{}, key.Page{Limit: 3, Order: o})
		if waits := o.By == key.ByUse || o.By == key.ByOwner; errors.Is(err, key.ErrNotYet) != waits {
			fx.Errorf("before the job, the order %+v: %v", o, err)
		}
	}
	fx.must(fx.store.FillSearch(fx.Context()))
	for _, o := range allOrders() {
		if got := fx.inOrder(t, o, key.Filter{}, 3); !slices.Equal(got, want[o]) || len(got) != len(all) {
			fx.Errorf("after the job, the order %+v is %v, want %v", o, got, want[o])
		}
	}
}

func ownersOfKeysChange(fx *fixture) {
	t := fx.tenantWithCap(0)
	first, last := fx.namedKey(t, "Of the first"), fx.namedKey(t, "Of the last")
	a := fx.serviceAccount(t.ID)
	k, secret := fx.newKeyOf(t, principal.Party{ID: ident.PartyID(a.ID)}, 1)
	fx.insertKey(k, secret)
	listed := func(what string, want ...ident.KeyID) {
		fx.Helper()
		if got := fx.inOrder(t, key.Order{By: key.ByOwner, Up: true}, key.Filter{}, 2); !slices.Equal(got, want) {
			fx.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	rename := func(k key.Key, name string) {
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			return tx.Rename(ctx, k.Owner.ID.User(), name, fx.after(time.Hour))
		})
	}
	rename(first, "anna")
	rename(last, "Zoë")
	a.Name = "Middle"
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.UpdateServiceAccount(ctx, a) })
	listed("by their names", first.ID, k.ID, last.ID)
	rename(first, "zz")
	listed("after another name", k.ID, last.ID, first.ID)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return tx.DeleteUser(ctx, last.Owner.ID.User(), fx.after(time.Hour))
	})
	listed("after a person is deleted", last.ID, k.ID, first.ID)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return tx.DeleteServiceAccount(ctx, a, fx.after(time.Hour), "", "Gone.")
	})
	if n := len(fx.inOrder(t, key.Order{By: key.ByOwner}, key.Filter{}, 2)); n != 3 {
		fx.Errorf("%d keys are listed by owner, want 3", n)
	}
}

func groupsAreCounted(fx *fixture) {
	t, elsewhere := fx.tenantWithCap(0), fx.tenantWithCap(0)
	app := fx.application(t)
	fx.plan(t, "free")
	subject := fx.subject(t, "cus-1", "free")
	customer, person := principal.Party{ID: ident.PartyID(subject.ID)}, fx.member(t, scope.Member).Party()
	var ids []ident.KeyID
	insert := func(in tenancy.Tenant, owner principal.Party, apps scope.Applications,
		scopes ...scope.Scope,
	) ident.KeyID {
		k, secret := fx.newKeyOf(in, owner, int64(len(ids)+1))
		k.Scopes, k.Applications = scope.NewSet(scopes...), apps
		fx.insertKey(k, secret)
		ids = append(ids, k.ID)
		return k.ID
	}
	all, one := scope.Applications{All: true}, scope.Applications{IDs: []string{string(app.ID)}}
	first := insert(t, person, all, "films:read")
	insert(t, customer, one, "films:read", "films:delete")
	insert(t, customer, all, scope.Every)
	insert(elsewhere, fx.member(elsewhere, scope.Member).Party(), all, "films:read")
	revoked := insert(t, person, one, "films:read")
	fx.exec(`UPDATE keys SET revoked_at = 1 WHERE id = $1`, revoked)
	now, byRule := fx.after(time.Hour), fx.after(-48*time.Hour)
	for g, want := range map[key.Group]int{
		{Scope: "films:read"}: 2, {Scope: "films:delete"}: 1, {Scope: "films:none"}: 0,
		{Application: string(app.ID)}: 1, {Plan: "free"}: 2, {Plan: "none"}: 0,
		{Plan: "free", Scope: "films:read"}: 2, {Plan: "free", Scope: "films:none"}: 1,
		{Plan: "free", Application: string(app.ID)}: 2, {Plan: "free", Application: "app_none"}: 1,
	} {
		for most, want := range map[int]int{10: want, 1: min(want, 1)} {
			n, err := fx.store.CountGroup(fx.Context(), t.ID, g, byRule, now, most)
			fx.must(err)
			if n != want {
				fx.Errorf("%+v up to %d: %d, want %d", g, most, n, want)
			}
		}
	}
	for _, limit := range []int{1, 2, 10} {
		got := fx.inOrder(t, key.Order{}, key.Filter{Scope: "films:read"}, limit)
		if len(got) != 3 || !slices.Contains(got, first) {
			fx.Errorf("in parts of %d: %v", limit, got)
		}
	}
	fx.exec(`UPDATE key_grants SET tenant_id = NULL`)
	fx.forgetWords()
	_, err := fx.store.CountGroup(fx.Context(), t.ID, key.Group{Scope: "films:read"}, byRule, now, 10)
	if !errors.Is(err, key.ErrNotYet) {
		fx.Errorf("before the job: %v", err)
	}
	fx.must(fx.store.FillSearch(fx.Context()))
	n, err := fx.store.CountGroup(fx.Context(), t.ID, key.Group{Scope: "films:read"}, byRule, now, 10)
	if err != nil || n != 2 {
		fx.Errorf("after the job: %d, %v", n, err)
	}
}

func machinesAreFound(fx *fixture) {
	t := fx.tenantWithCap(0)
	a := fx.serviceAccount(t.ID)
	a.Name = "Nightly Terraform"
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.UpdateServiceAccount(ctx, a) })
	fx.serviceAccount(t.ID)
	s := fx.subject(t, "cus-42", "")
	s.Name = "Baltic Lines"
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.UpdateSubject(ctx, s) })
	fx.subject(t, "cus-77", "")
	check := func(when string) {
		fx.Helper()
		for query, want := range map[string]int{"terra": 1, "TERRA night": 1, "erraform": 0} {
			found, err := fx.store.FoundServiceAccounts(fx.Context(), t.ID, text.NewWordQuery(query), 5)
			fx.must(err)
			if len(found) != want || want > 0 && found[0].ID != a.ID {
				fx.Errorf("%s, %q finds %d service accounts", when, query, len(found))
			}
		}
		for query, want := range map[string]int{"cus": 2, "cus 42": 1, "42 balt": 1, "altic": 0, "77 balt": 0} {
			found, err := fx.store.SubjectsOf(fx.Context(), t.ID, machine.SubjectFilter{Query: query},
				paging.Page{Limit: 5})
			fx.must(err)
			if len(found.Subjects) != want {
				fx.Errorf("%s, %q finds %d subjects, want %d", when, query, len(found.Subjects), want)
			}
		}
	}
	check("at once")
	fx.forgetWords()
	check("before the job")
	fx.must(fx.store.FillSearch(fx.Context()))
	check("after the job")
}
