package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

const applicationsPath = tenantPath + "/applications"

func (a *API) applications(h huma.API) {
	tags := []string{"Applications"}
	add(h, a.Door, huma.Operation{
		OperationID: "list-applications", Method: http.MethodGet, Path: applicationsPath, Tags: tags,
		Summary: "List applications", Description: "Only those the caller may see, newest first.",
	}, need{scope: scope.ApplicationsRead}, a.listApplications)
	add(h, a.Door, huma.Operation{
		OperationID: "create-application", Method: http.MethodPost, Path: applicationsPath, Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Create an application", Description: "A key needs access to all applications for it.",
	}, need{scope: scope.ApplicationsCreate, everyApplication: true, repeatable: true}, once(a, a.createApplication, a.createdApplication))
	add(h, a.Door, huma.Operation{
		OperationID: "show-application", Method: http.MethodGet, Path: applicationsPath + "/{application}", Tags: tags, Summary: "Show an application",
	}, need{scope: scope.ApplicationsRead}, a.showApplication)
	add(h, a.Door, huma.Operation{
		OperationID: "edit-application", Method: http.MethodPatch, Path: applicationsPath + "/{application}", Tags: tags,
		Summary: "Change an application", Description: "A disabled application is forbidden to every key.",
	}, need{scope: scope.ApplicationsUpdate}, a.editApplication)
	add(h, a.Door, huma.Operation{
		OperationID: "delete-application", Method: http.MethodDelete, Path: applicationsPath + "/{application}", Tags: tags,
		Summary: "Delete an application", Description: "Takes it from the keys restricted to it; a key left with none reaches none.",
	}, need{scope: scope.ApplicationsDelete}, a.deleteApplication)
}

type listApplicationsInput struct {
	TenantInput
	PageInput
}

func (a *API) listApplications(ctx context.Context, in *listApplicationsInput) (*answer[api.List[api.Application]], error) {
	return listed(ctx, a, in.PageInput, "applications", []string{in.Tenant}, func(page tenancy.Page) ([]tenancy.Application, error) {
		return a.Tenancy.Applications(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), page)
	}, applicationOf, func(app tenancy.Application) place { return place{app.CreatedAt, string(app.ID)} })
}

type createApplicationInput struct {
	JSON body[api.NewApplication]
	TenantInput
}

func (a *API) createApplication(ctx context.Context, in *createApplicationInput) (*created[api.Application], error) {
	app, err := a.Tenancy.CreateApplication(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), in.JSON.value.Name, in.JSON.value.Description)
	if err != nil {
		return nil, err
	}
	return madeApplication(in.Tenant, app), nil
}

// createdApplication shows what createApplication made.
func (a *API) createdApplication(ctx context.Context, in *createApplicationInput, id string) (*created[api.Application], error) {
	app, err := a.Tenancy.Application(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.ApplicationID(id))
	if err != nil {
		return nil, err
	}
	return madeApplication(in.Tenant, app), nil
}

func madeApplication(tenant string, app tenancy.Application) *created[api.Application] {
	return &created[api.Application]{Location: "/api/v1/tenants/" + tenant + "/applications/" + string(app.ID), Body: applicationOf(app)}
}

// ApplicationInput names an application. It is exported because huma sees no others when embedded.
type ApplicationInput struct {
	TenantInput
	Application string `path:"application"`
}

func (a *API) showApplication(ctx context.Context, in *ApplicationInput) (*answer[api.Application], error) {
	found, err := a.Tenancy.Application(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.ApplicationID(in.Application))
	if err != nil {
		return nil, err
	}
	return &answer[api.Application]{applicationOf(found)}, nil
}

type editApplicationInput struct {
	JSON body[api.ApplicationPatch]
	ApplicationInput
}

func (a *API) editApplication(ctx context.Context, in *editApplicationInput) (*answer[api.Application], error) {
	var p patch
	sent := in.JSON.value
	c := tenancy.ApplicationChange{Name: p.text("name", sent.Name), Description: given(sent.Description), Disabled: p.off(sent.Status)}
	if err := p.refuse(); err != nil {
		return nil, err
	}
	changed, err := a.Tenancy.ChangeApplication(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.ApplicationID(in.Application), c)
	if err != nil {
		return nil, err
	}
	return &answer[api.Application]{applicationOf(changed)}, nil
}

func (a *API) deleteApplication(ctx context.Context, in *ApplicationInput) (*struct{}, error) {
	return nil, a.Tenancy.DeleteApplication(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.ApplicationID(in.Application))
}

func applicationOf(app tenancy.Application) api.Application {
	return api.Application{
		ID: string(app.ID), Number: app.Number, Name: app.Name, Description: app.Description, Status: web.Status(app.Disabled),
		CreatedAt: app.CreatedAt.UTC(), UpdatedAt: app.UpdatedAt.UTC(),
	}
}
