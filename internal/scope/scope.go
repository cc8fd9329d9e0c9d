// Package scope answers "is it allowed": scopes, the catalogue that says which role may hold which, and the
// restriction of a key to applications.
//
// A scope is `resource:action`. A key carries its own scopes, or the single [Every]; what it may do now, its
// effective scopes, is that list cut to what its owner's role may hold in the tenant's catalogue at this moment.
// Everything is denied that is not granted.
package scope

import (
	"regexp"
	"slices"
)

// Scope names a permission, `resource:action`, at most 64 characters.
type Scope string

// Every stands alone in a key's list and means every scope now in the catalogue that the owner's role may hold.
const Every Scope = "*"

// maxLength of a scope, in characters.
const maxLength = 64

// The scopes Claviger's own API knows. A tenant adds its own to its catalogue.
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

var form = regexp.MustCompile(`^[a-z][a-z0-9_]*:[a-z][a-z0-9_]*$`)

// Valid reports whether the name has the form of a scope. Every is none.
func (s Scope) Valid() bool { return len(s) <= maxLength && form.MatchString(string(s)) }

// Set is a sorted list of scopes without duplicates. The zero value allows nothing.
type Set []Scope

// NewSet sorts the names and drops duplicates.
func NewSet(names ...Scope) Set {
	set := slices.Clone(names)
	slices.Sort(set)
	return slices.Compact(set)
}

// Has reports whether the set holds the scope. It is a plain look-up: Every in a key's own list counts only
// after [Catalogue.Effective] has expanded it.
func (s Set) Has(name Scope) bool {
	_, found := s.Index(name)
	return found
}

// Index gives the place of the scope in the set.
func (s Set) Index(name Scope) (place int, found bool) { return slices.BinarySearch(s, name) }

// Strings gives the names in order, never nil.
func (s Set) Strings() []string {
	names := make([]string, len(s))
	for i, name := range s {
		names[i] = string(name)
	}
	return names
}

// Applications says which applications a key reaches: all of them, also future ones, or those listed. The zero value reaches none.
type Applications struct {
	All bool
	IDs []string
}

// Reach reports whether the application is within the restriction.
func (a Applications) Reach(id string) bool {
	return a.All || slices.Contains(a.IDs, id)
}
