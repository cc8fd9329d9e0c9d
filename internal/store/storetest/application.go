package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	diff "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

var applicationGuarantees = []guarantee{
	{"an application comes back as inserted", anApplicationComesBack},
	{"another tenant's application is not found", anothersApplicationIsNotFound},
	{"pages run from the newest back and leave nothing out", applicationPagesAreWhole},
	{"a list is kept to the restriction", aListIsKeptToTheRestriction},
	{"a page has at least one and at most 201 items, whatever is asked", aPageIsBounded},
	{"the applications that a tenant does not have are named by index", missingApplicationsAreNamed},
}

// applicationAt is an application that is not stored yet.
func (h *house) applicationAt(t ident.TenantID, at time.Time) tenancy.Application {
	return tenancy.Application{
		ID: ident.New[ident.ApplicationID](h.clock.Now(), h.random), Tenant: t, Name: "An application", Description: "line\nbreak", CreatedAt: at, UpdatedAt: at,
	}
}

// addAll inserts the applications in one change and numbers them.
func addAll(list []tenancy.Application) func(context.Context, *store.Tx) error {
	return func(ctx context.Context, tx *store.Tx) (err error) {
		for i := range list {
			if list[i].Number, err = tx.InsertApplication(ctx, list[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

func anApplicationComesBack(h *house) {
	t := h.aTenant(0)
	want := h.applicationAt(t.ID, h.clock.Now())
	want.UpdatedAt = h.later(time.Hour)
	list := []tenancy.Application{want}
	h.in(addAll(list))
	for _, disabled := range []bool{false, true} {
		if want = list[0]; disabled {
			h.sql(`UPDATE applications SET disabled_at = 1`)
			want.Disabled = true
		}
		got, err := h.store.Application(h.Context(), t.ID, want.ID)
		h.must(err)
		listed, err := h.store.Applications(h.Context(), t.ID, scope.Applications{All: true}, tenancy.Page{Limit: 10})
		h.must(err)
		if diff := diff.Diff([]tenancy.Application{want, want}, append(listed, got)); diff != "" {
			h.Errorf("came back otherwise:\n%s", diff)
		}
	}
}

func anothersApplicationIsNotFound(h *house) {
	mine, theirs := h.aTenant(0), h.aTenant(0)
	a := h.application(theirs)
	for _, id := range []ident.ApplicationID{a.ID, "app_unknown", ""} {
		if got, err := h.store.Application(h.Context(), mine.ID, id); !errors.Is(err, fault.NotFound) || got.ID != "" {
			h.Errorf("%q is %+v, %v, want not found", id, got, err)
		}
	}
	for _, within := range []scope.Applications{{All: true}, {IDs: []string{string(a.ID)}}} {
		if got := h.applicationPages(h.T.Fatal, mine.ID, within, 10); len(got) > 0 {
			h.Errorf("within %+v a tenant lists another's %v", within, got)
		}
	}
}

// applicationPages reads a whole list, page after page.
func (h *house) applicationPages(fatal func(...any), t ident.TenantID, within scope.Applications, limit int) (all []tenancy.Application) {
	page := tenancy.Page{Limit: limit}
	for {
		got, err := h.store.Applications(h.Context(), t, within, page)
		if err != nil {
			fatal(err)
		}
		if len(got) > limit {
			fatal(fmt.Sprintf("a page of %d where %d was asked", len(got), limit))
		}
		if all = append(all, got...); len(got) < limit {
			return all
		}
		last := got[len(got)-1]
		page.BeforeTime, page.BeforeID = last.CreatedAt, string(last.ID)
	}
}

// newestFirst is the order of all lists.
func newestFirst(a, b tenancy.Application) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
}

func applicationPagesAreWhole(h *house) {
	account, _ := h.account()
	settings, err := policy.Standard.Settings()
	h.must(err)
	rapid.Check(h, func(t *rapid.T) {
		tenant := h.inserted(account.ID, policy.Standard, settings).ID
		var want []tenancy.Application
		for _, tie := range rapid.SliceOfN(rapid.IntRange(0, 3), 0, 9).Draw(t, "microsecond of creation") {
			want = append(want, h.applicationAt(tenant, h.later(time.Duration(tie)*time.Microsecond)))
		}
		h.in(addAll(want))
		slices.SortFunc(want, newestFirst)
		got := h.applicationPages(t.Fatal, tenant, scope.Applications{All: true}, rapid.IntRange(1, 10).Draw(t, "limit"))
		if diff := diff.Diff(want, got); diff != "" {
			t.Fatalf("pages, put together, are otherwise:\n%s", diff)
		}
	})
}

func aListIsKeptToTheRestriction(h *house) {
	t := h.aTenant(0)
	var list []tenancy.Application
	for range 6 {
		list = append(list, h.applicationAt(t.ID, h.clock.move(time.Second)))
	}
	h.in(addAll(list))
	slices.SortFunc(list, newestFirst)
	for n := range len(list) + 1 {
		within := scope.Applications{}
		for _, a := range list[:n] {
			within.IDs = append(within.IDs, string(a.ID))
		}
		slices.Reverse(within.IDs)
		got := h.applicationPages(h.T.Fatal, t.ID, within, 2)
		if diff := diff.Diff(list[:n:n], append([]tenancy.Application{}, got...)); diff != "" {
			h.Errorf("within %d applications:\n%s", n, diff)
		}
	}
	stranger := scope.Applications{IDs: []string{"app_unknown", string(list[3].ID)}}
	if got := h.applicationPages(h.T.Fatal, t.ID, stranger, 2); len(got) != 1 || got[0].ID != list[3].ID {
		h.Errorf("within one known application: %v", got)
	}
}

func aPageIsBounded(h *house) {
	const most = 201
	t := h.aTenant(0)
	list := make([]tenancy.Application, most+1)
	for i := range list {
		list[i] = h.applicationAt(t.ID, h.clock.Now())
	}
	h.in(addAll(list))
	for limit, want := range map[int]int{-1: 1, 0: 1, 1: 1, most: most, most + 1: most, 1 << 40: most} {
		got, err := h.store.Applications(h.Context(), t.ID, scope.Applications{All: true}, tenancy.Page{Limit: limit})
		if err != nil || len(got) != want {
			h.Errorf("asked for %d there are %d, want %d (%v)", limit, len(got), want, err)
		}
	}
}

func missingApplicationsAreNamed(h *house) {
	t, other := h.aTenant(0), h.aTenant(0)
	mine, theirs := string(h.application(t).ID), string(h.application(other).ID)
	second := string(h.application(t).ID)
	for _, c := range []struct {
		ids  []string
		want []int
	}{
		{[]string{mine}, nil},
		{[]string{theirs}, []int{0}},
		{[]string{mine, second, mine}, nil},
		{[]string{"app_unknown", mine, theirs, second, ""}, []int{0, 2, 4}},
	} {
		h.in(func(ctx context.Context, tx *store.Tx) error {
			got, err := tx.MissingApplications(ctx, t.ID, c.ids)
			if !slices.Equal(got, c.want) {
				h.Errorf("of %v are missing %v, want %v", c.ids, got, c.want)
			}
			return err
		})
	}
}
