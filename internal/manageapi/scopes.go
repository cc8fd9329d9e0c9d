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
	}, requirement{session: true, versioned: true}, a.replaceScopes)
	add(a, huma.Operation{
		OperationID: "put-scope", Method: http.MethodPut, Path: tenantPath + "/scopes/{name}", Tags: tags,
		Summary: "Add or replace one scope",
		Description: "Only admins may do this. The tenant's other scopes stay as they are, also those that somebody " +
			"else adds at the same time.",
	}, requirement{session: true, versioned: true}, a.putScope)
	add(a, huma.Operation{
		OperationID: "remove-scope", Method: http.MethodDelete, Path: tenantPath + "/scopes/{name}", Tags: tags,
		Summary: "Remove one of the tenant's own scopes",
		Description: "Only admins may do this. A key keeps the removed scope, but the scope has no effect until it " +
			"is added again.",
	}, requirement{session: true}, a.removeScope)
}

// ScopeInput is the path of a scope. It is exported because huma sees no other embedded types.
type ScopeInput struct {
	TenantInput
	Name string `path:"name" doc:"The name of the scope, with its colon as it is: not percent-encoded."`
}

func (a *API) listScopes(ctx context.Context, in *TenantInput) (*output[api.List[api.Scope]], error) {
	entries, err := a.Tenancy.Scopes(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant))
	if err != nil {
		return nil, err
	}
	return &output[api.List[api.Scope]]{catalogueOf(entries)}, nil
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
	entries, err := a.Tenancy.ReplaceScopes(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), own,
		expectedOf(ctx))
	return edited(entries, err, catalogueOf)
}

type putScopeInput struct {
	JSON body[api.PutScopeRequest]
	ScopeInput
}

func (a *API) putScope(ctx context.Context, in *putScopeInput) (*output[api.Scope], error) {
	sent := in.JSON.value
	e, err := a.Tenancy.PutScope(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), scope.Entry{
		Name: scope.Scope(in.Name), Description: sent.Description, Roles: typedList[scope.Role](sent.Roles),
	}, expectedOf(ctx))
	if err != nil && e.Name == "" { // there is no such scope to show
		return nil, err
	}
	return edited(e, err, scopeOf)
}

func (a *API) removeScope(ctx context.Context, in *ScopeInput) (*struct{}, error) {
	return nil, a.Tenancy.RemoveScope(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), scope.Scope(in.Name))
}

// catalogueOf returns the wire form of the whole catalogue.
func catalogueOf(entries scope.Entries) api.List[api.Scope] {
	list := web.List(entries, scopeOf)
	list.Version = string(entries.Version())
	return list
}

// scopeOf returns the wire form of a scope.
func scopeOf(e scope.Entry) api.Scope {
	return api.Scope{
		Name: string(e.Name), Description: e.Description, Roles: web.TextsAs[api.Role](e.Roles), BuiltIn: e.BuiltIn,
		Version: string(e.Version()),
	}
}
