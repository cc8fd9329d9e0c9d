package backup_test

import (
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// setRule replaces the rules of an application by one about the path, which demands the scope.
func setRule(t *testing.T, c *client.Client, tenant tenancy.Tenant, a application.Application, path, demanded string) {
	t.Helper()
	rules := api.RouteRules{Items: []api.RouteRule{
		{Path: path, Scopes: &api.RouteScopes{All: []string{demanded}}},
	}}
	testkit.Must[api.RouteRules](t)(c.ReplaceRoutes(t.Context(), string(tenant.ID), string(a.ID), rules))
}

func TestRulesAndEntriesThatWereNarrowedAfterABackupStaySo(t *testing.T) {
	t.Parallel()
	testkit.OnEachPairOfEngines(t, func(t *testing.T, from, to testkit.Engine) {
		settings := from.Config(t)
		testkit.TrustLoopback(&settings)
		h := testkit.StartIn(t, settings)
		tenant := h.Tenant("Main tenant", nil)
		h.Join(tenant, h.Owner, scope.Admin)
		owner := h.As(h.Owner)
		k := h.Key(owner, tenant, "applications:read")
		films := h.Application(tenant, "Films")
		shows := h.Application(tenant, "Shows")
		songs := h.Application(tenant, "Songs")
		setRule(t, owner, tenant, films, "/films", "applications:read")
		setRule(t, owner, tenant, shows, "/shows", "applications:read")
		setRule(t, owner, tenant, songs, "/songs", "applications:read")
		for _, name := range []string{"kept", "deleted", "closed", "closed-and-opened"} {
			testkit.CreateEntry(t, h, name, tenant.ID, "any-key")
		}
		testkit.CreateEntry(t, h, "ruled", tenant.ID, "refuse")
		expect := func(when string, want map[[2]string]api.Code) {
			t.Helper()
			for request, code := range want {
				if got := testkit.ForwardAuth(t, h.With(k), request[0], request[1]); got != code {
					t.Errorf("%s, entry %s refuses %s with %q, want %q", when, request[0], request[1], got, code)
				}
			}
		}
		expect("before the backup", map[[2]string]api.Code{
			{"kept", "/any"}: "", {"deleted", "/any"}: "", {"closed", "/any"}: "", {"closed-and-opened", "/any"}: "",
			{"ruled", "/films"}: "", {"ruled", "/shows"}: "", {"ruled", "/songs"}: "",
			{"ruled", "/any"}: api.RouteUnknown,
		})
		b := testkit.Backup(t, h)
		setRule(t, owner, tenant, films, "/films", "applications:delete")
		testkit.Must[api.RouteRules](t)(owner.ReplaceRoutes(t.Context(), string(tenant.ID), string(shows.ID),
			api.RouteRules{Items: []api.RouteRule{}}))
		testkit.DeleteEntry(t, h, "deleted")
		testkit.EditEntry(t, h, "closed", "refuse")
		testkit.EditEntry(t, h, "closed-and-opened", "refuse")
		testkit.EditEntry(t, h, "closed-and-opened", "any-key")
		narrowed := map[[2]string]api.Code{
			{"kept", "/any"}: "", {"deleted", "/any"}: api.RouteUnknown, {"deleted", "/songs"}: api.RouteUnknown,
			{"closed", "/any"}: api.RouteUnknown, {"closed-and-opened", "/any"}: "",
			{"ruled", "/films"}: api.InsufficientScope, {"ruled", "/shows"}: api.RouteUnknown, {"ruled", "/songs"}: "",
			{"kept", "/films"}: api.InsufficientScope,
		}
		expect("before the restore", narrowed)
		h.Clock.Move(time.Hour)
		c := testkit.RestoreTarget(t, h, to)
		testkit.TrustLoopback(&c)
		r, err := testkit.Restore(t, h, c, b, app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}})
		if err != nil || !r.Covered || r.Revocations.Routes != 2 || r.Revocations.Entries != 2 {
			t.Fatalf("%+v, %v", r, err)
		}
		h.Move(c)
		expect("after the restore", narrowed)
		testkit.ExpectWholeTrail(t, h)

		// The backup of what was restored has all of it.
		again := testkit.RestoreTarget(t, h, from)
		r, err = testkit.Restore(t, h, again, testkit.Backup(t, h),
			app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}})
		if err != nil || !r.Covered || r.Revocations != (app.Restored{}).Revocations {
			t.Errorf("again: %+v, %v", r, err)
		}
	})
}
