package tenancy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// builtInScopes is the product's list of Claviger's own scopes, by name, with the roles that may
// hold them.
var builtInScopes = map[string][]api.Role{
	"applications:create": {"admin"}, "applications:delete": {"admin"},
	"applications:read": {"admin", "member", "auditor"}, "applications:update": {"admin"},
	"audit:read": {"admin", "auditor"}, "keys:verify": {"admin"}, "members:read": {"admin", "member", "auditor"},
	"scopes:read":  {"admin", "member", "auditor"},
	"tenants:read": {"admin", "member", "auditor"},
}

func TestACatalogueHoldsTheBuiltInScopesAndTheTenantsOwn(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant, other := h.Tenant("Main tenant", nil), h.Tenant("Other tenant", nil)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	own := func(list api.List[api.Scope]) (own []api.Scope) {
		t.Helper()
		names := []string{}
		for _, s := range list.Items {
			names = append(names, s.Name)
			roles, builtIn := builtInScopes[s.Name]
			if builtIn != s.BuiltIn || builtIn && !cmp.Equal(roles, s.Roles) {
				t.Errorf("%+v, want the roles %v", s, roles)
			}
			if !builtIn {
				own = append(own, s)
			}
		}
		if !slices.IsSorted(names) || len(names) != len(own)+len(builtInScopes) || list.NextCursor != nil {
			t.Errorf("the catalogue: %v", names)
		}
		return own
	}
	read := func() []api.Scope {
		t.Helper()
		return own(testkit.Must[api.List[api.Scope]](t)(admin.Scopes(t.Context(), string(tenant.ID))))
	}
	if got := read(); got != nil {
		t.Errorf("a new tenant has %+v", got)
	}
	for _, step := range []struct {
		put  []api.NewScope
		want []api.Scope
	}{
		{
			[]api.NewScope{
				{Name: "orders:write", Description: " Write\norders. ", Roles: []api.Role{"admin"}},
				{Name: "orders:read"},
				{Name: "audits:all", Roles: []api.Role{"auditor", "auditor"}},
			},
			[]api.Scope{
				{Name: "audits:all", Roles: []api.Role{"auditor"}},
				{Name: "orders:read", Roles: []api.Role{"admin", "member"}},
				{Name: "orders:write", Description: "Write\norders.", Roles: []api.Role{"admin"}},
			},
		},
		{
			[]api.NewScope{{Name: "orders:read", Roles: []api.Role{"member"}}},
			[]api.Scope{{Name: "orders:read", Roles: []api.Role{"member"}}},
		},
		{[]api.NewScope{}, nil},
	} {
		answered := own(testkit.Must[api.List[api.Scope]](t)(admin.ReplaceScopes(t.Context(), string(tenant.ID),
			step.put)))
		if diff := cmp.Diff(step.want, withoutVersions(answered)); diff != "" {
			t.Errorf("answered: %s", diff)
		}
		if diff := cmp.Diff(answered, read()); diff != "" {
			t.Errorf("read back: %s", diff)
		}
	}
	if got := own(testkit.Must[api.List[api.Scope]](t)(h.As(h.Owner).Scopes(t.Context(),
		string(other.ID)))); got != nil {
		t.Errorf("another tenant has %+v", got)
	}
}

// withoutVersions returns the scopes without their versions.
func withoutVersions(list []api.Scope) []api.Scope {
	bare := slices.Clone(list)
	for i := range bare {
		bare[i].Version = ""
	}
	return bare
}

func TestABadCatalogueIsRefusedEntryByEntryAndNothingIsReplaced(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	testkit.Must[api.List[api.Scope]](t)(admin.ReplaceScopes(t.Context(), string(tenant.ID),
		[]api.NewScope{{Name: "orders:read"}}))
	path := testkit.TenantPath(tenant.ID) + "/scopes"
	check := testkit.ExpectUnchanged(t, admin, path, testkit.TenantPath(tenant.ID)+"/audit")
	many := make([]string, 501)
	for i := range many {
		many[i] = fmt.Sprintf(`{"name":"a:%s%s"}`, string(rune('a'+i%26)), strings.Repeat("x", i/26))
	}
	for body, want := range map[string]string{
		`{}`:             "items required",
		`{"items":null}`: "items required",
		`{"items":[{"name":"a:b"},{"name":"applications:read"}]}`: "items.1.name built_in",
		`{"items":[{"name":"keys:verify","roles":["member"]}]}`:   "items.0.name built_in",
		`{"items":[{"name":"*"}]}`:                                "items.0.name form",
		`{"items":[{"name":"A:b"},{"name":"a:b:c"},{"name":"a"},{"name":"a:b\n"}]}`: "items.0.name form, " +
			"items.1.name form, items.2.name form, items.3.name form",
		`{"items":[{"name":"a:` + strings.Repeat("b", 63) + `"}]}`: "items.0.name form",
		`{"items":[{}]}`: "items.0.name form",
		`{"items":[{"name":"a:b"},{"name":"a:b"}]}`:                                    "items.1.name duplicate",
		`{"items":[{"name":"a:b","roles":[]}]}`:                                        "items.0.roles required",
		`{"items":[{"name":"a:b","roles":["admin","owner"]}]}`:                         "items.0.roles.1 unknown",
		`{"items":[{"name":"a:b","description":"\u202e"}]}`:                            "items.0.description character",
		`{"items":[{"name":"a:b","description":"` + strings.Repeat("x", 1001) + `"}]}`: "items.0.description too_long",
		`{"items":[{"name":"a:b","built_in":true}]}`:                                   "items.0.built_in unknown",
		`{"items":{"name":"a:b"}}`:                                                     "items type",
		`{"items":[` + strings.Join(many, ",") + `]}`:                                  "items length",
	} {
		if got := testkit.FieldErrors(t, testkit.SendBody(t, admin, http.MethodPut, path, body)); got != want {
			t.Errorf("%.80s: %s, want %s", body, got, want)
		}
	}
	check()
}

func TestOnlyAdminsReplaceACatalogue(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	admin := h.Member(tenant, "Tenant Admin", scope.Admin)
	_, foreign := h.OtherAccount("Foreign Owner")
	for _, c := range []struct {
		name           string
		who            *client.Client
		reads, replace api.Code
	}{
		{"an account owner", h.As(h.Owner), "", ""},
		{"an admin", h.As(admin), "", ""},
		{"a member", h.As(h.Member(tenant, "The Member", scope.Member)), "", api.Forbidden},
		{"an auditor", h.As(h.Member(tenant, "The Auditor", scope.Auditor)), "", api.Forbidden},
		{"another account's owner", h.As(foreign), api.NotFound, api.NotFound},
		{"a key with every scope", h.With(h.Key(h.As(admin), tenant, "*")), "", api.SessionRequired},
		{
			"a key without scopes:read", h.With(h.Key(h.As(admin), tenant, "tenants:read")), api.InsufficientScope,
			api.SessionRequired,
		},
	} {
		_, err := c.who.Scopes(t.Context(), string(tenant.ID))
		testkit.ExpectCode(t, c.name+" reads", err, c.reads)
		_, err = c.who.ReplaceScopes(t.Context(), string(tenant.ID), []api.NewScope{{Name: "orders:read"}})
		testkit.ExpectCode(t, c.name+" replaces", err, c.replace)
	}
}

// A scope that is gone from the catalogue counts for nothing, and counts again when it is back; so
// does a role that may no longer hold it.
func TestAScopeCountsWhileTheCatalogueHasItAndTheRoleMayHoldIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	owner, member := h.As(h.Owner), h.As(h.Member(tenant, "Key Owner", scope.Member))
	put := func(own ...api.NewScope) {
		t.Helper()
		testkit.Must[api.List[api.Scope]](t)(owner.ReplaceScopes(t.Context(), string(tenant.ID),
			append([]api.NewScope{}, own...)))
	}
	put(api.NewScope{Name: "orders:read"})
	named, every := h.Key(member, tenant, "orders:read"), h.Key(member, tenant, "*")
	verifier := h.Verifier()
	for _, step := range []struct {
		name string
		own  []api.NewScope
		want api.Code
	}{
		{"there", []api.NewScope{{Name: "orders:read"}}, api.OK},
		{"gone", nil, api.InsufficientScope},
		{"another in its place", []api.NewScope{{Name: "orders:reads"}}, api.InsufficientScope},
		{"back", []api.NewScope{{Name: "orders:read", Roles: []api.Role{"member"}}}, api.OK},
		{
			"for other roles",
			[]api.NewScope{{Name: "orders:read", Roles: []api.Role{"admin", "auditor"}}},
			api.InsufficientScope,
		},
		{"back for all", []api.NewScope{{Name: "orders:read"}, {Name: "orders:write"}}, api.OK},
	} {
		put(step.own...)
		for what, k := range map[string]api.IssuedKey{"named": named, "every scope": every} {
			d, err := verifier.Verify(t.Context(),
				api.VerifyRequest{Credential: k.Credential.Value, Scopes: []string{"orders:read"}})
			if err != nil || d.Code != step.want {
				t.Errorf("%s, %s: %+v, %v", step.name, what, d, err)
			}
		}
		shown := testkit.Must[api.Key](t)(member.Key(t.Context(), string(tenant.ID), named.Key.ID))
		if !cmp.Equal(shown.Scopes, []string{"orders:read"}) {
			t.Errorf("%s: the key shows %v", step.name, shown.Scopes)
		}
	}
}
