package console_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// The first visit to a list of 50 keys loads less than 100 KB in all, of which the page is less
// than 20. A list has no secret, so it may be compressed; a page with one is not.
func TestAListOfKeysIsSmallAndAPageWithASecretIsSentAsItIs(t *testing.T) {
	t.Parallel()
	const (
		rows     = 50
		mostSent = 20_000
		mostText = 115_000
	)
	d := newAdminVisitIn(t, func(s *policy.Settings) { s.KeysPerUser = 0 })
	for i := range rows {
		testkit.Must[api.IssuedKey](t)(d.As(d.person).CreateKey(t.Context(), string(d.tenant.ID), api.CreateKeyRequest{
			Name: fmt.Sprintf("Nightly rate export %d", i), Description: "Posts the rates of the day to the ledger.",
			Scopes: []string{"applications:read"}, AllApplications: true,
		}))
	}
	for _, path := range []string{d.at("keys"), "/settings/keys"} {
		if n := len(d.get(path).text); n > mostText {
			t.Errorf("%s has %d bytes, more than %d", path, n, mostText)
		}
		encoding, sent := d.sent(path)
		t.Logf("%s: %d bytes are sent of %d", path, sent, len(d.get(path).text))
		if encoding != "gzip" || sent > mostSent {
			t.Errorf("%s: %q, %d bytes are sent, more than %d", path, encoding, sent, mostSent)
		}
	}
	key := d.at("keys/" + d.tenantKeys()[0].ID)
	for _, path := range []string{key, key + "/regenerate", d.at("members")} {
		if encoding, _ := d.sent(path); encoding != "" {
			t.Errorf("%s is sent as %s", path, encoding)
		}
	}
}

// sent returns how a page is encoded for a client that knows gzip, and the length of its body.
func (v *visitor) sent(path string) (encoding string, length int) {
	v.t.Helper()
	r := testkit.Must[*http.Request](v.t)(http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.base+path, nil))
	r.Header.Set("Accept-Encoding", "br, gzip")
	answer := testkit.Must[*http.Response](v.t)(v.http.Do(r))
	defer answer.Body.Close()
	body := testkit.Must[[]byte](v.t)(io.ReadAll(answer.Body))
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") || answer.StatusCode != http.StatusOK {
		v.t.Errorf("%s: %d", path, answer.StatusCode)
	}
	return answer.Header.Get("Content-Encoding"), len(body)
}
