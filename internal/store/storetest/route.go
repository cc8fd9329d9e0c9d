package storetest

import (
	"context"
	"errors"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

var routeCases = []testCase{
	{"an entry comes back as inserted and as changed", anEntryComesBack},
	{"entries are listed by name, for the operator and for decisions", entriesAreListed},
	{"a second entry of a name is refused", aNameHasOneEntry},
	{"entries are counted up to a limit", entriesAreCounted},
	{"the rules of an application come back as set", rulesComeBack},
	{"another tenant's rules are not found", anothersRulesAreNotFound},
	{"the facts of a tenant have the rules of all its applications, by number", factsHaveTheRules},
	{"rules that cannot be read are a fault in the facts", unreadableRulesAreAFault},
}

// filmsRule is a rule of an application.
func filmsRule() route.Rule {
	path, err := route.ParsePattern("/films/{id}")
	if err != nil {
		panic(err)
	}
	return route.Rule{Methods: []string{"GET"}, Path: path, Scopes: []scope.Scope{"films:read"}}
}

// entry inserts an entry of the tenant.
func (fx *fixture) entry(t tenancy.Tenant, name string, otherwise route.Otherwise) application.Entry {
	fx.Helper()
	e := application.Entry{
		Name: name, Tenant: t.ID, Otherwise: otherwise, CreatedAt: fx.clock.Now(), UpdatedAt: fx.clock.Now(),
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.InsertEntry(ctx, e) })
	return e
}

// entriesAre fails the test unless these are the entries, for the operator and for decisions.
func (fx *fixture) entriesAre(what string, want ...application.Entry) {
	fx.Helper()
	got, err := fx.store.Entries(fx.Context())
	fx.must(err)
	if d := diff.Diff(want, got); d != "" {
		fx.Errorf("%s, the entries are otherwise:\n%s", what, d)
	}
	var wanted []route.Entry
	for _, e := range want {
		wanted = append(wanted, route.Entry{Name: e.Name, Tenant: e.Tenant, Otherwise: e.Otherwise})
	}
	decided, err := fx.store.RouteEntries(fx.Context())
	fx.must(err)
	if d := diff.Diff(wanted, append([]route.Entry(nil), decided...)); d != "" {
		fx.Errorf("%s, the entries for decisions are otherwise:\n%s", what, d)
	}
}

func anEntryComesBack(fx *fixture) {
	want := fx.entry(fx.tenantWithCap(0), "films", route.AnyKey)
	locked := func(what string) {
		fx.Helper()
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			got, err := tx.LockEntry(ctx, "films")
			if d := diff.Diff(want, got); d != "" {
				fx.Errorf("%s, it is locked as another:\n%s", what, d)
			}
			return err
		})
		fx.entriesAre(what, want)
	}
	locked("inserted")
	want.Otherwise, want.UpdatedAt = route.Refuse, fx.after(time.Hour)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.UpdateEntry(ctx, want) })
	locked("changed")
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteEntry(ctx, "films") })
	fx.entriesAre("deleted")
	for what, change := range map[string]func(context.Context, *store.Tx) error{
		"locked": func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.LockEntry(ctx, "films")
			return err
		},
		"changed": func(ctx context.Context, tx *store.Tx) error { return tx.UpdateEntry(ctx, want) },
		"deleted": func(ctx context.Context, tx *store.Tx) error { return tx.DeleteEntry(ctx, "films") },
	} {
		err := fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			return event(audit.ActionEntryEdit), change(ctx, tx)
		})
		if !errors.Is(err, fault.NotFound) {
			fx.Errorf("deleted, it is %s: %v, want not found", what, err)
		}
	}
}

func entriesAreListed(fx *fixture) {
	t, other := fx.tenantWithCap(0), fx.tenantWithCap(0)
	b := fx.entry(other, "b", route.AnyKey)
	c := fx.entry(t, "c", route.Refuse)
	a := fx.entry(t, "a", route.Refuse)
	fx.entriesAre("inserted", a, b, c)
}

func aNameHasOneEntry(fx *fixture) {
	t, other := fx.tenantWithCap(0), fx.tenantWithCap(0)
	want := fx.entry(t, "films", route.Refuse)
	second := want
	second.Tenant = other.ID
	second.Otherwise = route.AnyKey
	err := fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		return event(audit.ActionEntryCreate), tx.InsertEntry(ctx, second)
	})
	if !errors.Is(err, fault.Conflict) {
		fx.Errorf("a second entry of a name: %v, want a conflict", err)
	}
	fx.entriesAre("refused", want)
}

func entriesAreCounted(fx *fixture) {
	t := fx.tenantWithCap(0)
	for _, name := range []string{"a", "b", "c"} {
		fx.entry(t, name, route.Refuse)
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		for most, want := range map[int]int{2: 2, 3: 3, 4: 3} {
			n, err := tx.CountEntries(ctx, most)
			if err != nil {
				return err
			}
			if n != want {
				fx.Errorf("up to %d there are %d, want %d", most, n, want)
			}
		}
		return nil
	})
}

// setRoutes stores the text of rules.
func (fx *fixture) setRoutes(t tenancy.Tenant, id ident.ApplicationID, text string) {
	fx.Helper()
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return tx.SetApplicationRoutes(ctx, t.ID, id, text, fx.clock.Now())
	})
}

func rulesComeBack(fx *fixture) {
	t := fx.tenantWithCap(0)
	a := fx.application(t)
	beside := fx.application(t)
	for _, want := range []string{"", route.Encode([]route.Rule{filmsRule()}), "[]", ""} {
		fx.setRoutes(t, a.ID, want)
		outside, err := fx.store.ApplicationRoutes(fx.Context(), t.ID, a.ID)
		fx.must(err)
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			inside, err := tx.ApplicationRoutes(ctx, t.ID, a.ID)
			if inside != want || outside != want {
				fx.Errorf("came back as %q and in a transaction as %q, want %q", outside, inside, want)
			}
			return err
		})
	}
	got, err := fx.store.ApplicationRoutes(fx.Context(), t.ID, beside.ID)
	if got != "" || err != nil {
		fx.Errorf("another application has the rules %q, %v", got, err)
	}
}

func anothersRulesAreNotFound(fx *fixture) {
	mine, theirs := fx.tenantWithCap(0), fx.tenantWithCap(0)
	a := fx.application(theirs)
	fx.setRoutes(theirs, a.ID, route.Encode([]route.Rule{filmsRule()}))
	got, err := fx.store.ApplicationRoutes(fx.Context(), mine.ID, a.ID)
	if !errors.Is(err, fault.NotFound) || got != "" {
		fx.Errorf("another tenant reads %q, %v, want not found", got, err)
	}
	for what, change := range map[string]func(context.Context, *store.Tx) error{
		"read": func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.ApplicationRoutes(ctx, mine.ID, a.ID)
			return err
		},
		"set": func(ctx context.Context, tx *store.Tx) error {
			return tx.SetApplicationRoutes(ctx, mine.ID, a.ID, "", fx.clock.Now())
		},
	} {
		err := fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			return event(audit.ActionApplicationRoutes), change(ctx, tx)
		})
		if !errors.Is(err, fault.NotFound) {
			fx.Errorf("they are %s from another tenant: %v, want not found", what, err)
		}
	}
}

func factsHaveTheRules(fx *fixture) {
	t, other := fx.tenantWithCap(0), fx.tenantWithCap(0)
	first := fx.application(t)
	fx.application(t) // has no rules
	last := fx.application(t)
	fx.exec(`UPDATE applications SET disabled_at = 1 WHERE id = $1`, first.ID) // its rules count still
	text := route.Encode([]route.Rule{filmsRule()})
	fx.setRoutes(other, fx.application(other).ID, text)
	var want []route.Rule
	for _, id := range []ident.ApplicationID{last.ID, first.ID} { // not the order of the numbers
		fx.setRoutes(t, id, text)
		r := filmsRule()
		r.Application.ID = string(id)
		r.Source = "application " + string(id) + ", rule 1"
		want = append([]route.Rule{r}, want...)
	}
	got, err := fx.store.TenantFacts(fx.Context(), t.ID)
	fx.must(err)
	samePattern := diff.Comparer(func(a, b route.Pattern) bool { return a.Text == b.Text })
	if d := diff.Diff(want, got.Routes, samePattern); d != "" || got.RoutesFault != nil {
		fx.Errorf("the rules are otherwise, with the fault %v:\n%s", got.RoutesFault, d)
	}
}

// The keys of the tenant stay valid: only decisions by rules are impossible.
func unreadableRulesAreAFault(fx *fixture) {
	t := fx.tenantWithCap(0)
	a := fx.application(t)
	for _, text := range []string{`{`, `{}`, `[{"path":"films"}]`, `[{"path":"/films","public":true}]`} {
		fx.exec(`UPDATE applications SET routes = $2 WHERE id = $1`, a.ID, text)
		got, err := fx.store.TenantFacts(fx.Context(), t.ID)
		if err != nil || got.RoutesFault == nil || len(got.Routes) > 0 || !got.Applications[string(a.ID)] {
			fx.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}
