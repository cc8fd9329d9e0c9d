package pages

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// An auditor finds out who deleted an application, and an owner what happened in the account.
func TestAnAuditorReadsTheAuditTrailInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", testkit.UnlimitedKeys)
	admin := h.As(h.Member(tenant, "Tomasz Wrona", scope.Admin))
	a := h.Application(tenant, "Rates")
	k := h.Key(admin, tenant, "applications:read")
	testkit.NoError(t, admin.DeleteApplication(t.Context(), string(tenant.ID), string(a.ID)))
	_, err := admin.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "replaced by v2")
	testkit.NoError(t, err)
	tab := browser.Open(t, h.URL)
	signIn(tab, h.Member(tenant, "Ruth Baker", scope.Auditor).Email)
	tab.Follow(browser.Link("Audit"))
	tab.See("revoked the key Test key")
	tab.Choose("What", "Applications") // narrows the list without the button
	tab.SeeNo("revoked the key")
	tab.See("deleted the application Rates")
	tab.Follow(browser.Link("Clear the filters"))
	tab.Click(browser.Role("DisclosureTriangle", "Details deleted the application Rates"))
	look(t, tab, "audit")

	owner := browser.Open(t, h.URL)
	signIn(owner, h.Owner.Email)
	owner.Follow(browser.Link("Account audit"))
	owner.See("deleted the application Rates")
	look(t, owner, "audit-account")
}
