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

// The page of a key shows its life, what to do and what happened, and the last use as it happens.
func TestThePageOfAKeyShowsItsLifeAndItsLastUseAsItHappens(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", nil)
	member := h.Member(tenant, "Ines Okafor", scope.Member)
	expires := h.Clock.Now().Add(85 * policy.Day)
	k := testkit.Must[api.IssuedKey](t)(h.As(member).CreateKey(t.Context(), string(tenant.ID), api.CreateKeyRequest{
		Name: "CI deploy check", Description: "Checks rates and labels after each deploy.",
		Scopes: []string{"applications:read", "scopes:read"}, AllApplications: true, ExpiresAt: &expires,
		Metadata: []byte(`{"team":"platform"}`),
	}))
	for range 2 {
		h.Clock.Move(30 * policy.Day)
		_, err := h.As(member).RefreshKey(t.Context(), string(tenant.ID), k.Key.ID,
			api.RefreshKeyRequest{OverlapSeconds: 2 * 24 * 3600})
		testkit.NoError(t, err)
	}
	h.Clock.Move(time.Hour)
	tab := browser.Open(t, h.URL)
	signIn(tab, member.Email)
	tab.Follow(browser.Link("CI deploy check"))
	tab.See("Two secrets are active")
	tab.See("regenerated 2 times")
	look(t, tab, "key")
	fresh := testkit.Must[api.IssuedKey](t)(h.As(member).RefreshKey(t.Context(), string(tenant.ID), k.Key.ID,
		api.RefreshKeyRequest{}))
	_, err := h.With(fresh).Whoami(t.Context())
	testkit.NoError(t, err)
	tab.See("from 127.0.0.1") // by the poll, which comes every ten seconds
}
