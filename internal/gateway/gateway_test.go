package gateway_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// site is a server with a gateway before a test API.
type site struct {
	*testkit.Server
	t      testing.TB
	tenant tenancy.Tenant
	owner  *client.Client
	api    *upstream
	// rules is the file of entries and rules.
	rules string
}

// upstream is a protected API that records the requests which reach it.
type upstream struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
	// serve answers requests; nil for 200 with the path.
	serve http.HandlerFunc
}

// last returns the last request; nil if none came.
func (u *upstream) last() *http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.seen) == 0 {
		return nil
	}
	return u.seen[len(u.seen)-1]
}

// all returns all requests.
func (u *upstream) all() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.seen)
}

func (u *upstream) count() int { return len(u.all()) }

func newUpstream(t testing.TB, serve http.HandlerFunc) *upstream {
	t.Helper()
	u := &upstream{serve: serve}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.seen = append(u.seen, r)
		u.mu.Unlock()
		if u.serve != nil {
			u.serve(w, r)
			return
		}
		_, _ = io.WriteString(w, "the API at "+r.RequestURI)
	}))
	t.Cleanup(u.Close)
	return u
}

// setUp changes what newSite starts.
type setUp struct {
	preset policy.Preset
	serve  http.HandlerFunc
	rules  string
	config func(*config.Config)
	// otherwise is that of the entry "default"; any-key by default.
	otherwise string
}

// newSite starts a server whose gateway has the entry "default" of its tenant.
func newSite(t testing.TB, o setUp) *site {
	t.Helper()
	s := &site{t: t, api: newUpstream(t, o.serve)}
	c := testkit.SQLite.Config(t)
	c.Gateway.Listen, c.Gateway.Upstream = "127.0.0.1:0", config.Upstream(s.api.URL)
	if o.rules != "" {
		s.rules = filepath.Join(t.TempDir(), "routes.yaml")
		testkit.NoError(t, os.WriteFile(s.rules, []byte(o.rules), 0o600))
		c.Server.Routes = s.rules
	}
	if o.config != nil {
		o.config(&c)
	}
	s.Server = testkit.StartIn(t, c)
	if o.preset == "" {
		o.preset = policy.Standard
	}
	s.tenant = s.Preset(o.preset, func(p *policy.Settings) {
		p.KeysPerUser = 0
		p.Creators = []policy.Creator{policy.BySelf, policy.ByAdmin}
	})
	s.owner = s.As(s.Member(s.tenant, "Key Owner", scope.Admin))
	if o.otherwise == "" {
		o.otherwise = "any-key"
	}
	testkit.CreateEntry(t, s.Server, "default", s.tenant.ID, o.otherwise)
	return s
}

// key issues a key.
func (s *site) key(scopes ...string) api.IssuedKey {
	s.t.Helper()
	return s.Key(s.owner, s.tenant, scopes...)
}

// answer is a response.
type answer struct {
	*http.Response
	body string
}

// code returns the code of a refusal; "" if the request reached the API.
func (a answer) code() string { return a.Header.Get("X-Claviger-Code") }

// send sends a request to the gateway. uri is sent as it is.
func (s *site) send(method, uri string, header http.Header, body ...string) answer {
	s.t.Helper()
	req := s.request(s.t.Context(), method, uri, header, body...)
	resp, err := http.DefaultTransport.RoundTrip(req)
	testkit.NoError(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	testkit.NoError(s.t, err)
	return answer{resp, string(text)}
}

func (s *site) request(ctx context.Context, method, uri string, header http.Header, body ...string) *http.Request {
	s.t.Helper()
	var content io.Reader
	if len(body) > 0 {
		content = strings.NewReader(body[0])
	}
	req, err := http.NewRequestWithContext(ctx, method, s.GatewayURL+"/", content)
	testkit.NoError(s.t, err)
	req.URL.Opaque = uri
	if uri == "" {
		req.URL.Opaque = "/"
	}
	for name, values := range header {
		if name == "Host" {
			req.Host = values[0]
			continue
		}
		req.Header[name] = values
	}
	return req
}

// bearer returns the header with the key, and others.
func bearer(k api.IssuedKey, more ...http.Header) http.Header {
	h := http.Header{"Authorization": {"Bearer " + k.Credential.Value}}
	for _, header := range more {
		maps.Copy(h, header)
	}
	return h
}

func TestARequestReachesTheAPIWithTheIdentityAndWithoutTheCredential(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{})
	k := s.key("applications:read")
	got := s.send(http.MethodGet, "/orders/17?q=a%20b&x;y=1", bearer(k, http.Header{
		"Cookie": {"a=1; claviger=x; b=2; __Host-claviger-gateway=y; claviger-gateway=z"}, "X-Own": {"kept"},
	}))
	if got.StatusCode != http.StatusOK || got.body != "the API at /orders/17?q=a%20b&x;y=1" {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	at := s.api.last()
	for name, want := range map[string]string{
		"X-Claviger-Principal": "key", "X-Claviger-Key-Id": k.Key.ID, "X-Claviger-Owner-Type": "user",
		"X-Claviger-Tenant": string(s.tenant.ID), "X-Claviger-Scopes": "applications:read",
		"X-Claviger-Applications": "*", "X-Claviger-Transport": "bearer", "X-Claviger-Plan": "",
		"Authorization": "", "Cookie": "a=1; b=2", "X-Own": "kept", "X-Forwarded-For": "127.0.0.1",
		"X-Forwarded-Proto": "http", "X-Forwarded-Host": strings.TrimPrefix(s.GatewayURL, "http://"),
	} {
		if got := at.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if id := at.Header.Get("X-Request-Id"); id == "" || id != got.Header.Get("X-Request-Id") {
		t.Errorf("request id %q, in the response %q", id, got.Header.Get("X-Request-Id"))
	}
}

func TestEveryTransportReachesTheAPIWithoutItsCredential(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{})
	k := s.key("applications:read")
	basic := &http.Request{Header: http.Header{}}
	basic.SetBasicAuth(k.Credential.ID, k.Credential.Secret)
	for transport, header := range map[string]http.Header{
		"bearer": bearer(k), "basic": basic.Header, "header": {"X-Api-Key": {k.Credential.Value}},
	} {
		got := s.send(http.MethodGet, "/", header)
		if got.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", transport, got.StatusCode, got.body)
			continue
		}
		at := s.api.last().Header
		if at.Get("X-Claviger-Transport") != transport || at.Get("Authorization") != "" || at.Get("X-Api-Key") != "" {
			t.Errorf("%s: %v", transport, at)
		}
	}
}

func TestRefusedRequestsDoNotReachTheAPI(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{})
	k := s.key("applications:read")
	revoked := s.key("applications:read")
	_, err := s.owner.RevokeKey(t.Context(), string(s.tenant.ID), revoked.Key.ID, "")
	testkit.NoError(t, err)
	other := s.Tenant("Other", nil)
	foreign := s.Key(s.As(s.Member(other, "Other Owner", scope.Admin)), other, "applications:read")
	for name, c := range map[string]struct {
		uri    string
		header http.Header
		want   string
	}{
		"no credential":      {"/", http.Header{}, "api_key_invalid"},
		"a revoked key":      {"/", bearer(revoked), "api_key_revoked"},
		"a foreign key":      {"/", bearer(foreign), "api_key_invalid"},
		"a dotted path":      {"/a/../b", bearer(k), "path_ambiguous"},
		"an encoded slash":   {"/a%2fb", bearer(k), "path_ambiguous"},
		"an empty segment":   {"/b//a", bearer(k), "path_ambiguous"},
		"an absolute URI":    {"http://a/b", bearer(k), "path_ambiguous"},
		"two credentials":    {"/", bearer(k, http.Header{"X-Api-Key": {k.Credential.Value}}), "credential_ambiguous"},
		"a console's cookie": {"/", http.Header{"Cookie": {s.consoleCookie()}}, "api_key_invalid"},
	} {
		got := s.send(http.MethodGet, c.uri, c.header)
		if got.code() != c.want {
			t.Errorf("%s: %d %s, want %s", name, got.StatusCode, got.code(), c.want)
		}
		if id := got.Header.Get("X-Request-Id"); id == "" {
			t.Errorf("%s: no request id", name)
		}
	}
	if n := s.api.count(); n != 0 {
		t.Errorf("%d refused requests reached the API", n)
	}
}

// cookie begins a session of the kind and returns its cookie.
func (s *site) cookie(name string, in session.SignIn) string {
	s.t.Helper()
	u, err := s.Store.User(s.t.Context(), in.User.ID)
	testkit.NoError(s.t, err)
	in.PasswordSetAt = u.PasswordSetAt
	_, token, err := s.Sessions.Begin(s.t.Context(), in)
	testkit.NoError(s.t, err)
	return name + "=" + token.Reveal()
}

// consoleCookie returns the cookie of a sign-in at Claviger itself.
func (s *site) consoleCookie() string {
	s.t.Helper()
	return s.cookie("claviger", session.SignIn{User: s.Member(s.tenant, "Console User", scope.Admin)})
}

func TestTheGatewayServesNothingOfClavigerItself(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{otherwise: "refuse"})
	for _, uri := range []string{
		"/", "/docs", "/docs/api", "/openapi.json", "/healthz", "/readyz", "/metrics", "/setup", "/api/v1/whoami",
		"/api/v1/verify", "/api/v1/authz", "/api/v1/tenants", "/api/v1/me", "/oauth2/token",
		"/.well-known/oauth-authorization-server",
	} {
		if got := s.send(http.MethodGet, uri, http.Header{}); got.code() != "route_unknown" {
			t.Errorf("%s: %d %s", uri, got.StatusCode, got.body)
		}
	}
}

func TestTheRulesOfTheFileDecide(t *testing.T) {
	t.Parallel()
	const rules = `
entries:
  - name: films
    hosts: [films.example.com]
    rules:
      - {path: "/public/{rest...}", public: true}
      - {path: "/vendor/{rest...}", dialect: loadrunner}
      - {methods: [GET], path: /films, scopes: [applications:read]}
`
	s := newSite(t, setUp{rules: rules})
	k := s.key("applications:read")
	weak := s.key("members:read")
	host := http.Header{"Host": {"films.example.com"}}
	for name, c := range map[string]struct {
		method, uri string
		header      http.Header
		status      int
		code        string
	}{
		"public":             {http.MethodGet, "/public/a", host, 200, ""},
		"with the scope":     {http.MethodGet, "/films", bearer(k, host), 200, ""},
		"without the scope":  {http.MethodGet, "/films", bearer(weak, host), 403, "insufficient_scope"},
		"another method":     {http.MethodPost, "/films", bearer(k, host), 403, "route_unknown"},
		"no rule":            {http.MethodGet, "/else", bearer(k, host), 403, "route_unknown"},
		"a vendor's dialect": {http.MethodGet, "/vendor/a", host, 401, "api_key_invalid"},
	} {
		got := s.send(c.method, c.uri, c.header)
		if got.StatusCode != c.status || got.code() != c.code {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		}
		if name == "a vendor's dialect" && !strings.HasPrefix(got.body, `{"message":`) {
			t.Errorf("%s: %s", name, got.body)
		}
	}
}
