package verify_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// askVerify returns a function that asks about a key and returns the code of the decision.
func askVerify(t *testing.T, verifier *client.Client, req api.VerifyRequest) func() api.Code {
	return func() api.Code {
		d, err := verifier.Verify(t.Context(), req)
		if err != nil {
			return testkit.Code(t, err)
		}
		return d.Code
	}
}

// rateLimitedTenant starts a server with a tenant that allows each key three requests a minute. It
// returns them and the client of an admin of the tenant.
func rateLimitedTenant(t *testing.T) (*testkit.Server, tenancy.Tenant, *client.Client) {
	t.Helper()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Limited", func(s *policy.Settings) {
		s.RequestsPerMinute = 3
		s.KeysPerUser = 0
		s.Transports = []policy.Transport{policy.Bearer}
	})
	return h, tenant, h.As(h.Member(tenant, "Key Owner", scope.Admin))
}

func TestAKeyIsLimitedToTheRequestsThatItsTenantAllows(t *testing.T) {
	t.Parallel()
	h, tenant, owner := rateLimitedTenant(t)
	k, other := h.Key(owner, tenant, "applications:read"), h.Key(owner, tenant, "applications:read")
	for _, step := range []struct {
		move time.Duration
		want int
	}{
		{0, 3}, {19 * time.Second, 0}, {time.Second, 1}, {40 * time.Second, 2}, {time.Hour, 3},
	} {
		h.Clock.Move(step.move)
		h.Limiter.Sweep(h.Clock.Machine().Read().Wall.UnixNano()) // what the job does every minute
		if got := testkit.CountUntilLimited(t, testkit.AskWhoami(t, h.With(k))); got != step.want {
			t.Errorf("%s later %d pass, want %d", step.move, got, step.want)
		}
	}
	if got := testkit.CountUntilLimited(t, testkit.AskWhoami(t, h.With(other))); got != 3 {
		t.Errorf("of another key %d pass, want 3", got)
	}
}

func TestALimitedRequestIsToldWhenToRetry(t *testing.T) {
	t.Parallel()
	h, tenant, owner := rateLimitedTenant(t)
	k := h.Key(owner, tenant, "applications:read")
	testkit.CountUntilLimited(t, testkit.AskWhoami(t, h.With(k)))
	applications := "/api/v1/tenants/" + string(tenant.ID) + "/applications"
	for _, step := range []struct {
		move time.Duration
		want string // in whole seconds, at least one
	}{
		{0, "20"}, {10*time.Second + time.Millisecond, "10"}, {9500 * time.Millisecond, "1"},
	} {
		h.Clock.Move(step.move)
		for _, path := range []string{"/api/v1/whoami", applications} {
			header := http.Header{"Authorization": {"Bearer " + k.Credential.Value}}
			status, header, text := testkit.Send(t, h, http.MethodGet, path, header, "")
			if status != http.StatusTooManyRequests || header.Get("Retry-After") != step.want {
				t.Errorf("%s: %d, Retry-After %q, want %q: %s", path, status, header.Get("Retry-After"), step.want,
					text)
			}
		}
	}
}

func TestVerifySaysOfAKeyThatItIsLimited(t *testing.T) {
	t.Parallel()
	h, tenant, owner := rateLimitedTenant(t)
	k := h.Key(owner, tenant, "applications:read")
	verifier, req := h.Verifier(),
		api.VerifyRequest{Credential: k.Credential.Value, Scopes: []string{"applications:read"}}
	if got := testkit.CountUntilLimited(t, askVerify(t, verifier, req)); got != 3 {
		t.Fatalf("%d pass, want 3", got)
	}
	d, err := verifier.Verify(t.Context(), req)
	if err != nil || d.Active || d.Code != api.RateLimited || d.KeyID != k.Key.ID || d.PublicID != k.Key.PublicID ||
		d.TenantID != string(tenant.ID) {
		t.Errorf("%+v, %v", d, err)
	}
	h.Clock.Move(20 * time.Second)
	if got := testkit.CountUntilLimited(t, askVerify(t, verifier, req)); got != 1 {
		t.Errorf("a third of a minute later %d pass, want 1", got)
	}
}

func TestAKeyHasOneLimitForAllItsRequests(t *testing.T) {
	t.Parallel()
	h, tenant, owner := rateLimitedTenant(t)
	application := string(h.Application(tenant, "Panel").ID)
	verifier := h.Verifier()
	unlimited := h.Tenant("Unlimited", func(s *policy.Settings) { s.KeysPerUser = 0 })
	free := h.Key(h.As(h.Member(unlimited, "The Other", scope.Admin)), unlimited, "applications:read")
	k := h.Key(owner, tenant, "applications:read")
	value := k.Credential.Value
	uses := map[string]func() api.Code{
		"whoami":              testkit.AskWhoami(t, h.With(k)),
		"list applications":   func() api.Code { return testkit.RouteCode(t, h, value, tenant, "") },
		"show an application": func() api.Code { return testkit.RouteCode(t, h, value, tenant, application) },
		"be verified":         askVerify(t, verifier, api.VerifyRequest{Credential: value}),
	}
	for name, use := range uses {
		h.Clock.Move(time.Hour)
		if got := testkit.CountUntilLimited(t, use); got != 3 {
			t.Errorf("%s: %d pass, want 3", name, got)
		}
		for other, use := range uses {
			if got := testkit.CountUntilLimited(t, use); got != 0 {
				t.Errorf("%s after %s: %d pass", other, name, got)
			}
		}
	}
	if got := testkit.CountUntilLimited(t, testkit.AskWhoami(t, h.With(free))); got != 20 {
		t.Errorf("without a limit %d of 20 pass", got)
	}
}

func TestARequestRefusedByAnEarlierStepIsNotCounted(t *testing.T) {
	t.Parallel()
	h, tenant, owner := rateLimitedTenant(t)
	mine, off := string(h.Application(tenant, "Panel").ID), string(h.Application(tenant, "Other").ID)
	const unknown = "app_000000000000000000000000"
	all := h.Key(owner, tenant, "applications:read", "keys:verify")
	some, err := owner.CreateKey(t.Context(), string(tenant.ID),
		api.CreateKeyRequest{
			Name: "Restricted", Scopes: []string{"applications:read", "keys:verify"},
			ApplicationIDs: []string{mine},
		})
	if err != nil {
		t.Fatal(err)
	}
	bare := h.Key(owner, tenant, "scopes:read")
	elsewhere := h.Tenant("Elsewhere", nil)
	verifier := h.Verifier()
	judged := func(k api.IssuedKey, req api.VerifyRequest) func() api.Code {
		req.Credential = k.Credential.Value
		return askVerify(t, verifier, req)
	}
	route := func(k api.IssuedKey, tenant tenancy.Tenant, application string) func() api.Code {
		return func() api.Code { return testkit.RouteCode(t, h, k.Credential.Value, tenant, application) }
	}
	value := all.Credential.Value
	cases := []struct {
		name string
		key  api.IssuedKey
		ask  func() api.Code
		want api.Code
	}{
		{
			"a wrong secret", all,
			testkit.AskWhoami(t,
				h.Anyone().WithKey(testkit.WithChecksum("clv_"+all.Key.PublicID+"_"+some.Credential.Secret))),
			api.APIKeyInvalid,
		},
		{"a transport", all, testkit.AskWhoami(t, h.Anyone().WithHeader("X-API-Key", value)), api.TransportForbidden},
		{"a transport, verified", all, judged(all, api.VerifyRequest{Transport: "basic"}), api.TransportForbidden},
		{"a route for sessions", all, func() api.Code {
			_, err := h.With(all).Keys(t.Context(), string(tenant.ID), client.KeyFilter{}, client.Page{})
			return testkit.Code(t, err)
		}, api.SessionRequired},
		{"a route for sessions, verified", all, judged(all, api.VerifyRequest{SessionOnly: true}), api.SessionRequired},
		{"another tenant", all, route(all, elsewhere, ""), api.NotFound},
		{
			"another tenant, verified", all, judged(all, api.VerifyRequest{TenantID: string(elsewhere.ID)}),
			api.APIKeyInvalid,
		},
		{"a scope", bare, route(bare, tenant, ""), api.InsufficientScope},
		{
			"a scope, verified", bare, judged(bare, api.VerifyRequest{Scopes: []string{"applications:read"}}),
			api.InsufficientScope,
		},
		{
			"the scope to verify", bare, askVerify(t, h.With(bare), api.VerifyRequest{Credential: "x"}),
			api.InsufficientScope,
		},
		{"an application", some, route(some, tenant, off), api.ApplicationForbidden},
		{
			"an application, verified", some, judged(some, api.VerifyRequest{ApplicationID: off}),
			api.ApplicationForbidden,
		},
		{"an unknown application", all, route(all, tenant, unknown), api.NotFound},
		{
			"an unknown application, verified", all, judged(all, api.VerifyRequest{ApplicationID: unknown}),
			api.ApplicationForbidden,
		},
		{
			"a restricted verifier", some, askVerify(t, h.With(some), api.VerifyRequest{Credential: "x"}),
			api.ApplicationForbidden,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h.Clock.Move(time.Hour)
			for range 4 {
				if got := c.ask(); got != c.want {
					t.Fatalf("refused as %s, want %s", got, c.want)
				}
			}
			if got := testkit.CountUntilLimited(t, testkit.AskWhoami(t, h.With(c.key))); got != 3 {
				t.Errorf("afterwards %d pass, want 3", got)
			}
			if got := c.ask(); got != c.want {
				t.Errorf("with nothing left: %s, want %s", got, c.want)
			}
		})
	}
}
