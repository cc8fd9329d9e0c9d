package tenancy_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// rolesOf returns the roles that may hold each scope of a tenant's catalogue.
func rolesOf(t *testing.T, c *client.Client, tenant ident.TenantID) map[string][]api.Role {
	t.Helper()
	roles := map[string][]api.Role{}
	for _, s := range testkit.Must[api.List[api.Scope]](t)(c.Scopes(t.Context(), string(tenant))).Items {
		roles[s.Name] = s.Roles
	}
	return roles
}

func TestANewTenantHasTheScopesOfItsPreset(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	owner := h.As(h.Owner)
	want := map[string][]api.Role{}
	for name, roles := range builtInScopes {
		want[name] = roles
	}
	for _, e := range policy.Blazeauth.Scopes() {
		want[string(e.Name)] = []api.Role{"admin", "member"}
	}
	for _, name := range []string{"applications:create", "applications:update", "applications:delete"} {
		want[name] = []api.Role{"admin", "member"}
	}
	made := h.Preset(policy.Blazeauth, nil)
	if diff := cmp.Diff(want, rolesOf(t, owner, made.ID)); diff != "" {
		t.Errorf("a tenant: %s", diff)
	}
	opened := testkit.Must[tenancy.OpenAccountResult](t)(h.Tenancy.OpenAccount(t.Context(), principal.Operator(),
		tenancy.AccountSpec{Name: "Opened account", OwnerEmail: "opened@claviger.example", Preset: policy.Blazeauth}))
	catalogue := testkit.Must[scope.Catalogue](t)(h.Store.Catalogue(t.Context(), opened.Tenant.ID))
	if got := len(catalogue.Entries()); got != len(want) {
		t.Errorf("the first tenant of an account has %d scopes, want %d", got, len(want))
	}
	for _, p := range []policy.Preset{policy.Standard, policy.BlazeMeter, policy.LoadRunner, policy.Blancco} {
		if diff := cmp.Diff(builtInScopes, rolesOf(t, owner, h.Preset(p, nil).ID)); diff != "" {
			t.Errorf("%s: %s", p, diff)
		}
	}
}

func TestACopyOfATenantHasTheScopesOfThatTenantAndNotThoseOfItsPreset(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	owner := h.As(h.Owner)
	source := h.Preset(policy.Blazeauth, nil)
	replaced := testkit.Must[api.List[api.Scope]](t)(owner.ReplaceScopes(t.Context(), string(source.ID),
		[]api.NewScope{{Name: "orders:read"}}))
	if len(replaced.Items) != len(builtInScopes)+1 {
		t.Errorf("after the replacement: %v", replaced.Items)
	}
	for _, s := range replaced.Items {
		if s.Name == "applications:create" && !cmp.Equal(s.Roles, []api.Role{"admin", "member"}) {
			t.Errorf("the replacement answers %+v", s)
		}
	}
	copied := testkit.Must[tenancy.Tenant](t)(h.Tenancy.CreateTenantLike(t.Context(), principal.Operator(),
		h.Account.ID, "The copy", source.ID))
	if diff := cmp.Diff(rolesOf(t, owner, source.ID), rolesOf(t, owner, copied.ID)); diff != "" {
		t.Error(diff)
	}
}

// A tenant that was made before presets had scopes lacks the setting, and stays as it is.
func TestATenantOfThePresetBlazeauthFromBeforeStaysAsItIs(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Preset(policy.Blazeauth, func(s *policy.Settings) { s.MembersManageApplications = false })
	member := h.As(h.Member(tenant, "The Member", scope.Member))
	_, err := member.CreateApplication(t.Context(), string(tenant.ID), api.CreateApplicationRequest{Name: "Some API"})
	testkit.ExpectCode(t, "a member creates an application", err, api.Forbidden)
	if got := rolesOf(t, member, tenant.ID)["applications:create"]; !cmp.Equal(got, []api.Role{"admin"}) {
		t.Errorf("applications:create for %v", got)
	}
}

func TestMembersManageApplicationsInAPresetThatLetsThem(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for _, c := range []struct {
		preset policy.Preset
		role   scope.Role
		want   api.Code
	}{
		{policy.Blazeauth, scope.Admin, ""},
		{policy.Blazeauth, scope.Member, ""},
		{policy.Blazeauth, scope.Auditor, api.Forbidden},
		{policy.Standard, scope.Admin, ""},
		{policy.Standard, scope.Member, api.Forbidden},
	} {
		what := string(c.preset) + ", " + string(c.role)
		tenant := h.Preset(c.preset, nil)
		present := h.Application(tenant, "Present API")
		id, who := string(tenant.ID), h.As(h.Member(tenant, "The Person", c.role))
		for operation, run := range map[string]func(context.Context) error{
			"create": func(ctx context.Context) error {
				return testkit.ErrorOf(who.CreateApplication(ctx, id, api.CreateApplicationRequest{Name: "New API"}))
			},
			"change": func(ctx context.Context) error {
				return testkit.ErrorOf(who.EditApplication(ctx, id, string(present.ID),
					api.UpdateApplicationRequest{Name: api.To("Other name")}))
			},
		} {
			testkit.ExpectCode(t, what+": "+operation, run(t.Context()), c.want)
		}
		testkit.ExpectCode(t, what+": delete",
			who.DeleteApplication(t.Context(), id, string(present.ID)), c.want)
	}
}
