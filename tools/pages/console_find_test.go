package pages

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// A person gets to pages and keys by the keyboard alone.
func TestAPersonFindsPagesAndKeysByTheKeyboard(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", nil)
	admin := h.Member(tenant, "Ines Okafor", scope.Admin)
	h.Key(h.As(admin), tenant, "applications:read")
	tab := browser.Open(t, h.URL)
	signIn(tab, admin.Email)
	tab.FollowKey("c")
	tab.See("It is usable immediately.")
	tab.Fill("Name", "gkc?/") // no shortcut while somebody types
	tab.See("New API key")
	tab.Visit("/settings/keys")
	tab.FollowKey("?")
	tab.See("They do nothing while you type in a field.")
	look(t, tab, "shortcuts")
	tab.Fill("Find keys and pages", "test")
	tab.See("Test key")
	tab.Screenshot("find-list") // on narrow screens the field is over the bar while it has the focus
	tab.Visit("/find?q=test")
	tab.See("1 result in Shipping API")
	look(t, tab, "find")
}
