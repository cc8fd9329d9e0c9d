package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// post sends JSON.
func (s *site) post(uri string, body any, header ...http.Header) answer {
	s.t.Helper()
	text, err := json.Marshal(body)
	testkit.NoError(s.t, err)
	h := http.Header{"Content-Type": {"application/json"}}
	for _, more := range header {
		for name, values := range more {
			h[name] = values
		}
	}
	return s.send(http.MethodPost, uri, h, string(text))
}

// signIn signs a person in at the gateway and returns the header with the cookie.
func (s *site) signIn(p principal.Person) http.Header {
	s.t.Helper()
	got := s.post("/api/v1/session", map[string]string{"email": p.Email, "password": testkit.Password})
	if got.StatusCode != http.StatusCreated || len(got.Cookies()) != 1 {
		s.t.Fatalf("sign in: %d %s", got.StatusCode, got.body)
	}
	cookie := got.Cookies()[0]
	if cookie.Name != "claviger-gateway" || !cookie.HttpOnly {
		s.t.Fatalf("cookie %s", cookie)
	}
	return http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}}
}

func basic(k api.IssuedKey) http.Header {
	req := &http.Request{Header: http.Header{}}
	req.SetBasicAuth(k.Credential.ID, k.Credential.Secret)
	return req.Header
}

// B1 and B2, and what BlazeMeter's clients get when they are refused.
func TestBlazeMetersClientsAuthenticateByBasicAndByCookie(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{preset: policy.BlazeMeter})
	member := s.Member(s.tenant, "Member", scope.Member)
	for name, header := range map[string]http.Header{"a key": basic(s.key("*")), "a session": s.signIn(member)} {
		got := s.send(http.MethodGet, "/api/v4/user", header)
		var body struct {
			APIVersion int `json:"api_version"`
			Result     struct {
				ID    int64  `json:"id"`
				Email string `json:"email"`
			} `json:"result"`
		}
		testkit.NoError(t, json.Unmarshal([]byte(got.body), &body))
		if got.StatusCode != http.StatusOK || body.APIVersion != 4 || body.Result.ID == 0 || body.Result.Email == "" {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		}
		// The path of the seed, which the API answers.
		got = s.send(http.MethodPost, "/api/v4/tests/17/start", header)
		if got.body != "the API at /api/v4/tests/17/start" {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		}
	}
	const unauthorized = `{"error":{"code":401,"message":"Unauthorized"},"api_version":4,"result":null}`
	wrong := basic(api.IssuedKey{Credential: &api.Credential{ID: "f817e22f1526b048799f75da", Secret: "wrong"}})
	for range 10 {
		for _, uri := range []string{"/api/v4/user", "/api/v4/tests/17/start"} {
			got := s.send(http.MethodGet, uri, wrong)
			if got.StatusCode != http.StatusUnauthorized || strings.TrimSpace(got.body) != unauthorized {
				t.Fatalf("%s: %d %s", uri, got.StatusCode, got.body)
			}
		}
	}
	if got := s.send(http.MethodGet, "/api/v4/user", basic(s.key("*"))); got.StatusCode != http.StatusOK {
		t.Errorf("after ten refusals: %d %s", got.StatusCode, got.body)
	}
	got := s.send(http.MethodGet, "/api/v4/workspaces/123456", basic(s.key("*")))
	if got.StatusCode != http.StatusNotFound || !strings.Contains(got.body, `{"error":{"code":404`) {
		t.Errorf("another workspace: %d %s", got.StatusCode, got.body)
	}
}

// A3 to A6.
func TestBlazeauthsRoutesDecideByScopeApplicationAndSession(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{preset: policy.Blazeauth})
	ctx, id := t.Context(), string(s.tenant.ID)
	application := func(name string) api.Application {
		return testkit.Must[api.Application](t)(s.owner.CreateApplication(ctx, id,
			api.CreateApplicationRequest{Name: name}))
	}
	app := application("Own app")
	application("Other app")
	all := s.key("applications:read", "applications:create", "licenses:read")
	restricted := testkit.Must[api.IssuedKey](t)(s.owner.CreateKey(ctx, id, api.CreateKeyRequest{
		Name: "Restricted", Scopes: []string{"applications:read", "applications:create"},
		ApplicationIDs: []string{app.ID},
	}))
	weak := s.key("licenses:read")
	revoked := s.key("applications:read")
	testkit.Must[*api.Key](t)(s.owner.RevokeKey(ctx, id, revoked.Key.ID, ""))
	const path = "/api/v1/panel/"
	create := `{"name":"Brand new app"}`
	for name, c := range map[string]struct {
		method, uri string
		key         api.IssuedKey
		body        string
		code        string
		status      int
	}{
		"the curl of the seed": {http.MethodGet, "get-applications", all, "", "", 200},
		"without the scope":    {http.MethodGet, "get-applications", weak, "", "insufficient_scope", 403},
		"a revoked key":        {http.MethodGet, "get-applications", revoked, "", "api_key_revoked", 401},
		"no key":               {http.MethodGet, "get-applications", api.IssuedKey{}, "", "api_key_invalid", 401},
		"create":               {http.MethodPost, "create-application", all, create, "", 200},
		"create, restricted": {
			http.MethodPost, "create-application", restricted, create, "application_forbidden", 403,
		},
		"keys":                     {http.MethodGet, "api-keys", all, "", "session_required", 403},
		"a new key":                {http.MethodPost, "api-keys", all, `{"name":"x"}`, "session_required", 403},
		"change a key":             {http.MethodPatch, "api-keys/1", all, `{}`, "session_required", 403},
		"revoke a key":             {http.MethodPost, "api-keys/1/revoke", all, "", "session_required", 403},
		"change the password":      {http.MethodPost, "change-password", all, `{}`, "session_required", 403},
		"the bill":                 {http.MethodGet, "get-billing", all, "", "session_required", 403},
		"delete the account":       {http.MethodPost, "delete-account", all, "", "session_required", 403},
		"what the API answers":     {http.MethodGet, "get-licenses", all, "", "", 200},
		"what the API answers, no": {http.MethodGet, "get-licenses", revoked, "", "api_key_revoked", 401},
	} {
		header := http.Header{"Content-Type": {"application/json"}}
		if c.key.Credential != nil {
			header = bearer(c.key, header)
		}
		got := s.send(c.method, path+c.uri, header, c.body)
		if got.StatusCode != c.status || got.code() != c.code {
			t.Errorf("%s: %d %s %s", name, got.StatusCode, got.code(), got.body)
		}
		if c.code != "" && !strings.Contains(got.body, `{"success":false,"code":"`+c.code+`","message":`) {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	got := s.send(http.MethodGet, path+"get-applications", bearer(restricted))
	if !strings.Contains(got.body, "Own app") || strings.Contains(got.body, "Other app") {
		t.Errorf("a restricted key lists %s", got.body)
	}
}

// The cookie `session` is that of the vendor only where its value is one of this server, and only
// on the vendor's own paths.
func TestTheCookieOfBlazeauthIsTheUpstreamsElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{preset: policy.Blazeauth})
	_, own, _ := strings.Cut(s.signIn(s.Member(s.tenant, "Member", scope.Member)).Get("Cookie"), "=")
	for name, c := range map[string]struct {
		uri, cookie string
		status      int
	}{
		"on a path of the panel": {"/api/v1/panel/api-keys", "session=" + own, 200},
		"elsewhere":              {"/app", "session=" + own, 401},
		"a foreign value":        {"/api/v1/panel/api-keys", "session=abc", 401},
		"its own cookie":         {"/app", "claviger-gateway=" + own + "; session=theirs", 200},
	} {
		got := s.send(http.MethodGet, c.uri, http.Header{"Cookie": {c.cookie}})
		if got.StatusCode != c.status {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		}
	}
	if got := s.api.last().Header.Get("Cookie"); got != "session=theirs" {
		t.Errorf("the API got the cookies %q", got)
	}
}

func TestAPersonManagesKeysThroughBlazeauthsPanel(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{preset: policy.Blazeauth})
	cookie := s.signIn(s.Member(s.tenant, "Member", scope.Member))
	created := s.post("/api/v1/panel/api-keys", map[string]any{
		"name": "From the panel", "scopes": []string{"licenses:read"}, "allApplications": true,
	}, cookie)
	var made struct {
		Data struct {
			ID           string `json:"id"`
			PlaintextKey string `json:"plaintextKey"`
		} `json:"data"`
	}
	testkit.NoError(t, json.Unmarshal([]byte(created.body), &made))
	if created.StatusCode != http.StatusOK || !strings.HasPrefix(made.Data.PlaintextKey, "blz_mgmt_bak_") {
		t.Fatalf("%d %s", created.StatusCode, created.body)
	}
	key := http.Header{"Authorization": {"Bearer " + made.Data.PlaintextKey}}
	if got := s.send(http.MethodGet, "/licenses", key); got.StatusCode != http.StatusOK {
		t.Errorf("the new key: %d %s", got.StatusCode, got.body)
	}
	if got := s.post("/api/v1/panel/api-keys/"+made.Data.ID+"/revoke", nil, cookie); got.StatusCode != http.StatusOK {
		t.Errorf("revoke: %d %s", got.StatusCode, got.body)
	}
	if got := s.send(http.MethodGet, "/licenses", key); got.code() != "api_key_revoked" {
		t.Errorf("the revoked key: %d %s", got.StatusCode, got.body)
	}
	foreign := cookie.Clone()
	foreign.Set("Sec-Fetch-Site", "cross-site")
	forged := map[string]any{"name": "Forged", "scopes": []string{"licenses:read"}}
	got := s.post("/api/v1/panel/api-keys", forged, foreign)
	if got.code() != "cross_site" {
		t.Errorf("from another site: %d %s", got.StatusCode, got.body)
	}
}

// C1 and C2.
func TestBlanccosKeyTravelsInItsHeader(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{preset: policy.Blancco})
	k := s.key("*")
	const report = "/v1/report/export/8574e755-1f80-4af4-b7ae-a8187afb3909"
	got := s.send(http.MethodGet, report, http.Header{"X-Blancco-Api-Key": {k.Credential.Value}, "Accept": {"*/*"}})
	if got.body != "the API at "+report || s.api.last().Header.Get("X-Blancco-Api-Key") != "" {
		t.Errorf("%d %s %v", got.StatusCode, got.body, s.api.last().Header)
	}
	got = s.send(http.MethodGet, report, http.Header{"X-Blancco-Api-Key": {"8574e755-1f80-4af4-b7ae-a8187afb3909"}})
	if got.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(got.body, `{"message":"`) {
		t.Errorf("an unknown key: %d %s", got.StatusCode, got.body)
	}
}

// tokenOf returns the token of a response, which has nothing else.
func tokenOf(t testing.TB, what string, got answer) string {
	t.Helper()
	var body map[string]any
	testkit.NoError(t, json.Unmarshal([]byte(got.body), &body))
	token, _ := body["token"].(string)
	if got.StatusCode != http.StatusOK || len(body) != 1 || token == "" {
		t.Fatalf("%s: %d %s", what, got.StatusCode, got.body)
	}
	return token
}

// L5.
func TestLoadRunnersClientsExchangeTheirKeyForAToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{preset: policy.LoadRunner})
	k := s.key("*")
	app := testkit.Must[api.Application](t)(s.owner.CreateApplication(t.Context(), string(s.tenant.ID),
		api.CreateApplicationRequest{Name: "Checkout"}))
	number := tenantNumber(t, s)
	pair := map[string]string{"client_id": k.Credential.ID, "client_secret": k.Credential.Secret}
	token := tokenOf(t, "by number", s.post("/v1/auth-client?TENANTID="+number, pair))
	tokenOf(t, "by id", s.post("/v1/auth-client?TENANTID="+string(s.tenant.ID), pair))
	header := http.Header{"Authorization": {"Bearer " + token}}
	got := s.send(http.MethodGet, "/v1/projects?TENANTID="+number, header)
	var projects []struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
	}
	testkit.NoError(t, json.Unmarshal([]byte(got.body), &projects))
	if len(projects) != 1 || projects[0].ID != app.Number || projects[0].Name != "Checkout" {
		t.Errorf("projects: %s", got.body)
	}
	got = s.send(http.MethodGet, "/v1/test-runs?a=1&TENANTID="+number, header)
	if got.body != "the API at /v1/test-runs?a=1&TENANTID="+number {
		t.Errorf("a path of the API: %d %s", got.StatusCode, got.body)
	}
	other := s.Tenant("Other", nil)
	bodies := map[string]bool{}
	for name, query := range map[string]string{
		"none": "", "empty": "?TENANTID=", "twice": "?TENANTID=" + number + "&TENANTID=" + number,
		"unknown": "?TENANTID=999999", "another": "?TENANTID=" + string(other.ID),
		"in another case": "?tenantid=" + number, "malformed": "?TENANTID=%zz",
	} {
		for _, got := range []answer{
			s.send(http.MethodGet, "/v1/projects"+query, header),
			s.send(http.MethodGet, "/v1/test-runs"+query, header),
			s.post("/v1/auth-client"+query, pair),
		} {
			if got.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(got.body, `{"message":"`) {
				t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
			}
			bodies[got.body] = true
		}
	}
	if len(bodies) != 1 {
		t.Errorf("the refusals differ: %v", bodies)
	}
	for name, refused := range map[string]map[string]string{
		"a wrong secret": {"client_id": k.Credential.ID, "client_secret": "wrong"},
		"percent-encoded": {
			"client_id": url.QueryEscape(k.Credential.ID), "client_secret": k.Credential.Secret,
		},
		"nothing": {},
	} {
		if got := s.post("/v1/auth-client?TENANTID="+number, refused); got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		}
	}
	s.Clock.Move(2 * time.Hour)
	got = s.send(http.MethodGet, "/v1/projects?TENANTID="+number, header)
	if got.StatusCode != http.StatusUnauthorized || got.code() != "token_expired" {
		t.Errorf("an expired token: %d %s", got.StatusCode, got.body)
	}
}

func tenantNumber(t testing.TB, s *site) string {
	t.Helper()
	found := testkit.Must[api.Tenant](t)(s.owner.Tenant(t.Context(), string(s.tenant.ID)))
	return strconv.FormatInt(found.Number, 10)
}

// L6.
func TestAPasswordIsGoodForTheAPIOfATenantThatAllowsIt(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{preset: policy.LoadRunner, config: func(c *config.Config) {
		c.LegacyPasswordBefore = config.Date("2100-01-01")
	}})
	member, stranger := s.Member(s.tenant, "Member", scope.Member), s.Person("Stranger")
	number := tenantNumber(t, s)
	signIn := func(p principal.Person, password string) answer {
		return s.post("/v1/auth?TENANTID="+number, map[string]string{"user": p.Email, "password": password})
	}
	if got := signIn(member, testkit.Password); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("where passwords are not allowed: %d %s", got.StatusCode, got.body)
	}
	allow := func(allowed bool) {
		testkit.Must[tenancy.Tenant](t)(s.Tenancy.AllowPassword(t.Context(), principal.Operator(), s.tenant.ID,
			allowed))
	}
	allow(true)
	token := tokenOf(t, "a member", signIn(member, testkit.Password))
	for name, got := range map[string]answer{
		"a wrong password": signIn(member, "wrong"), "a stranger": signIn(stranger, testkit.Password),
		"nobody": signIn(principal.Person{Email: "nobody@claviger.example"}, testkit.Password),
	} {
		if got.StatusCode != http.StatusUnauthorized || got.code() != "sign_in_failed" ||
			!strings.HasPrefix(got.body, `{"message":"`) {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		}
	}
	header := http.Header{"Cookie": {"a=1; LWSSO_COOKIE_KEY=" + token}}
	for _, uri := range []string{"/v1/projects?TENANTID=" + number, "/v1/test-runs?TENANTID=" + number} {
		if got := s.send(http.MethodGet, uri, header); got.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", uri, got.StatusCode, got.body)
		}
	}
	if got := s.api.last().Header; got.Get("Cookie") != "a=1" || got.Get("X-Claviger-Principal") != "session" {
		t.Errorf("the API got %v", got)
	}
	own := s.Anyone().WithHeader("Cookie", "claviger="+token)
	if _, err := own.Me(t.Context()); testkit.Code(t, err) != api.APIKeyInvalid {
		t.Errorf("at Claviger itself: %v", err)
	}
	got := s.send(http.MethodGet, "/v1/projects?TENANTID="+number, http.Header{"Cookie": {"claviger-gateway=" + token}})
	if got.StatusCode != http.StatusUnauthorized {
		t.Errorf("as another session: %d %s", got.StatusCode, got.body)
	}
	allow(false)
	if got := s.send(http.MethodGet, "/v1/projects?TENANTID="+number, header); got.code() != "transport_forbidden" {
		t.Errorf("once passwords are no longer allowed: %d %s", got.StatusCode, got.body)
	}
}

// A program with an old password does not make its person wait in the console.
func TestFailedPasswordsAtAnAPICountApart(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{preset: policy.LoadRunner, config: func(c *config.Config) {
		c.LegacyPasswordBefore = config.Date("2100-01-01")
	}})
	testkit.Must[tenancy.Tenant](t)(s.Tenancy.AllowPassword(t.Context(), principal.Operator(), s.tenant.ID, true))
	member := s.Member(s.tenant, "Member", scope.Member)
	number := tenantNumber(t, s)
	for range 20 {
		s.post("/v1/auth?TENANTID="+number, map[string]string{"user": member.Email, "password": "old password"})
	}
	got := s.post("/v1/auth?TENANTID="+number, map[string]string{"user": member.Email, "password": testkit.Password})
	if got.StatusCode != http.StatusUnauthorized {
		t.Errorf("at the API: %d %s", got.StatusCode, got.body)
	}
	if _, _, err := s.Anyone().SignIn(t.Context(), member.Email, testkit.Password); err != nil {
		t.Errorf("in the console: %v", err)
	}
}

func TestTheSessionOfTheGatewayIsNoneAnywhereElse(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{})
	member := s.Member(s.tenant, "Member", scope.Member)
	cookie := s.signIn(member)
	if got := s.send(http.MethodGet, "/orders", cookie); got.StatusCode != http.StatusOK {
		t.Fatalf("at the API: %d %s", got.StatusCode, got.body)
	}
	if at := s.api.last().Header; at.Get("X-Claviger-Owner") != string(member.ID) || at.Get("Cookie") != "" {
		t.Errorf("the API got %v", at)
	}
	_, token, _ := strings.Cut(cookie.Get("Cookie"), "=")
	for _, name := range []string{"claviger", "claviger-gateway"} {
		_, err := s.Anyone().WithHeader("Cookie", name+"="+token).Me(t.Context())
		if code := testkit.Code(t, err); code != api.APIKeyInvalid {
			t.Errorf("%s at Claviger itself: %s", name, code)
		}
	}
	list := testkit.Must[api.List[api.SessionInfo]](t)(s.As(member).Sessions(t.Context(), client.Page{}))
	kinds := map[api.SessionKind]int{}
	for _, one := range list.Items {
		kinds[one.Kind]++
	}
	if kinds[api.SessionOfGateway] != 1 || kinds[api.SessionOfConsole] != 1 {
		t.Errorf("the sessions are %v", kinds)
	}
	if got := s.send(http.MethodGet, "/api/v1/session", cookie); !strings.Contains(got.body, member.Email) {
		t.Errorf("who is signed in: %d %s", got.StatusCode, got.body)
	}
	if got := s.send(http.MethodDelete, "/api/v1/session", cookie); got.StatusCode != http.StatusNoContent {
		t.Errorf("sign out: %d %s", got.StatusCode, got.body)
	}
	if got := s.send(http.MethodGet, "/orders", cookie); got.code() != "session_ended" {
		t.Errorf("after the sign-out: %d %s", got.StatusCode, got.body)
	}
	for _, kind := range []credential.TokenKind{credential.SessionToken, credential.PasswordToken} {
		sent := s.cookie("claviger-gateway", session.SignIn{User: member, Kind: kind, Tenant: s.tenant.ID})
		if got := s.send(http.MethodGet, "/orders", http.Header{"Cookie": {sent}}); got.code() != "api_key_invalid" {
			t.Errorf("a token of kind %s: %d %s", kind, got.StatusCode, got.body)
		}
	}
}

func TestASessionOfSeveralTenantsNeedsAnEntryThatIsBoundToOne(t *testing.T) {
	t.Parallel()
	const rules = "entries: [{name: free, hosts: [free.example.com], dialect: blazemeter}]\n"
	s := newSite(t, setUp{rules: rules})
	s.Join(s.Tenant("Second", nil), s.Owner, scope.Member)
	both := s.Member(s.tenant, "Both", scope.Member)
	s.Join(s.Tenant("Third", nil), both, scope.Member)
	one := s.Member(s.tenant, "One", scope.Member)
	host := http.Header{"Host": {"free.example.com"}}
	for name, c := range map[string]struct {
		person principal.Person
		status int
	}{"of several": {both, http.StatusConflict}, "of one": {one, http.StatusOK}} {
		header := s.signIn(c.person)
		header["Host"] = host["Host"]
		if got := s.send(http.MethodGet, "/api/v4/user", header); got.StatusCode != c.status {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		}
		delete(header, "Host")
		if got := s.send(http.MethodGet, "/orders", header); got.StatusCode != http.StatusOK {
			t.Errorf("%s, at the bound entry: %d %s", name, got.StatusCode, got.body)
		}
	}
}
