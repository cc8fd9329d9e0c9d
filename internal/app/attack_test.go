package app_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAKeyCountsOnlyInItsOwnTenantsKeyHeader(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	mine := h.Tenant("Mine", nil)
	h.Tenant("Other", func(s *policy.Settings) { s.KeyHeader = "X-Other-Key" })
	owner := h.As(h.Member(mine, "Key Owner", scope.Member))
	value := h.Key(owner, mine, "applications:read").Credential.Value
	verifier := h.Verifier()
	for header, want := range map[string]api.Code{
		"X-API-Key": "", "x-api-key": "",
		"X-Other-Key": api.TransportForbidden,
	} {
		_, err := h.Anyone().WithHeader(header, value).Whoami(t.Context())
		if got := testkit.Code(t, err); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
		d, err := verifier.Verify(t.Context(), api.VerifyRequest{Headers: map[string][]string{header: {value}}})
		if err != nil || d.Active != (want == "") || !d.Active && d.Code != want {
			t.Errorf("verify of %s: %+v, %v", header, d, err)
		}
	}
}

// A request whose body arrives slowly must not be allowed by an authority that ended meanwhile.
func TestABodyThatTricklesInDoesNotOutliveARevocation(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	k := h.Key(owner, tenant, "keys:verify")
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := fmt.Sprintf(`{"credential":%q}`, k.Credential.Value)
	fmt.Fprintf(conn,
		"POST /api/v1/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+
			"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", k.Credential.Value, len(body))
	// one round trip, so that the head of the other request has arrived
	if _, err := h.With(k).Whoami(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("answered %d after the revocation", resp.StatusCode)
	}
}

func TestAKeyThatExpiredStaysExpiredWhenTheClockGoesBackAndTheServerRestarts(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	soon := h.Clock.Now().Add(time.Hour)
	n := api.CreateKeyRequest{
		Name: "Short key", Scopes: []string{"applications:read"}, AllApplications: true,
		ExpiresAt: &soon,
	}
	k, err := owner.CreateKey(t.Context(), string(tenant.ID), n)
	if err != nil {
		t.Fatal(err)
	}
	h.Clock.Move(2 * time.Hour)
	is := func(want api.Code) {
		t.Helper()
		_, err := h.With(k).Whoami(t.Context())
		if got := testkit.Code(t, err); got != want {
			t.Fatalf("%q, want %s", got, want)
		}
	}
	is(api.APIKeyExpired)
	h.Clock.Step(-90 * time.Minute)
	is(api.Unavailable)
	h.Restart()
	is(api.Unavailable)
	if detail := testkit.NotReady(t, h); !strings.Contains(detail, "clock (") {
		t.Errorf("with a clock an hour behind the node says %q", detail)
	}
	h.Clock.Step(90 * time.Minute)
	testkit.Await(t, func() string { return testkit.ClockTrusted(t, h) })
	is(api.APIKeyExpired)
}

// A verification by a stranger must not even count as a use.
func TestAVerifierLeavesNoTraceOnAKeyThatIsNotItsToJudge(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	mine, other := h.Tenant("Mine", nil), h.Tenant("Other", nil)
	owner := h.As(h.Member(mine, "Key Owner", scope.Member))
	k := h.Key(owner, mine, "applications:read")
	stranger := h.With(h.Key(h.As(h.Member(other, "The Stranger", scope.Admin)), other, "keys:verify"))
	d, err := stranger.Verify(t.Context(), api.VerifyRequest{Credential: k.Credential.Value, IP: "203.0.113.66"})
	if err != nil || d.Code != api.APIKeyInvalid {
		t.Fatalf("%+v, %v", d, err)
	}
	if err := h.Usage.Flush(t.Context(), h.Store); err != nil {
		t.Fatal(err)
	}
	shown, err := owner.Key(t.Context(), string(mine.ID), k.Key.ID)
	if err != nil || shown.LastUsedAt != nil || shown.LastUsedIP != nil {
		t.Errorf("used %v from %v, %v", shown.LastUsedAt, shown.LastUsedIP, err)
	}
}

func TestTimesAtTheEdgesOfTheCalendarAreRefused(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	for text, want := range map[string]string{
		"0001-01-01T00:00:00Z":      "expires_at past", // Go's zero time
		"0000-01-01T00:00:00Z":      "expires_at past",
		"1970-01-01T00:00:00Z":      "expires_at past",
		"9999-12-31T23:59:59-23:59": "expires_at range", // year 10000 in UTC
		"9999-12-31T23:59:59Z":      "expires_at beyond_policy",
		"tomorrow":                  "expires_at type",
	} {
		body := map[string]any{
			"name": "Edge key", "scopes": []string{"applications:read"}, "all_applications": true,
			"expires_at": text,
		}
		err := owner.Do(t.Context(), http.MethodPost, "/api/v1/tenants/"+string(tenant.ID)+"/keys", body, nil)
		if got := testkit.FieldErrors(t, err); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestAnAddressWithAZoneIsRefusedAndOthersAreSpeltOneWay(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := h.Key(owner, tenant, "applications:read")
	verifier := h.Verifier()
	for sent, want := range map[string]string{
		"::ffff:203.0.113.9": "203.0.113.9", "2001:DB8:0:0::1": "2001:db8::1",
		"fe80::1%eth0": "", "fe80::1%\x00": "", "127.1": "",
	} {
		h.Clock.Move(time.Minute)
		_, err := verifier.Verify(t.Context(), api.VerifyRequest{Credential: k.Credential.Value, IP: sent})
		if want == "" {
			if got := testkit.FieldErrors(t, err); got != "ip form" {
				t.Errorf("%q: %s", sent, got)
			}
			continue
		}
		if err := h.Usage.Flush(t.Context(), h.Store); err != nil {
			t.Fatal(err)
		}
		shown, err := owner.Key(t.Context(), string(tenant.ID), k.Key.ID)
		if err != nil || *shown.LastUsedIP != want {
			t.Errorf("%q is kept as %v, %v", sent, shown.LastUsedIP, err)
		}
	}
}

func TestANodeThatFailedDecidesAndWritesNothingMore(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := h.Key(owner, tenant, "applications:read")
	if _, err := h.With(k).Whoami(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Engine.Halt()
	h.Store.Halt()
	_, err := h.With(k).Whoami(t.Context())
	if got := testkit.Code(t, err); got != api.Unavailable {
		t.Errorf("a decision: %q", got)
	}
	_, err = owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "")
	if got := testkit.Code(t, err); got != api.Unavailable {
		t.Errorf("a write: %q", got)
	}
	h.ExpectStopToFail()
}

func TestAnAmbiguousPathIsNotTidiedUp(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	for _, path := range []string{"/api/v1//session", "/api/v1/./session", "/api/v1/x/../session", "//api/v1/session"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			err := h.Anyone().Do(t.Context(), method, path, nil, nil)
			if got := testkit.Code(t, err); got != api.NotFound {
				t.Errorf("%s %s: %q, want %s", method, path, got, api.NotFound)
			}
		}
	}
}

func TestAnUnknownQueryParameterIsRefusedRatherThanIgnored(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	err := owner.Do(t.Context(), http.MethodGet, "/api/v1/tenants/"+string(tenant.ID)+"/keys?colour=blue", nil, nil)
	if got := testkit.FieldErrors(t, err); got != "query unknown" {
		t.Errorf("%s", got)
	}
}

func TestAChangedPasswordEndsEverySession(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	signedIn := []*client.Client{h.As(h.Owner), h.As(h.Owner)}
	h.ChangePassword(h.Owner, "another horse battery staple")
	for _, c := range signedIn {
		_, err := c.Whoami(t.Context())
		if got := testkit.Code(t, err); got != api.SessionEnded {
			t.Errorf("a session of before: %q", got)
		}
	}
}
