package dataplane_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/proxy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

const (
	verifyPath = "/api/v1/verify"
	batchPath  = "/api/v1/verify/batch"
)

// post sends a body of JSON with a key, without the network.
func (g *gate) post(path, key, body string) *httptest.ResponseRecorder {
	g.t.Helper()
	req := httptest.NewRequestWithContext(g.t.Context(), http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, req)
	return w
}

// batchOf returns the body of a batch.
func batchOf(items ...string) string { return `{"items":[` + strings.Join(items, ",") + `]}` }

// about returns an item about a credential.
func about(value string) string {
	return fmt.Sprintf(`{"credential":%q}`, value)
}

// requestID finds the id of a request in a problem document.
var requestID = regexp.MustCompile(`"request_id":"[^"]+"`)

// expectAsAlone fails the test unless a batch answers each item as verify answers it alone, byte
// for byte but for the ids of requests. It returns the codes.
func (g *gate) expectAsAlone(verifier string, items map[string]string) map[string]string {
	g.t.Helper()
	var names, sent []string
	for name, item := range items {
		names, sent = append(names, name), append(sent, item)
	}
	w := g.post(batchPath, verifier, batchOf(sent...))
	if w.Code != http.StatusOK {
		g.t.Fatalf("the batch answers %d %s", w.Code, w.Body)
	}
	var got struct{ Items []json.RawMessage }
	testkit.NoError(g.t, json.Unmarshal(w.Body.Bytes(), &got))
	if len(got.Items) != len(names) {
		g.t.Fatalf("%d answers to %d items", len(got.Items), len(names))
	}
	codes := map[string]string{}
	for i, name := range names {
		alone := g.post(verifyPath, verifier, sent[i])
		want := strings.TrimSuffix(requestID.ReplaceAllString(alone.Body.String(), "…"), "\n")
		if in := requestID.ReplaceAllString(string(got.Items[i]), "…"); in != want {
			g.t.Errorf("%s: in a batch\n%s\nalone\n%s", name, in, want)
		}
		var answer struct{ Code string }
		testkit.NoError(g.t, json.Unmarshal(got.Items[i], &answer))
		codes[name] = answer.Code
	}
	return codes
}

// A batch answers every kind of question exactly as verify answers it alone, for each verifier.
func TestABatchAnswersEachItemAsVerifyAnswersItAlone(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	id := string(g.tenant.ID)
	good, refreshed := g.key("applications:read"), g.key("applications:read")
	revoked, disabled := g.key("applications:read"), g.key("applications:read")
	soon := g.create(endsSoon(g))
	testkit.NoError(t, testkit.ErrorOf(g.owner.RevokeKey(t.Context(), id, revoked.Key.ID, "")))
	testkit.NoError(t, testkit.ErrorOf(g.owner.DisableKey(t.Context(), id, disabled.Key.ID)))
	testkit.NoError(t, testkit.ErrorOf(g.owner.RefreshKey(t.Context(), id, refreshed.Key.ID, api.RefreshKeyRequest{})))
	bound := g.create(api.CreateKeyRequest{
		Scopes: []string{"applications:read"}, AllApplications: true, AllowedCIDRs: []string{"192.0.2.0/24"},
	})
	application := string(g.Application(g.tenant, "Orders").ID)
	restricted := g.create(api.CreateKeyRequest{Scopes: []string{"keys:verify"}, ApplicationIDs: []string{application}})
	limited := g.Tenant("Limited", func(s *policy.Settings) { s.KeysPerUser, s.RequestsPerMinute = 0, 1 })
	its := g.As(g.Member(limited, "Another Owner", scope.Admin))
	exhausted := g.Key(its, limited, "applications:read")
	strict := g.Tenant("Strict", func(s *policy.Settings) {
		s.VerifyRequires = []policy.VerifyField{"ip"}
	})
	demanding := g.Key(g.As(g.Member(strict, "A Third Owner", scope.Admin)), strict, "keys:verify")
	wrong := good.Credential.Value[:len(good.Credential.Value)-1] + testkit.OtherCharacter(
		good.Credential.Value[len(good.Credential.Value)-1:])
	g.Clock.Move(2 * time.Minute)

	one := func(value, more string) string { return fmt.Sprintf(`{"credential":%q%s}`, value, more) }
	everyMember := `,"scopes":["applications:read"],"session_only":false,"application_id":"` + application +
		`","tenant_id":"` + id + `","transport":"bearer","ip":"192.0.2.9"`
	both := `{"headers":{"X-Api-Key":"` + revoked.Credential.Value + `","Authorization":"Bearer ` +
		good.Credential.Value + `"}}`
	items := map[string]string{
		"a good key":             one(good.Credential.Value, ""),
		"with every member":      one(good.Credential.Value, everyMember),
		"the same again":         one(good.Credential.Value, ""),
		"spaces":                 " {\n\t\"credential\" : \"" + good.Credential.Value + "\" }",
		"escapes":                `{"credential":"` + strings.Replace(good.Credential.Value, "c", `\u0063`, 1) + `"}`,
		"in headers":             `{"headers":{"Authorization":["Bearer ` + good.Credential.Value + `"],"Accept":5}}`,
		"in the key header":      `{"headers":{"x-api-key":"` + good.Credential.Value + `"}}`,
		"two credentials":        both,
		"a wrong secret":         one(wrong, ""),
		"an old secret":          one(refreshed.Credential.Value, ""),
		"nothing":                `{"credential":null}`,
		"junk":                   one("junk", ""),
		"an access token":        one("clv_at_"+strings.Repeat("0", 40), ""),
		"an expired key":         one(soon.Credential.Value, ""),
		"a revoked key":          one(revoked.Credential.Value, ""),
		"a disabled key":         one(disabled.Credential.Value, ""),
		"a missing scope":        one(good.Credential.Value, `,"scopes":["audit:read"]`),
		"for sessions":           one(good.Credential.Value, `,"session_only":true`),
		"an application":         one(good.Credential.Value, `,"application_id":"app_none"`),
		"an address":             one(bound.Credential.Value, `,"ip":"198.51.100.1"`),
		"no address":             one(bound.Credential.Value, ""),
		"the right address":      one(bound.Credential.Value, `,"ip":"192.0.2.1"`),
		"another tenant":         one(exhausted.Credential.Value, `,"tenant_id":"`+id+`"`),
		"a limited key":          one(exhausted.Credential.Value, ""),
		"a required member":      one(demanding.Credential.Value, ""),
		"an unknown member":      `{"credential":"x","scope":"a:b"}`,
		"a wrong type":           `{"credential":"x","scopes":"a:b"}`,
		"a credential's type":    `{"credential":5}`,
		"neither":                `{"scopes":["applications:read"]}`,
		"both":                   `{"credential":"x","headers":{}}`,
		"a bad address":          `{"credential":"x","ip":"nowhere"}`,
		"a bad transport":        `{"credential":"x","transport":"pigeon"}`,
		"a member twice":         `{"credential":"x","credential":"y"}`,
		"no object":              `5`,
		"null":                   `null`,
		"a list":                 `[{"credential":"x"}]`,
		"bytes that are no text": "{\"credential\":\"\xff\"}",
	}
	everywhere := g.Key(g.As(g.Server.Owner), g.joined(g.tenant), "keys:verify").Credential.Value
	testkit.NoError(t, testkit.ErrorOf(g.exhaust(everywhere, exhausted))) // one request a minute
	codes := g.expectAsAlone(everywhere, items)
	for _, want := range []string{
		"ok", "api_key_invalid", "api_key_expired", "api_key_revoked", "api_key_disabled", "credential_ambiguous",
		"insufficient_scope", "session_required", "application_forbidden", "address_forbidden", "rate_limited",
		"token_invalid", "validation_failed", "malformed_request",
	} {
		if !slices.Contains(slices.Collect(valuesOf(codes)), want) {
			t.Errorf("no item is answered with %s: %v", want, codes)
		}
	}
	for name, want := range map[string]string{
		"a good key": "ok", "with every member": "ok", "an unknown member": "validation_failed",
		"a wrong type": "validation_failed", "a limited key": "rate_limited", "no object": "validation_failed",
	} {
		if codes[name] != want {
			t.Errorf("%s: %s, not %s", name, codes[name], want)
		}
	}
	g.expectAsAlone(g.key("keys:verify").Credential.Value, items)
	codes = g.expectAsAlone(restricted.Credential.Value, items)
	if got := codes["a good key"]; got != "application_forbidden" {
		t.Errorf("a verifier that is restricted to applications, and an item without one: %s", got)
	}
	if got := g.expectAsAlone(demanding.Credential.Value, items)["a good key"]; got != "validation_failed" {
		t.Errorf("a verifier whose tenant requires an address, and an item without one: %s", got)
	}
}

// joined makes the owner of the account an admin of the tenant, and returns it.
func (g *gate) joined(tenant tenancy.Tenant) tenancy.Tenant {
	g.Join(tenant, g.Server.Owner, scope.Admin)
	return tenant
}

// exhaust sends the one request a minute that a key may.
func (g *gate) exhaust(verifier string, k api.IssuedKey) (api.Decision, error) {
	w := g.post(verifyPath, verifier, about(k.Credential.Value))
	var d api.Decision
	return d, json.Unmarshal(w.Body.Bytes(), &d)
}

// endsSoon is a key that expires in a minute.
func endsSoon(g *gate) api.CreateKeyRequest {
	at := g.Clock.Now().Add(time.Minute)
	return api.CreateKeyRequest{Scopes: []string{"applications:read"}, AllApplications: true, ExpiresAt: &at}
}

func valuesOf(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// A body that is no batch is refused as a whole, and so is a caller who may not verify.
func TestABodyThatIsNoBatchIsRefused(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	verifier, reader := g.key("keys:verify").Credential.Value, g.key("applications:read").Credential.Value
	item := about("x")
	many := batchOf(slices.Repeat([]string{item}, 1001)...)
	for body, want := range map[string]string{
		``: "400 malformed_request", `{`: "400 malformed_request", `{"items":[{]}`: "400 malformed_request",
		`{"items":[` + item: "400 malformed_request", batchOf(item) + `x`: "400 malformed_request",
		batchOf(item) + batchOf(item):         "400 malformed_request",
		`{"items":[],"items":[` + item + `]}`: "400 malformed_request",
		`{"items":[` + item + `,]}`:           "400 malformed_request",
		`[]`:                                  "422 validation_failed",
		`5`:                                   "422 validation_failed", `{}`: "422 validation_failed",
		`{"items":[]}`: "422 validation_failed", `{"items":null}`: "422 validation_failed",
		`{"items":{}}`: "422 validation_failed", `{"more":1,"items":[` + item + `]}`: "422 validation_failed",
		many: "422 validation_failed", batchOf(strings.Repeat(" ", 256<<10)): "413 too_large",
		batchOf(item): "200 ",
		batchOf(slices.Repeat([]string{item}, 1000)...): "200 ",
	} {
		w := g.post(batchPath, verifier, body)
		var p api.Problem
		testkit.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
		if got := strconv.Itoa(w.Code) + " " + string(p.Code); got != want {
			t.Errorf("%.60s: %s, not %s", body, got, want)
		}
	}
	if w := g.post(batchPath, reader, batchOf(item)); w.Code != http.StatusForbidden {
		t.Errorf("a key without keys:verify: %d", w.Code)
	}
	if w := g.post(batchPath, "none", batchOf(item)); w.Code != http.StatusUnauthorized {
		t.Errorf("no key: %d", w.Code)
	}
}

// A batch states its length in advance, so that nothing is read of one that is too long.
func TestABatchWithoutALengthIsRefused(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	header := "Host: a\r\nContent-Type: application/json\r\nAuthorization: Bearer " +
		g.key("keys:verify").Credential.Value
	for more, want := range map[string]string{
		"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n":     "HTTP/1.1 400 ",
		"Content-Length: 262145\r\nExpect: 100-continue\r\n\r\n":     "HTTP/1.1 413 ",
		"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n{}": "HTTP/1.1 413 ",
	} {
		text := g.exchange("POST " + batchPath + " HTTP/1.1\r\n" + header + "\r\n" + more)
		if !strings.HasPrefix(text, want) {
			t.Errorf("%q: %s", more, text)
		}
	}
}

// The items of a batch count as so many requests of the caller, all or none of them.
func TestEveryItemOfABatchCountsAgainstTheRateOfTheCaller(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	tenant := g.Tenant("Limited", func(s *policy.Settings) { s.KeysPerUser, s.VerifyRequestsPerMinute = 0, 10 })
	k := g.Key(g.As(g.Member(tenant, "Another Owner", scope.Admin)), tenant, "keys:verify")
	send := func(n int) int {
		w := g.post(batchPath, k.Credential.Value, batchOf(slices.Repeat([]string{about(k.Credential.Value)}, n)...))
		if limited := w.Code == http.StatusTooManyRequests; limited != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%d with Retry-After %q", w.Code, w.Header().Get("Retry-After"))
		}
		return w.Code
	}
	for i, step := range []struct{ n, status int }{
		{11, http.StatusUnprocessableEntity}, // never allowed, so it need not wait
		{6, http.StatusOK},
		{5, http.StatusTooManyRequests},
		{4, http.StatusOK}, // the five were not counted
		{1, http.StatusTooManyRequests},
	} {
		if got := send(step.n); got != step.status {
			t.Errorf("step %d, %d items: %d, not %d", i, step.n, got, step.status)
		}
	}
	if w := g.post(verifyPath, k.Credential.Value, about("x")); w.Code != http.StatusTooManyRequests {
		t.Errorf("verify after that: %d", w.Code)
	}
	g.Clock.Move(time.Minute)
	if got := send(10); got != http.StatusOK {
		t.Errorf("a minute later: %d", got)
	}
}

// If this node cannot decide about one of the items, the whole batch is unavailable: no item is
// answered with a guess.
func TestABatchIsUnavailableIfADecisionCannotBeMade(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	verifier, k := g.key("keys:verify").Credential.Value, g.key("applications:read")
	if w := g.post(batchPath, verifier, batchOf(about("junk"))); w.Code != http.StatusOK {
		t.Fatalf("before: %d %s", w.Code, w.Body)
	}
	_, err := g.Beside().ExecContext(t.Context(), "UPDATE key_secrets SET digest = x'00' WHERE key_id = $1", k.Key.ID)
	testkit.NoError(t, err)
	items := []string{about("junk"), `{"wrong":1}`, about(k.Credential.Value)}
	w := g.post(batchPath, verifier, batchOf(items...))
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "active") {
		t.Errorf("a key that cannot be read: %d %s", w.Code, w.Body)
	}
	g.Engine.Halt()
	if w := g.post(batchPath, verifier, batchOf(items[0])); w.Code != http.StatusServiceUnavailable {
		t.Errorf("halted: %d %s", w.Code, w.Body)
	}
}

// A response of more than 4 MiB is refused, and one of less is whole.
func TestALargeResponseToABatchIsRefused(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	verifier := g.key("keys:verify").Credential.Value
	k := g.create(api.CreateKeyRequest{
		Scopes: []string{"applications:read"}, AllApplications: true,
		Metadata: json.RawMessage(`{"note":"` + strings.Repeat("a", 4000) + `"}`),
	})
	one := g.post(verifyPath, verifier, about(k.Credential.Value)).Body.Len()
	const most = 4 << 20
	fits := (most - len(batchOf())) / (one + 1)
	w := g.post(batchPath, verifier, batchOf(slices.Repeat([]string{about(k.Credential.Value)}, fits)...))
	if w.Code != http.StatusOK || w.Body.Len() > most || w.Body.Len() < most-2*one {
		t.Errorf("%d items: %d with %d bytes", fits, w.Code, w.Body.Len())
	}
	w = g.post(batchPath, verifier, batchOf(slices.Repeat([]string{about(k.Credential.Value)}, fits+1)...))
	if w.Code != http.StatusRequestEntityTooLarge || w.Body.Len() > 1000 {
		t.Errorf("%d items: %d with %d bytes", fits+1, w.Code, w.Body.Len())
	}
}

// The Go client tells decisions, refusals and errors apart.
func TestTheClientReadsEachAnswerOfABatch(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	k := g.key("applications:read")
	c := g.As(g.Server.Owner)
	got, err := c.VerifyBatch(t.Context(), []api.VerifyRequest{
		{Credential: k.Credential.Value},
		{Credential: "junk"},
		{Credential: "x", IP: "nowhere"},
		{Credential: k.Credential.Value, Scopes: []string{"audit:read"}},
	})
	testkit.NoError(t, err)
	if len(got) != 4 || got[0].Problem != nil || !got[0].Active || got[0].KeyID != k.Key.ID || got[1].Problem != nil ||
		got[1].Active || got[1].Code != "api_key_invalid" || got[2].Problem == nil || got[2].Active ||
		got[2].Problem.Code != "validation_failed" || got[2].Problem.Errors[0].Field != "ip" ||
		got[3].Active || got[3].Code != "insufficient_scope" || got[3].KeyID != k.Key.ID {
		t.Errorf("read as %+v", got)
	}
	again, err := json.Marshal(api.VerifyBatchResponse{Items: got})
	testkit.NoError(t, err)
	var read api.VerifyBatchResponse
	testkit.NoError(t, json.Unmarshal(again, &read))
	for i := range got {
		if read.Items[i].Code != got[i].Code || (read.Items[i].Problem == nil) != (got[i].Problem == nil) {
			t.Errorf("item %d is written as %s", i, again)
		}
	}
	if _, err := c.VerifyBatch(t.Context(), nil); err == nil {
		t.Error("a batch of none is accepted")
	}
}

// hotBatch returns a function that sends one batch of 100 keys, without the network.
func hotBatch(t testing.TB) (send func(), items int) {
	g := newGate(t, proxy.Nginx)
	verifier := g.key("keys:verify").Credential.Value
	var all []string
	for range 100 {
		item, err := json.Marshal(api.VerifyRequest{
			Credential: g.key("applications:read").Credential.Value, Scopes: []string{"applications:read"},
		})
		testkit.NoError(t, err)
		all = append(all, string(item))
	}
	body := batchOf(all...)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+g.address+batchPath, nil)
	testkit.NoError(t, err)
	req.Header = http.Header{"Authorization": {"Bearer " + verifier}, "Content-Type": {"application/json"}}
	req.RemoteAddr, req.ContentLength = "127.0.0.1:1", int64(len(body))
	text, sent := []byte(body), bytes.NewReader(nil)
	req.Body = io.NopCloser(sent)
	w := &discarded{header: http.Header{}}
	return func() {
		sent.Reset(text)
		clear(w.header)
		g.handler.ServeHTTP(w, req)
		if w.status != 0 {
			t.Fatalf("status %d", w.status)
		}
	}, len(all)
}

// A batch allocates a copy of its body, and nothing for an item. The race detector takes objects
// out of pools at random, so what is tested is that there is less than one allocation an item.
func TestADecisionInABatchAllocatesNothing(t *testing.T) {
	send, items := hotBatch(t)
	if n := testing.AllocsPerRun(200, send); n >= float64(items) {
		t.Errorf("%v allocations for %d items", n, items)
	}
}

// BenchmarkBatch measures a decision in batches of 100 hot keys: everything but the network.
func BenchmarkBatch(b *testing.B) {
	send, items := hotBatch(b)
	b.ReportAllocs()
	for b.Loop() {
		send()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*items), "ns/decision")
}
