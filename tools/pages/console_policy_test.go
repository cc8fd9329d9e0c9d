package pages

import (
	"fmt"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// B5 and L7: an owner shortens the lifetime of keys after seeing which keys expire sooner, and
// switches automatic expiration off after taking the risk.
func TestAnOwnerChangesThePolicyInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", testkit.UnlimitedKeys)
	member := h.As(h.Member(tenant, "Jonas Lindqvist", scope.Member))
	for i, name := range []string{"Customs declaration sync", "Halden Lines report pull", "Load generator, Gdańsk"} {
		expires := h.Clock.Now().Add(time.Duration(40+15*i) * 24 * time.Hour)
		testkit.NamedKey(t, member, tenant, name, &expires)
	}
	soon := h.Clock.Now().Add(9 * 24 * time.Hour)
	testkit.NamedKey(t, member, tenant, "Short-lived", &soon)
	tab := browser.Open(t, h.URL)
	signIn(tab, h.Owner.Email)
	tab.Follow(browser.Link("General settings"))
	tab.See("90 days, in force since")
	look(t, tab, "policy")

	tab.Choose("Maximum expiration", "1 month (30 days)")
	tab.Follow(browser.Button("Preview effect"))
	tab.See("What this change does")
	tab.See("Customs declaration sync")
	look(t, tab, "policy-effect")
	tab.Follow(browser.Button("Save policy"))
	tab.See("The policy was saved.")
	p := testkit.Must[api.Policy](t)(h.As(h.Owner).Policy(t.Context(), string(h.Account.ID)))
	if *p.MaxLifetimeDays != 30 {
		t.Errorf("the policy is %+v", p)
	}

	tab.Click(browser.Role("checkbox", "Secrets expire automatically "+fmt.Sprintf(
		"90 days, in force since %s. Every tenant inherits it.", time.Now().UTC().Format("2 Jan 2006"))))
	tab.Follow(browser.Button("Preview effect"))
	tab.See("Switching off automatic expiration")
	look(t, tab, "policy-off")
	tab.Click(browser.Role("checkbox", "I am aware of the increased risk and take responsibility for it."))
	tab.Follow(browser.Button("Switch off automatic expiration"))
	tab.See("The policy was saved.")
	tab.See("Off now.")
}
