package dataplane_test

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/dataplane"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/proxy"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// gate is a server of forward-auth over the engine of a testkit server, with entries that a test
// chooses.
type gate struct {
	*testkit.Server
	t       testing.TB
	auth    *web.Authenticator
	routes  fixedRoutes
	tenant  tenancy.Tenant
	owner   *client.Client
	handler http.Handler
	// address is that of the listener.
	address string
}

// fixedRoutes are entries by name.
type fixedRoutes map[string]*fixedEntry

type fixedEntry struct {
	route.Entry
	table *route.Table
}

// Entry implements dataplane.Routes.
func (f fixedRoutes) Entry(_ context.Context, name, _ string) (*route.Entry, error) {
	if name == "" {
		name = "default" // the host decides whether it counts
	}
	if e := f[name]; e != nil {
		return &e.Entry, nil
	}
	return nil, fault.New(fault.RouteUnknown, "No such entry.")
}

// Match implements dataplane.Routes.
func (f fixedRoutes) Match(_ context.Context, e *route.Entry, method string, target route.Target,
	h route.Headers,
) (route.Match, bool, error) {
	return f[e.Name].table.Match(method, target, h)
}

// HeaderNames implements forward.Routes.
func (f fixedRoutes) HeaderNames(context.Context, *route.Entry) ([]string, error) { return nil, nil }

// newGate starts a server. The entry `default` is bound to its tenant, accepts any key, and has no
// rules. The test sends requests from the address of a proxy of the kind.
func newGate(t testing.TB, kind proxy.Kind) *gate {
	t.Helper()
	h := testkit.Start(t, testkit.SQLite)
	g := &gate{Server: h, t: t, routes: fixedRoutes{}}
	g.tenant = h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	g.owner = h.As(h.Member(g.tenant, "Key Owner", scope.Admin))
	g.auth = &web.Authenticator{
		Verify:     &verify.Authenticator{Engine: h.Engine, Sessions: h.Sessions, ManagementKeys: h.ManagementKeys},
		KeyHeaders: new(web.KeyHeaders),
		Proxies:    proxy.Networks{{Prefix: netip.MustParsePrefix("127.0.0.0/8"), Kind: kind}},
	}
	g.auth.KeyHeaders.Set(web.KeyHeader{Tenant: g.tenant.ID, Name: "X-API-Key"},
		web.KeyHeader{Tenant: "ten_other", Name: "X-Other-Key"})
	g.entry(route.Entry{Name: "default", Tenant: g.tenant.ID, Otherwise: route.AnyKey})
	router := web.NewRouter(web.NewMiddleware(g.auth, slog.New(slog.DiscardHandler), web.Options{}))
	(&dataplane.API{
		Authenticator: g.auth, Errors: web.ProblemWriter{Authenticator: g.auth}, Routes: g.routes,
		Log: slog.New(slog.NewTextHandler(h.Log, nil)),
	}).Mount(router)
	g.handler = router.Handler()
	server := httptest.NewServer(g.handler)
	t.Cleanup(server.Close)
	g.address = strings.TrimPrefix(server.URL, "http://")
	return g
}

// entry adds or replaces an entry.
func (g *gate) entry(e route.Entry, rules ...route.Rule) {
	g.t.Helper()
	table, problems := route.Compile(rules)
	if len(problems) > 0 {
		g.t.Fatalf("rules of %s: %+v", e.Name, problems)
	}
	g.routes[e.Name] = &fixedEntry{e, table}
}

// pattern returns a compiled pattern.
func pattern(t testing.TB, text string) route.Pattern {
	t.Helper()
	return testkit.Must[route.Pattern](t)(route.ParsePattern(text))
}

// key issues a key of the gate's tenant.
func (g *gate) key(scopes ...string) api.IssuedKey {
	g.t.Helper()
	return g.Key(g.owner, g.tenant, scopes...)
}

// checked is the response to a check request.
type checked struct {
	Status int
	Header http.Header
	Body   string
}

// code returns the code of a refusal; "ok" if the request is allowed.
func (c checked) code() string {
	if c.Status == http.StatusOK {
		return "ok"
	}
	return c.Header.Get("X-Claviger-Code")
}

// send sends the text of a request, as a proxy with the headers would.
func (g *gate) send(method, path string, header http.Header) checked {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, "http://"+g.address, http.NoBody)
	testkit.NoError(g.t, err)
	req.URL.Opaque = path
	req.Header = header.Clone()
	if host := header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	testkit.NoError(g.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	testkit.NoError(g.t, err)
	return checked{resp.StatusCode, resp.Header, string(body)}
}

// ask sends the check request of nginx for a request.
func (g *gate) ask(method, uri string, more ...http.Header) checked {
	g.t.Helper()
	return g.send(http.MethodGet, "/api/v1/authz", nginx(method, uri, more...))
}

// nginx returns the headers of a check request of nginx.
func nginx(method, uri string, more ...http.Header) http.Header {
	h := http.Header{
		"X-Original-Method": {method}, "X-Original-Uri": {uri}, "X-Forwarded-For": {"198.51.100.7"},
	}
	for _, header := range more {
		maps.Copy(h, header)
	}
	return h
}

// bearer returns the header with the key.
func bearer(k api.IssuedKey) http.Header {
	return http.Header{"Authorization": {"Bearer " + k.Credential.Value}}
}

// cookie begins a session of the person and returns the header with its cookie, among others.
func (g *gate) cookie(p principal.Person) http.Header {
	g.t.Helper()
	u, err := g.Store.User(g.t.Context(), p.ID)
	testkit.NoError(g.t, err)
	_, token, err := g.Sessions.Begin(g.t.Context(), session.SignIn{
		User: p, PasswordSetAt: u.PasswordSetAt, From: principal.Origin{IP: "127.0.0.1", UserAgent: "test"},
	})
	testkit.NoError(g.t, err)
	return http.Header{"Cookie": {"other=1; claviger=" + token.Reveal()}}
}

// expect fails the test unless the response has the code.
func expect(t testing.TB, what string, got checked, want string) {
	t.Helper()
	if got.code() != want {
		t.Errorf("%s: %d %s, want %s\n%s", what, got.Status, got.code(), want, got.Body)
	}
}

// dial opens a connection to the gate.
func (g *gate) dial() net.Conn {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.address)
	testkit.NoError(g.t, err)
	g.t.Cleanup(func() { conn.Close() })
	return conn
}
