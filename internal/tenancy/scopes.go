package tenancy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// Scopes returns the scope catalogue of a tenant to a caller who sees it.
func (s *Service) Scopes(ctx context.Context, who principal.Principal, id ident.TenantID) ([]scope.Entry, error) {
	if _, err := s.Tenant(ctx, who, id); err != nil {
		return nil, err
	}
	catalogue, err := s.Store.Catalogue(ctx, id)
	return catalogue.Entries(), err
}

// ReplaceScopes replaces the tenant's own part of the scope catalogue, for its admins. An entry
// without roles gets the default ones. Keys keep their scopes: one that is no longer in the
// catalogue allows nothing until it is there again.
func (s *Service) ReplaceScopes(ctx context.Context, who principal.Principal, id ident.TenantID,
	own []scope.Entry,
) ([]scope.Entry, error) {
	own, faults := normalizeScopes(own)
	if err := fault.Refuse(faults...); err != nil {
		return nil, err
	}
	var catalogue scope.Catalogue
	err := InTenant(ctx, s.Ledgers.Tenants, who, id,
		func(ctx context.Context, tx TenantTx, t Tenant) (audit.Event, error) {
			catalogue = t.Settings.Catalogue(own)
			if err := checkAdmin(ctx, tx, who, t); err != nil {
				return audit.Event{}, err
			}
			names := make([]string, len(own))
			for i, e := range own {
				names[i] = string(e.Name)
			}
			e := audit.By(who, audit.ActionScopesReplace, t.target()).With("scopes",
				strings.Join(names, " ")).InvalidatesTenants(id)
			e = e.WithEffects(audit.Effect{Kind: audit.EffectCatalogueSet, Tenant: id, Catalogue: rolesByScope(own)})
			return e, tx.ReplaceScopes(ctx, id, own)
		})
	return catalogue.Entries(), err
}

// rolesByScope returns for each scope the roles that may hold it.
func rolesByScope(entries []scope.Entry) map[string][]string {
	roles := make(map[string][]string, len(entries))
	for _, e := range entries {
		for _, r := range e.Roles {
			roles[string(e.Name)] = append(roles[string(e.Name)], string(r))
		}
	}
	return roles
}

// maxOwnScopes bounds the tenant's own part of the catalogue.
const maxOwnScopes = 500

// normalizeScopes checks the tenant's own scopes and adds the default roles.
func normalizeScopes(entries []scope.Entry) (own []scope.Entry, faults []fault.Field) {
	if len(entries) > maxOwnScopes {
		return nil, []fault.Field{{
			Name: "items", Code: "length",
			Message: fmt.Sprintf("There are %d scopes. Use at most %d.", len(entries), maxOwnScopes),
		}}
	}
	seen := map[scope.Scope]bool{}
	for i, e := range entries {
		at := "items." + strconv.Itoa(i) + "."
		description, more := text.Description(at+"description", e.Description)
		faults = append(faults, more...)
		switch {
		case !e.Name.Valid():
			faults = append(faults,
				fault.Field{
					Name: at + "name", Code: "form",
					Message: "Use resource:action in lower case, at most 64 characters.",
				})
		case builtIn.Knows(e.Name):
			faults = append(faults,
				fault.Field{
					Name: at + "name", Code: "built_in",
					Message: "This scope is built in and cannot be changed. Leave it out.",
				})
		case seen[e.Name]:
			faults = append(faults,
				fault.Field{
					Name: at + "name", Code: "duplicate",
					Message: "This scope is in the list twice. Name each scope once.",
				})
		}
		seen[e.Name] = true
		roles, more := normalizeRoles(at, e.Roles)
		faults = append(faults, more...)
		own = append(own, scope.Entry{Name: e.Name, Description: description, Roles: roles})
	}
	return own, faults
}

// normalizeRoles checks the roles of a scope, sorts them and removes duplicates. at is the path of
// the scope in the request.
func normalizeRoles(at string, roles []scope.Role) (sorted []scope.Role, faults []fault.Field) {
	if roles == nil {
		return scope.DefaultRoles(), nil
	}
	if len(roles) == 0 {
		return nil, []fault.Field{{
			Name: at + "roles", Code: "required",
			Message: "Name at least one of admin, member and auditor.",
		}}
	}
	distinct := map[scope.Role]bool{}
	for i, r := range roles {
		if !r.Valid() {
			faults = append(faults,
				fault.Field{
					Name: at + "roles." + strconv.Itoa(i), Code: "unknown",
					Message: "Use admin, member or auditor.",
				})
		}
		distinct[r] = true
	}
	return slices.Sorted(maps.Keys(distinct)), faults
}
