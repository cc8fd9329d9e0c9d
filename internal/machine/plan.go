package machine

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Plan is a named ceiling for the keys of a tenant's subjects.
type Plan struct {
	policy.Plan
	Tenant               ident.TenantID
	CreatedAt, UpdatedAt time.Time
}

// PlanStore is what [Plans] reads outside transactions.
type PlanStore interface {
	// Plan fails with fault.NotFound where the tenant has no such plan.
	Plan(ctx context.Context, tenant ident.TenantID, name string) (Plan, error)
	// PlansOf lists the plans of a tenant by name, after page.BeforeID.
	PlansOf(ctx context.Context, tenant ident.TenantID, page paging.Page) ([]Plan, error)
}

// PlanTx is the transaction that changes a plan.
type PlanTx interface {
	AccessTx
	// TenantRules returns the settings and the scope catalogue of a tenant.
	TenantRules(ctx context.Context, tenant ident.TenantID) (policy.Tenant, error)
	// MissingApplications returns the indexes of the ids that are not applications of the tenant.
	MissingApplications(ctx context.Context, tenant ident.TenantID, ids []string) ([]int, error)
	// CountPlans counts the plans of a tenant, up to most.
	CountPlans(ctx context.Context, tenant ident.TenantID, most int) (int, error)
	// LockPlan reads a plan and locks it. It fails with fault.NotFound where there is none.
	LockPlan(ctx context.Context, tenant ident.TenantID, name string) (Plan, error)
	// InsertPlan fails with fault.Conflict for a name that is taken.
	InsertPlan(ctx context.Context, p Plan) error
	// UpdatePlan writes scopes and applications.
	UpdatePlan(ctx context.Context, p Plan) error
	DeletePlan(ctx context.Context, tenant ident.TenantID, name string) error
	// CountSubjectsOn counts the subjects that have the plan, up to most.
	CountSubjectsOn(ctx context.Context, tenant ident.TenantID, plan string, most int) (int, error)
}

// Plans reads and changes the plans of tenants, for admins; auditors and programs read them.
type Plans struct {
	Ledger  audit.Ledger[PlanTx]
	Store   PlanStore
	Tenants Tenants
	Now     func() time.Time
}

// The bounds of plans.
const (
	maxPlans            = 200 // of a tenant
	maxPlanScopes       = 200
	maxPlanApplications = 500
	// maxCounted bounds how many subjects of a plan are counted.
	maxCounted = 10_000
)

var planForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// ValidPlanName reports whether a plan can have the name.
func ValidPlanName(name string) bool { return planForm.MatchString(name) }

// NewPlan is what an admin asks a new plan to be.
type NewPlan struct {
	Name            string
	Scopes          []scope.Scope
	AllApplications bool
	ApplicationIDs  []string
}

// Create adds a plan to a tenant.
func (s *Plans) Create(ctx context.Context, who principal.Principal, tenant ident.TenantID, n NewPlan) (Plan, error) {
	var faults []fault.Field
	if !ValidPlanName(n.Name) {
		faults = append(faults, fault.Field{
			Name: "name", Code: "form",
			Message: "Use 1 to 64 of a-z 0-9 _ and -, with a letter at the beginning.",
		})
	}
	faults = append(faults, planScopeFaults(n.Scopes)...)
	faults = append(faults, planApplicationFaults(n.AllApplications, n.ApplicationIDs)...)
	if err := fault.Refuse(faults...); err != nil {
		return Plan{}, err
	}
	now := s.Now()
	p := Plan{
		Plan: policy.Plan{
			Name: n.Name, Scopes: scope.NewSet(n.Scopes...),
			Applications: applicationsOf(n.AllApplications, n.ApplicationIDs),
		},
		Tenant: tenant, CreatedAt: now, UpdatedAt: now,
	}
	err := s.inTenant(ctx, who, tenant, func(ctx context.Context, tx PlanTx) (audit.Event, error) {
		if err := checkGrants(ctx, tx, p, n.Scopes, n.ApplicationIDs); err != nil {
			return audit.Event{}, err
		}
		count, err := tx.CountPlans(ctx, tenant, maxPlans)
		err = account.CheckLimit(count, err, maxPlans, "This tenant has %d of %d plans.", "Delete one first.")
		if err != nil {
			return audit.Event{}, err
		}
		return p.event(who, audit.ActionPlanCreate), tx.InsertPlan(ctx, p)
	})
	return p, err
}

// inTenant runs a change by an admin of the tenant with the tenant locked.
func (s *Plans) inTenant(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	change func(context.Context, PlanTx) (audit.Event, error),
) error {
	return inTenant(ctx, s.Ledger, who, tenant, nil,
		func(ctx context.Context, tx PlanTx, _ admin) (audit.Event, error) { return change(ctx, tx) })
}

// PlanChange is a change of a plan. What is nil stays as it is.
type PlanChange struct {
	// Expected is the version that the plan must have; "" for any.
	Expected etag.Tag
	// Scopes replace the whole list.
	Scopes []scope.Scope
	// AllApplications true removes the restriction to applications. ApplicationIDs alone sets it.
	AllApplications *bool
	ApplicationIDs  []string
}

// faults returns what is wrong with the change without regard to the plan.
func (c PlanChange) faults() (faults []fault.Field) {
	if c.Scopes != nil {
		faults = planScopeFaults(c.Scopes)
	}
	if c.changesApplications() {
		faults = append(faults, planApplicationFaults(c.allApplications(), c.ApplicationIDs)...)
	}
	return faults
}

func (c PlanChange) changesApplications() bool {
	return c.AllApplications != nil || c.ApplicationIDs != nil
}

func (c PlanChange) allApplications() bool { return c.AllApplications != nil && *c.AllApplications }

// apply returns the plan with the change made.
func (c PlanChange) apply(p Plan) Plan {
	if c.Scopes != nil {
		p.Scopes = scope.NewSet(c.Scopes...)
	}
	if c.changesApplications() {
		p.Applications = applicationsOf(c.allApplications(), c.ApplicationIDs)
	}
	return p
}

// Version returns the version of what an edit can change in the plan.
func (p Plan) Version() etag.Tag {
	return etag.Of(p.Scopes.Strings(), p.Applications.All, slices.Sorted(slices.Values(p.Applications.IDs)))
}

// Edit changes a plan. Once it returns, the keys of all subjects that have the plan are cut to it
// as it is now. With [etag.ErrChanged] it also returns the plan as it is.
func (s *Plans) Edit(ctx context.Context, who principal.Principal, tenant ident.TenantID, name string,
	c PlanChange,
) (p Plan, err error) {
	if err := fault.Refuse(c.faults()...); err != nil {
		return Plan{}, err
	}
	err = s.inTenant(ctx, who, tenant, func(ctx context.Context, tx PlanTx) (audit.Event, error) {
		before, err := tx.LockPlan(ctx, tenant, name)
		if err != nil {
			return audit.Event{}, err
		}
		p = before
		if err := c.Expected.Check(p.Version()); err != nil {
			return audit.Event{}, err
		}
		p = c.apply(p)
		if err := checkGrants(ctx, tx, p, c.Scopes, c.ApplicationIDs); err != nil {
			return audit.Event{}, err
		}
		e := p.event(who, audit.ActionPlanEdit)
		if p.equal(before) {
			return e, audit.ErrNothing
		}
		p.UpdatedAt = s.Now()
		return e.WithEffects(p.setEffect()), tx.UpdatePlan(ctx, p)
	})
	return p, err
}

// Delete deletes a plan that no subject has.
func (s *Plans) Delete(ctx context.Context, who principal.Principal, tenant ident.TenantID, name string) error {
	return s.inTenant(ctx, who, tenant, func(ctx context.Context, tx PlanTx) (audit.Event, error) {
		p, err := tx.LockPlan(ctx, tenant, name)
		if err != nil {
			return audit.Event{}, err
		}
		n, err := tx.CountSubjectsOn(ctx, tenant, name, maxCounted)
		if err == nil && n > 0 {
			err = errPlanInUse(n)
		}
		if err != nil {
			return audit.Event{}, err
		}
		e := p.event(who, audit.ActionPlanDelete)
		e = e.WithEffects(audit.Effect{Kind: audit.EffectPlanDeleted, Tenant: tenant, Plan: name})
		return e, tx.DeletePlan(ctx, tenant, name)
	})
}

// errPlanInUse refuses to delete a plan that subjects have.
func errPlanInUse(subjects int) error {
	have := strconv.Itoa(subjects) + " subjects have"
	switch {
	case subjects == 1:
		have = "1 subject has"
	case subjects >= maxCounted:
		have = "At least " + have
	}
	return fault.New(fault.Conflict, have+" this plan. Give them another plan first.")
}

// Plan returns a plan of a tenant.
func (s *Plans) Plan(ctx context.Context, who principal.Principal, tenant ident.TenantID, name string) (Plan, error) {
	if err := subjectReaderOf(ctx, s.Tenants, who, tenant); err != nil {
		return Plan{}, err
	}
	if !ValidPlanName(name) {
		return Plan{}, fault.NotFound
	}
	return s.Store.Plan(ctx, tenant, name)
}

// List lists the plans of a tenant by name, after page.BeforeID.
func (s *Plans) List(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	page paging.Page,
) ([]Plan, error) {
	if err := subjectReaderOf(ctx, s.Tenants, who, tenant); err != nil {
		return nil, err
	}
	return s.Store.PlansOf(ctx, tenant, page)
}

// event records what happened to the plan.
func (p Plan) event(who principal.Principal, action audit.Action) audit.Event {
	e := audit.By(who, action, audit.Target{Type: "plan", ID: p.Name, Name: p.Name})
	return e.InvalidatesPlans(p.Tenant)
}

// setEffect returns the effect of having set what the plan contains.
func (p Plan) setEffect() audit.Effect {
	return audit.Effect{
		Kind: audit.EffectPlanSet, Tenant: p.Tenant, Plan: p.Name, Scopes: p.Scopes.Strings(),
		AllApplications: p.Applications.All, Applications: p.Applications.IDs,
	}
}

// equal reports whether both plans contain the same.
func (p Plan) equal(other Plan) bool {
	return slices.Equal(p.Scopes, other.Scopes) && p.Applications.All == other.Applications.All &&
		slices.Equal(p.Applications.IDs, other.Applications.IDs)
}

// applicationsOf returns a restriction to applications, sorted and without duplicates.
func applicationsOf(all bool, ids []string) scope.Applications {
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	return scope.Applications{All: all, IDs: slices.Compact(sorted)}
}

// planScopeFaults checks the form of the scopes of a plan.
func planScopeFaults(scopes []scope.Scope) (faults []fault.Field) {
	if len(scopes) == 0 || len(scopes) > maxPlanScopes {
		return []fault.Field{{
			Name: "scopes", Code: "length", Message: fmt.Sprintf("List 1 to %d scopes.", maxPlanScopes),
		}}
	}
	if slices.Contains(scopes, scope.Every) {
		if len(scopes) > 1 {
			return []fault.Field{{
				Name: "scopes", Code: "every",
				Message: "* means every scope of the tenant. List it alone, or list single scopes.",
			}}
		}
		return nil
	}
	for i, name := range scopes {
		if !name.Valid() {
			faults = append(faults, itemFault("scopes", i, "form", "Use the form resource:action, in lower case."))
		}
	}
	return faults
}

// planApplicationFaults checks the form of the applications of a plan.
func planApplicationFaults(all bool, ids []string) (faults []fault.Field) {
	switch {
	case all && len(ids) > 0:
		return []fault.Field{{
			Name: "application_ids", Code: "exclusive",
			Message: "Send all_applications: true or application_ids, not both.",
		}}
	case !all && len(ids) == 0:
		return []fault.Field{{
			Name: "application_ids", Code: "required",
			Message: "List at least one application, or send all_applications: true.",
		}}
	case len(ids) > maxPlanApplications:
		return []fault.Field{{
			Name: "application_ids", Code: "length",
			Message: fmt.Sprintf("List at most %d applications.", maxPlanApplications),
		}}
	}
	for i, id := range ids {
		if _, err := ident.Parse[ident.ApplicationID](id); err != nil {
			faults = append(faults,
				itemFault("application_ids", i, "form", "Use the id of an application, which begins with app_."))
		}
	}
	return faults
}

// checkGrants refuses scopes that the tenant did not add, and applications that it does not have.
// The lists are those that were sent, in their order; nil for one that stays as it is.
func checkGrants(ctx context.Context, tx PlanTx, p Plan, scopes []scope.Scope, applications []string) error {
	rules, err := tx.TenantRules(ctx, p.Tenant)
	if err != nil {
		return err
	}
	var faults []fault.Field
	for i, name := range scopes {
		switch {
		case name == scope.Every:
		case rules.Catalogue.BuiltIn(name):
			faults = append(faults, itemFault("scopes", i, "built_in",
				"A plan may not contain a scope of Claviger's own. Use scopes that the tenant added."))
		case !rules.Catalogue.Knows(name):
			faults = append(faults, itemFault("scopes", i, "unknown", "The tenant has no such scope. Add it first."))
		}
	}
	if len(applications) > 0 {
		missing, err := tx.MissingApplications(ctx, p.Tenant, applications)
		if err != nil {
			return err
		}
		for _, i := range missing {
			faults = append(faults, itemFault("application_ids", i, "unknown", "The tenant has no such application."))
		}
	}
	return fault.Refuse(faults...)
}

// itemFault is a fault of an item of a list.
func itemFault(list string, i int, code, message string) fault.Field {
	return fault.Field{Name: list + "." + strconv.Itoa(i), Code: code, Message: message}
}
