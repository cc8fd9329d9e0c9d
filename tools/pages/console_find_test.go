package pages

import (
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// A person gets to pages and keys by the keyboard alone.
func TestAPersonFindsPagesAndKeysByTheKeyboard(t *testing.T) {
	t.Parallel()
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

// An admin filters a list while typing, goes through its rows with j and k, selects one with x, and
// opens it with Enter.
func TestAListIsFilteredWhileAPersonTypesAndItsRowsAreReachedByKeys(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", testkit.UnlimitedKeys)
	admin := h.Member(tenant, "Ines Okafor", scope.Admin)
	for _, name := range []string{"Nightly export", "Rate watcher", "Route planner"} {
		testkit.NamedKey(t, h.As(admin), tenant, name, nil)
	}
	tab := browser.Open(t, h.URL)
	signIn(tab, admin.Email)
	tab.Visit("/t/" + string(tenant.ID) + "/keys")
	tab.See("3 keys shown")
	tab.Press("j")
	tab.Press("j")
	tab.Press("k")
	if f := tab.Focused(); f != `link "Route planner"` {
		t.Errorf("after j, j and k the focus is on %s", f)
	}
	tab.Press("x")
	if n := tab.Matches(`tbody tr:first-child input[name="id"]:checked`); n != 1 {
		t.Errorf("x selects %d keys of the first row", n)
	}
	tab.FollowKey(browser.Enter)
	tab.See("Lifecycle")

	tab.Visit("/t/" + string(tenant.ID) + "/keys")
	tab.Fill("Name, ID or e-mail", "ra")
	tab.See("1 key shown")
	tab.See("Rate watcher")
	tab.SeeNo("Nightly export")
	if f := tab.Focused(); !strings.HasPrefix(f, `searchbox "Name, ID or e-mail"`) {
		t.Errorf("after the answer the focus is on %s", f)
	}
	if at := tab.Path(); !strings.HasSuffix(at, "/keys?q=ra") {
		t.Errorf("the address is %s", at)
	}
}
