package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) scopes() {
	tags := []string{"Scopes"}
	add(a, huma.Operation{
		OperationID: "list-scopes", Method: http.MethodGet, Path: tenantPath + "/scopes", Tags: tags,
		Summary: "Read the scope catalogue",
		Description: "Lists every scope that a key of the tenant can have, by name, and the roles whose keys may " +
			"have it.",
	}, requirement{scope: scope.ScopesRead, management: policy.MayReadScopes}, a.listScopes)
	add(a, huma.Operation{
		OperationID: "replace-scopes", Method: http.MethodPut, Path: tenantPath + "/scopes", Tags: tags,
		Summary: "Replace the tenant's own scopes",
		Description: "Only admins may do this. Built-in scopes cannot be removed. A key keeps a removed scope, but " +
			"the scope has no effect.",
	}, requirement{session: true}, a.replaceScopes)
}

func (a *API) listScopes(ctx context.Context, in *TenantInput) (*output[api.List[api.Scope]], error) {
	entries, err := a.Tenancy.Scopes(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant))
	if err != nil {
		return nil, err
	}
	return catalogueOf(entries), nil
}

type replaceScopesInput struct {
	JSON body[api.ReplaceScopesRequest]
	TenantInput
}

func (a *API) replaceScopes(ctx context.Context, in *replaceScopesInput) (*output[api.List[api.Scope]], error) {
	if in.JSON.value.Items == nil {
		return nil, fault.Refuse(fault.Field{
			Name: "items", Code: "required",
			Message: "List all of the tenant's own scopes. An empty list removes them.",
		})
	}
	own := make([]scope.Entry, len(in.JSON.value.Items))
	for i, n := range in.JSON.value.Items {
		own[i] = scope.Entry{
			Name: scope.Scope(n.Name), Description: n.Description, Roles: typedList[scope.Role](n.Roles),
		}
	}
	entries, err := a.Tenancy.ReplaceScopes(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), own, "")
	if err != nil {
		return nil, err
	}
	return catalogueOf(entries), nil
}

// catalogueOf returns the whole catalogue as one page.
func catalogueOf(entries []scope.Entry) *output[api.List[api.Scope]] {
	return &output[api.List[api.Scope]]{web.List(entries, func(e scope.Entry) api.Scope {
		return api.Scope{
			Name: string(e.Name), Description: e.Description, Roles: web.TextsAs[api.Role](e.Roles), BuiltIn: e.BuiltIn,
		}
	})}
}
