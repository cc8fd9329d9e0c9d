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
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	serviceAccountsPath = tenantPath + "/service-accounts"
	serviceAccountPath  = serviceAccountsPath + "/{service_account}"
)

func (a *API) serviceAccounts() {
	tags := []string{"Service accounts"}
	add(a, huma.Operation{
		OperationID: "list-service-accounts", Method: http.MethodGet, Path: serviceAccountsPath, Tags: tags,
		Summary: "List service accounts", Description: "For admins and auditors. Newest first.",
	}, requirement{session: true}, a.listServiceAccounts)
	add(a, huma.Operation{
		OperationID: "create-service-account", Method: http.MethodPost, Path: serviceAccountsPath, Tags: tags,
		DefaultStatus: http.StatusCreated, Summary: "Create a service account",
		Description: "Only admins may do this. A service account owns keys that stay when people leave. Its keys " +
			"may do at most what a person with its role may do. A tenant has at most 200 service accounts.",
	}, requirement{session: true, idempotent: true},
		idempotent(a, a.createServiceAccount, a.replayCreateServiceAccount), fault.Conflict)
	add(a, huma.Operation{
		OperationID: "show-service-account", Method: http.MethodGet, Path: serviceAccountPath, Tags: tags,
		Summary: "Show a service account", Description: "For admins and auditors.",
	}, requirement{session: true}, a.showServiceAccount)
	add(a, huma.Operation{
		OperationID: "edit-service-account", Method: http.MethodPatch, Path: serviceAccountPath, Tags: tags,
		Summary: "Change a service account",
		Description: "Only admins may do this. A new role counts for all its keys at once. Only owners and admins " +
			"of the account may give the role admin.",
	}, requirement{session: true, versioned: true}, a.editServiceAccount)
	add(a, huma.Operation{
		OperationID: "delete-service-account", Method: http.MethodDelete, Path: serviceAccountPath, Tags: tags,
		Summary: "Delete a service account",
		Description: "Only admins may do this. Revokes all its keys at once. This cannot be undone: another service " +
			"account with the same name has none of them.",
	}, requirement{session: true}, a.deleteServiceAccount, fault.Conflict)
	add(a, huma.Operation{
		OperationID: "disable-service-account", Method: http.MethodPost, Path: serviceAccountPath + "/disable",
		Tags: tags, DefaultStatus: http.StatusOK, Summary: "Disable a service account",
		Description: "Only admins may do this. All its keys are refused at once, and are not changed.",
	}, requirement{session: true, reduces: true}, a.disableServiceAccount, fault.Conflict)
	add(a, huma.Operation{
		OperationID: "enable-service-account", Method: http.MethodPost, Path: serviceAccountPath + "/enable",
		Tags: tags, DefaultStatus: http.StatusOK, Summary: "Enable a service account",
		Description: "Only admins may do this. Each of its keys is again what it was.",
	}, requirement{session: true}, a.enableServiceAccount, fault.Conflict)
}

type listServiceAccountsInput struct {
	TenantInput
	PageInput
}

func (a *API) listServiceAccounts(ctx context.Context,
	in *listServiceAccountsInput,
) (*output[api.List[api.ServiceAccount]], error) {
	return listPage(ctx, a, in.PageInput, "service-accounts", []string{in.Tenant},
		func(page paging.Page) ([]machine.ServiceAccount, error) {
			return a.ServiceAccounts.List(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), page)
		}, serviceAccountOf,
		func(s machine.ServiceAccount) position { return position{s.CreatedAt, string(s.ID)} })
}

type createServiceAccountInput struct {
	JSON body[api.CreateServiceAccountRequest]
	TenantInput
}

func (a *API) createServiceAccount(ctx context.Context,
	in *createServiceAccountInput,
) (*created[api.ServiceAccount], error) {
	sent := in.JSON.value
	s, err := a.ServiceAccounts.Create(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		machine.NewServiceAccount{
			Name: sent.Name, Description: sent.Description, Role: scope.Role(sent.Role),
			Stewards: web.TextsAs[ident.UserID](sent.Stewards),
		})
	if err != nil {
		return nil, err
	}
	return serviceAccountCreated(in.Tenant, s), nil
}

// replayCreateServiceAccount returns the service account that createServiceAccount created.
func (a *API) replayCreateServiceAccount(ctx context.Context, in *createServiceAccountInput,
	id string,
) (*created[api.ServiceAccount], error) {
	s, err := a.ServiceAccounts.ServiceAccount(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.ServiceAccountID(id))
	if err != nil {
		return nil, err
	}
	return serviceAccountCreated(in.Tenant, s), nil
}

// serviceAccountCreated returns the response to the creation of a service account.
func serviceAccountCreated(tenant string, s machine.ServiceAccount) *created[api.ServiceAccount] {
	return &created[api.ServiceAccount]{
		Location: "/api/v1/tenants/" + tenant + "/service-accounts/" + string(s.ID),
		Body:     serviceAccountOf(s),
	}
}

// ServiceAccountInput is the path of a service account. It is exported because huma sees no other
// embedded types.
type ServiceAccountInput struct {
	TenantInput
	ServiceAccount string `path:"service_account"`
}

func (a *API) showServiceAccount(ctx context.Context, in *ServiceAccountInput) (*output[api.ServiceAccount], error) {
	s, err := a.ServiceAccounts.ServiceAccount(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.ServiceAccountID(in.ServiceAccount))
	if err != nil {
		return nil, err
	}
	return &output[api.ServiceAccount]{serviceAccountOf(s)}, nil
}

type editServiceAccountInput struct {
	JSON body[api.UpdateServiceAccountRequest]
	ServiceAccountInput
}

func (a *API) editServiceAccount(ctx context.Context,
	in *editServiceAccountInput,
) (*output[api.ServiceAccount], error) {
	var p patch
	sent := in.JSON.value
	c := machine.ServiceAccountChange{
		Expected: expectedOf(ctx), Name: p.text("name", sent.Name), Description: valueOrNil(sent.Description),
		Role: word[scope.Role](&p, "role", sent.Role),
	}
	if sent.Stewards.Set {
		stewards := web.TextsAs[ident.UserID](sent.Stewards.Value)
		c.Stewards = &stewards
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	s, err := a.ServiceAccounts.Edit(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.ServiceAccountID(in.ServiceAccount), c)
	return edited(s, err, serviceAccountOf)
}

func (a *API) disableServiceAccount(ctx context.Context,
	in *ServiceAccountInput,
) (*output[api.ServiceAccount], error) {
	return a.setServiceAccountDisabled(ctx, in, true)
}

func (a *API) enableServiceAccount(ctx context.Context, in *ServiceAccountInput) (*output[api.ServiceAccount], error) {
	return a.setServiceAccountDisabled(ctx, in, false)
}

func (a *API) setServiceAccountDisabled(ctx context.Context, in *ServiceAccountInput,
	disabled bool,
) (*output[api.ServiceAccount], error) {
	s, err := a.ServiceAccounts.SetDisabled(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.ServiceAccountID(in.ServiceAccount), disabled)
	if err != nil {
		return nil, err
	}
	return &output[api.ServiceAccount]{serviceAccountOf(s)}, nil
}

func (a *API) deleteServiceAccount(ctx context.Context, in *ServiceAccountInput) (*struct{}, error) {
	return nil, a.ServiceAccounts.Delete(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.ServiceAccountID(in.ServiceAccount))
}

// serviceAccountOf returns the wire form of a service account.
func serviceAccountOf(s machine.ServiceAccount) api.ServiceAccount {
	stewards := make([]api.Person, len(s.Stewards))
	for i, p := range s.Stewards {
		stewards[i] = web.Person(p)
	}
	return api.ServiceAccount{
		ID: string(s.ID), Number: s.Number, Name: s.Name, Description: s.Description, Role: api.Role(s.Role),
		Stewards: stewards, Status: web.Status(s.Disabled), CreatedBy: web.Party(s.CreatedBy),
		CreatedAt: s.CreatedAt.UTC(), UpdatedAt: s.UpdatedAt.UTC(), Version: string(s.Version()),
	}
}
