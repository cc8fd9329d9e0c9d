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

// An auditor sees how much keys are used and what was refused, and the owner of the account the
// statement of the month.
func TestPeopleSeeHowMuchKeysAreUsed(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", testkit.UnlimitedKeys)
	admin := h.Member(tenant, "Ines Okafor", scope.Admin)
	tab := browser.Open(t, h.URL)
	signIn(tab, admin.Email)
	tab.Follow(browser.Link("Usage"))
	tab.See("No request was checked in this time.")
	look(t, tab, "usage-empty")
	busy := testkit.NamedKey(t, h.As(admin), tenant, "Tracking webhook relay", nil)
	verifier := h.Key(h.As(admin), tenant, "keys:verify")
	for day := range 12 {
		for i := range 20 + 7*day {
			r := api.VerifyRequest{Credential: busy.Credential.Value, Transport: "header"}
			if i%9 == 0 {
				r.Scopes = []string{"bookings:create"}
			}
			_, err := h.With(verifier).Verify(t.Context(), r)
			testkit.NoError(t, err)
		}
		testkit.NoError(t, h.Counters.Flush(t.Context()))
		h.Clock.Move(policy.Day - time.Minute)
	}
	tab = browser.Open(t, h.URL)
	signIn(tab, admin.Email)
	tab.Follow(browser.Link("Usage"))
	tab.See("Busiest keys")
	tab.See("insufficient_scope")
	look(t, tab, "usage")
	tab.Follow(browser.Link("Tracking webhook relay"))
	tab.See("Use in the last 30 days")
	look(t, tab, "key-use")
	owner := browser.Open(t, h.URL)
	signIn(owner, h.Owner.Email)
	owner.Visit("/a/" + string(h.Account.ID) + "/statement")
	owner.See("Requests with keys that each tenant checked")
	look(t, owner, "statement")
}
