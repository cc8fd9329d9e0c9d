package scope

import "slices"

// Entry is one scope of a tenant's catalogue and the roles that may hold it.
type Entry struct {
	Name        Scope
	Description string
	Roles       []Role
	BuiltIn     bool
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
	{KeysVerify, "Ask for decisions about other keys.", adminOnly, true},
	{MembersRead, "List the tenant's members.", everyRole, true},
	{ScopesRead, "Read the scope catalogue.", everyRole, true},
	{TenantsRead, "Read the tenant.", everyRole, true},
}

// DefaultRoles hold a tenant's own scope unless it says otherwise.
func DefaultRoles() []Role { return []Role{Admin, Member} }

// Catalogue is every scope a tenant's API knows. The zero value knows none, not even the built-in ones.
type Catalogue struct{ entries map[Scope]Entry }

// NewCatalogue joins the built-in scopes with the tenant's own. A built-in name cannot be redefined.
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

// Entries gives the catalogue sorted by name.
func (c Catalogue) Entries() []Entry {
	list := make([]Entry, 0, len(c.entries))
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

// Holds reports whether the role may hold the scope. A scope outside the catalogue is held by nobody.
func (c Catalogue) Holds(role Role, name Scope) bool {
	return slices.Contains(c.entries[name].Roles, role)
}

// Effective cuts a key's own scopes to what the role may hold now, with Every expanded.
func (c Catalogue) Effective(own Set, role Role) Set {
	if len(own) == 1 && own[0] == Every {
		return c.ofRole(role)
	}
	var cut Set
	for _, name := range own {
		if c.Holds(role, name) {
			cut = append(cut, name)
		}
	}
	return cut
}

func (c Catalogue) ofRole(role Role) Set {
	var names []Scope
	for name := range c.entries {
		if c.Holds(role, name) {
			names = append(names, name)
		}
	}
	return NewSet(names...)
}
