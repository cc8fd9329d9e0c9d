package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/web"
)

const applicationsPath = tenantPath + "/applications"

func (a *API) applications() {
	tags := []string{"Applications"}
	add(a, huma.Operation{
		OperationID: "list-applications", Method: http.MethodGet, Path: applicationsPath, Tags: tags,
		Summary: "List applications", Description: "Lists the applications that the caller may see, newest first.",
	}, requirement{scope: scope.ApplicationsRead, management: policy.MayReadApplications}, a.listApplications)
	add(a, huma.Operation{
		OperationID: "create-application", Method: http.MethodPost, Path: applicationsPath, Tags: tags,
		DefaultStatus: http.StatusCreated,
		Summary:       "Create an application", Description: "A key also needs access to all applications.",
	}, requirement{scope: scope.ApplicationsCreate, everyApplication: true, idempotent: true},
		idempotent(a, a.createApplication, a.replayCreateApplication))
	add(a, huma.Operation{
		OperationID: "show-application", Method: http.MethodGet, Path: applicationsPath + "/{application}", Tags: tags,
		Summary: "Show an application",
	}, requirement{scope: scope.ApplicationsRead, management: policy.MayReadApplications}, a.showApplication)
	add(a, huma.Operation{
		OperationID: "edit-application", Method: http.MethodPatch, Path: applicationsPath + "/{application}",
		Tags:    tags,
		Summary: "Change an application", Description: "A disabled application rejects every key.",
	}, requirement{scope: scope.ApplicationsUpdate, hasStatus: true, versioned: true}, a.editApplication)
	add(a, huma.Operation{
		OperationID: "delete-application", Method: http.MethodDelete, Path: applicationsPath + "/{application}",
		Tags:    tags,
		Summary: "Delete an application",
		Description: "Also removes the application from keys that are restricted to it. A key that has no other " +
			"application can access none.",
	}, requirement{scope: scope.ApplicationsDelete}, a.deleteApplication)
}

type listApplicationsInput struct {
	TenantInput
	PageInput
}

func (a *API) listApplications(ctx context.Context,
	in *listApplicationsInput,
) (*output[api.List[api.Application]], error) {
	return listPage(ctx, a, in.PageInput, "applications", []string{in.Tenant},
		func(page paging.Page) ([]application.Application, error) {
			return a.Applications.Applications(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), page)
		}, applicationOf, func(app application.Application) position { return position{app.CreatedAt, string(app.ID)} })
}

type createApplicationInput struct {
	JSON body[api.CreateApplicationRequest]
	TenantInput
}

func (a *API) createApplication(ctx context.Context, in *createApplicationInput) (*created[api.Application], error) {
	app, err := a.Applications.CreateApplication(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		in.JSON.value.Name,
		in.JSON.value.Description)
	if err != nil {
		return nil, err
	}
	return applicationCreated(in.Tenant, app), nil
}

// replayCreateApplication returns the application that createApplication created.
func (a *API) replayCreateApplication(ctx context.Context, in *createApplicationInput,
	id string,
) (*created[api.Application], error) {
	app, err := a.Applications.Application(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.ApplicationID(id))
	if err != nil {
		return nil, err
	}
	return applicationCreated(in.Tenant, app), nil
}

// applicationCreated returns the response to the creation of an application.
func applicationCreated(tenant string, app application.Application) *created[api.Application] {
	return &created[api.Application]{
		Location: "/api/v1/tenants/" + tenant + "/applications/" + string(app.ID),
		Body:     applicationOf(app),
	}
}

// ApplicationInput is the path of an application. It is exported because huma sees no other
// embedded types.
type ApplicationInput struct {
	TenantInput
	Application string `path:"application"`
}

func (a *API) showApplication(ctx context.Context, in *ApplicationInput) (*output[api.Application], error) {
	found, err := a.Applications.Application(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.ApplicationID(in.Application))
	if err != nil {
		return nil, err
	}
	return &output[api.Application]{applicationOf(found)}, nil
}

type editApplicationInput struct {
	JSON body[api.UpdateApplicationRequest]
	ApplicationInput
}

func (a *API) editApplication(ctx context.Context, in *editApplicationInput) (*output[api.Application], error) {
	var p patch
	sent := in.JSON.value
	c := application.Change{
		Expected: expectedOf(ctx), Name: p.text("name", sent.Name), Description: valueOrNil(sent.Description),
		Disabled: p.disabled(sent.Status),
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	changed, err := a.Applications.ChangeApplication(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.ApplicationID(in.Application), c)
	return edited(changed, err, applicationOf)
}

func (a *API) deleteApplication(ctx context.Context, in *ApplicationInput) (*struct{}, error) {
	return nil, a.Applications.DeleteApplication(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.ApplicationID(in.Application))
}

// applicationOf returns the wire form of an application.
func applicationOf(app application.Application) api.Application {
	return api.Application{
		ID: string(app.ID), Number: app.Number, Name: app.Name, Description: app.Description,
		Status:    web.Status(app.Disabled),
		CreatedAt: app.CreatedAt.UTC(), UpdatedAt: app.UpdatedAt.UTC(), Version: string(app.Version()),
	}
}
