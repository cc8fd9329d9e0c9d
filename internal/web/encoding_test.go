package web_test

import (
	"net/http"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// What an encoding means that nobody decodes, a proxy in front and this server may see differently.
func TestNoEntryPointReadsABodyInAnEncodingThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	const form, object = "application/x-www-form-urlencoded", "application/json"
	for _, c := range []struct {
		path, kind, body string
		refused          int
	}{
		{"/api/v1/session", object, `{}`, 415},
		{"/api/v1/password-resets", object, `{}`, 415},
		{"/mcp", object, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, 415},
		{"/oauth2/token", form, "grant_type=client_credentials", 400},
		{"/sign-in", form, "email=a@claviger.example&password=x", 415},
		{"/forgotten-password", form, "email=a@claviger.example", 415},
	} {
		send := func(encodings ...string) int {
			header := http.Header{"Content-Type": {c.kind}, "Accept": {"*/*"}, "Content-Encoding": encodings}
			status, _, _ := testkit.Post(t, h, c.path, header, c.body)
			return status
		}
		plain := send()
		if plain == c.refused && c.path != "/oauth2/token" {
			t.Fatalf("%s: %d without an encoding", c.path, plain)
		}
		for _, same := range [][]string{{"identity"}, {" , "}, {"", "Identity"}} {
			if got := send(same...); got != plain {
				t.Errorf("%s: %d with the encoding %q, want %d", c.path, got, same, plain)
			}
		}
		for _, other := range [][]string{{"gzip"}, {"x"}, {"identity, br"}, {"", "gzip"}} {
			if got := send(other...); got != c.refused {
				t.Errorf("%s: %d with the encoding %q, want %d", c.path, got, other, c.refused)
			}
		}
	}
}
