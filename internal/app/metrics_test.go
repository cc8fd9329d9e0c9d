package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestEveryDecisionAndEveryCallerIsCountedByCodeAndTransport(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k, gone := h.Key(owner, tenant, "applications:read"), h.Key(owner, tenant, "applications:read")
	if _, err := owner.RevokeKey(t.Context(), string(tenant.ID), gone.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	verifier := h.Verifier()
	strict := h.Tenant("Strict", func(s *policy.Settings) { s.VerifyRequires = []policy.VerifyField{policy.VerifyIP} })
	strictOwner := h.As(h.Member(strict, "Another Owner", scope.Admin))
	theirs, asker := h.Key(strictOwner, strict, "applications:read"), h.Key(strictOwner, strict, "keys:verify")
	value := k.Credential.Value
	ask := func(r api.VerifyRequest) func() {
		return func() {
			if _, err := verifier.Verify(t.Context(), r); err != nil {
				t.Error(err)
			}
		}
	}
	for _, c := range []struct {
		what             string
		do               func()
		decision, caller string // code and transport
	}{
		{"a good key", ask(api.VerifyRequest{Credential: value, Transport: "basic"}), "ok basic", "ok bearer"},
		{
			"a revoked key", ask(api.VerifyRequest{Credential: gone.Credential.Value}), "api_key_revoked none",
			"ok bearer",
		},
		{"no key at all", ask(api.VerifyRequest{Credential: "none"}), "api_key_invalid none", "ok bearer"},
		{
			"a scope too many", ask(api.VerifyRequest{Credential: value, Scopes: []string{"scopes:read"}}),
			"insufficient_scope none", "ok bearer",
		},
		{
			"passed-on headers", ask(api.VerifyRequest{Headers: map[string][]string{"X-API-Key": {value}}}),
			"ok header",
			"ok bearer",
		},
		{
			"two keys",
			ask(api.VerifyRequest{Headers: map[string][]string{
				"X-API-Key":     {value},
				"Authorization": {"Bearer " + value},
			}}), "credential_ambiguous none", "ok bearer",
		},
		{"what the tenant of the key requires is missing", func() {
			_, _ = verifier.Verify(t.Context(), api.VerifyRequest{Credential: theirs.Credential.Value})
		}, "validation_failed none", "ok bearer"},
		{"what the tenant of the verifier requires is missing", func() {
			_, _ = h.With(asker).Verify(t.Context(), api.VerifyRequest{Credential: "none"})
		}, "", "validation_failed bearer"},
		{"who am I", func() { _, _ = h.With(k).Whoami(t.Context()) }, "", "ok bearer"},
		{"who am I with a session", func() { _, _ = owner.Whoami(t.Context()) }, "", "ok session"},
		{
			"who am I with a revoked key", func() { _, _ = h.With(gone).Whoami(t.Context()) }, "",
			"api_key_revoked bearer",
		},
		{"who am I, by nobody", func() { _, _ = h.Anyone().Whoami(t.Context()) }, "", "api_key_invalid none"},
		{
			"a verifier without the scope",
			func() { _, _ = h.With(k).Verify(t.Context(), api.VerifyRequest{Credential: value}) }, "",
			"insufficient_scope bearer",
		},
		{
			"a route that is for sessions",
			func() { _ = h.With(k).Do(t.Context(), http.MethodGet, "/api/v1/session", nil, nil) }, "",
			"session_required bearer",
		},
	} {
		before := testkit.Scrape(t, h)
		c.do()
		want := testkit.Series{labelled("claviger_callers_total", c.caller): 1}
		if c.decision == "" {
			c.decision = "ok bearer"
			want[labelled("claviger_decisions_total", c.decision)] = 0
		} else {
			want[labelled("claviger_decisions_total", c.decision)] = 1
		}
		before.ExpectGrown(t, c.what, testkit.Scrape(t, h), want)
	}
}

func labelled(family, codeAndTransport string) string {
	code, transport, _ := strings.Cut(codeAndTransport, " ")
	return family + `{code="` + code + `",transport="` + transport + `"}`
}

func TestEveryLookupIsCountedByWhereTheFactsCameFrom(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := h.Key(owner, tenant, "applications:read")
	use := func() { _, _ = h.With(k).Whoami(t.Context()) }
	for _, c := range []struct {
		what, result string
		loads        float64
		do           func()
	}{
		{"a new key", "miss", 1, use},
		{"the same key again", "hit", 0, use},
		{"after it was disabled", "stale", 1, func() {
			if _, err := owner.DisableKey(t.Context(), string(tenant.ID), k.Key.ID); err != nil {
				t.Fatal(err)
			}
			use()
		}},
		{"after it was deleted", "stale", 1, func() {
			if err := owner.DeleteKey(t.Context(), string(tenant.ID), k.Key.ID); err != nil {
				t.Fatal(err)
			}
			use()
		}},
		{"once more", "negative_hit", 0, use},
		{"an id that we never made", "forged", 0, func() {
			_, _ = h.Anyone().WithKey(testkit.WithChecksum("clv_ak_0123456789abcdef_" + strings.Repeat("A",
				48))).Whoami(t.Context())
		}},
	} {
		before := testkit.Scrape(t, h)
		c.do()
		before.ExpectGrown(t, c.what, testkit.Scrape(t, h),
			testkit.Series{
				`claviger_lookups_total{result="` + c.result + `"}`: 1,
				"claviger_loads_seconds_count":                      c.loads,
			})
	}
}

func TestWritesSignInsAndRequestsAreCountedByWhatCameOfThem(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	keys := "/api/v1/tenants/{tenant}/keys"
	path := strings.Replace(keys, "{tenant}", string(tenant.ID), 1)
	wrong := func() { _, _, _ = h.Anyone().SignIn(t.Context(), h.Owner.Email, "not the password at all") }
	for _, c := range []struct {
		what string
		do   func()
		want testkit.Series
	}{
		{"a key", func() { h.Key(owner, tenant, "applications:read") }, testkit.Series{
			`claviger_store_writes_total{result="done"}`: 1, "claviger_store_write_seconds_count": 1,
			"claviger_audit_events_total": 1,
			`claviger_http_requests_total{class="2xx",method="POST",route="` + keys + `"}`: 1,
			`claviger_session_resumes_total{result="resumed"}`:                             1,
		}},
		{"a key with a scope that is none", func() {
			_, _ = owner.CreateKey(t.Context(), string(tenant.ID),
				api.CreateKeyRequest{Name: "A key", Scopes: []string{"no:scope"}, AllApplications: true})
		}, testkit.Series{
			`claviger_store_writes_total{result="refused"}`: 1, "claviger_audit_events_total": 0,
			`claviger_http_requests_total{class="4xx",method="POST",route="` + keys + `"}`: 1,
		}},
		{
			"a route that is none, by a method that is none",
			func() { _ = owner.Do(t.Context(), "BREW", "/coffee", nil, nil) },
			testkit.Series{
				`claviger_http_requests_total{class="4xx",method="none",route="none"}`: 1,
				`claviger_store_writes_total{result="done"}`:                           0,
			},
		},
		{
			"a method that the route lacks", func() { _ = owner.Do(t.Context(), http.MethodPut, path, nil, nil) },
			testkit.Series{
				`claviger_http_requests_total{class="4xx",method="none",route="none"}`: 1,
			},
		},
		{
			"a sign-in", func() { _ = testkit.SignInCode(t, h, h.Owner.Email, testkit.Password) },
			testkit.Series{`claviger_sign_ins_total{result="accepted"}`: 1},
		},
		{"six wrong passwords", func() {
			for range 6 {
				wrong()
			}
		}, testkit.Series{
			`claviger_sign_ins_total{result="refused"}`:   6,
			`claviger_sign_ins_total{result="throttled"}`: 0,
		}},
		{
			"one more, too soon", wrong,
			testkit.Series{
				`claviger_sign_ins_total{result="throttled"}`: 1,
				`claviger_sign_ins_total{result="refused"}`:   0,
			},
		},
		{"a cookie that is none", func() {
			_ = h.Anyone().WithHeader("Cookie", "claviger=x").Do(t.Context(), http.MethodGet, "/api/v1/session", nil,
				nil)
		}, testkit.Series{
			`claviger_session_resumes_total{result="dead"}`: 1,
		}},
	} {
		before := testkit.Scrape(t, h)
		c.do()
		after := testkit.Scrape(t, h)
		// the scrapes themselves
		delete(after, `claviger_http_requests_total{class="2xx",method="GET",route="/metrics"}`)
		before.ExpectGrown(t, c.what, after, c.want)
	}
}

func TestMetricsAreForTheOperatorsListenerAloneAndNothingElseIsThere(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	for url, want := range map[string]int{
		h.AdminURL + "/metrics": http.StatusOK, h.AdminURL + "/healthz": http.StatusOK,
		h.AdminURL + "/readyz": http.StatusOK,
		h.AdminURL + "/":       http.StatusNotFound, h.AdminURL + "/docs": http.StatusNotFound,
		h.AdminURL + "/openapi.json":   http.StatusNotFound,
		h.AdminURL + "/api/v1/session": http.StatusNotFound, h.AdminURL + "/api/v1/whoami": http.StatusNotFound,
		h.AdminURL + "/debug/pprof/": http.StatusNotFound,
		h.URL + "/metrics":           http.StatusNotFound,
	} {
		if resp, _ := testkit.Get(t, url); resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", url, resp.Status, want)
		}
	}
}

func TestThereIsNoOperatorsListenerUnlessOneIsWanted(t *testing.T) {
	c := testkit.SQLite.Config(t)
	c.Server.MetricsListen = ""
	a, err := app.Start(t.Context(), c, app.Options{Log: telemetry.NewLogger(&testkit.Log{}, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if a.AdminURL != "" {
		t.Errorf("there is one at %s", a.AdminURL)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
