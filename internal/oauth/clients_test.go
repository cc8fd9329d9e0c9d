package oauth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// The client of Go's oauth2 module gets a token by each way of authenticating, sends it and gets
// the next one by itself when the first has expired.
func TestGoOAuth2GetsAndSendsTokens(t *testing.T) {
	t.Parallel()
	s := start(t, testkit.SQLite)
	k := s.key("applications:read")
	for _, style := range []oauth2.AuthStyle{
		oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams, oauth2.AuthStyleAutoDetect,
	} {
		c := clientcredentials.Config{
			ClientID: k.Credential.ID, ClientSecret: k.Credential.Secret, TokenURL: s.URL + "/oauth2/token",
			Scopes: []string{"applications:read"}, AuthStyle: style,
		}
		resp, err := c.Client(t.Context()).Get(s.URL + "/api/v1/whoami")
		if err != nil {
			t.Fatal(err)
		}
		testkit.NoError(t, resp.Body.Close())
		if resp.StatusCode != http.StatusOK {
			t.Errorf("style %d: %s", style, resp.Status)
		}
	}
	wrong := clientcredentials.Config{
		ClientID: k.Credential.ID, ClientSecret: "wrong", TokenURL: s.URL + "/oauth2/token",
	}
	_, err := wrong.Token(t.Context())
	refused, ok := err.(*oauth2.RetrieveError)
	if !ok || refused.ErrorCode != "invalid_client" || refused.ErrorDescription == "" {
		t.Errorf("a wrong secret: %v", err)
	}
}

// A verifier that knows nothing of Claviger but its address verifies JWTs by every algorithm.
func TestGoOIDCVerifiesJWTs(t *testing.T) {
	t.Parallel()
	s := start(t, testkit.SQLite)
	k := s.key("applications:read", "applications:create")
	for _, algorithm := range policy.TokenAlgorithms() {
		testkit.EditSettings(t, s.Server, s.tenant, `{"token_format":"jwt","token_audience":"https://api.example.com",`+
			`"token_algorithm":"`+string(algorithm)+`"}`)
		r := s.send("/oauth2/token", clientForm(k, "scope", "applications:read"), nil)
		if r.ExpiresIn != 300 {
			t.Fatalf("%s: %d %s", algorithm, r.status, r.body)
		}
		provider, err := oidc.NewProvider(t.Context(), s.URL)
		if err != nil {
			t.Fatal(err)
		}
		verifier := provider.VerifierContext(t.Context(), &oidc.Config{
			ClientID: "https://api.example.com", Now: s.Clock.Now,
		})
		verified, err := verifier.Verify(t.Context(), r.AccessToken)
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		var said struct {
			ClientID string `json:"client_id"`
			Scope    string `json:"scope"`
			TokenID  string `json:"jti"`
			KeyID    string `json:"key_id"`
		}
		testkit.NoError(t, verified.Claims(&said))
		if verified.Issuer != s.URL || verified.Subject != k.Key.Owner.ID || said.ClientID != k.Credential.ID ||
			said.Scope != "applications:read" || said.TokenID == "" || said.KeyID != k.Key.ID ||
			verified.Expiry.Sub(verified.IssuedAt) != 300*time.Second {
			t.Errorf("%s: %+v %+v", algorithm, verified, said)
		}
		if header := headerOf(t, r.AccessToken); header["typ"] != "at+jwt" || header["alg"] != string(algorithm) {
			t.Errorf("%s: the header is %v", algorithm, header)
		}
		if got := s.code(r.AccessToken); got != api.OK {
			t.Errorf("%s: whoami says %s", algorithm, got)
		}
		if _, err := provider.VerifierContext(t.Context(), &oidc.Config{ClientID: "another"}).
			Verify(t.Context(), r.AccessToken); err == nil {
			t.Errorf("%s: another API accepts the token", algorithm)
		}
	}
	if r := s.send("/oauth2/revoke", clientForm(k, "token", s.token(k)), nil); r.status != http.StatusOK {
		t.Errorf("revoking a JWT: %d %s", r.status, r.body)
	}
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// headerOf returns the header of a JWT.
func headerOf(t *testing.T, token string) (header map[string]any) {
	t.Helper()
	part, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err == nil {
		err = json.Unmarshal(text, &header)
	}
	testkit.NoError(t, err)
	return header
}

// A JWT dies here like every token, and one that somebody else signed, or that is not signed, is
// invalid.
func TestAJWTOfAnotherIsInvalid(t *testing.T) {
	t.Parallel()
	s := start(t, testkit.SQLite)
	k := s.key("applications:read")
	testkit.EditSettings(t, s.Server, s.tenant, `{"token_format":"jwt","token_algorithm":"ES256"}`)
	genuine := s.token(k)
	parts := strings.Split(genuine, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	testkit.NoError(t, err)
	kid := headerOf(t, genuine)["kid"].(string)
	// A verifier that takes the algorithm from the token would check these by a key that is public.
	signed := func(kid string) string {
		text := encode(`{"alg":"HS256","typ":"at+jwt","kid":"`+kid+`"}`) + "." + parts[1]
		mac := hmac.New(sha256.New, []byte("public"))
		mac.Write([]byte(text))
		return text + "." + encode(string(mac.Sum(nil)))
	}
	none := encode(`{"alg":"none","typ":"at+jwt","kid":"` + kid + `"}`)
	changed := encode(strings.Replace(string(payload), "applications:read", "applications:list", 1))
	for name, token := range map[string]string{
		"not signed":           none + "." + parts[1] + ".",
		"signed by a password": signed(kid),
		"an unknown key":       signed("unknown"),
		"without a signature":  parts[0] + "." + parts[1] + ".",
		"another payload":      parts[0] + "." + changed + "." + parts[2],
		"another type":         encode(`{"alg":"ES256","kid":"`+kid+`","typ":"JWT"}`) + "." + parts[1] + "." + parts[2],
	} {
		if got := s.code(token); got != api.TokenInvalid {
			t.Errorf("%s: %s", name, got)
		}
	}
	testkit.Must[api.Key](t)(s.admin.DisableKey(t.Context(), string(s.tenant.ID), k.Key.ID))
	if got := s.code(genuine); got != api.APIKeyDisabled {
		t.Errorf("of a disabled key: %s", got)
	}
}

// A key that is restricted to addresses never gets a JWT, which would be good from everywhere.
func TestARestrictedKeyGetsNoJWT(t *testing.T) {
	t.Parallel()
	s := start(t, testkit.SQLite)
	testkit.EditSettings(t, s.Server, s.tenant, `{"token_format":"jwt"}`)
	k := testkit.Must[api.IssuedKey](t)(s.admin.CreateKey(t.Context(), string(s.tenant.ID), api.CreateKeyRequest{
		Name: "Restricted", Scopes: []string{"applications:read"}, AllApplications: true,
		AllowedCIDRs: []string{"127.0.0.1/32"},
	}))
	if token := s.token(k); !strings.HasPrefix(token, "clv_at_") {
		t.Errorf("the token is %.10s…", token)
	}
	elsewhere := testkit.Must[api.IssuedKey](t)(s.admin.CreateKey(t.Context(), string(s.tenant.ID),
		api.CreateKeyRequest{
			Name: "Elsewhere", Scopes: []string{"applications:read"}, AllApplications: true,
			AllowedCIDRs: []string{"192.0.2.0/24"},
		}))
	if r := s.send("/oauth2/token", clientForm(elsewhere), nil); r.status != http.StatusForbidden {
		t.Errorf("from another address: %d %s", r.status, r.body)
	}
}

// The next signing key is published a day before it signs, and the old one until its tokens have
// expired. All tokens stay valid meanwhile, for a verifier that reads the keys once a day.
func TestSigningKeysArePublishedBeforeTheySign(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := start(t, e)
		testkit.EditSettings(t, s.Server, s.tenant, `{"token_format":"jwt","token_algorithm":"EdDSA"}`)
		testkit.SetPolicy(t, s.Server, testkit.AutoExpiry(0))
		k := s.key("applications:read")
		first := headerOf(t, s.token(k))["kid"]
		rotate := func() { testkit.Twice(t, s.Tokens.RotateSigningKeys) }
		published := func() int { return len(s.publishedKeys()) }
		rotate()
		if n := published(); n != 1 {
			t.Errorf("at first, %d keys are published", n)
		}
		s.Clock.Move(89 * 24 * time.Hour)
		rotate()
		if n := published(); n != 2 {
			t.Errorf("after 89 days, %d keys are published", n)
		}
		s.admin = s.As(s.owner)
		k = s.key("applications:read")
		if kid := headerOf(t, s.token(k))["kid"]; kid != first {
			t.Errorf("after 89 days, another key signs")
		}
		s.Clock.Move(24*time.Hour - time.Minute)
		old := s.token(k)
		s.Clock.Move(2 * time.Minute)
		if kid := headerOf(t, s.token(k))["kid"]; kid == first {
			t.Errorf("after 90 days, the old key still signs")
		}
		if got := s.code(old); got != api.OK {
			t.Errorf("a token of the old key: %s", got)
		}
		s.Clock.Move(2 * time.Hour)
		rotate()
		if n := published(); n != 1 {
			t.Errorf("after its last token, the old key is still published: %d keys", n)
		}
	})
}

// publishedKeys returns the keys that are published, by their ids.
func (s *oauthServer) publishedKeys() map[string]bool {
	s.t.Helper()
	var set api.KeySet
	testkit.NoError(s.t, json.Unmarshal([]byte(testkit.GetJSON(s.t, s.Anyone(), "/oauth2/jwks")), &set))
	ids := map[string]bool{}
	for _, k := range set.Keys {
		if k["d"] != nil || k["p"] != nil || k["use"] != "sig" {
			s.t.Errorf("a published key has the members %v", slices.Sorted(maps.Keys(k)))
		}
		ids[k["kid"].(string)] = true
	}
	return ids
}

// Several nodes that need the first signing key at once create one, and each accepts the tokens of
// the others at once.
func TestNodesShareTheirSigningKeys(t *testing.T) {
	t.Parallel()
	nodes := testkit.StartTwoNodes(t, testkit.Direct)
	here := &oauthServer{Server: nodes.First, t: t, tenant: nodes.Tenant, admin: nodes.Admin}
	there := &oauthServer{Server: nodes.Second, t: t, tenant: nodes.Tenant, admin: nodes.Admin}
	testkit.EditSettings(t, nodes.First, nodes.Tenant, `{"token_format":"jwt","token_algorithm":"ES256"}`)
	// The first token of the other node after it has learned of the setting is a JWT.
	for strings.HasPrefix(there.token(nodes.Key), "clv_at_") {
		if code := nodes.VerifyCode(); code != api.OK {
			t.Fatal(code)
		}
	}
	tokens := make([]string, 16)
	var acts []func() error
	for i := range tokens {
		node := here
		if i%2 == 1 {
			node = there
		}
		acts = append(acts, func() error {
			tokens[i] = node.token(nodes.Key)
			return nil
		})
	}
	testkit.Concurrently(t, acts...)
	kids := map[any]bool{}
	for _, token := range tokens {
		kids[headerOf(t, token)["kid"]] = true
		if a, b := here.code(token), there.code(token); a != api.OK || b != api.OK {
			t.Errorf("a token is %s here and %s there", a, b)
		}
	}
	if len(kids) != 1 || len(here.publishedKeys()) != 1 || len(there.publishedKeys()) != 1 {
		t.Errorf("%d keys sign, %d and %d are published", len(kids), len(here.publishedKeys()),
			len(there.publishedKeys()))
	}
	if r := here.send("/oauth2/revoke", clientForm(nodes.Key, "token", tokens[0]), nil); r.status != http.StatusOK {
		t.Fatalf("revoking: %d %s", r.status, r.body)
	}
	if got := here.code(tokens[0]); got != api.TokenInvalid {
		t.Errorf("the node that revoked it: %s", got)
	}
	revoked := time.Now()
	for there.code(tokens[0]) == api.OK {
		if since := time.Since(revoked); since > time.Duration(nodes.Second.Config.Database.MaxStaleness) {
			t.Fatalf("the other node accepts a revoked token after %s", since)
		}
	}
}
