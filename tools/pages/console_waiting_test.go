package pages

import (
	"regexp"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// The page with a new secret says by itself that a request was refused and why, and then that the
// first request was verified.
func TestTheOpenPageWithASecretTellsWhatBecomesOfRequests(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", nil)
	member := h.Member(tenant, "Ines Okafor", scope.Member)
	tab := browser.Open(t, h.URL)
	signIn(tab, member.Email)
	tab.Follow(browser.Link("New API key"))
	tab.Fill("Name", "Rate watcher")
	tab.Follow(browser.Button("Generate"))
	tab.See("Waiting for the first request")
	look(t, tab, "waiting")
	value := regexp.MustCompile(`clv_ak_[0-9A-Za-z]{16}_[0-9A-Za-z]{48}`).FindString(tab.Text())
	caller := h.Anyone().WithKey(value)
	_, err := caller.TenantEvents(t.Context(), string(tenant.ID), client.EventFilter{}, client.Page{})
	testkit.ExpectCode(t, "without its scope", err, api.InsufficientScope)
	tab.See("it asked for the scope audit:read, which this key does not have")
	look(t, tab, "waiting-refused")
	_, err = caller.Whoami(t.Context())
	testkit.NoError(t, err)
	tab.See("It works. First request verified at")
	tab.See("from 127.0.0.1 by bearer")
	look(t, tab, "waiting-works")
}
