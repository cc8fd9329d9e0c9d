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

var shownValue = regexp.MustCompile(`clv_ak_[0-9A-Za-z]{16}_[0-9A-Za-z]{48}`)

// The page with a new secret says by itself that a request was refused and why, and then that the
// first request was verified.
func TestTheOpenPageWithASecretTellsWhatBecomesOfRequests(t *testing.T) {
	t.Parallel()
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
	value := shownValue.FindString(tab.Text())
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

// The page says why it waits no more, and keeps the secret that nobody can show again.
func TestTheOpenPageWithASecretStopsWithItsSessionOrItsKey(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for name, c := range map[string]struct {
		end  func(person *client.Client, tenant string)
		says string
	}{
		"signed-out": {func(person *client.Client, _ string) {
			for session, err := range person.AllSessions(t.Context()) {
				testkit.NoError(t, err)
				if !session.Current {
					testkit.NoError(t, person.EndSession(t.Context(), session.ID))
				}
			}
		}, "Sign in again in another tab"},
		"deleted": {func(person *client.Client, tenant string) {
			keys, err := person.Keys(t.Context(), tenant, client.KeyFilter{}, client.Page{})
			for _, k := range testkit.Must[api.List[api.Key]](t)(keys, err).Items {
				testkit.Must[*api.Key](t)(person.RevokeKey(t.Context(), tenant, k.ID, ""))
				testkit.NoError(t, person.DeleteKey(t.Context(), tenant, k.ID))
			}
		}, "you do not have access to it"},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := h.Tenant("Tenant "+name, nil)
			member := h.Member(tenant, "Member "+name, scope.Member)
			tab := browser.Open(t, h.URL)
			signIn(tab, member.Email)
			tab.Follow(browser.Link("New API key"))
			tab.Fill("Name", "Rate watcher")
			tab.Follow(browser.Button("Generate"))
			tab.See("Waiting for the first request")
			c.end(h.As(member), string(tenant.ID))
			tab.See(c.says)
			tab.SeeNo("Waiting for the first request")
			if !shownValue.MatchString(tab.Text()) {
				t.Error("the secret is gone")
			}
			look(t, tab, "waiting-"+name)
		})
	}
}
