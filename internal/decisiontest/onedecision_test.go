package decisiontest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/dataplane"
	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/gateway"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/proxy"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/token"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// minCells is how many cells the test compares at least.
const minCells = 40_000

// expiresAfter is after what time the keys that expire do.
const expiresAfter = time.Minute

// oneRule is a rule, and what verify is asked instead.
type oneRule struct {
	rule route.Rule
	// choices are lists of scopes. The rule is met if verify accepts one of them.
	choices     [][]string
	application string
	sessionOnly bool
}

// oneKey is a key in a state.
type oneKey struct {
	state             string
	value, id, secret string
	// token is an access token that was issued before the key came into its state; "" for none.
	token string
}

// A request with a key, or with its access token, is decided in the same way by verify, by
// forward-auth, and by the gateway, both where it forwards the request and where it answers a path
// of a vendor: for each style, each set of transports, each state, each transport and each rule. In
// a batch, verify answers the same bytes.
func TestEveryEntryPointMakesOneDecision(t *testing.T) {
	t.Parallel()
	d := newDecider(t)
	d.verifier = d.issueVerifier()
	for style, sets := range map[credential.Style][][]policy.Transport{
		credential.Token:  {{policy.Bearer}, {policy.OAuth}},
		credential.Pair:   {{policy.Bearer, policy.OAuth}}, // its tokens are JWTs
		credential.Client: {{policy.Header, policy.Basic}},
		credential.UUID:   {{policy.Bearer, policy.OAuth}},
	} {
		d.compareTenant(style, []policy.Transport{policy.Bearer, policy.Basic, policy.Header})
		for _, transports := range sets {
			d.compareTenant(style, transports)
		}
	}
	if d.cells < minCells {
		t.Errorf("%d cells were compared, not %d", d.cells, minCells)
	}
	for _, code := range []string{
		"ok", "api_key_invalid", "api_key_expired", "api_key_revoked", "api_key_disabled", "transport_forbidden",
		"address_forbidden", "session_required", "insufficient_scope", "application_forbidden", "token_invalid",
		"token_expired",
	} {
		if d.seen[code] == 0 {
			t.Errorf("no cell is %s", code)
		}
	}
	t.Logf("%d cells: %v", d.cells, d.seen)
}

// decider has the entry points over the engine of a testkit server.
type decider struct {
	*testkit.Server
	t      testing.TB
	auth   *web.Authenticator
	routes fixedRoutes
	// dataplane serves verify and forward-auth. gateway is that of the current tenant.
	dataplane, gateway http.Handler
	verifier           string
	tenants, cells     int
	seen               map[string]int
	// asked are requests to verify about the current tenant, with the responses.
	asked []asked
}

// asked is a request to verify, and its response.
type asked struct {
	body     json.RawMessage
	response string
}

// fixedRoutes are the entry of the current tenant and its rules.
type fixedRoutes struct {
	entry *route.Entry
	table *route.Table
}

// Entry implements forward.Routes.
func (f *fixedRoutes) Entry(context.Context, string, string) (*route.Entry, error) {
	return f.entry, nil
}

// Match implements forward.Routes.
func (f *fixedRoutes) Match(_ context.Context, _ *route.Entry, method string, target route.Target,
	h route.Headers,
) (route.Match, bool, error) {
	return f.table.Match(method, target, h)
}

// HeaderNames implements forward.Routes.
func (f *fixedRoutes) HeaderNames(context.Context, *route.Entry) ([]string, error) { return nil, nil }

func newDecider(t testing.TB) *decider {
	t.Helper()
	d := &decider{Server: testkit.Start(t, testkit.SQLite), t: t, seen: map[string]int{}}
	d.auth = &web.Authenticator{
		Verify:     &verify.Authenticator{Engine: d.Engine, Sessions: d.Sessions, ManagementKeys: d.ManagementKeys},
		KeyHeaders: new(web.KeyHeaders),
		Proxies:    proxy.Networks{{Prefix: netip.MustParsePrefix("127.0.0.0/8"), Kind: proxy.Nginx}},
	}
	d.auth.KeyHeaders.Set(web.KeyHeader{Tenant: "ten_one", Name: "X-API-Key"},
		web.KeyHeader{Tenant: "ten_other", Name: "X-Other-Key"})
	router := web.NewRouter(d.middleware())
	(&dataplane.API{
		Authenticator: d.auth, Errors: web.ProblemWriter{Authenticator: d.auth}, Routes: &d.routes,
		Log: slog.New(slog.DiscardHandler),
	}).Mount(router)
	d.dataplane = router.Handler()
	return d
}

func (d *decider) middleware() *web.Middleware {
	return web.NewMiddleware(d.auth, slog.New(slog.DiscardHandler), web.Options{})
}

// dialects are those that the entries of the tenants speak, one after the other.
var dialects = []string{dialect.BlazeMeter, dialect.LoadRunner, dialect.Blazeauth, dialect.Blancco}

// newGateway returns the handler of a gateway before an API. The vendor of the entry has a route
// for each rule, which needs what the rule does.
func (d *decider) newGateway(rules []oneRule) http.Handler {
	d.t.Helper()
	vendor := &dialect.Vendor{Name: d.routes.entry.Dialect}
	for i, r := range rules {
		vendor.Routes = append(vendor.Routes, dialect.Route{
			Method: http.MethodGet, Path: fmt.Sprintf("/vendor%d", i),
			Needs: verify.Requirement{
				SessionOnly: r.sessionOnly, Scopes: r.rule.Scopes, AnyScope: r.rule.AnyScope,
				Application: r.application,
			},
			Serve: func(w http.ResponseWriter, _ *dialect.Call) error {
				w.WriteHeader(http.StatusOK)
				return nil
			},
		})
	}
	upstream := testkit.Must[*url.URL](d.t)(url.Parse("http://api.example.com"))
	router := web.NewRouter(d.middleware())
	(&gateway.Gateway{
		Middleware: d.middleware(), Routes: &d.routes, Vendors: []*dialect.Vendor{vendor},
		Upstreams: gateway.Upstreams{Default: upstream}, Transport: anAPI{}, MaxBody: 1 << 20,
		StallTimeout: time.Minute, ReadTimeout: time.Minute, Counts: new(gateway.Counts), MaxConcurrent: 10,
		Doubt: func() error { return nil }, Log: slog.New(slog.DiscardHandler),
	}).Mount(router)
	return router.Handler()
}

// anAPI answers every request.
type anAPI struct{}

// RoundTrip implements http.RoundTripper.
func (anAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// issueVerifier returns a key that may verify every key of the account.
func (d *decider) issueVerifier() string {
	tenant := d.Tenant("Verifiers", nil)
	d.Join(tenant, d.Server.Owner, scope.Admin)
	return d.Key(d.As(d.Server.Owner), tenant, "keys:verify").Credential.Value
}

func (d *decider) compareTenant(style credential.Style, transports []policy.Transport) {
	d.t.Helper()
	tenant := d.Tenant(fmt.Sprint(style, transports), func(s *policy.Settings) {
		s.Style, s.Transports = style, transports
		s.KeysPerUser, s.ClientDomain = 0, "api.example.com"
		if len(transports) == 2 && transports[1] == policy.OAuth {
			*s = s.WithTokenFormat(policy.JWT)
			s.TokenAlgorithm = policy.ES256
		}
	})
	admin := d.As(d.Member(tenant, "Owner", scope.Admin))
	applications := map[string]string{"none": "app_none"}
	for _, name := range []string{"listed", "other", "disabled"} {
		applications[name] = string(d.Application(tenant, name).ID)
	}
	_, err := admin.EditApplication(d.t.Context(), string(tenant.ID), applications["disabled"],
		api.UpdateApplicationRequest{Status: api.To(api.StatusDisabled)})
	testkit.NoError(d.t, err)
	rules := rulesOf(d.t, applications)
	all := make([]route.Rule, len(rules))
	for i := range rules {
		all[i] = rules[i].rule
	}
	table, problems := route.Compile(all)
	if len(problems) > 0 {
		d.t.Fatalf("rules: %+v", problems)
	}
	speaks := dialects[d.tenants%len(dialects)]
	d.tenants++
	d.routes = fixedRoutes{&route.Entry{Name: "default", Tenant: tenant.ID, Dialect: speaks}, table}
	d.gateway = d.newGateway(rules)
	tokens := slices.Contains(transports, policy.OAuth)
	for _, k := range d.keysOf(tenant, admin, applications, tokens) {
		for _, header := range k.headers() {
			for i, r := range rules {
				d.compare(k, header, i, r)
			}
		}
	}
	for part := range slices.Chunk(d.asked, batchSize) {
		d.compareBatch(part)
	}
	d.asked = nil
}

// batchSize is how many of the requests are sent in one batch, so that it is not too large.
const batchSize = 400

// compareBatch sends requests in one batch, which answers each of them as it was answered alone,
// byte for byte.
func (d *decider) compareBatch(part []asked) {
	d.t.Helper()
	var request struct {
		Items []json.RawMessage `json:"items"`
	}
	for _, a := range part {
		request.Items = append(request.Items, a.body)
	}
	w := d.post("/api/v1/verify/batch", testkit.Must[[]byte](d.t)(json.Marshal(request)))
	var response struct{ Items []json.RawMessage }
	testkit.NoError(d.t, json.Unmarshal(w.Body.Bytes(), &response))
	if w.Code != http.StatusOK || len(response.Items) != len(part) {
		d.t.Fatalf("a batch of %d answers %d with %d items", len(part), w.Code, len(response.Items))
	}
	for i, a := range part {
		d.cells++
		if in := string(response.Items[i]); in != a.response {
			d.t.Errorf("%s: in a batch %s, and alone %s", a.body, in, a.response)
		}
	}
}

// post sends a body to a route of the data plane, as the verifier.
func (d *decider) post(path string, body []byte) *httptest.ResponseRecorder {
	d.t.Helper()
	req := httptest.NewRequestWithContext(d.t.Context(), http.MethodPost, path, bytes.NewReader(body))
	req.Header = http.Header{"Authorization": {"Bearer " + d.verifier}, "Content-Type": {"application/json"}}
	w := httptest.NewRecorder()
	d.dataplane.ServeHTTP(w, req)
	return w
}

// rulesOf returns the rules of a tenant.
func rulesOf(t testing.TB, applications map[string]string) []oneRule {
	scopes := func(names ...string) (list []scope.Scope) {
		for _, name := range names {
			list = append(list, scope.Scope(name))
		}
		return list
	}
	both := []string{"applications:read", "audit:read"}
	rules := []oneRule{
		{choices: [][]string{{}}},
		{choices: [][]string{{"applications:read"}}, rule: route.Rule{Scopes: scopes("applications:read")}},
		{choices: [][]string{{"audit:read"}}, rule: route.Rule{Scopes: scopes("audit:read")}},
		{choices: [][]string{{"films:read"}}, rule: route.Rule{Scopes: scopes("films:read")}},
		{choices: [][]string{both}, rule: route.Rule{Scopes: scopes(both...)}},
		{choices: [][]string{both[:1], both[1:]}, rule: route.Rule{Scopes: scopes(both...), AnyScope: true}},
		{choices: [][]string{{}}, sessionOnly: true, rule: route.Rule{SessionOnly: true}},
	}
	for _, name := range []string{"listed", "other", "disabled", "none"} {
		rules = append(rules,
			oneRule{choices: [][]string{{}}, application: applications[name]},
			oneRule{
				choices: [][]string{{"audit:read"}}, application: applications[name],
				rule: route.Rule{Scopes: scopes("audit:read")},
			})
	}
	for i := range rules {
		r := &rules[i]
		r.rule.Path = testkit.Must[route.Pattern](t)(route.ParsePattern(fmt.Sprintf("/rule%d", i)))
		r.rule.Application.ID = r.application
	}
	return rules
}

// keysOf issues keys of the tenant, in each state, for all applications and for one.
func (d *decider) keysOf(tenant tenancy.Tenant, admin *client.Client,
	applications map[string]string, tokens bool,
) (keys []oneKey) {
	d.t.Helper()
	id := string(tenant.ID)
	for _, restricted := range []bool{false, true} {
		n := api.CreateKeyRequest{Name: "Test key", Scopes: []string{"applications:read"}, AllApplications: !restricted}
		if restricted {
			n.ApplicationIDs = []string{applications["listed"], applications["disabled"]}
		}
		issue := func(state string, n api.CreateKeyRequest) api.IssuedKey {
			k := testkit.Must[api.IssuedKey](d.t)(admin.CreateKey(d.t.Context(), id, n))
			c := k.Credential
			one := oneKey{state: state, value: c.Value, id: c.ID, secret: c.Secret}
			if tokens {
				one.token = d.issueToken(k, n.AllowedCIDRs, "")
			}
			keys = append(keys, one)
			if state == "wide" && tokens {
				one.state, one.token = "narrow token", d.issueToken(k, nil, "applications:read")
				keys = append(keys, one)
			}
			return k
		}
		issue("active", n)
		revoked, disabled := issue("revoked", n), issue("disabled", n)
		deleted := issue("deleted", n)
		testkit.NoError(d.t, testkit.ErrorOf(admin.RevokeKey(d.t.Context(), id, revoked.Key.ID, "")))
		testkit.NoError(d.t, testkit.ErrorOf(admin.DisableKey(d.t.Context(), id, disabled.Key.ID)))
		testkit.NoError(d.t, admin.DeleteKey(d.t.Context(), id, deleted.Key.ID))
		elsewhere, here := n, n
		elsewhere.AllowedCIDRs, here.AllowedCIDRs = []string{"192.0.2.0/24"}, []string{"198.51.100.0/24"}
		issue("elsewhere", elsewhere)
		issue("here", here)
		soon := n
		at := d.Clock.Now().Add(expiresAfter)
		soon.ExpiresAt = &at
		issue("expired", soon)
		wide := n
		wide.Scopes = []string{"*"}
		issue("wide", wide)
		wrong := keys[0]
		wrong.token = ""
		last := len(wrong.secret) - 1
		changed := byte('a')
		if wrong.secret[last] == changed {
			changed = 'b'
		}
		wrong.state = "wrong secret"
		wrong.value = wrong.value[:len(wrong.value)-1] + string(changed)
		wrong.secret = wrong.secret[:last] + string(changed)
		keys = append(keys, wrong)
	}
	d.Clock.Move(2 * expiresAfter)
	return keys
}

// headers returns the headers that carry the key: by each transport, and in the key header of
// another tenant.
func (k oneKey) headers() []http.Header {
	headers := []http.Header{
		{"Authorization": {"Bearer " + k.value}},
		{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(k.id+":"+k.secret))}},
		{"X-Api-Key": {k.value}},
		{"X-Other-Key": {k.value}},
	}
	if k.token != "" {
		headers = append(headers, http.Header{"Authorization": {"Bearer " + k.token}})
	}
	return headers
}

// issueToken issues a token of the key, limited to the scope if there is one, from an address that
// the key allows.
func (d *decider) issueToken(k api.IssuedKey, networks []string, limitedTo string) string {
	d.t.Helper()
	ip := clientIP
	if len(networks) > 0 {
		ip = netip.MustParsePrefix(networks[0]).Addr().Next().String()
	}
	parsed, ok := credential.ParsePair(k.Credential.ID, k.Credential.Secret)
	if !ok {
		d.t.Fatal("the key is none")
	}
	grant, decision, err := d.Engine.Grant(d.t.Context(),
		verify.PresentKey(parsed, policy.Location{Transport: policy.OAuth}), ip)
	testkit.NoError(d.t, err)
	if decision.Code != "" {
		d.t.Fatalf("the client is refused: %s", decision.Code)
	}
	requested, err := token.ParseScopes(limitedTo)
	testkit.NoError(d.t, err)
	issued := testkit.Must[token.Issued](d.t)(d.Tokens.Issue(d.t.Context(), grant, requested))
	return issued.Value.Reveal()
}

// compare asks every entry point about a request.
func (d *decider) compare(k oneKey, header http.Header, index int, r oneRule) {
	d.t.Helper()
	byVerify := ""
	for _, scopes := range r.choices {
		if byVerify != "ok" {
			byVerify = d.askVerify(header, scopes, r)
		}
	}
	d.seen[byVerify]++
	rule, vendor := fmt.Sprintf("/rule%d", index), fmt.Sprintf("/vendor%d", index)
	check := header.Clone()
	check.Set("X-Original-Method", http.MethodGet)
	check.Set("X-Original-Uri", rule)
	for by, got := range map[string]string{
		"forward-auth": d.ask(d.dataplane, "/api/v1/authz", check), "the gateway": d.ask(d.gateway, rule, header),
		"the vendor": d.ask(d.gateway, vendor, header),
	} {
		d.cells++
		if got != byVerify {
			d.t.Errorf("%s, %s, %s: verify says %s, and %s says %s", k.state, header, rule, byVerify, by, got)
		}
	}
}

func (d *decider) askVerify(header http.Header, scopes []string, r oneRule) string {
	headers := map[string]string{}
	for name, values := range header {
		headers[name] = values[0]
	}
	body, err := json.Marshal(map[string]any{
		"headers": headers, "tenant_id": d.routes.entry.Tenant, "scopes": scopes, "application_id": r.application,
		"session_only": r.sessionOnly, "ip": clientIP,
	})
	testkit.NoError(d.t, err)
	w := d.post("/api/v1/verify", body)
	d.asked = append(d.asked, asked{body, w.Body.String()})
	var answer struct{ Code string }
	testkit.NoError(d.t, json.Unmarshal(w.Body.Bytes(), &answer))
	return answer.Code
}

// clientIP is the address of the client that sends the requests, through a trusted proxy.
const clientIP = "198.51.100.7"

// ask sends a request of a client and returns the code of the refusal; "ok" for none.
func (d *decider) ask(h http.Handler, path string, header http.Header) string {
	req := httptest.NewRequestWithContext(d.t.Context(), http.MethodGet, path, nil)
	req.Header, req.RemoteAddr = header.Clone(), "127.0.0.1:1"
	req.Header.Set("X-Forwarded-For", clientIP)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if w.Code == http.StatusOK {
		return "ok"
	}
	return w.Header().Get("X-Claviger-Code")
}
