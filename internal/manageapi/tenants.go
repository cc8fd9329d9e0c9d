package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

const tenantPath = "/api/v1/tenants/{tenant}"

func (a *API) tenants(h huma.API) {
	tags := []string{"Tenants"}
	add(h, a.Door, huma.Operation{
		OperationID: "list-tenants", Method: http.MethodGet, Path: "/api/v1/tenants", Tags: tags, Summary: "List tenants",
		Description: "A key sees its own; a person those they are a member of and those of the accounts they run, newest first.",
	}, need{scope: scope.TenantsRead}, a.listTenants)
	add(h, a.Door, huma.Operation{
		OperationID: "create-tenant", Method: http.MethodPost, Path: "/api/v1/tenants", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Create a tenant", Description: "From a preset, for owners and admins of the account. The creator becomes its first admin.",
	}, need{session: true, repeatable: true}, once(a, a.createTenant, a.createdTenant))
	add(h, a.Door, huma.Operation{
		OperationID: "show-tenant", Method: http.MethodGet, Path: tenantPath, Tags: tags, Summary: "Show a tenant",
	}, need{scope: scope.TenantsRead}, a.showTenant)
	add(h, a.Door, huma.Operation{
		OperationID: "edit-tenant", Method: http.MethodPatch, Path: tenantPath, Tags: tags, Summary: "Change a tenant",
		Description: "For owners and admins of the account. Settings that are left out stay; null clears; lists replace. A disabled tenant refuses all its keys.",
	}, need{session: true}, a.editTenant)
	add(h, a.Door, huma.Operation{
		OperationID: "list-tenant-events", Method: http.MethodGet, Path: tenantPath + "/audit", Tags: tags, Summary: "Read the audit trail of a tenant",
		Description: "Newest first.",
	}, need{scope: scope.AuditRead}, a.listTenantEvents)
}

// TenantInput names a tenant. It is exported because huma sees no others when embedded.
type TenantInput struct {
	Tenant string `path:"tenant"`
}

func (a *API) listTenants(ctx context.Context, in *PageInput) (*answer[api.List[api.Tenant]], error) {
	return listed(ctx, a, *in, "tenants", nil, func(page tenancy.Page) ([]tenancy.Tenant, error) {
		return a.Tenancy.Tenants(ctx, who(ctx).Principal, page)
	}, tenantOf, func(t tenancy.Tenant) place { return place{t.CreatedAt, string(t.ID)} })
}

type createTenantInput struct {
	JSON body[api.NewTenant]
}

func (a *API) createTenant(ctx context.Context, in *createTenantInput) (*created[api.Tenant], error) {
	n := in.JSON.value
	t, err := a.Tenancy.CreateTenant(ctx, who(ctx).Principal, ident.AccountID(n.AccountID), n.Name, policy.Preset(n.Preset), nil)
	if err != nil {
		return nil, err
	}
	return madeTenant(t), nil
}

// createdTenant shows what createTenant made.
func (a *API) createdTenant(ctx context.Context, _ *createTenantInput, id string) (*created[api.Tenant], error) {
	t, err := a.Tenancy.Tenant(ctx, who(ctx).Principal, ident.TenantID(id))
	if err != nil {
		return nil, err
	}
	return madeTenant(t), nil
}

func madeTenant(t tenancy.Tenant) *created[api.Tenant] {
	return &created[api.Tenant]{Location: "/api/v1/tenants/" + string(t.ID), Body: tenantOf(t)}
}

func (a *API) showTenant(ctx context.Context, in *TenantInput) (*answer[api.Tenant], error) {
	t, err := a.Tenancy.Tenant(ctx, who(ctx).Principal, ident.TenantID(in.Tenant))
	if err != nil {
		return nil, err
	}
	return &answer[api.Tenant]{tenantOf(t)}, nil
}

type editTenantInput struct {
	JSON body[api.TenantPatch]
	TenantInput
}

func (a *API) editTenant(ctx context.Context, in *editTenantInput) (*answer[api.Tenant], error) {
	var p patch
	c := tenancy.TenantChange{Name: p.text("name", in.JSON.value.Name), Disabled: p.off(in.JSON.value.Status)}
	if s := in.JSON.value.Settings; s != nil {
		c.Settings = p.settings(*s)
	}
	if err := p.refuse(); err != nil {
		return nil, err
	}
	t, err := a.Tenancy.ChangeTenant(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), c)
	if err != nil {
		return nil, err
	}
	return &answer[api.Tenant]{tenantOf(t)}, nil
}

func tenantOf(t tenancy.Tenant) api.Tenant {
	return api.Tenant{
		ID: string(t.ID), Number: t.Number, AccountID: string(t.Account), Name: t.Name, Preset: string(t.Preset), Status: web.Status(t.Disabled),
		Settings: settingsOf(t.Settings), CreatedAt: t.CreatedAt.UTC(), UpdatedAt: t.UpdatedAt.UTC(),
	}
}
