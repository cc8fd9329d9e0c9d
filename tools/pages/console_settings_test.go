package pages

import (
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// An owner changes settings of a tenant, sees its presets side by side, applies one, and disables
// and enables the tenant.
func TestAnOwnerSetsATenantUpInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", func(s *policy.Settings) { s.Disclosure = policy.Recoverable })
	h.Key(h.As(h.Member(tenant, "Ines Okafor", scope.Member)), tenant, "applications:read")
	tab := browser.Open(t, h.URL)
	signIn(tab, h.Owner.Email)
	tab.Follow(browser.Link("Tenant settings"))
	tab.See("created from the preset standard")
	look(t, tab, "settings")
	tab.Fill("Keys per person", "5")
	tab.Fill("Header name (optional)", "Authorization")
	tab.Follow(browser.Button("Save"))
	tab.See("Nothing was saved.")
	if f := tab.Focused(); !strings.HasPrefix(f, "alert") {
		t.Errorf("after a fault, %s has the focus, not the summary of what is wrong", f)
	}
	look(t, tab, "settings-fault")
	tab.Fill("Header name (optional)", "X-Meridian-Key")
	tab.Follow(browser.Button("Save"))
	tab.See("The settings were saved.")

	tab.Follow(browser.Link("Compare with presets"))
	look(t, tab, "presets")
	tab.Follow(browser.Link("Apply blazemeter…"))
	look(t, tab, "preset-apply")
	tab.Fill("Type delete the copies to go on", "delete the copies")
	tab.Follow(browser.Button("Apply this preset"))
	tab.See("The preset applies from the next request on.")

	tab.Follow(browser.Link("Disable this tenant…"))
	look(t, tab, "tenant-disable")
	tab.Fill("Type disable this tenant to go on", "disable this tenant")
	tab.Follow(browser.Button("Disable this tenant"))
	tab.See("The tenant is disabled.")
	tab.Follow(browser.Button("Enable this tenant"))
	tab.See("The tenant is enabled.")

	admin := browser.Open(t, h.URL)
	signIn(admin, h.Member(tenant, "Tomasz Wrona", scope.Admin).Email)
	admin.Follow(browser.Link("Tenant settings"))
	admin.See("The owners and admins of the account change them.")
	look(t, admin, "settings-read")
}
