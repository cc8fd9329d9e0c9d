package tenancy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// Scopes returns the scope catalogue of a tenant to a caller who sees it.
func (s *Service) Scopes(ctx context.Context, who principal.Principal, id ident.TenantID) (scope.Entries, error) {
	if _, err := s.Tenant(ctx, who, id); err != nil {
		return nil, err
	}
	catalogue, err := s.Store.Catalogue(ctx, id)
	return catalogue.Entries(), err
}

// ReplaceScopes replaces the tenant's own part of the scope catalogue, for its admins. An entry
// without roles gets the default ones. Keys keep their scopes: one that is no longer in the
// catalogue allows nothing until it is there again. expected is the version that the catalogue must
// have before; "" for any. ReplaceScopes returns the whole catalogue, with [etag.ErrChanged] as it
// is.
func (s *Service) ReplaceScopes(ctx context.Context, who principal.Principal, id ident.TenantID,
	own []scope.Entry, expected etag.Tag,
) (scope.Entries, error) {
	own, faults := normalizeScopes(own)
	if err := fault.Refuse(faults...); err != nil {
		return nil, err
	}
	return s.changeScopes(ctx, who, id, func(before scope.Entries) (scope.Entries, error) {
		if err := expected.Check(before.Version()); err != nil {
			return before, err
		}
		return own, nil
	})
}

// PutScope adds a scope to the tenant's own part of the catalogue, or replaces the one of this
// name, as [Service.ReplaceScopes] does with all of them. expected is the version that the scope
// must have before; "" for any, and for none. With [etag.ErrChanged] it returns the scope as it is;
// one without a name if there is none.
func (s *Service) PutScope(ctx context.Context, who principal.Principal, id ident.TenantID,
	e scope.Entry, expected etag.Tag,
) (present scope.Entry, err error) {
	e, faults := normalizeScope("", e)
	if err := fault.Refuse(faults...); err != nil {
		return scope.Entry{}, err
	}
	_, err = s.changeScopes(ctx, who, id, func(before scope.Entries) (scope.Entries, error) {
		at, known := slices.BinarySearchFunc(before, e.Name, byName)
		if !known {
			present = scope.Entry{}
			if err := expected.CheckAbsent(); err != nil {
				return nil, err
			}
			present = e
			return slices.Insert(before, at, e), checkScopeLimit(before)
		}
		present = before[at]
		if err := expected.Check(present.Version()); err != nil {
			return nil, err
		}
		if present.Version() == e.Version() {
			return before, audit.ErrNothing
		}
		present, before[at] = e, e
		return before, nil
	})
	return present, err
}

// AddScope adds a scope to the tenant's own part of the catalogue, as [Service.PutScope] does, but
// replaces none.
func (s *Service) AddScope(ctx context.Context, who principal.Principal, id ident.TenantID,
	e scope.Entry,
) error {
	e, faults := normalizeScope("", e)
	if err := fault.Refuse(faults...); err != nil {
		return err
	}
	_, err := s.changeScopes(ctx, who, id, func(before scope.Entries) (scope.Entries, error) {
		at, known := slices.BinarySearchFunc(before, e.Name, byName)
		if known {
			return nil, fault.Refuse(fault.Field{
				Name: "name", Code: "duplicate", Message: "The tenant has this scope already. Edit it instead.",
			})
		}
		return slices.Insert(before, at, e), checkScopeLimit(before)
	})
	return err
}

// checkScopeLimit refuses one more scope of the tenant's own where there are too many.
func checkScopeLimit(own scope.Entries) error {
	return account.CheckLimit(len(own), nil, maxOwnScopes, "This tenant has added %d of %d scopes.",
		"Remove one first.")
}

// RemoveScope removes a scope from the tenant's own part of the catalogue, as
// [Service.ReplaceScopes] does without it. It fails with fault.NotFound where the tenant has not
// added such a scope.
func (s *Service) RemoveScope(ctx context.Context, who principal.Principal, id ident.TenantID,
	name scope.Scope,
) error {
	if builtIn.Knows(name) {
		return fault.Refuse(errBuiltIn(""))
	}
	_, err := s.changeScopes(ctx, who, id, func(before scope.Entries) (scope.Entries, error) {
		at, known := slices.BinarySearchFunc(before, name, byName)
		if !known {
			return nil, fault.NotFound
		}
		return slices.Delete(before, at, at+1), nil
	})
	return err
}

// byName compares an entry with a name.
func byName(e scope.Entry, name scope.Scope) int { return cmp.Compare(e.Name, name) }

// changeScopes changes the tenant's own part of the catalogue, for its admins. change gets what the
// tenant has added, by name, and returns what takes its place, or with an error what stays.
// changeScopes returns the whole catalogue.
func (s *Service) changeScopes(ctx context.Context, who principal.Principal, id ident.TenantID,
	change func(before scope.Entries) (own scope.Entries, err error),
) (scope.Entries, error) {
	var catalogue scope.Catalogue
	err := InTenant(ctx, s.Ledgers.Tenants, who, id,
		func(ctx context.Context, tx TenantTx, t Tenant) (audit.Event, error) {
			if err := checkAdmin(ctx, tx, who, t); err != nil {
				return audit.Event{}, err
			}
			rules, err := tx.TenantRules(ctx, id)
			if err != nil {
				return audit.Event{}, err
			}
			own, err := change(rules.Catalogue.Entries().Own())
			catalogue = t.Settings.Catalogue(own)
			if err != nil && !errors.Is(err, audit.ErrNothing) {
				return audit.Event{}, err
			}
			names := make([]string, len(own))
			for i, e := range own {
				names[i] = string(e.Name)
			}
			e := audit.By(who, audit.ActionScopesReplace, t.target()).With("scopes",
				strings.Join(names, " ")).InvalidatesTenants(id)
			e = e.WithEffects(audit.Effect{Kind: audit.EffectCatalogueSet, Tenant: id, Catalogue: rolesByScope(own)})
			if err != nil {
				return e, err
			}
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
		e, more := normalizeScope(at, e)
		faults = append(faults, more...)
		if seen[e.Name] {
			faults = append(faults,
				fault.Field{
					Name: at + "name", Code: "duplicate",
					Message: "This scope is in the list twice. Name each scope once.",
				})
		}
		seen[e.Name] = true
		own = append(own, e)
	}
	return own, faults
}

// normalizeScope checks one of the tenant's own scopes and adds the default roles. at is the path
// of the scope in the request.
func normalizeScope(at string, e scope.Entry) (own scope.Entry, faults []fault.Field) {
	description, faults := text.Description(at+"description", e.Description)
	switch {
	case !e.Name.Valid():
		faults = append(faults,
			fault.Field{
				Name: at + "name", Code: "form",
				Message: "Use resource:action in lower case, at most 64 characters.",
			})
	case builtIn.Knows(e.Name):
		faults = append(faults, errBuiltIn(at))
	}
	roles, more := normalizeRoles(at, e.Roles)
	return scope.Entry{Name: e.Name, Description: description, Roles: roles}, append(faults, more...)
}

// errBuiltIn refuses to change a scope of Claviger's own.
func errBuiltIn(at string) fault.Field {
	return fault.Field{
		Name: at + "name", Code: "built_in",
		Message: "This scope is built in and cannot be changed. Leave it out.",
	}
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
