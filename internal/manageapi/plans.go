package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/web"
)

const plansPath = tenantPath + "/plans"

func (a *API) plans() {
	tags := []string{"Plans"}
	add(a, huma.Operation{
		OperationID: "list-plans", Method: http.MethodGet, Path: plansPath, Tags: tags,
		Summary: "List plans", Description: "In the order of their names. For admins and auditors of the tenant.",
	}, requirement{session: true, management: policy.MayReadSubjects}, a.listPlans)
	add(a, huma.Operation{
		OperationID: "create-plan", Method: http.MethodPost, Path: plansPath, Tags: tags,
		DefaultStatus: http.StatusCreated,
		Summary:       "Create a plan",
		Description:   "For admins of the tenant. A tenant has at most 200 plans.",
	}, requirement{session: true, idempotent: true}, idempotent(a, a.createPlan, a.replayCreatePlan), fault.Conflict)
	add(a, huma.Operation{
		OperationID: "show-plan", Method: http.MethodGet, Path: plansPath + "/{plan}", Tags: tags,
		Summary: "Show a plan", Description: "For admins and auditors of the tenant.",
	}, requirement{session: true, management: policy.MayReadSubjects}, a.showPlan)
	add(a, huma.Operation{
		OperationID: "edit-plan", Method: http.MethodPatch, Path: plansPath + "/{plan}", Tags: tags,
		Summary: "Change a plan",
		Description: "For admins of the tenant. Counts for the keys of all subjects with the plan before the " +
			"response is sent.",
	}, requirement{session: true, versioned: true}, a.editPlan)
	add(a, huma.Operation{
		OperationID: "delete-plan", Method: http.MethodDelete, Path: plansPath + "/{plan}", Tags: tags,
		Summary:     "Delete a plan",
		Description: "For admins of the tenant. A plan that a subject has cannot be deleted (`conflict`).",
	}, requirement{session: true}, a.deletePlan, fault.Conflict)
}

type listPlansInput struct {
	TenantInput
	PageInput
}

func (a *API) listPlans(ctx context.Context, in *listPlansInput) (*output[api.List[api.Plan]], error) {
	return listPage(ctx, a, in.PageInput, "plans", []string{in.Tenant}, func(page paging.Page) ([]machine.Plan, error) {
		return a.Plans.List(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), page)
	}, planOf, func(p machine.Plan) position { return position{ID: p.Name} })
}

type createPlanInput struct {
	JSON body[api.CreatePlanRequest]
	TenantInput
}

func (a *API) createPlan(ctx context.Context, in *createPlanInput) (*created[api.Plan], error) {
	n := in.JSON.value
	p, err := a.Plans.Create(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), machine.NewPlan{
		Name: n.Name, Scopes: typedList[scope.Scope](n.Scopes), AllApplications: n.AllApplications,
		ApplicationIDs: n.ApplicationIDs,
	})
	if err != nil {
		return nil, err
	}
	return planCreated(p), nil
}

// replayCreatePlan returns the plan that createPlan created.
func (a *API) replayCreatePlan(ctx context.Context, in *createPlanInput, id string) (*created[api.Plan], error) {
	p, err := a.Plans.Plan(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), id)
	if err != nil {
		return nil, err
	}
	return planCreated(p), nil
}

// planCreated returns the response to the creation of a plan.
func planCreated(p machine.Plan) *created[api.Plan] {
	return &created[api.Plan]{
		Location: "/api/v1/tenants/" + string(p.Tenant) + "/plans/" + p.Name, Body: planOf(p),
	}
}

// PlanInput is the path of a plan. It is exported because huma sees no other embedded types.
type PlanInput struct {
	TenantInput
	Plan string `path:"plan"`
}

func (a *API) showPlan(ctx context.Context, in *PlanInput) (*output[api.Plan], error) {
	p, err := a.Plans.Plan(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), in.Plan)
	if err != nil {
		return nil, err
	}
	return &output[api.Plan]{planOf(p)}, nil
}

type editPlanInput struct {
	JSON body[api.UpdatePlanRequest]
	PlanInput
}

func (a *API) editPlan(ctx context.Context, in *editPlanInput) (*output[api.Plan], error) {
	sent := in.JSON.value
	p, err := a.Plans.Edit(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), in.Plan, machine.PlanChange{
		Expected:        expectedOf(ctx),
		Scopes:          typedList[scope.Scope](listOrNil(sent.Scopes)),
		AllApplications: valueOrNil(sent.AllApplications), ApplicationIDs: listOrNil(sent.ApplicationIDs),
	})
	return edited(p, err, planOf)
}

func (a *API) deletePlan(ctx context.Context, in *PlanInput) (*struct{}, error) {
	return nil, a.Plans.Delete(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), in.Plan)
}

// planOf returns the wire form of a plan.
func planOf(p machine.Plan) api.Plan {
	return api.Plan{
		Name: p.Name, Scopes: p.Scopes.Strings(), AllApplications: p.Applications.All,
		ApplicationIDs: web.Strings(p.Applications.IDs), CreatedAt: p.CreatedAt.UTC(), UpdatedAt: p.UpdatedAt.UTC(),
		Version: string(p.Version()),
	}
}
