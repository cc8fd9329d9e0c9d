package pages

import (
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// L12: an admin reviews the keys of a tenant and revokes one that nobody uses.
func TestAnAdminReviewsTheHealthOfKeysInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", testkit.UnlimitedKeys)
	testkit.SetPolicy(t, h, testkit.AutoExpiry(360))
	member := h.As(h.Member(tenant, "Daniel Abreu", scope.Member))
	admin := h.Member(tenant, "Ines Okafor", scope.Admin)
	soon := h.Clock.Now().Add(103 * policy.Day)
	testkit.NamedKey(t, member, tenant, "Customs filing, Felixstowe", &soon)
	testkit.NamedKey(t, member, tenant, "test 2", nil)
	used := testkit.NamedKey(t, member, tenant, "Grafana exporter", nil)
	testkit.NamedKey(t, h.As(admin), tenant, "Nightly rate export", nil)
	machine := testkit.ServiceAccount(t, h.As(admin), tenant, "Customer platform", api.RoleMember)
	_, err := h.As(admin).CreateManagementKey(t.Context(), string(tenant.ID), machine.ID,
		api.CreateManagementKeyRequest{
			Name: "Provisioner", Permissions: []api.Permission{"keys:read"}, Owners: []api.PartyType{"subject"},
		})
	testkit.NoError(t, err)
	h.Clock.Move(80 * policy.Day)
	testkit.RouteCode(t, h, used.Credential.Value, tenant, "")
	testkit.NoError(t, h.Usage.Flush(t.Context(), h.Store))
	h.Clock.Move(20*policy.Day + time.Hour)
	tab := browser.Open(t, h.URL)
	signIn(tab, admin.Email)
	tab.Follow(browser.Link("Key health"))
	tab.See("4 of 4 keys need attention. Review weekly.")
	look(t, tab, "health")
	tab.Follow(browser.Link("Revoke… test 2"))
	tab.Follow(browser.Button("Revoke this key"))
	tab.Follow(browser.Link("Key health"))
	tab.See("3 of 3 keys need attention.")
}
