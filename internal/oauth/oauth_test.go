package oauth_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// oauthServer is a server with a tenant of unlimited keys and its admin.
type oauthServer struct {
	*testkit.Server
	t      *testing.T
	tenant tenancy.Tenant
	owner  principal.Person
	admin  *client.Client
}

func start(t *testing.T, e testkit.Engine) *oauthServer {
	t.Helper()
	return startOn(t, testkit.Start(t, e))
}

func startOn(t *testing.T, h *testkit.Server) *oauthServer {
	t.Helper()
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	owner := h.Member(tenant, "Key Owner", scope.Admin)
	return &oauthServer{Server: h, t: t, tenant: tenant, owner: owner, admin: h.As(owner)}
}

// key makes a key with the scopes.
func (s *oauthServer) key(scopes ...string) api.IssuedKey { return s.Key(s.admin, s.tenant, scopes...) }

// response is a response of an endpoint.
type response struct {
	status int
	header http.Header
	api.AccessTokenResponse
	api.OAuthError
	introspection api.IntrospectionResponse
	body          string
}

// send sends a form. header may change the headers.
func (s *oauthServer) send(path string, form url.Values, header http.Header) (r response) {
	s.t.Helper()
	h := header.Clone()
	if h == nil {
		h = http.Header{}
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	status, answer, body := testkit.Post(s.t, s.Server, path, h, form.Encode())
	r = response{status: status, header: answer, body: string(body)}
	if strings.HasPrefix(answer.Get("Content-Type"), "application/json") {
		for _, into := range []any{&r.AccessTokenResponse, &r.OAuthError, &r.introspection} {
			if err := json.Unmarshal(body, into); err != nil {
				s.t.Fatalf("%s answers %q: %v", path, body, err)
			}
		}
	}
	return r
}

// form returns a form of names and values.
func form(pairs ...string) url.Values {
	f := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		f.Set(pairs[i], pairs[i+1])
	}
	return f
}

// clientForm is the form of a client that authenticates in the body.
func clientForm(k api.IssuedKey, more ...string) url.Values {
	return form(append([]string{
		"grant_type", "client_credentials", "client_id", k.Credential.ID, "client_secret", k.Credential.Secret,
	}, more...)...)
}

// basic is the header of a client that authenticates with HTTP Basic.
func basic(id, secret string) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))}}
}

// token issues a token, limited to the scopes if there are any.
func (s *oauthServer) token(k api.IssuedKey, scopes ...string) string {
	s.t.Helper()
	r := s.send("/oauth2/token", clientForm(k, "scope", strings.Join(scopes, " ")), nil)
	if r.status != http.StatusOK {
		s.t.Fatalf("no token: %d %s", r.status, r.body)
	}
	return r.AccessToken
}

// with returns a client that sends a bearer token.
func (s *oauthServer) with(token string) *client.Client {
	return s.Anyone().WithHeader("Authorization", "Bearer "+token)
}

// code is the code of a bearer token on one of Claviger's own routes; ok if it is accepted.
func (s *oauthServer) code(token string) api.Code {
	s.t.Helper()
	return codeOf(s.t, testkit.ErrorOf(s.with(token).Whoami(s.t.Context())))
}

func codeOf(t *testing.T, err error) api.Code {
	t.Helper()
	if err == nil {
		return api.OK
	}
	return testkit.Code(t, err)
}

// verified is what verify says of a token.
func (s *oauthServer) verified(verifier *client.Client, token string, more api.VerifyRequest) api.Decision {
	s.t.Helper()
	more.Credential = token
	return testkit.Must[api.Decision](s.t)(verifier.Verify(s.t.Context(), more))
}

// percent returns a text in which every byte is percent-encoded that RFC 6749 allows to be.
func percent(text, but string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if strings.IndexByte(but, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteString("%" + strings.ToUpper(string("0123456789abcdef"[c>>4])+string("0123456789abcdef"[c&15])))
	}
	return b.String()
}

// A key of every style gets a token as a client of OAuth 2.0, by every way of authenticating, and
// the token works wherever the key works.
func TestAKeyOfEveryStyleGetsAToken(t *testing.T) {
	t.Parallel()
	s := start(t, testkit.SQLite)
	verifier := s.Verifier()
	for _, preset := range []policy.Preset{
		policy.Standard, policy.BlazeMeter, policy.LoadRunner, policy.Blazeauth, policy.Blancco,
	} {
		tenant := s.Preset(preset, func(p *policy.Settings) {
			p.Transports = []policy.Transport{policy.OAuth}
			p.Creators = []policy.Creator{policy.BySelf, policy.ByAdmin}
			p.KeyHeader, p.KeysPerUser = "", 0
		})
		k := s.Key(s.As(s.Member(tenant, "Owner "+string(preset), scope.Admin)), tenant, "applications:read")
		id, secret := k.Credential.ID, k.Credential.Secret
		if preset == policy.Blancco && id == "" {
			id = k.Key.ID
		}
		grant := func(more ...string) url.Values { return form(append(more, "grant_type", "client_credentials")...) }
		sent := func(f url.Values, header http.Header) response { return s.send("/oauth2/token", f, header) }
		lower := "abcdefghijklmnopqrstuvwxyz0123456789"
		for name, r := range map[string]response{
			"body":                     sent(grant("client_id", id, "client_secret", secret), nil),
			"basic":                    sent(grant(), basic(url.QueryEscape(id), url.QueryEscape(secret))),
			"basic, nothing encoded":   sent(grant(), basic(id, secret)),
			"basic, all encoded":       sent(grant(), basic(percent(id, lower), percent(secret, ""))),
			"basic, id also in body":   sent(grant("client_id", id), basic(id, secret)),
			"with unknown parameters":  sent(grant("resource", "a"), basic(id, secret)),
			"with an empty parameter":  sent(grant("scope", ""), basic(id, secret)),
			"with a scope that it has": sent(grant("scope", "applications:read"), basic(id, secret)),
		} {
			if r.status != http.StatusOK || r.TokenType != "Bearer" || r.ExpiresIn != 3600 ||
				r.Scope != "applications:read" ||
				r.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s, %s: %d %v %s", preset, name, r.status, r.header, r.body)
				continue
			}
			if code := s.code(r.AccessToken); code != api.OK {
				t.Errorf("%s, %s: whoami says %s", preset, name, code)
			}
			d := s.verified(verifier, r.AccessToken, api.VerifyRequest{Scopes: []string{"applications:read"}})
			if !d.Active || d.KeyID != k.Key.ID || d.Transport == nil || *d.Transport != "oauth" {
				t.Errorf("%s, %s: verify says %+v", preset, name, d)
			}
			if code := testkit.RouteCode(t, s.Server, r.AccessToken, tenant, ""); code != api.OK {
				t.Errorf("%s, %s: a list says %s", preset, name, code)
			}
		}
	}
}

// Requests that break the protocol, or whose client is not authenticated, get the error of the RFC.
func TestAWrongTokenRequestGetsTheErrorOfTheRFC(t *testing.T) {
	t.Parallel()
	s := start(t, testkit.SQLite)
	k := s.key("applications:read")
	ok := clientForm(k)
	id, secret := k.Credential.ID, k.Credential.Secret
	without := func(name string) url.Values {
		f := clientForm(k)
		f.Del(name)
		return f
	}
	repeated := func(name string) url.Values {
		f := clientForm(k)
		f[name] = []string{"applications:read", "applications:read"}
		return f
	}
	noOAuth := s.Tenant("Without OAuth", func(p *policy.Settings) { p.Transports = []policy.Transport{policy.Bearer} })
	foreign := s.Key(s.As(s.Member(noOAuth, "Other", scope.Admin)), noOAuth, "applications:read")
	management := strings.Replace(k.Credential.Value, "clv_ak_", "clv_mk_", 1)
	grant := form("grant_type", "client_credentials")
	header := func(name string, values ...string) http.Header { return http.Header{name: values} }
	wrong := secret[:len(secret)-1] + testkit.OtherCharacter(secret[len(secret)-1:])
	value := k.Credential.Value
	const (
		client  = "401 invalid_client"
		request = "400 invalid_request"
		scopes  = "400 invalid_scope"
	)
	for name, c := range map[string]struct {
		form   url.Values
		header http.Header
		want   string
	}{
		"no client":               {grant, nil, client},
		"a wrong secret":          {clientForm(k, "client_secret", wrong), nil, client},
		"an unknown id":           {clientForm(k, "client_id", "ak_0000000000000000"), nil, client},
		"the whole key as secret": {clientForm(k, "client_secret", value), nil, client},
		"no secret":               {without("client_secret"), nil, client},
		"a bad escape":            {grant, basic(id+"%zz", secret), client},
		"a bearer token":          {grant, header("Authorization", "Bearer "+value), client},
		"a management key":        {grant, header("Authorization", "Bearer "+management), client},
		"two ways":                {ok, basic(id, secret), request},
		"two headers":             {grant, header("Authorization", "Basic eA==", "Basic eA=="), request},
		"another id in the body":  {form("client_id", "x"), basic(id, secret), request},
		"a key header beside":     {ok, header("X-Api-Key", value), request},
		"no grant type":           {without("grant_type"), nil, request},
		"another grant type":      {clientForm(k, "grant_type", "password"), nil, "400 unsupported_grant_type"},
		"a scope it lacks":        {clientForm(k, "scope", "applications:read applications:delete"), nil, scopes},
		"an unknown scope":        {clientForm(k, "scope", "no:such"), nil, scopes},
		"every scope":             {clientForm(k, "scope", "*"), nil, scopes},
		"two spaces":              {clientForm(k, "scope", "applications:read  applications:read"), nil, scopes},
		"the scope named twice":   {clientForm(k, "scope", "applications:read applications:read"), nil, "200 "},
		"two scopes":              {repeated("scope"), nil, request},
		"two grant types":         {repeated("grant_type"), nil, request},
		"two ids":                 {repeated("client_id"), nil, request},
		"two secrets":             {repeated("client_secret"), nil, request},
		"JSON":                    {ok, header("Content-Type", "application/json"), request},
		"a tenant without oauth":  {clientForm(foreign), nil, "400 unauthorized_client"},
		"too much":                {clientForm(k, "padding", strings.Repeat("x", 70_000)), nil, "413 too_large"},
	} {
		r := s.send("/oauth2/token", c.form, c.header)
		if got := fmt.Sprint(r.status, " ", r.Error); got != c.want || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s, want %s", name, r.status, r.body, c.want)
		}
		if challenge := r.header.Get("WWW-Authenticate"); (challenge != "") != (c.want == client) {
			t.Errorf("%s: the challenge is %q", name, challenge)
		}
		if strings.Contains(r.body, secret) {
			t.Errorf("%s: the response has the secret", name)
		}
	}
	for method, want := range map[string]int{"GET": 405, "PUT": 405} {
		status, _, body := testkit.Send(t, s.Server, method, "/oauth2/token", nil, "")
		if status != want || !strings.Contains(string(body), `"error":"method_not_allowed"`) {
			t.Errorf("%s: %d %s", method, status, body)
		}
	}
	if status, _, body := testkit.Post(t, s.Server, "/oauth2/token?grant_type=client_credentials",
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, ok.Encode()); status != 400 ||
		!strings.Contains(string(body), "invalid_request") {
		t.Errorf("parameters in the query string: %d %s", status, body)
	}
}

// A token that is limited to scopes has no other, also on Claviger's own routes and when the key
// gets more later.
func TestScopesNarrowATokenAndNeverWidenIt(t *testing.T) {
	t.Parallel()
	s := start(t, testkit.SQLite)
	verifier := s.Verifier()
	k := s.key("applications:read", "applications:create", "keys:verify")
	narrow, whole := s.token(k, "applications:read"), s.token(k)
	create := func(token string) api.Code {
		_, err := s.with(token).CreateApplication(t.Context(), string(s.tenant.ID),
			api.CreateApplicationRequest{Name: "An application"})
		return codeOf(t, err)
	}
	if got := create(narrow); got != api.InsufficientScope {
		t.Errorf("the narrow token creates: %s", got)
	}
	if got := create(whole); got != api.OK {
		t.Errorf("the whole token creates: %s", got)
	}
	who := testkit.Must[api.Whoami](t)(s.with(narrow).Whoami(t.Context()))
	if strings.Join(who.Scopes, " ") != "applications:read" || *who.Transport != "oauth" ||
		who.EffectiveExpiresAt == nil {
		t.Errorf("whoami says %+v", who)
	}
	d := s.verified(verifier, narrow, api.VerifyRequest{Scopes: []string{"applications:create"}})
	if d.Active || d.Code != api.InsufficientScope {
		t.Errorf("verify says %+v", d)
	}
	if _, err := s.with(
		narrow,
	).Verify(
		t.Context(),
		api.VerifyRequest{Credential: "x"},
	); codeOf(
		t,
		err,
	) != api.InsufficientScope {
		t.Errorf("the narrow token verifies: %v", err)
	}
	testkit.Must[api.Key](t)(s.admin.EditKey(t.Context(), string(s.tenant.ID), k.Key.ID,
		api.UpdateKeyRequest{Scopes: api.To([]string{"applications:create", "applications:delete"})}))
	if d := s.verified(verifier, narrow, api.VerifyRequest{}); !d.Active || len(d.Scopes) != 0 {
		t.Errorf("after its scope was taken away, verify says %+v", d)
	}
	if d := s.verified(
		verifier,
		whole,
		api.VerifyRequest{},
	); strings.Join(
		d.Scopes,
		" ",
	) != "applications:create applications:delete" {
		t.Errorf("the whole token follows its key: %+v", d)
	}
}

// A token dies at once with everything that its key depends on, and with the secret that it was
// issued for.
func TestATokenDiesWithItsSecretAndItsKey(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := start(t, e)
		ctx, tenant := t.Context(), string(s.tenant.ID)
		refresh := func(k api.IssuedKey, r api.RefreshKeyRequest) error {
			return testkit.ErrorOf(s.admin.RefreshKey(ctx, tenant, k.Key.ID, r))
		}
		for name, c := range map[string]struct {
			act  func(k api.IssuedKey) error
			want api.Code
		}{
			"nothing": {func(api.IssuedKey) error { return nil }, api.OK},
			"revoked": {func(k api.IssuedKey) error {
				return testkit.ErrorOf(s.admin.RevokeKey(ctx, tenant, k.Key.ID, ""))
			}, api.APIKeyRevoked},
			"disabled": {func(k api.IssuedKey) error {
				return testkit.ErrorOf(s.admin.DisableKey(ctx, tenant, k.Key.ID))
			}, api.APIKeyDisabled},
			"deleted": {func(k api.IssuedKey) error {
				return s.admin.DeleteKey(ctx, tenant, k.Key.ID)
			}, api.TokenInvalid},
			"refreshed": {func(k api.IssuedKey) error {
				return refresh(k, api.RefreshKeyRequest{})
			}, api.TokenInvalid},
			"refreshed with overlap": {func(k api.IssuedKey) error {
				return refresh(k, api.RefreshKeyRequest{OverlapSeconds: 600})
			}, api.OK},
			"refreshed with a new id": {func(k api.IssuedKey) error {
				no := false
				return refresh(k, api.RefreshKeyRequest{OverlapSeconds: 600, KeepID: &no})
			}, api.OK},
			"previous ended": {func(k api.IssuedKey) error {
				err := refresh(k, api.RefreshKeyRequest{OverlapSeconds: 600})
				if err == nil {
					err = s.admin.EndPrevious(ctx, tenant, k.Key.ID)
				}
				return err
			}, api.TokenInvalid},
		} {
			k := s.key("applications:read")
			token := s.token(k)
			testkit.NoError(t, c.act(k))
			if got := s.code(token); got != c.want {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
		}
		k := s.key("applications:read")
		token := s.token(k)
		testkit.Must[api.IssuedKey](
			t,
		)(
			s.admin.RefreshKey(ctx, tenant, k.Key.ID, api.RefreshKeyRequest{OverlapSeconds: 600}),
		)
		s.Clock.Move(601 * time.Second)
		if got := s.code(token); got != api.APIKeyExpired {
			t.Errorf("after the overlap: %s", got)
		}
		expired := s.token(s.key("applications:read"))
		s.Clock.Move(3570 * time.Second)
		if got := s.code(expired); got != api.OK {
			t.Errorf("shortly before its expiry: %s", got)
		}
		s.Clock.Move(30 * time.Second)
		if got := s.code(expired); got != api.TokenExpired {
			t.Errorf("at its expiry: %s", got)
		}
	})
}

// Of a token only the text that was issued is accepted.
func TestEveryNeighbourOfATokenIsInvalid(t *testing.T) {
	t.Parallel()
	s := start(t, testkit.SQLite)
	testkit.EditSettings(t, s.Server, s.tenant, `{"token_format":"jwt","token_algorithm":"ES256"}`)
	k := s.key("applications:read")
	jwt := s.token(k)
	testkit.EditSettings(t, s.Server, s.tenant, `{"token_format":"opaque"}`)
	for _, token := range []string{s.token(k), jwt} {
		if got := s.code(token); got != api.OK {
			t.Fatalf("the token itself: %s", got)
		}
		for i := range token {
			for _, other := range []string{
				token[:i] + token[i+1:], token[:i] + testkit.OtherCharacter(token[i:i+1]) + token[i+1:], token[:i],
			} {
				if got := s.code(other); got != api.TokenInvalid && got != api.APIKeyInvalid {
					t.Fatalf("changed at %d of %d: %s", i, len(token), got)
				}
			}
		}
		for _, other := range []string{token + "x", token + "=", token + "." + token, " " + token + "\t."} {
			if got := s.code(other); got != api.TokenInvalid && got != api.APIKeyInvalid {
				t.Errorf("with something added: %s", got)
			}
		}
	}
}

// A revoked token is rejected once the response has arrived, on every node, and no other token of
// the key is.
func TestARevokedTokenIsRejectedAtOnce(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := start(t, e)
		k, other := s.key("applications:read"), s.key("applications:read")
		first, second := s.token(k), s.token(k)
		for _, token := range []string{first, second} {
			if got := s.code(token); got != api.OK {
				t.Fatalf("before: %s", got)
			}
		}
		if r := s.send("/oauth2/revoke", clientForm(other, "token", first), nil); r.status != 400 ||
			r.Error != "unauthorized_client" {
			t.Errorf("another client revokes it: %d %s", r.status, r.body)
		}
		if r := s.send(
			"/oauth2/revoke",
			url.Values{"token": {first}},
			nil,
		); r.status != 401 ||
			r.Error != "invalid_client" {
			t.Errorf("nobody revokes it: %d %s", r.status, r.body)
		}
		for range 2 {
			if r := s.send(
				"/oauth2/revoke",
				clientForm(k, "token", first, "token_type_hint", "access_token"),
				nil,
			); r.status != 200 ||
				r.body != "" {
				t.Errorf("the client revokes it: %d %s", r.status, r.body)
			}
			if got := s.code(first); got != api.TokenInvalid {
				t.Errorf("afterwards: %s", got)
			}
		}
		if got := s.code(second); got != api.OK {
			t.Errorf("the other token: %s", got)
		}
		records := testkit.TenantRecords(t, s.Server, s.tenant, "token.revoke")
		if len(records) != 1 || strings.Contains(fmt.Sprint(records[0]), first) {
			t.Errorf("the audit trail has %d records", len(records))
		}
		for name, token := range map[string]string{"junk": "junk", "a token cut short": second[:40], "JWT": "ey.ey.x"} {
			if r := s.send("/oauth2/revoke", clientForm(k, "token", token), nil); r.status != 200 {
				t.Errorf("%s: %d %s", name, r.status, r.body)
			}
		}
		if r := s.send(
			"/oauth2/revoke",
			clientForm(k, "token", k.Credential.Value),
			nil,
		); r.Error != "unsupported_token_type" {
			t.Errorf("an API key: %d %s", r.status, r.body)
		}
		if n := testkit.CountRows(t, s.Server, "revoked_tokens"); n != 1 {
			t.Errorf("%d revocations are stored", n)
		}
		s.Restart()
		if got := s.code(first); got != api.TokenInvalid {
			t.Errorf("after a restart: %s", got)
		}
		s.Clock.Move(2 * time.Hour)
		testkit.Twice(t, s.Tokens.Sweep)
		if n := testkit.CountRows(t, s.Server, "revoked_tokens"); n != 0 {
			t.Errorf("%d revocations are stored after the token expired", n)
		}
	})
}

// Introspection describes a token to its own client and to verifiers, and nothing to others.
func TestIntrospectionDescribesATokenToThoseWhoMayKnow(t *testing.T) {
	t.Parallel()
	s := start(t, testkit.SQLite)
	k, other := s.key("applications:read"), s.key("applications:read")
	verifier := s.key("keys:verify")
	tenant2 := s.Tenant("Second tenant", testkit.UnlimitedKeys)
	foreign := s.Key(s.As(s.Member(tenant2, "Foreign", scope.Admin)), tenant2, "keys:verify")
	token := s.token(k)
	ask := func(who api.IssuedKey, token string, more ...string) response {
		return s.send("/oauth2/introspect", clientForm(who, append([]string{"token", token}, more...)...), nil)
	}
	for name, who := range map[string]api.IssuedKey{"itself": k, "a verifier": verifier} {
		i := ask(who, token).introspection
		if !i.Active || i.ClientID != k.Credential.ID || i.Scope != "applications:read" || i.TokenType != "Bearer" ||
			i.Expires-i.IssuedAt != 3600 || i.Subject != k.Key.Owner.ID || i.KeyID != k.Key.ID || i.TokenID == "" ||
			i.Issuer != s.URL {
			t.Errorf("%s: %+v", name, i)
		}
	}
	bearer := s.send("/oauth2/introspect", url.Values{"token": {token}},
		http.Header{"Authorization": {"Bearer " + s.token(verifier)}})
	if !bearer.introspection.Active {
		t.Errorf("by a bearer token: %d %s", bearer.status, bearer.body)
	}
	if r := ask(other, token); r.status != 403 || r.Error != "insufficient_scope" {
		t.Errorf("another key: %d %s", r.status, r.body)
	}
	const inactive = "{\"active\":false}\n"
	for name, r := range map[string]response{
		"a verifier of another tenant": ask(foreign, token),
		"junk":                         ask(verifier, "junk"),
		"an API key":                   ask(verifier, k.Credential.Value),
		"a token cut short":            ask(verifier, token[:50]),
	} {
		if r.status != 200 || r.body != inactive {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if r := s.send("/oauth2/introspect", clientForm(verifier), nil); r.Error != "invalid_request" {
		t.Errorf("without a token: %d %s", r.status, r.body)
	}
	listed := testkit.Must[api.IssuedKey](t)(s.admin.CreateKey(t.Context(), string(s.tenant.ID), api.CreateKeyRequest{
		Name: "Listed", Scopes: []string{"applications:read"}, AllApplications: true,
		AllowedCIDRs: []string{"127.0.0.0/8", "192.0.2.0/24"},
	}))
	restricted := s.token(listed)
	for ip, want := range map[string]bool{
		"192.0.2.7": true, "198.51.100.7": false, "": false, "::ffff:192.0.2.7": true,
	} {
		if got := ask(verifier, restricted, "ip", ip).introspection.Active; got != want {
			t.Errorf("from %q: active is %t", ip, got)
		}
	}
	if r := ask(verifier, restricted, "ip", "nowhere"); r.Error != "invalid_request" {
		t.Errorf("a bad ip: %d %s", r.status, r.body)
	}
}

// A restore makes every token of before void, so that none comes back that was revoked.
func TestARestoreMakesTokensVoid(t *testing.T) {
	t.Parallel()
	s := start(t, testkit.SQLite)
	k := s.key("applications:read")
	token := s.token(k)
	b := testkit.Backup(t, s.Server)
	c := testkit.RestoreTarget(t, s.Server, testkit.SQLite)
	testkit.Must[app.Restored](t)(testkit.Restore(t, s.Server, c, b, app.Restoring{WithoutJournal: true}))
	s.Move(c)
	if got := s.code(token); got != api.TokenInvalid {
		t.Errorf("after the restore: %s", got)
	}
	if got := s.code(s.token(k)); got != api.OK {
		t.Errorf("a new token: %s", got)
	}
}

// Tokens cost nothing to issue, so what a key can revoke is limited as changes are. The audit trail
// cannot be filled with revocations, and another owner is not limited by them.
func TestRevocationsOfTokensCountAsChanges(t *testing.T) {
	t.Parallel()
	const changes = 12
	c := testkit.SQLite.Config(t)
	c.Limits.ChangesPerMinute = changes
	s := startOn(t, testkit.StartIn(t, c))
	k := s.key("applications:read")
	revoked := 0
	for range 2 * changes {
		r := s.send("/oauth2/revoke", clientForm(k, "token", s.token(k)), nil)
		switch {
		case r.status == http.StatusOK:
			revoked++
		case r.status != http.StatusTooManyRequests || r.Error != "limit_of_changes" ||
			r.header.Get("Retry-After") == "":
			t.Fatalf("%d %v %s", r.status, r.header, r.body)
		}
	}
	if revoked >= changes+2 || revoked == 0 {
		t.Errorf("%d of %d tokens were revoked in a moment", revoked, 2*changes)
	}
	other := s.Key(s.As(s.Member(s.tenant, "Other", scope.Admin)), s.tenant, "applications:read")
	if r := s.send("/oauth2/revoke", clientForm(other, "token", s.token(other)), nil); r.status != http.StatusOK {
		t.Errorf("another owner: %d %s", r.status, r.body)
	}
}
