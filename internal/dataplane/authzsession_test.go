package dataplane_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/proxy"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestASessionActsWithTheRightsOfItsPerson(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	_, err := g.owner.ReplaceScopes(t.Context(), string(g.tenant.ID), []api.NewScope{
		{Name: "films:read"}, {Name: "films:delete", Roles: []api.Role{"admin"}},
	})
	testkit.NoError(t, err)
	member := g.Member(g.tenant, "Member", scope.Member)
	got := g.ask(http.MethodGet, "/", g.cookie(member))
	want := map[string]string{
		"Principal": "session", "Owner-Type": "user", "Owner": string(member.ID), "Email": member.Email,
		"Tenant": string(g.tenant.ID), "Account": string(g.Account.ID), "Applications": "*", "Transport": "session",
		"Scopes": "applications:read films:read members:read scopes:read tenants:read",
	}
	if diff := cmp.Diff(want, identityOf(t, got)); diff != "" {
		t.Errorf("%d %s:\n%s", got.Status, got.Body, diff)
	}
}

func TestASessionCountsOnlyWhereItsPersonHasARole(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	second := g.Tenant("Second", nil)
	g.entry(route.Entry{Name: "free", Otherwise: route.AnyKey})
	member, stranger := g.Member(g.tenant, "Member", scope.Auditor), g.Person("Stranger")
	both := g.Member(g.tenant, "Both", scope.Member)
	g.Join(second, both, scope.Member)
	for name, c := range map[string]struct {
		cookie      http.Header
		bound, free string
	}{
		"a member":           {g.cookie(member), "ok", "ok"},
		"an account owner":   {g.cookie(g.Owner), "ok", "tenant_required"},
		"a member of two":    {g.cookie(both), "ok", "tenant_required"},
		"nobody":             {g.cookie(stranger), "forbidden", "forbidden"},
		"a cookie of nobody": {http.Header{"Cookie": {"claviger=nonsense"}}, "api_key_invalid", "api_key_invalid"},
		"another cookie":     {http.Header{"Cookie": {"other=1"}}, "api_key_invalid", "api_key_invalid"},
		"a bad key and a cookie": {
			merge(g.cookie(member), http.Header{"Authorization": {"Bearer x"}}),
			"api_key_invalid", "api_key_invalid",
		},
	} {
		expect(t, name+" at a bound entry", g.ask(http.MethodGet, "/", c.cookie), c.bound)
		got := g.send(http.MethodGet, "/api/v1/authz/free", nginx(http.MethodGet, "/", c.cookie))
		expect(t, name+" at an unbound entry", got, c.free)
	}
	cookie := g.cookie(member)
	expect(t, "before", g.ask(http.MethodGet, "/", cookie), "ok")
	testkit.EditSettings(t, g.Server, g.tenant, `{"session_transport":false}`)
	expect(t, "where sessions are off", g.ask(http.MethodGet, "/", cookie), "transport_forbidden")
	testkit.EditSettings(t, g.Server, g.tenant, `{"session_transport":true}`)
	testkit.Send(t, g.Server, http.MethodDelete, "/api/v1/session", cookie.Clone(), "")
	expect(t, "after sign-out", g.ask(http.MethodGet, "/", cookie), "session_ended")
	cookie = g.cookie(both)
	testkit.NoError(t, testkit.ErrorOf(g.As(g.Owner).EditTenant(t.Context(), string(g.tenant.ID),
		api.UpdateTenantRequest{Status: api.To(api.StatusDisabled)})))
	expect(t, "in a disabled tenant", g.ask(http.MethodGet, "/", cookie), "forbidden")
	expect(t, "an account owner there", g.ask(http.MethodGet, "/", g.cookie(g.Server.Owner)), "forbidden")
}

func TestARequestWithASessionCountsForTheTenantAlone(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	cookie := g.cookie(g.Member(g.tenant, "Member", scope.Member))
	for range 3 {
		expect(t, "a session", g.ask(http.MethodGet, "/", cookie), "ok")
	}
	testkit.NoError(t, g.Counters.Flush(t.Context()))
	for by, count := range map[api.UsageBy]func(api.UsageItem) bool{
		api.UsageByTransport: func(i api.UsageItem) bool { return *i.Transport == "session" },
		api.UsageByCode:      func(i api.UsageItem) bool { return *i.Code == api.OK },
		api.UsageByKey:       func(api.UsageItem) bool { return true },
	} {
		accepted, want := int64(0), int64(3)
		if by == api.UsageByKey {
			want = 0
		}
		for i, err := range g.owner.AllUsage(t.Context(), string(g.tenant.ID), client.UsageFilter{By: by}) {
			testkit.NoError(t, err)
			if count(i) {
				accepted += i.Accepted
			}
		}
		if accepted != want {
			t.Errorf("by %s: %d requests with a session, want %d", by, accepted, want)
		}
	}
}

// A browser sends the cookie by itself, so that another site could make it change something.
func TestACookieChangesNothingForAnotherSite(t *testing.T) {
	t.Parallel()
	for kind, unknown := range map[proxy.Kind]string{
		proxy.Nginx: "ok", proxy.Caddy: "ok", "": "cross_site", proxy.APISIX: "cross_site",
	} {
		g := newGate(t, kind)
		cookie := g.cookie(g.Member(g.tenant, "Member", scope.Member))
		k := g.key("applications:read")
		for _, c := range []struct {
			method, site, origin, want string
		}{
			{"GET", "cross-site", "https://evil.example", "ok"},
			{"HEAD", "cross-site", "", "ok"},
			{"OPTIONS", "cross-site", "https://evil.example", "ok"},
			{"POST", "cross-site", "", "cross_site"},
			{"POST", "same-site", "", "cross_site"},
			{"POST", "same-origin", "", "ok"},
			{"DELETE", "none", "", "ok"},
			{"PUT", "", "https://evil.example", "cross_site"},
			{"PUT", "", "http://" + g.address, "ok"},
			{"PROPPATCH", "cross-site", "", "cross_site"},
			{"POST", "", "", unknown},
		} {
			header := http.Header{}
			if c.site != "" {
				header.Set("Sec-Fetch-Site", c.site)
			}
			if c.origin != "" {
				header.Set("Origin", c.origin)
			}
			original := nginx(c.method, "/")
			if kind != proxy.Nginx && kind != "" {
				original = http.Header{"X-Forwarded-Method": {c.method}, "X-Forwarded-Uri": {"/"}}
			}
			what := string(kind) + ": " + c.method + " " + c.site + c.origin
			expect(t, what, g.send(http.MethodGet, "/api/v1/authz", merge(original, header, cookie)), c.want)
			got := g.send(http.MethodGet, "/api/v1/authz", merge(original, header, bearer(k)))
			expect(t, what+" with a key", got, "ok")
		}
	}
}
