package pages

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// An admin ends the keys that somebody has left behind.
func TestAnAdminEndsSeveralKeysInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", testkit.UnlimitedKeys)
	admin := h.Member(tenant, "Ines Okafor", scope.Admin)
	member := h.As(h.Member(tenant, "Daniel Abreu", scope.Member))
	for _, name := range []string{"test", "test 2", "Route planner (old)", "Rate watcher"} {
		testkit.NamedKey(t, member, tenant, name, nil)
	}
	tab := browser.Open(t, h.URL)
	signIn(tab, admin.Email)
	tab.Visit("/t/" + string(tenant.ID) + "/keys")
	tab.SeeNo(" selected")
	tab.Click(browser.Role("checkbox", "Select test"))
	tab.See("1 selected")
	tab.Click(browser.Button("Select all on this page"))
	tab.See("4 selected")
	tab.Click(browser.Button("Clear"))
	tab.SeeNo(" selected")
	for _, name := range []string{"test", "test 2", "Route planner (old)"} {
		tab.Click(browser.Role("checkbox", "Select "+name))
	}
	tab.See("3 selected")
	look(t, tab, "all-keys-selected")
	tab.Follow(browser.Button("Disable…"))
	look(t, tab, "disable-keys")
	tab.Fill("Type disable 3 keys to go on", "disable 3 keys")
	tab.Follow(browser.Button("Disable 3 keys"))
	tab.See("3 keys disabled")
	look(t, tab, "disabled-keys")
	tab.Visit("/t/" + string(tenant.ID) + "/keys")
	for _, name := range []string{"test", "test 2", "Route planner (old)"} {
		tab.Click(browser.Role("checkbox", "Select "+name))
	}
	tab.Follow(browser.Button("Revoke…"))
	tab.Fill("Type revoke 3 keys to go on", "revoke")
	tab.Follow(browser.Button("Revoke 3 keys"))
	look(t, tab, "revoke-keys")
	tab.Fill("Type revoke 3 keys to go on", "revoke 3 keys")
	tab.Follow(browser.Button("Revoke 3 keys"))
	tab.See("3 keys revoked")
}
