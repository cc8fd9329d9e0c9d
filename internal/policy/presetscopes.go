package policy

import "github.com/claviger-dev/claviger/internal/scope"

// Scopes returns the scopes that a new tenant with the preset has in its catalogue, besides the
// built-in ones. Of the presets, only Blazeauth has any: its API documents 26 scopes, of which
// applications:read, create, update and delete are built in.
func (p Preset) Scopes() []scope.Entry {
	if p != Blazeauth {
		return nil
	}
	var own []scope.Entry
	for _, s := range []struct {
		name        scope.Scope
		description string
	}{
		{"account:read", "Read the limits of the account."},
		{"app_users:create", "Create users of an application."},
		{"app_users:delete", "Delete users of an application."},
		{"app_users:read", "List and read users of an application."},
		{"app_users:update", "Change users of an application."},
		{"blacklists:create", "Add entries to blacklists."},
		{"blacklists:delete", "Delete entries of blacklists."},
		{"blacklists:read", "List and read entries of blacklists."},
		{"blacklists:update", "Change entries of blacklists."},
		{"files:delete", "Delete files."},
		{"files:read", "List and download files."},
		{"files:upload", "Upload files."},
		{"licenses:create", "Create licenses."},
		{"licenses:delete", "Delete licenses."},
		{"licenses:read", "List and read licenses."},
		{"licenses:update", "Change licenses."},
		{"sessions:disconnect", "Disconnect sessions of users of an application."},
		{"sessions:read", "List sessions of users of an application."},
		{"variables:create", "Create variables."},
		{"variables:delete", "Delete variables."},
		{"variables:read", "List and read variables."},
		{"variables:update", "Change variables."},
	} {
		own = append(own, scope.Entry{Name: s.name, Description: s.description, Roles: scope.DefaultRoles()})
	}
	return own
}

// Catalogue returns the scope catalogue of a tenant with the settings and with scopes of its own.
func (s Settings) Catalogue(own []scope.Entry) scope.Catalogue {
	c := scope.NewCatalogue(own)
	if s.MembersManageApplications {
		return c.WithApplicationsForMembers()
	}
	return c
}
