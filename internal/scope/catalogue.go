package scope

import (
	"maps"
	"slices"

	"github.com/claviger-dev/claviger/internal/etag"
)

// Entry is one scope of a tenant's catalogue and the roles that may hold it.
type Entry struct {
	Name        Scope
	Description string
	Roles       []Role
	BuiltIn     bool
}

// Version returns the version of what an edit can change in the entry.
func (e Entry) Version() etag.Tag {
	return etag.Of(e.Description, slices.Compact(slices.Sorted(slices.Values(e.Roles))))
}

// Entries are scopes with the roles that may hold them.
type Entries []Entry

// Version returns the version of what an edit can change in a catalogue with these entries. The
// built-in ones are no part of it.
func (l Entries) Version() etag.Tag {
	versions := map[Scope]etag.Tag{}
	for _, e := range l.Own() {
		versions[e.Name] = e.Version()
	}
	var fields []any
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		fields = append(fields, name, versions[name])
	}
	return etag.Of(fields...)
}

// Own returns the entries that the tenant added.
func (l Entries) Own() Entries {
	return slices.DeleteFunc(slices.Clone(l), func(e Entry) bool { return e.BuiltIn })
}

var (
	everyRole = []Role{Admin, Member, Auditor}
	adminOnly = []Role{Admin}
)

// builtIn is Claviger's own part of every catalogue.
var builtIn = []Entry{
	{ApplicationsCreate, "Create applications; needs access to all applications.", adminOnly, true},
	{ApplicationsDelete, "Delete applications.", adminOnly, true},
	{ApplicationsRead, "List and read applications.", everyRole, true},
	{ApplicationsUpdate, "Change applications.", adminOnly, true},
	{AuditRead, "Read the tenant's audit trail.", []Role{Admin, Auditor}, true},
	{KeysVerify, "Verify other keys.", adminOnly, true},
	{MembersRead, "List the tenant's members.", everyRole, true},
	{ScopesRead, "Read the scope catalogue.", everyRole, true},
	{TenantsRead, "Read the tenant.", everyRole, true},
}

// DefaultRoles returns the roles that may hold a tenant's own scope, if the scope does not list
// any.
func DefaultRoles() []Role { return []Role{Admin, Member} }

// Catalogue has every scope that a tenant knows. The zero value has none, not even the built-in
// ones.
type Catalogue struct{ entries map[Scope]Entry }

// NewCatalogue returns the built-in scopes and the tenant's own. A tenant cannot redefine a
// built-in scope.
func NewCatalogue(own []Entry) Catalogue {
	c := Catalogue{entries: make(map[Scope]Entry, len(own)+len(builtIn))}
	for _, e := range own {
		c.entries[e.Name] = e
	}
	for _, e := range builtIn {
		c.entries[e.Name] = e
	}
	return c
}

// WithApplicationsForMembers returns the catalogue in which members may also hold the scopes that
// create, change and delete applications.
func (c Catalogue) WithApplicationsForMembers() Catalogue {
	wider := Catalogue{entries: maps.Clone(c.entries)}
	for _, name := range []Scope{ApplicationsCreate, ApplicationsUpdate, ApplicationsDelete} {
		e := c.entries[name]
		e.Roles = []Role{Admin, Member}
		wider.entries[name] = e
	}
	return wider
}

// Entries returns the entries, sorted by name.
func (c Catalogue) Entries() Entries {
	list := make(Entries, 0, len(c.entries))
	for _, e := range c.entries {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Entry) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list
}

// Knows reports whether the scope is in the catalogue.
func (c Catalogue) Knows(name Scope) bool {
	_, known := c.entries[name]
	return known
}

// Holds reports whether the role may hold the scope. No role may hold a scope that is not in the
// catalogue.
func (c Catalogue) Holds(role Role, name Scope) bool {
	return slices.Contains(c.entries[name].Roles, role)
}

// BuiltIn reports whether the scope is one of Claviger's own.
func (c Catalogue) BuiltIn(name Scope) bool { return c.entries[name].BuiltIn }

// TenantScopes returns the scopes that the tenant added and that the role may hold.
func (c Catalogue) TenantScopes(role Role) Set {
	var names []Scope
	for name, e := range c.entries {
		if !e.BuiltIn && c.Holds(role, name) {
			names = append(names, name)
		}
	}
	return NewSet(names...)
}

// Effective returns those of a key's own scopes that the role may hold now. It replaces Every by
// all scopes that the role may hold.
func (c Catalogue) Effective(own Set, role Role) Set {
	if len(own) == 1 && own[0] == Every {
		return c.heldBy(role)
	}
	var held Set
	for _, name := range own {
		if c.Holds(role, name) {
			held = append(held, name)
		}
	}
	return held
}

// heldBy returns all scopes that the role may hold.
func (c Catalogue) heldBy(role Role) Set {
	var names []Scope
	for name := range c.entries {
		if c.Holds(role, name) {
			names = append(names, name)
		}
	}
	return NewSet(names...)
}
