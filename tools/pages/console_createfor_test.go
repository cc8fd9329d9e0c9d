package pages

import (
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// An admin creates a key for a member, who gets its secret by a link, and one for a machine.
func TestAnAdminCreatesKeysForOthersInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", nil)
	admin := h.Member(tenant, "Ines Okafor", scope.Admin)
	owner := h.Member(tenant, "Jonas Lindqvist", scope.Member)
	testkit.ServiceAccount(t, h.As(admin), tenant, "Customer platform", api.RoleMember)
	h.Application(tenant, "Rates")
	tab := browser.Open(t, h.URL)
	signIn(tab, admin.Email)
	tab.Follow(browser.Link("All API keys"))
	tab.Follow(browser.Link("New API key"))
	look(t, tab, "new-key-owner")
	tab.Fill("Person", "nobody@claviger.example")
	tab.Follow(browser.Button("Continue"))
	look(t, tab, "new-key-owner-fault")
	tab.Fill("Person", owner.Email)
	tab.Follow(browser.Button("Continue"))
	tab.See("0 of 2 keys in use. Role: member.")
	look(t, tab, "new-key-for")
	tab.See("Jonas Lindqvist gets the secret by a link. You never see it.")
	tab.Click(browser.Role("radio", "Show it to me now, once You pass the secret on yourself."))
	tab.See("You see the secret once, and pass it on.")
	tab.Click(browser.Role("radio", "By a link that only they can use You never see the secret. It is generated when "+
		"they open the link, signed in, within 7 days."))
	tab.Fill("Name", "Tracking webhook relay")
	tab.Follow(browser.Button("Create"))
	tab.See("Pass this link on to Jonas Lindqvist")
	look(t, tab, "new-key-link")
	_, token, _ := strings.Cut(tab.Text(), "/claims/")
	token = strings.Fields(token)[0]
	tab.Follow(browser.Link("Done, I have passed it on"))
	tab.See("Not claimed")

	tab.Visit("/t/" + string(tenant.ID) + "/keys/new")
	tab.Click(browser.Role("radio", "Service account a machine; its keys outlive people"))
	tab.Choose("Service account", "Customer platform")
	tab.Follow(browser.Button("Continue"))
	tab.Fill("Name", "Order sync")
	tab.Follow(browser.Button("Create"))
	if who := whoami(t, h, shownKey(t, tab)); who.KeyID == nil {
		t.Errorf("the key of the machine is %+v", who)
	}
	look(t, tab, "new-key-machine")
	tab.Follow(browser.Link("Done, I have stored it"))
	tab.See("Customer platform")

	theirs := browser.Open(t, h.URL)
	theirs.Visit("/claims/" + token)
	theirs.Fill("E-mail", owner.Email)
	theirs.Fill("Password", testkit.Password)
	theirs.Follow(browser.Button("Sign in"))
	theirs.Follow(browser.Button("Show my secret"))
	if who := whoami(t, h, shownKey(t, theirs)); who.KeyID == nil {
		t.Errorf("the claimed key is %+v", who)
	}
}
