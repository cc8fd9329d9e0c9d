package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

func (a *API) applications(h huma.API) {
	add(h, a.Door, huma.Operation{
		OperationID: "list-applications", Method: http.MethodGet, Path: "/api/v1/tenants/{tenant}/applications", Tags: []string{"Applications"},
		Summary: "List applications", Description: "Only those the caller may see, newest first.",
	}, need{scope: scope.ApplicationsRead}, a.listApplications)
	add(h, a.Door, huma.Operation{
		OperationID: "show-application", Method: http.MethodGet, Path: "/api/v1/tenants/{tenant}/applications/{application}", Tags: []string{"Applications"},
		Summary: "Show an application",
	}, need{scope: scope.ApplicationsRead}, a.showApplication)
}

type listApplicationsInput struct {
	PageInput
	Tenant string `path:"tenant"`
}

func (a *API) listApplications(ctx context.Context, in *listApplicationsInput) (*answer[api.List[api.Application]], error) {
	bound := binding(who(ctx), "applications", in.Tenant)
	at, err := openCursor(a.Keyring, in.Cursor, bound)
	if err != nil {
		return nil, err
	}
	page := tenancy.Page{BeforeTime: at.Time, BeforeID: at.ID, Limit: in.Limit + 1}
	found, err := a.Tenancy.Applications(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), page)
	if err != nil {
		return nil, err
	}
	return list(found, applicationOf, in.Limit, func(last tenancy.Application) (string, error) {
		return sealCursor(a.Keyring, place{last.CreatedAt, string(last.ID)}, bound)
	})
}

type applicationInput struct {
	Tenant      string `path:"tenant"`
	Application string `path:"application"`
}

func (a *API) showApplication(ctx context.Context, in *applicationInput) (*answer[api.Application], error) {
	found, err := a.Tenancy.Application(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.ApplicationID(in.Application))
	if err != nil {
		return nil, err
	}
	return &answer[api.Application]{applicationOf(found)}, nil
}

func applicationOf(app tenancy.Application) api.Application {
	return api.Application{
		ID: string(app.ID), Number: app.Number, Name: app.Name, Description: app.Description, Status: status(app.Disabled),
		CreatedAt: app.CreatedAt.UTC(), UpdatedAt: app.UpdatedAt.UTC(),
	}
}
