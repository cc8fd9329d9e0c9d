package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/paging"

	diff "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
)

var applicationCases = []testCase{
	{"an application comes back as inserted", anApplicationComesBack},
	{"another tenant's application is not found", anothersApplicationIsNotFound},
	{"pages run from the newest back and leave nothing out", applicationPagesAreWhole},
	{"a list is kept to the restriction", aListIsRestrictedToApplications},
	{"a page has at least one and at most 201 items, whatever is asked", aPageIsBounded},
	{"the applications that a tenant does not have are named by index", missingApplicationsAreNamed},
}

// newApplication is an application that is not stored yet.
func (fx *fixture) newApplication(t ident.TenantID, at time.Time) application.Application {
	return application.Application{
		ID: ident.New[ident.ApplicationID](fx.clock.Now(), fx.random), Tenant: t, Name: "An application",
		Description: "line\nbreak", CreatedAt: at, UpdatedAt: at,
	}
}

// addAll inserts the applications in one change and numbers them.
func addAll(list []application.Application) func(context.Context, *store.Tx) error {
	return func(ctx context.Context, tx *store.Tx) (err error) {
		for i := range list {
			list[i].Number, err = tx.InsertApplication(ctx, list[i])
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func anApplicationComesBack(fx *fixture) {
	t := fx.tenantWithCap(0)
	want := fx.newApplication(t.ID, fx.clock.Now())
	want.UpdatedAt = fx.after(time.Hour)
	list := []application.Application{want}
	fx.mustWrite(addAll(list))
	for _, disabled := range []bool{false, true} {
		want = list[0]
		if disabled {
			fx.exec(`UPDATE applications SET disabled_at = 1`)
			want.Disabled = true
		}
		got, err := fx.store.Application(fx.Context(), t.ID, want.ID)
		fx.must(err)
		listed, err := fx.store.Applications(fx.Context(), t.ID, scope.Applications{All: true}, paging.Page{Limit: 10})
		fx.must(err)
		if diff := diff.Diff([]application.Application{want, want}, append(listed, got)); diff != "" {
			fx.Errorf("came back otherwise:\n%s", diff)
		}
	}
}

func anothersApplicationIsNotFound(fx *fixture) {
	mine, theirs := fx.tenantWithCap(0), fx.tenantWithCap(0)
	a := fx.application(theirs)
	for _, id := range []ident.ApplicationID{a.ID, "app_unknown", ""} {
		if got, err := fx.store.Application(fx.Context(), mine.ID, id); !errors.Is(err, fault.NotFound) ||
			got.ID != "" {
			fx.Errorf("%q is %+v, %v, want not found", id, got, err)
		}
	}
	for _, within := range []scope.Applications{{All: true}, {IDs: []string{string(a.ID)}}} {
		if got := fx.applicationPages(fx.T.Fatal, mine.ID, within, 10); len(got) > 0 {
			fx.Errorf("within %+v a tenant lists another's %v", within, got)
		}
	}
}

// applicationPages reads a whole list, page after page.
func (fx *fixture) applicationPages(fatal func(...any), t ident.TenantID, within scope.Applications,
	limit int,
) (all []application.Application) {
	page := paging.Page{Limit: limit}
	for {
		got, err := fx.store.Applications(fx.Context(), t, within, page)
		if err != nil {
			fatal(err)
		}
		if len(got) > limit {
			fatal(fmt.Sprintf("a page of %d where %d was asked", len(got), limit))
		}
		all = append(all, got...)
		if len(got) < limit {
			return all
		}
		last := got[len(got)-1]
		page.BeforeTime, page.BeforeID = last.CreatedAt, string(last.ID)
	}
}

// newestFirst is the order of all lists.
func newestFirst(a, b application.Application) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
}

func applicationPagesAreWhole(fx *fixture) {
	account, _ := fx.account()
	settings, err := policy.Standard.Settings()
	fx.must(err)
	rapid.Check(fx, func(t *rapid.T) {
		tenant := fx.insertTenant(account.ID, policy.Standard, settings).ID
		var want []application.Application
		for _, tie := range rapid.SliceOfN(rapid.IntRange(0, 3), 0, 9).Draw(t, "microsecond of creation") {
			want = append(want, fx.newApplication(tenant, fx.after(time.Duration(tie)*time.Microsecond)))
		}
		fx.mustWrite(addAll(want))
		slices.SortFunc(want, newestFirst)
		got := fx.applicationPages(t.Fatal, tenant, scope.Applications{All: true},
			rapid.IntRange(1, 10).Draw(t, "limit"))
		if diff := diff.Diff(want, got); diff != "" {
			t.Fatalf("pages, put together, are otherwise:\n%s", diff)
		}
	})
}

func aListIsRestrictedToApplications(fx *fixture) {
	t := fx.tenantWithCap(0)
	var list []application.Application
	for range 6 {
		list = append(list, fx.newApplication(t.ID, fx.clock.move(time.Second)))
	}
	fx.mustWrite(addAll(list))
	slices.SortFunc(list, newestFirst)
	for n := range len(list) + 1 {
		within := scope.Applications{}
		for _, a := range list[:n] {
			within.IDs = append(within.IDs, string(a.ID))
		}
		slices.Reverse(within.IDs)
		got := fx.applicationPages(fx.T.Fatal, t.ID, within, 2)
		if diff := diff.Diff(list[:n:n], append([]application.Application{}, got...)); diff != "" {
			fx.Errorf("within %d applications:\n%s", n, diff)
		}
	}
	stranger := scope.Applications{IDs: []string{"app_unknown", string(list[3].ID)}}
	if got := fx.applicationPages(fx.T.Fatal, t.ID, stranger, 2); len(got) != 1 || got[0].ID != list[3].ID {
		fx.Errorf("within one known application: %v", got)
	}
}

func aPageIsBounded(fx *fixture) {
	const most = 201
	t := fx.tenantWithCap(0)
	list := make([]application.Application, most+1)
	for i := range list {
		list[i] = fx.newApplication(t.ID, fx.clock.Now())
	}
	fx.mustWrite(addAll(list))
	for limit, want := range map[int]int{-1: 1, 0: 1, 1: 1, most: most, most + 1: most, 1 << 40: most} {
		got, err := fx.store.Applications(fx.Context(), t.ID, scope.Applications{All: true}, paging.Page{Limit: limit})
		if err != nil || len(got) != want {
			fx.Errorf("asked for %d there are %d, want %d (%v)", limit, len(got), want, err)
		}
	}
}

func missingApplicationsAreNamed(fx *fixture) {
	t, other := fx.tenantWithCap(0), fx.tenantWithCap(0)
	mine, theirs := string(fx.application(t).ID), string(fx.application(other).ID)
	second := string(fx.application(t).ID)
	for _, c := range []struct {
		ids  []string
		want []int
	}{
		{[]string{mine}, nil},
		{[]string{theirs}, []int{0}},
		{[]string{mine, second, mine}, nil},
		{[]string{"app_unknown", mine, theirs, second, ""}, []int{0, 2, 4}},
	} {
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			got, err := tx.MissingApplications(ctx, t.ID, c.ids)
			if !slices.Equal(got, c.want) {
				fx.Errorf("of %v are missing %v, want %v", c.ids, got, c.want)
			}
			return err
		})
	}
}
