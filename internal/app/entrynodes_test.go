package app_test

import (
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// An entry that one node changed counts on every node within MaxStaleness.
func TestAnEntryCountsOnEveryNodeUntilAnyNodeChangesIt(t *testing.T) {
	t.Parallel()
	settings := testkit.Postgres.Config(t)
	testkit.TrustLoopback(&settings)
	first := testkit.StartIn(t, settings)
	second := first.Node(settings.Database.URL.Reveal())
	tenant := first.Tenant("Main tenant", nil)
	first.Join(tenant, first.Owner, scope.Admin)
	k := first.Key(first.As(first.Owner), tenant, "applications:read")
	nodes := map[string]*testkit.Server{"the first": first, "the second": second}
	ask := func(h *testkit.Server) api.Code { return testkit.ForwardAuth(t, h.With(k), "films", "/any") }
	expect := func(what string, want api.Code) {
		t.Helper()
		answered := time.Now()
		for name, h := range nodes {
			for ask(h) != want {
				if time.Since(answered) > time.Duration(h.Config.Database.MaxStaleness) {
					t.Fatalf("%s: %s node still says %q, want %q", what, name, ask(h), want)
				}
			}
		}
		for range 20 { // ever after
			for name, h := range nodes {
				if got := ask(h); got != want {
					t.Fatalf("%s: %s node says %q again, want %q", what, name, got, want)
				}
			}
		}
	}
	expect("none", api.RouteUnknown)
	testkit.CreateEntry(t, first, "films", tenant.ID, "any-key")
	expect("created", "")
	testkit.EditEntry(t, second, "films", "refuse")
	expect("closed", api.RouteUnknown)
	testkit.EditEntry(t, first, "films", "any-key")
	expect("opened", "")
	testkit.DeleteEntry(t, second, "films")
	expect("deleted", api.RouteUnknown)
}
