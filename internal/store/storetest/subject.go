package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

var subjectCases = []testCase{
	{"a plan comes back as inserted and as changed", aPlanComesBack},
	{"a subject comes back as inserted and as changed", aSubjectComesBack},
	{"a deleted subject leaves its external id to another", aDeletedSubjectFreesItsExternalID},
}

// plan inserts a plan for all applications.
func (fx *fixture) plan(t tenancy.Tenant, name string) machine.Plan {
	fx.Helper()
	p := machine.Plan{
		Plan: policy.Plan{
			Name: name, Scopes: scope.NewSet("films:read"), Applications: scope.Applications{All: true},
		},
		Tenant: t.ID, CreatedAt: fx.clock.Now(), UpdatedAt: fx.clock.Now(),
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.InsertPlan(ctx, p) })
	return p
}

// subject inserts a subject.
func (fx *fixture) subject(t tenancy.Tenant, externalID, plan string) machine.Subject {
	fx.Helper()
	s := machine.Subject{
		ID: ident.New[ident.SubjectID](fx.clock.Now(), fx.random), Tenant: t.ID, ExternalID: externalID, Plan: plan,
		CreatedAt: fx.clock.Now(), UpdatedAt: fx.clock.Now(),
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) (err error) {
		s.Number, err = tx.InsertSubject(ctx, s)
		return err
	})
	return s
}

func aPlanComesBack(fx *fixture) {
	t := fx.tenantWithCap(0)
	want := fx.plan(t, "free")
	got, err := fx.store.Plan(fx.Context(), t.ID, "free")
	fx.must(err)
	if d := diff.Diff(want, got); d != "" {
		fx.Errorf("came back otherwise:\n%s", d)
	}
	a := fx.application(t)
	want.Scopes = scope.NewSet("films:read", "films:write")
	want.Applications = scope.Applications{IDs: []string{string(a.ID)}}
	want.UpdatedAt = fx.after(time.Hour)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.UpdatePlan(ctx, want) })
	list, err := fx.store.PlansOf(fx.Context(), t.ID, paging.Page{Limit: 10})
	fx.must(err)
	if d := diff.Diff([]machine.Plan{want}, list); d != "" {
		fx.Errorf("changed, came back otherwise:\n%s", d)
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.DeletePlan(ctx, t.ID, "free") })
	if _, err := fx.store.Plan(fx.Context(), t.ID, "free"); !errors.Is(err, fault.NotFound) {
		fx.Errorf("deleted, it is %v", err)
	}
}

func aSubjectComesBack(fx *fixture) {
	t, other := fx.tenantWithCap(0), fx.tenantWithCap(0)
	fx.plan(t, "free")
	want := fx.subject(t, "cus_1", "free")
	want.Name, want.Plan = "A customer", ""
	want.Disabled, want.DisabledByAdmin = true, true
	want.UpdatedAt = fx.after(time.Hour)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.UpdateSubject(ctx, want) })
	got, err := fx.store.Subject(fx.Context(), t.ID, want.ID)
	fx.must(err)
	if d := diff.Diff(want, got); d != "" {
		fx.Errorf("came back otherwise:\n%s", d)
	}
	if _, err := fx.store.Subject(fx.Context(), other.ID, want.ID); !errors.Is(err, fault.NotFound) {
		fx.Errorf("another tenant's subject is %v", err)
	}
}

func aDeletedSubjectFreesItsExternalID(fx *fixture) {
	t := fx.tenantWithCap(0)
	gone := fx.subject(t, "cus_1", "")
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return tx.DeleteSubject(ctx, t.ID, gone.ID, fx.after(time.Hour))
	})
	second := fx.subject(t, "cus_1", "")
	l, err := fx.store.SubjectsOf(fx.Context(), t.ID, machine.SubjectFilter{}, paging.Page{Limit: 10})
	fx.must(err)
	if !slices.Equal(l.Subjects, []machine.Subject{second}) || l.Next != nil {
		fx.Errorf("the list has %+v", l)
	}
	id, err := fx.store.SubjectID(fx.Context(), t.ID, "cus_1")
	fx.must(err)
	if id != second.ID {
		fx.Errorf("the external id names %s, want %s", id, second.ID)
	}
}
