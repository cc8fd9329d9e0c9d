package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

const tenantPath = "/api/v1/tenants/{tenant}"

func (a *API) tenants() {
	tags := []string{"Tenants"}
	add(a, huma.Operation{
		OperationID: "list-tenants", Method: http.MethodGet, Path: "/api/v1/tenants", Tags: tags,
		Summary: "List tenants",
		Description: "Newest first. A key sees its own tenant. A person sees the tenants in which they are a " +
			"member, and those of the accounts in which they are owner or admin.",
	}, requirement{scope: scope.TenantsRead}, a.listTenants)
	add(a, huma.Operation{
		OperationID: "create-tenant", Method: http.MethodPost, Path: "/api/v1/tenants", Tags: tags,
		DefaultStatus: http.StatusCreated,
		Summary:       "Create a tenant",
		Description: "The settings come from a preset or from another tenant of the account. Only owners and admins " +
			"of the account may do this. The creator becomes the first admin of the tenant.",
	}, requirement{session: true, idempotent: true}, idempotent(a, a.createTenant, a.replayCreateTenant))
	add(a, huma.Operation{
		OperationID: "show-tenant", Method: http.MethodGet, Path: tenantPath, Tags: tags, Summary: "Show a tenant",
	}, requirement{scope: scope.TenantsRead}, a.showTenant)
	add(a, huma.Operation{
		OperationID: "edit-tenant", Method: http.MethodPatch, Path: tenantPath, Tags: tags, Summary: "Change a tenant",
		Description: "Only owners and admins of the account may do this. Absent settings are unchanged, null clears " +
			"a setting, and a list replaces the old one. A disabled tenant rejects all its keys.",
	}, requirement{session: true, hasStatus: true, versioned: true}, a.editTenant)
	add(a, huma.Operation{
		OperationID: "list-tenant-events", Method: http.MethodGet, Path: tenantPath + "/audit", Tags: tags,
		Summary:     "Read the audit trail of a tenant",
		Description: "Newest first.",
	}, requirement{scope: scope.AuditRead, management: policy.MayReadAudit}, a.listTenantEvents)
}

// TenantInput is the path of a tenant. It is exported because huma sees no other embedded types.
type TenantInput struct {
	Tenant string `path:"tenant"`
}

func (a *API) listTenants(ctx context.Context, in *PageInput) (*output[api.List[api.Tenant]], error) {
	return listPage(ctx, a, *in, "tenants", nil, func(page paging.Page) ([]tenancy.Tenant, error) {
		return a.Tenancy.Tenants(ctx, callerOf(ctx).Principal, page)
	}, tenantOf, func(t tenancy.Tenant) position { return position{t.CreatedAt, string(t.ID)} })
}

type createTenantInput struct {
	JSON body[api.CreateTenantRequest]
}

func (a *API) createTenant(ctx context.Context, in *createTenantInput) (*created[api.Tenant], error) {
	n := in.JSON.value
	who, owner := callerOf(ctx).Principal, ident.AccountID(n.AccountID)
	var t tenancy.Tenant
	var err error
	switch {
	case n.CopySettingsFrom == "":
		t, err = a.Tenancy.CreateTenant(ctx, who, owner, n.Name, policy.Preset(n.Preset), nil)
	case n.Preset != "":
		err = fault.Refuse(fault.Field{
			Name: "copy_settings_from", Code: "exclusive", Message: "Send preset or copy_settings_from, not both.",
		})
	default:
		t, err = a.Tenancy.CreateTenantLike(ctx, who, owner, n.Name, ident.TenantID(n.CopySettingsFrom))
	}
	if err != nil {
		return nil, err
	}
	return tenantCreated(t), nil
}

// replayCreateTenant returns the tenant that createTenant created.
func (a *API) replayCreateTenant(ctx context.Context, _ *createTenantInput, id string) (*created[api.Tenant], error) {
	t, err := a.Tenancy.Tenant(ctx, callerOf(ctx).Principal, ident.TenantID(id))
	if err != nil {
		return nil, err
	}
	return tenantCreated(t), nil
}

// tenantCreated returns the response to the creation of a tenant.
func tenantCreated(t tenancy.Tenant) *created[api.Tenant] {
	return &created[api.Tenant]{Location: "/api/v1/tenants/" + string(t.ID), Body: tenantOf(t)}
}

func (a *API) showTenant(ctx context.Context, in *TenantInput) (*output[api.Tenant], error) {
	t, err := a.Tenancy.Tenant(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant))
	if err != nil {
		return nil, err
	}
	return &output[api.Tenant]{tenantOf(t)}, nil
}

type editTenantInput struct {
	JSON body[api.UpdateTenantRequest]
	TenantInput
}

func (a *API) editTenant(ctx context.Context, in *editTenantInput) (*output[api.Tenant], error) {
	var p patch
	c := tenancy.TenantChange{
		Expected: expectedOf(ctx), Name: p.text("name", in.JSON.value.Name),
		Disabled: p.disabled(in.JSON.value.Status),
	}
	if s := in.JSON.value.Settings; s != nil {
		c.Settings = p.settings(*s)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	t, err := a.Tenancy.ChangeTenant(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), c)
	return edited(t, err, tenantOf)
}

// tenantOf returns the wire form of a tenant.
func tenantOf(t tenancy.Tenant) api.Tenant {
	return api.Tenant{
		ID: string(t.ID), Number: t.Number, AccountID: string(t.Account), Name: t.Name, Preset: api.Preset(t.Preset),
		Status:   web.Status(t.Disabled),
		Settings: settingsOf(t.Settings), CreatedAt: t.CreatedAt.UTC(), UpdatedAt: t.UpdatedAt.UTC(),
		Version: string(t.Version()),
	}
}
