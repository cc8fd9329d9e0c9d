package pages

import (
	"net/http"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// An admin looks for the keys that a disabled member leaves blocked.
func TestAnAdminFindsBlockedKeysInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", nil)
	admin := h.Member(tenant, "Ines Okafor", scope.Admin)
	priya := h.Member(tenant, "Priya Raman", scope.Member)
	k := h.Key(h.As(priya), tenant, "applications:read")
	h.Key(h.As(admin), tenant, "applications:read")
	_, err := h.As(admin).EditMember(t.Context(), string(tenant.ID), string(priya.ID),
		api.UpdateMemberRequest{Status: api.To(api.StatusDisabled)})
	testkit.NoError(t, err)
	tab := browser.Open(t, h.URL)
	signIn(tab, admin.Email)
	tab.Follow(browser.Link("All API keys"))
	tab.See("2 keys shown")
	look(t, tab, "all-keys")
	tab.Follow(browser.Link("Owner"))
	tab.Follow(browser.Link("Last used"))
	look(t, tab, "all-keys-sorted")
	tab.Choose("Owners", "Subjects")
	tab.See("No key matches.")
	tab.Choose("Owners", "All owners")
	tab.See("2 keys shown")
	tab.Follow(browser.Link("Blocked"))
	tab.See("1 key shown")
	look(t, tab, "all-keys-blocked")
	tab.Follow(browser.Link(k.Key.Name))
	tab.See("Its owner, or their membership in this tenant, is disabled.")
	look(t, tab, "key-blocked")
	for name, wrong := range map[string]struct {
		path   string
		status int
	}{
		"error-404": {"/keys/key_unknown", http.StatusNotFound}, // as for a key that the person may not see
		"error-400": {"/keys/revoke", http.StatusBadRequest},    // no key is selected
	} {
		if status := tab.VisitAny("/t/" + string(tenant.ID) + wrong.path); status != wrong.status {
			t.Errorf("%s: %d, not %d", wrong.path, status, wrong.status)
		}
		look(t, tab, name)
	}
}

// An admin opens the menu of a row, and makes another link for a key whose first one was lost.
func TestAnAdminMakesAnotherClaimLinkFromTheMenuOfARow(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", nil)
	admin := h.Member(tenant, "Ines Okafor", scope.Admin)
	k, _ := testkit.KeyByLink(t, h.As(admin), tenant, h.Member(tenant, "Priya Raman", scope.Member), nil)
	tab := browser.Open(t, h.URL)
	signIn(tab, admin.Email)
	tab.Follow(browser.Link("All API keys"))
	tab.Follow(browser.Link("Not claimed"))
	tab.See("1 key shown")
	tab.Click(browser.Link("Actions for " + k.Key.Name))
	tab.See("New claim link")
	look(t, tab, "all-keys-menu")
	tab.Follow(browser.Button("New claim link"))
	tab.See("Pass this link on to Priya Raman")
	look(t, tab, "claim-link-new")
	tab.Follow(browser.Link("Done, I have passed it on"))
	tab.See("Not claimed yet.")
	look(t, tab, "key-not-claimed")
}
