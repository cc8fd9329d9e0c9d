package key_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAKeyCannotManageKeys(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	k, err := owner.CreateKey(t.Context(), string(tenant.ID),
		api.CreateKeyRequest{Name: "Every scope", Scopes: []string{"*"}, AllApplications: true})
	if err != nil {
		t.Fatal(err)
	}
	key, path := h.With(k), "/api/v1/tenants/"+string(tenant.ID)+"/keys"
	for _, route := range [][2]string{
		{http.MethodGet, path},
		{http.MethodPost, path},
		{http.MethodGet, path + "/" + k.Key.ID},
		{http.MethodDelete, path + "/" + k.Key.ID},
		{http.MethodPatch, path + "/" + k.Key.ID},
		{http.MethodPost, path + "/" + k.Key.ID + "/revoke"},
		{http.MethodPost, path + "/" + k.Key.ID + "/disable"},
		{http.MethodPost, path + "/" + k.Key.ID + "/enable"},
		{http.MethodPost, path + "/" + k.Key.ID + "/refresh"},
		{http.MethodDelete, path + "/" + k.Key.ID + "/previous"},
		{http.MethodPost, "/api/v1/claims/x"},
		{http.MethodGet, "/api/v1/me/keys"},
		{http.MethodGet, "/api/v1/session"},
		{http.MethodDelete, "/api/v1/session"},
	} {
		err := key.Do(t.Context(), route[0], route[1], nil, nil)
		if got := testkit.Code(t, err); got != api.SessionRequired {
			t.Errorf("%s %s: %s, want %s", route[0], route[1], got, api.SessionRequired)
		}
	}
}

func TestWhatIsWrongWithANewKeyIsSaidFieldByFieldAndNothingIsKept(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant, elsewhere := h.Tenant("Main", nil), h.Tenant("Elsewhere", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	foreign := string(h.Application(elsewhere, "Foreign API").ID)
	at := func(d time.Duration) *time.Time {
		when := h.Clock.Now().Add(d)
		return &when
	}
	good := api.CreateKeyRequest{Name: "Good name", Scopes: []string{"applications:read"}, AllApplications: true}
	cases := []struct {
		name string
		make func(n *api.CreateKeyRequest)
		want string
	}{
		{"a short name", func(n *api.CreateKeyRequest) { n.Name = " ab " }, "name too_short"},
		{
			"a long description", func(n *api.CreateKeyRequest) { n.Description = strings.Repeat("x", 1001) },
			"description too_long",
		},
		{"a bidi character", func(n *api.CreateKeyRequest) { n.Name = "abc\u202e" }, "name character"},
		{"no scopes", func(n *api.CreateKeyRequest) { n.Scopes = nil }, "scopes required"},
		{"an empty list of scopes", func(n *api.CreateKeyRequest) { n.Scopes = []string{} }, "scopes required"},
		{"a scope of no form", func(n *api.CreateKeyRequest) { n.Scopes = []string{"Read"} }, "scopes.0 form"},
		{
			"a scope outside the catalogue",
			func(n *api.CreateKeyRequest) { n.Scopes = []string{"applications:read", "reports:export"} },
			"scopes.1 unknown",
		},
		{
			"a scope beyond the role", func(n *api.CreateKeyRequest) { n.Scopes = []string{"keys:verify"} },
			"scopes.0 beyond_role",
		},
		{
			"* with others", func(n *api.CreateKeyRequest) { n.Scopes = []string{"*", "applications:read"} },
			"scopes every",
		},
		{"no applications", func(n *api.CreateKeyRequest) { n.AllApplications = false }, "application_ids required"},
		{
			"both kinds of applications", func(n *api.CreateKeyRequest) { n.ApplicationIDs = []string{foreign} },
			"application_ids exclusive",
		},
		{
			"an application of another tenant",
			func(n *api.CreateKeyRequest) { n.AllApplications, n.ApplicationIDs = false, []string{foreign} },
			"application_ids.0 unknown",
		},
		{
			"no application id at all",
			func(n *api.CreateKeyRequest) { n.AllApplications, n.ApplicationIDs = false, []string{"x"} },
			"application_ids.0 form",
		},
		{"an expiry in the past", func(n *api.CreateKeyRequest) { n.ExpiresAt = at(-time.Minute) }, "expires_at past"},
		{
			"an expiry beyond the policy", func(n *api.CreateKeyRequest) { n.ExpiresAt = at(3651 * policy.Day) },
			"expires_at beyond_policy",
		},
		{"an owner who is no id", func(n *api.CreateKeyRequest) { n.OwnerID = "me" }, "owner_id form"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := good
			c.make(&n)
			_, err := owner.CreateKey(t.Context(), string(tenant.ID), n)
			if got := testkit.FieldErrors(t, err); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	list, err := owner.Keys(t.Context(), string(tenant.ID), client.KeyFilter{}, client.Page{})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("refused keys were kept: %+v, %v", list.Items, err)
	}
}

// With the secret of such a key, its creator could act with the owner's role over the account.
func TestAnAccountOwnerOrAdminGetsAKeyFromOthersByLinkOnly(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", testkit.UnlimitedKeys)
	admin, member := h.Member(tenant, "Tenant Admin", scope.Admin), h.Member(tenant, "Key Owner", scope.Member)
	accountAdmin := h.AccountMember("Account Admin", scope.AccountAdmin)
	h.Join(tenant, accountAdmin, scope.Member)
	h.Join(tenant, h.Owner, scope.Member)
	creators := map[string]principal.Person{
		"an admin of the tenant": admin, "an admin of the account": accountAdmin, "an owner of the account": h.Owner,
	}
	owners := map[string]principal.Person{
		"an admin of the account": accountAdmin, "an owner of the account": h.Owner, "a member": member,
	}
	for creator, by := range creators {
		for owner, of := range owners {
			for _, delivery := range []string{"", "direct", "link"} {
				if delivery == "link" && by.ID == of.ID {
					continue // a link is for another person
				}
				want := "code "
				if of.ID != member.ID && by.ID != of.ID && delivery != "link" {
					want = "delivery link_required"
				}
				_, err := h.As(by).CreateKey(t.Context(), string(tenant.ID), api.CreateKeyRequest{
					Name: "A new key", OwnerID: string(of.ID), Scopes: []string{"applications:read"},
					AllApplications: true, Delivery: api.Delivery(delivery),
				})
				if got := testkit.FieldErrors(t, err); got != want {
					t.Errorf("%s for %s, delivery %q: %s, want %s", creator, owner, delivery, got, want)
				}
			}
		}
	}
}
