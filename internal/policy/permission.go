package policy

import (
	"slices"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Permission is something that a management key may do. There is none for what only people do: to
// reveal or claim a secret, to deliver one by link, to make another management key.
type Permission string

// The permissions.
const (
	MayReadKeys    Permission = "keys:read"
	MayCreateKeys  Permission = "keys:create"
	MayUpdateKeys  Permission = "keys:update"
	MayRefreshKeys Permission = "keys:refresh"
	// MayDisableKeys is for disabling, and for enabling what a management key disabled.
	MayDisableKeys Permission = "keys:disable"
	// MayRevokeKeys is for revoking and deleting, and for ending a previous secret.
	MayRevokeKeys       Permission = "keys:revoke"
	MayReadSubjects     Permission = "subjects:read" // subjects and plans
	MayWriteSubjects    Permission = "subjects:write"
	MayReadApplications Permission = "applications:read"
	MayReadScopes       Permission = "scopes:read"
	MayReadAudit        Permission = "audit:read"
	MayReadUsage        Permission = "usage:read"
)

// Permissions returns the permissions whose routes exist.
func Permissions() []Permission {
	return []Permission{
		MayReadKeys, MayCreateKeys, MayUpdateKeys, MayRefreshKeys, MayDisableKeys, MayRevokeKeys,
		MayReadSubjects, MayWriteSubjects, MayReadApplications, MayReadScopes, MayReadAudit, MayReadUsage,
	}
}

// scope returns the scope that a service account's role must hold for a permission over the whole
// tenant; "" for a permission over keys or subjects. There is no scope for usage: who reads the
// audit trail of a tenant sees its usage, too.
func (p Permission) scope() scope.Scope {
	switch p {
	case MayReadApplications:
		return scope.ApplicationsRead
	case MayReadScopes:
		return scope.ScopesRead
	case MayReadAudit, MayReadUsage:
		return scope.AuditRead
	}
	return ""
}

// WithinRole reports whether a management key of a service account with the role may have the
// permission. The role bounds what concerns the whole tenant only.
func (p Permission) WithinRole(role scope.Role) bool {
	return p.scope() == "" || scope.NewCatalogue(nil).Holds(role, p.scope())
}

// countsForUsers reports whether a management key may use the permission for keys of users.
func (p Permission) countsForUsers() bool {
	return p == MayReadKeys || p == MayDisableKeys || p == MayRevokeKeys || p == MayReadUsage
}

// ManagementRights are what a management key may do at most.
type ManagementRights struct {
	// Permissions are sorted, each once.
	Permissions []Permission `json:"permissions"`
	// Owners are the types of owners for whose keys it may act.
	Owners   []ident.PartyType `json:"owners"`
	Ceilings Ceilings          `json:"ceilings"`
	// Addresses are those from which it may be used.
	Addresses Addresses `json:"allowed_cidrs"`
}

// Has reports whether the management key has the permission.
func (r ManagementRights) Has(p Permission) bool { return slices.Contains(r.Permissions, p) }

// ActsFor reports whether the management key may use the permission for keys of this type of owner.
func (r ManagementRights) ActsFor(owner ident.PartyType, p Permission) bool {
	return r.Has(p) && slices.Contains(r.Owners, owner) && (owner != ident.UserParty || p.countsForUsers())
}

// WithinRole returns the rights without the permissions that the role of the service account does
// not include.
func (r ManagementRights) WithinRole(role scope.Role) ManagementRights {
	r.Permissions = slices.DeleteFunc(slices.Clone(r.Permissions), func(p Permission) bool {
		return !p.WithinRole(role)
	})
	return r
}

// Clone returns a copy with lists of its own.
func (r ManagementRights) Clone() ManagementRights {
	r.Permissions = slices.Clone(r.Permissions)
	r.Owners = slices.Clone(r.Owners)
	r.Ceilings.Scopes = slices.Clone(r.Ceilings.Scopes)
	r.Ceilings.Applications.IDs = slices.Clone(r.Ceilings.Applications.IDs)
	r.Ceilings.Plans = slices.Clone(r.Ceilings.Plans)
	return r
}

// Differences returns the names of what is different.
func (r ManagementRights) Differences(to ManagementRights) (names []string) {
	was, is := r.Ceilings, to.Ceilings
	for _, f := range []struct {
		name string
		same bool
	}{
		{"permissions", slices.Equal(r.Permissions, to.Permissions)},
		{"owners", slices.Equal(r.Owners, to.Owners)},
		{"scopes", slices.Equal(was.Scopes, is.Scopes)},
		{"applications", was.Applications.All == is.Applications.All &&
			slices.Equal(was.Applications.IDs, is.Applications.IDs)},
		{"plans", slices.Equal(was.Plans, is.Plans)},
		{"max_lifetime_days", was.MaxLifetimeDays == is.MaxLifetimeDays},
		{"creates_per_hour", was.CreatesPerHour == is.CreatesPerHour},
		{"ceilings.allowed_cidrs", was.Addresses.Equal(is.Addresses)},
		{"allowed_cidrs", r.Addresses.Equal(to.Addresses)},
	} {
		if !f.same {
			names = append(names, f.name)
		}
	}
	return names
}
