package pages

import (
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// maxTabs is how often a person presses Tab before they give up.
const maxTabs = 60

// tabTo presses Tab until an element has the focus whose role and name begin with the text.
func tabTo(t *testing.T, tab *browser.Tab, element string) {
	t.Helper()
	var seen []string
	for range maxTabs {
		focused := tab.Focused()
		if strings.HasPrefix(focused, element) {
			return
		}
		seen = append(seen, focused)
		tab.Press(browser.TabKey)
	}
	t.Fatalf("%d presses of Tab do not lead to %s, but to\n%s", maxTabs, element, strings.Join(seen, "\n"))
}

// follow goes to an element by Tab and presses Enter.
func follow(t *testing.T, tab *browser.Tab, element string) {
	t.Helper()
	tabTo(t, tab, element)
	tab.FollowKey(browser.Enter)
}

// A person without a mouse signs in, makes a key, uses it, and revokes it.
func TestAKeyIsMadeAndRevokedByKeyboardAlone(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	member := h.Member(h.Tenant("Shipping API", nil), "Ines Okafor", scope.Member)
	tab := browser.Open(t, h.URL)
	tab.Visit("/")
	tabTo(t, tab, `textbox "E-mail"`)
	tab.Press(member.Email)
	tabTo(t, tab, `textbox "Password"`)
	tab.Press(testkit.Password)
	tab.FollowKey(browser.Enter)
	follow(t, tab, `link "New API key"`)
	tabTo(t, tab, `textbox "Name"`)
	tab.Press("Rate watcher")
	follow(t, tab, `button "Generate"`)
	value := shownKey(t, tab)
	if who := whoami(t, h, value); who.KeyID == nil {
		t.Errorf("the new key is %+v", who)
	}
	follow(t, tab, `link "Done, I have stored it"`)
	follow(t, tab, `link "Revoke…"`)
	tabTo(t, tab, `textbox "Reason`)
	tab.Press("Not needed")
	follow(t, tab, `button "Revoke this key"`)
	tab.See("The key is revoked.")
	if _, err := h.Anyone().WithKey(value).Whoami(t.Context()); testkit.Code(t, err) != api.APIKeyRevoked {
		t.Errorf("the revoked key: %v", err)
	}
}
