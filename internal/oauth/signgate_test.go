package oauth_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// While all of the cores that may sign are busy, a JWT waits for its turn, one too many is refused
// at once, and opaque tokens are issued as before.
func TestJWTsWaitForTheirTurnAndOpaqueTokensDoNot(t *testing.T) {
	t.Parallel()
	s := start(t, testkit.SQLite)
	gate := admission.NewGate(admission.Limits{
		Concurrency: 1, PerCaller: 1, Queue: 1, QueuePerCaller: 1, Wait: 5 * time.Minute,
	})
	s.Tokens.SignGate = gate
	opaque := s.key("applications:read")
	jwts := startOn(t, s.Server)
	testkit.EditSettings(t, s.Server, jwts.tenant, `{"token_format":"jwt","token_algorithm":"EdDSA"}`)
	signed := jwts.key("applications:read")

	busy := testkit.Must[admission.Permit](t)(gate.Acquire(t.Context(), "another tenant"))
	waiting := make(chan response)
	go func() { waiting <- jwts.send("/oauth2/token", clientForm(signed), nil) }()
	testkit.Await(t, func() string {
		if gate.Stats().Waiting == 1 {
			return "one waits"
		}
		return ""
	})
	refused := jwts.send("/oauth2/token", clientForm(signed), nil)
	after := refused.header.Get("Retry-After")
	if refused.status != http.StatusServiceUnavailable || refused.Error != "temporarily_unavailable" || after == "" {
		t.Errorf("one too many: %d %q, Retry-After %q", refused.status, refused.Error, after)
	}
	s.token(opaque)
	busy.Release()
	if r := <-waiting; r.status != http.StatusOK || r.AccessToken == "" {
		t.Errorf("the one that waited: %d %s", r.status, r.body)
	}
	if stats := gate.Stats(); stats.Held != 0 || stats.Waiting != 0 {
		t.Errorf("the gate keeps something: %+v", stats)
	}
}
