package pages

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// An owner of an account creates a tenant that is set up like another one, and makes a colleague an
// admin of the account.
func TestAnOwnerKeepsTheAccountInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", nil)
	colleague := h.Member(tenant, "Tomasz Wrona", scope.Admin)
	tab := browser.Open(t, h.URL)
	signIn(tab, h.Owner.Email)
	tab.Follow(browser.Link("Tenants"))
	look(t, tab, "tenants")
	tab.Follow(browser.Link("New tenant"))
	look(t, tab, "tenant-new")
	tab.Fill("Name", "Partner portal")
	tab.Click(browser.Role("radio", "another tenant chosen below, with its own scopes"))
	tab.Follow(browser.Button("Create"))
	tab.See("The tenant was created. You are its first admin.")
	tab.See("Partner portal")

	tab.Follow(browser.Link("Owners and admins"))
	tab.Fill("E-mail", colleague.Email)
	tab.Follow(browser.Button("Add"))
	tab.See("The person has the role from the next request on.")
	look(t, tab, "people")
	tab.Follow(browser.Link("Change role Tomasz Wrona"))
	look(t, tab, "person-role")
	tab.Click(browser.Role("radio", "Owner everything, and who owns the account"))
	tab.Follow(browser.Button("Change role"))
	tab.See("The role was changed.")
	tab.Follow(browser.Link("Remove… Tomasz Wrona"))
	look(t, tab, "person-remove")
	tab.Follow(browser.Button("Remove this person"))
	tab.See("The person has no role in the account any more.")

	tab.Follow(browser.Link("Mail"))
	tab.Follow(browser.Button("Send a test to my address"))
	tab.See("A test message to your address is sent within a minute.")
	look(t, tab, "mail")
}
