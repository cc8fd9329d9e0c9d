// Package scope defines permissions: scopes, the catalogue that says which role may hold which
// scope, and the restriction of a key to applications.
//
// A scope is `resource:action`. A key has scopes of its own, or only [Every]. Its effective scopes
// are those that its owner's role may hold in the tenant's catalogue at this moment. Everything
// else is denied.
package scope

import (
	"regexp"
	"slices"
)

// Scope names a permission, `resource:action`, at most 64 characters.
type Scope string

// Every is the only entry of a list that has it. It means all scopes in the present catalogue that
// the owner's role may hold.
const Every Scope = "*"

// maxLength is the length of the longest scope, in characters.
const maxLength = 64

// The scopes of Claviger's own API. A tenant adds others to its catalogue.
const (
	TenantsRead        Scope = "tenants:read"
	MembersRead        Scope = "members:read"
	ApplicationsRead   Scope = "applications:read"
	ApplicationsCreate Scope = "applications:create"
	ApplicationsUpdate Scope = "applications:update"
	ApplicationsDelete Scope = "applications:delete"
	ScopesRead         Scope = "scopes:read"
	AuditRead          Scope = "audit:read"
	KeysVerify         Scope = "keys:verify"
)

var pattern = regexp.MustCompile(`^[a-z][a-z0-9_]*:[a-z][a-z0-9_]*$`)

// Valid reports whether the name has the form of a scope. Every has not.
func (s Scope) Valid() bool { return len(s) <= maxLength && pattern.MatchString(string(s)) }

// Set is a sorted list of scopes without duplicates. The zero value is empty.
type Set []Scope

// NewSet returns the set of the scopes.
func NewSet(names ...Scope) Set {
	set := slices.Clone(names)
	slices.Sort(set)
	return slices.Compact(set)
}

// Has reports whether the set has the scope. Every does not count as every scope:
// [Catalogue.Effective] must have replaced it before.
func (s Set) Has(name Scope) bool {
	_, found := s.Index(name)
	return found
}

// Index returns the index of the scope in the set.
func (s Set) Index(name Scope) (index int, found bool) { return slices.BinarySearch(s, name) }

// Strings returns the scopes as text, in order, never nil.
func (s Set) Strings() []string {
	names := make([]string, len(s))
	for i, name := range s {
		names[i] = string(name)
	}
	return names
}

// Applications says to which applications a key has access: to all, also future ones, or to those
// listed. The zero value gives access to none.
type Applications struct {
	All bool
	IDs []string
}

// Includes reports whether the key has access to the application.
func (a Applications) Includes(id string) bool {
	return a.All || slices.Contains(a.IDs, id)
}

// Narrowed returns the scopes that both sets have. If one of them is [Every], the result is the
// other one.
func (s Set) Narrowed(to Set) Set {
	switch {
	case len(to) == 1 && to[0] == Every:
		return s
	case len(s) == 1 && s[0] == Every:
		return NewSet(to...)
	}
	var both Set
	for _, name := range s {
		if slices.Contains(to, name) {
			both = append(both, name)
		}
	}
	return both
}

// Narrowed returns the applications to which both give access.
func (a Applications) Narrowed(to Applications) Applications {
	switch {
	case to.All:
		return a
	case a.All:
		return Applications{IDs: slices.Clone(to.IDs)}
	}
	var both []string
	for _, id := range a.IDs {
		if slices.Contains(to.IDs, id) {
			both = append(both, id)
		}
	}
	return Applications{IDs: both}
}
