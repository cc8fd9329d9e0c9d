package scope_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/scope"
)

func TestTheFormOfAScope(t *testing.T) {
	cases := map[scope.Scope]bool{
		"applications:read": true, "a:b": true, "r2_d2:c3_po": true,
		"": false, "*": false, "read": false, "a:": false, ":b": false, "A:b": false, "a:b:c": false, "2a:b": false,
		"a:b\n": false, "a b:c": false,
		scope.Scope("a:" + strings.Repeat("b", 62)): true,
		scope.Scope("a:" + strings.Repeat("b", 63)): false,
	}
	for name, want := range cases {
		if got := name.Valid(); got != want {
			t.Errorf("%q.Valid() = %t, want %t", name, got, want)
		}
	}
}

func TestABuiltInScopeIsHeldByTheRolesOfTheTable(t *testing.T) {
	c := scope.NewCatalogue([]scope.Entry{{Name: "reports:export", Roles: scope.DefaultRoles()}})
	cases := []struct {
		name                   scope.Scope
		admin, member, auditor bool
	}{
		{scope.ApplicationsRead, true, true, true},
		{scope.TenantsRead, true, true, true},
		{scope.ApplicationsCreate, true, false, false},
		{scope.KeysVerify, true, false, false},
		{scope.AuditRead, true, false, true},
		{"reports:export", true, true, false},
		{"gone:away", false, false, false},
	}
	for _, row := range cases {
		for role, want := range map[scope.Role]bool{
			scope.Admin: row.admin, scope.Member: row.member,
			scope.Auditor: row.auditor, "": false,
		} {
			if got := c.Holds(role, row.name); got != want {
				t.Errorf("%q holds %s: %t, want %t", role, row.name, got, want)
			}
		}
	}
}

func TestATenantCannotWidenABuiltInScope(t *testing.T) {
	c := scope.NewCatalogue([]scope.Entry{{Name: scope.KeysVerify, Roles: []scope.Role{scope.Member}}})
	if c.Holds(scope.Member, scope.KeysVerify) {
		t.Error("a tenant's entry replaced a built-in one")
	}
}

func TestEffectiveScopesNeverExceedTheOwnersRole(t *testing.T) {
	c := scope.NewCatalogue([]scope.Entry{{Name: "reports:export", Roles: scope.DefaultRoles()}})
	pool := []scope.Scope{
		scope.ApplicationsRead, scope.ApplicationsDelete, scope.KeysVerify, scope.AuditRead,
		"reports:export", "gone:away",
	}
	rapid.Check(t, func(t *rapid.T) {
		own := scope.NewSet(rapid.SliceOf(rapid.SampledFrom(pool)).Draw(t, "own")...)
		if rapid.Bool().Draw(t, "every") {
			own = scope.NewSet(scope.Every)
		}
		role := rapid.SampledFrom([]scope.Role{scope.Admin, scope.Member, scope.Auditor, ""}).Draw(t, "role")
		for _, name := range c.Effective(own, role) {
			if !c.Holds(role, name) {
				t.Fatalf("%s is effective but %q may not hold it", name, role)
			}
			if !own.Has(name) && !own.Has(scope.Every) {
				t.Fatalf("%s is effective but was never granted", name)
			}
		}
	})
}

func TestAnEmptyRestrictionReachesNothing(t *testing.T) {
	if (scope.Applications{}).Includes("app_1") {
		t.Error("no application listed, yet one is reached")
	}
	if !(scope.Applications{IDs: []string{"app_1"}}).Includes("app_1") {
		t.Error("a listed application is not reached")
	}
	if !(scope.Applications{All: true}).Includes("app_new") {
		t.Error("a future application is not reached by an all-application key")
	}
}
