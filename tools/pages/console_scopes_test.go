package pages

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// An admin adds a scope of the tenant's API, describes it better, and removes it while a key has
// it.
func TestAnAdminKeepsTheScopesInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", nil)
	admin := h.Member(tenant, "Ines Okafor", scope.Admin)
	tab := browser.Open(t, h.URL)
	signIn(tab, admin.Email)
	tab.Follow(browser.Link("Scopes"))
	tab.See("No scope yet.")
	look(t, tab, "scopes-empty")

	tab.Follow(browser.Link("Add scope"))
	tab.Fill("Name", "rates:read")
	tab.Fill("Description (optional)", "Look up rates")
	look(t, tab, "scope-new")
	tab.Follow(browser.Button("Add"))
	tab.See("The scope was added.")
	h.Key(h.As(admin), tenant, "rates:read")
	tab.Follow(browser.Link("Edit rates:read"))
	tab.Fill("Description (optional)", "Look up and quote freight rates")
	tab.Click(browser.Role("checkbox", "Auditors"))
	look(t, tab, "scope-edit")
	tab.Follow(browser.Button("Save"))
	tab.See("Look up and quote freight rates")
	look(t, tab, "scopes")

	tab.Follow(browser.Link("Remove… rates:read"))
	tab.See("1 key")
	look(t, tab, "scope-remove")
	tab.Follow(browser.Button("Remove this scope"))
	tab.See("No scope yet.")
}
