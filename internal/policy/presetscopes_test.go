package policy_test

import (
	"slices"
	"testing"

	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

// blazeauthScopes are the scopes that the vendor documents.
var blazeauthScopes = []scope.Scope{
	"account:read",
	"app_users:create", "app_users:delete", "app_users:read", "app_users:update",
	"applications:create", "applications:delete", "applications:read", "applications:update",
	"blacklists:create", "blacklists:delete", "blacklists:read", "blacklists:update",
	"files:delete", "files:read", "files:upload",
	"licenses:create", "licenses:delete", "licenses:read", "licenses:update",
	"sessions:disconnect", "sessions:read",
	"variables:create", "variables:delete", "variables:read", "variables:update",
}

func TestThePresetBlazeauthHasThe26ScopesOfTheVendor(t *testing.T) {
	own := policy.Blazeauth.Scopes()
	c := scope.NewCatalogue(own)
	for _, name := range blazeauthScopes {
		if !c.Knows(name) {
			t.Errorf("there is no %s", name)
		}
	}
	for _, e := range own {
		if e.BuiltIn || !e.Name.Valid() || !slices.Contains(blazeauthScopes, e.Name) || e.Description == "" {
			t.Errorf("%+v", e)
		}
		if scope.NewCatalogue(nil).Knows(e.Name) {
			t.Errorf("%s is built in", e.Name)
		}
	}
	if len(blazeauthScopes) != 26 || len(own) != 22 {
		t.Errorf("%d scopes, of which the preset adds %d", len(blazeauthScopes), len(own))
	}
	for _, p := range []policy.Preset{policy.Standard, policy.BlazeMeter, policy.LoadRunner, policy.Blancco} {
		if got := p.Scopes(); got != nil {
			t.Errorf("%s adds %v", p, got)
		}
	}
}

func TestMembersManageApplicationsInThePresetBlazeauthAlone(t *testing.T) {
	for p, want := range map[policy.Preset]bool{
		policy.Standard: false, policy.BlazeMeter: false, policy.LoadRunner: false, policy.Blancco: false,
		policy.Blazeauth: true,
	} {
		s, err := p.Settings()
		if err != nil {
			t.Fatal(err)
		}
		c := s.Catalogue(p.Scopes())
		for _, name := range []scope.Scope{
			scope.ApplicationsCreate, scope.ApplicationsUpdate, scope.ApplicationsDelete,
		} {
			if got := c.Holds(scope.Member, name); got != want {
				t.Errorf("%s: a member may hold %s: %t", p, name, got)
			}
			if !c.Holds(scope.Admin, name) || c.Holds(scope.Auditor, name) || !c.BuiltIn(name) {
				t.Errorf("%s: %s for admins %t, for auditors %t, built in %t", p, name, c.Holds(scope.Admin, name),
					c.Holds(scope.Auditor, name), c.BuiltIn(name))
			}
		}
		if c.Holds(scope.Member, scope.KeysVerify) || c.Holds(scope.Member, scope.AuditRead) {
			t.Errorf("%s: a member may hold another scope of admins", p)
		}
	}
}
