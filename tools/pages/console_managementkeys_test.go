package pages

import (
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// An admin lets a program manage keys, narrows what it may do, replaces its secret and ends it.
func TestAnAdminLetsAProgramManageKeysInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", nil)
	admin := h.Member(tenant, "Ines Okafor", scope.Admin)
	c := h.As(admin)
	account := testkit.ServiceAccount(t, c, tenant, "Customer platform", api.RoleMember)
	_, err := c.ReplaceScopes(t.Context(), string(tenant.ID), []api.NewScope{
		{Name: "rates:read", Description: "Read rates."}, {Name: "bookings:create", Description: "Create bookings."},
	})
	testkit.NoError(t, err)
	for _, name := range []string{"Rates", "Bookings"} {
		h.Application(tenant, name)
	}
	tab := browser.Open(t, h.URL)
	signIn(tab, admin.Email)
	tab.Visit("/t/" + string(tenant.ID) + "/service-accounts/" + account.ID)
	tab.Follow(browser.Link("New management key"))
	look(t, tab, "management-key-new")
	tab.Fill("Name", "Customer keys, production")
	for _, box := range []string{
		"keys:read List and read keys, key health", "keys:create Create keys within the limits below",
		"Subjects customers of your API", "rates:read Read rates.", "Rates", "No plan",
	} {
		tab.Click(browser.Role("checkbox", box))
	}
	tab.Fill("Longest lifetime of a secret, in days (optional)", "90")
	tab.Follow(browser.Button("Generate"))
	look(t, tab, "management-key-secret")
	first := shownManagementKey(t, tab)
	m, err := h.Anyone().WithKey(first).ManagementSelf(t.Context())
	if err != nil || len(m.Permissions) != 2 {
		t.Errorf("%+v, %v", m, err)
	}
	tab.Follow(browser.Link("Done, I have stored it"))
	tab.SeeNo(first)
	look(t, tab, "management-key")
	tab.Follow(browser.Link("Edit"))
	look(t, tab, "management-key-edit")
	tab.Click(browser.Role("checkbox", "keys:create Create keys within the limits below"))
	tab.Follow(browser.Button("Save"))
	tab.See("The management key was saved.")
	tab.Follow(browser.Link("Regenerate"))
	look(t, tab, "management-key-regenerate")
	tab.Click(browser.Role("radio", choice(t, tab, "1 day")))
	tab.Follow(browser.Button("Regenerate"))
	second := shownManagementKey(t, tab)
	tab.Follow(browser.Link("Done, I have stored it"))
	tab.See("Two secrets are active")
	look(t, tab, "management-key-two-secrets")
	tab.Follow(browser.Button("End the old secret now"))
	tab.See("The old secret has ended.")
	tab.Visit("/t/" + string(tenant.ID) + "/service-accounts/" + account.ID)
	look(t, tab, "service-account-programs")
	tab.Follow(browser.Link("Customer keys, production"))
	tab.Follow(browser.Link("Revoke…"))
	look(t, tab, "management-key-revoke")
	tab.Follow(browser.Button("Revoke this management key"))
	tab.See("The management key is revoked.")
	_, err = h.Anyone().WithKey(second).ManagementSelf(t.Context())
	testkit.ExpectCode(t, "the revoked key", err, api.APIKeyRevoked)
}

// shownManagementKey returns the management key that the page shows.
func shownManagementKey(t *testing.T, tab *browser.Tab) string {
	t.Helper()
	for _, word := range strings.Fields(tab.Text()) {
		if strings.Contains(word, "_mk_") {
			return word
		}
	}
	t.Fatalf("the page shows no management key:\n%s", tab.Text())
	return ""
}
