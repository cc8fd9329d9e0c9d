package verify_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestVerifyingDoesNotUseUpTheRequestsOfTheVerifier(t *testing.T) {
	t.Parallel()
	h, tenant, owner := rateLimitedTenant(t) // three requests a minute for each key
	verifier := h.Key(owner, tenant, "keys:verify")
	for i := range 6 {
		k := h.Key(owner, tenant, "applications:read")
		d, err := h.With(verifier).Verify(t.Context(), api.VerifyRequest{Credential: k.Credential.Value})
		if err != nil || !d.Active {
			t.Fatalf("key %d of 6: %+v, %v", i+1, d, err)
		}
	}
	if got := testkit.CountUntilLimited(t, testkit.AskWhoami(t, h.With(verifier))); got != 3 {
		t.Errorf("afterwards %d requests of the verifier pass, want 3", got)
	}
	d, err := h.With(verifier).Verify(t.Context(), api.VerifyRequest{Credential: verifier.Credential.Value})
	if err != nil || d.Code != api.RateLimited {
		t.Errorf("the verifier's own key, verified: %+v, %v", d, err)
	}
}

func TestARefusalForRateSaysWhenTheVerifiedKeyMayComeAgain(t *testing.T) {
	t.Parallel()
	h, tenant, owner := rateLimitedTenant(t)
	verifier, k := h.Key(owner, tenant, "keys:verify"), h.Key(owner, tenant, "applications:read")
	body := `{"credential":"` + k.Credential.Value + `"}`
	for range 3 {
		if a := testkit.AskVerify(t, h, verifier, body); a.Code != api.OK {
			t.Fatal(a.Text)
		}
	}
	for _, step := range []struct {
		move time.Duration
		want int // whole seconds, at least one
	}{
		{0, 20}, {10*time.Second + time.Millisecond, 10}, {9500 * time.Millisecond, 1},
	} {
		h.Clock.Move(step.move)
		a := testkit.AskVerify(t, h, verifier, body)
		want := map[string]any{
			"active": false, "code": "rate_limited",
			"key_id": k.Key.ID, "public_id": k.Key.PublicID, "tenant_id": string(tenant.ID),
			"retry_after_seconds": float64(step.want),
		}
		var got map[string]any
		err := json.Unmarshal([]byte(a.Text), &got)
		if err != nil || a.Status != http.StatusOK || !equalJSON(got, want) {
			t.Errorf("%s later: %d %s, want %v", step.move, a.Status, a.Text, want)
		}
		if after := a.Header.Get("Retry-After"); after != "" {
			t.Errorf("the caller is told to wait %s seconds", after)
		}
	}
}

func equalJSON(got, want map[string]any) bool {
	for name, value := range want {
		if got[name] != value {
			return false
		}
	}
	return len(got) == len(want)
}

func TestAVerifierAsksAsOftenAMinuteAsItsTenantAllows(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	first, second := h.Key(owner, tenant, "keys:verify"), h.Key(owner, tenant, "keys:verify")
	k := h.Key(owner, tenant, "applications:read")
	testkit.EditSettings(t, h, tenant, `{"verify_requests_per_minute":3}`)
	body := `{"credential":"` + k.Credential.Value + `"}`
	for name, body := range map[string]string{
		"a good key": body, "what is no key": `{"credential":"x"}`, "no credential": `{"headers":{}}`,
	} {
		h.Clock.Move(time.Hour)
		for range 3 {
			if a := testkit.AskVerify(t, h, first, body); a.Status != http.StatusOK {
				t.Fatalf("%s: %d %s", name, a.Status, a.Text)
			}
		}
		a := testkit.AskVerify(t, h, first, body)
		if a.Status != http.StatusTooManyRequests || a.Code != api.RateLimited || a.Header.Get("Retry-After") != "20" {
			t.Errorf("%s, a fourth time: %d, Retry-After %q: %s", name, a.Status, a.Header.Get("Retry-After"), a.Text)
		}
		if detail := a.Problem.Detail; !strings.Contains(detail, "3 times a minute (`verify_requests_per_minute`") {
			t.Errorf("%s: the detail does not name the limit: %s", name, detail)
		}
		if a := testkit.AskVerify(t, h, second, body); a.Status != http.StatusOK {
			t.Errorf("%s: another verifier of the tenant: %d %s", name, a.Status, a.Text)
		}
		if a := testkit.AskVerify(t, h, first, `{}`); a.Status != http.StatusUnprocessableEntity {
			t.Errorf("a request that breaks a rule, with nothing left: %d %s", a.Status, a.Text)
		}
		if got := testkit.CountUntilLimited(t, testkit.AskWhoami(t, h.With(first))); got != 20 {
			t.Errorf("%s: of other requests of the verifier %d of 20 pass", name, got)
		}
	}
	if got := testkit.CountUntilLimited(t,
		askVerify(t, owner, api.VerifyRequest{Credential: k.Credential.Value})); got != 20 {
		t.Errorf("of a signed-in person's questions %d of 20 pass", got)
	}
	testkit.EditSettings(t, h, tenant, `{"verify_requests_per_minute":null}`)
	if got := testkit.CountUntilLimited(t,
		askVerify(t, h.With(first), api.VerifyRequest{Credential: k.Credential.Value})); got != 20 {
		t.Errorf("without a limit %d of 20 pass", got)
	}
}
