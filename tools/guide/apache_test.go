package guide_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// apacheHead returns what Debian's configuration of Apache has before a site.
func apacheHead(folder string) string {
	text := "ServerRoot " + folder + "\nDefaultRuntimeDir " + folder + "\nServerName localhost\n" +
		"PidFile httpd.pid\nErrorLog /dev/stderr\nLogLevel crit\nUser nobody\nGroup nogroup\n"
	for _, module := range []string{
		"mpm_event", "authn_core", "authz_core", "auth_openidc", "headers", "lua", "proxy", "proxy_http",
	} {
		text += "LoadModule " + module + "_module /usr/lib/apache2/modules/mod_" + module + ".so\n"
	}
	return text
}

// Apache asks Claviger by token introspection, not by a check request. So it has tests of its own.
func TestApacheOfTheGuideLetsOnlyAccessTokensPass(t *testing.T) {
	s := openApache(t, buildClaviger(t))
	s.testTokens(t)
	s.testApacheHeaders(t)
	s.testRevokedToken(t)
	valid := s.bearer(s.newKey("While Claviger fails", "applications:read"), "")
	if got := s.ask("GET", "/other", "", valid); got.StatusCode != http.StatusOK {
		t.Errorf("before Claviger fails: %d", got.StatusCode)
	}
	for _, c := range []struct {
		name string
		fail func()
	}{{"does not answer", s.authority.stop}, {"is stopped", s.authority.cut}} {
		c.fail()
		for _, header := range []string{valid, "Authorization: Bearer none"} {
			begin := time.Now()
			got := s.ask("GET", "/other", "", header)
			took := time.Since(begin)
			if got.StatusCode != http.StatusUnauthorized || took > 20*time.Second {
				t.Errorf("while Claviger %s: %d after %v", c.name, got.StatusCode, took)
			}
		}
	}
}

// openApache starts Claviger with TLS, an API and Apache with its configuration of the guide.
func openApache(t *testing.T, binary string) *site {
	t.Helper()
	folder := t.TempDir()
	cert, key, roots := newCertificate(t, folder)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	s := &site{server: startBinaryFor(t, binary, client, "CLAVIGER_SERVER_TLS_CERT="+cert,
		"CLAVIGER_SERVER_TLS_KEY="+key)}
	api := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(api.Close)
	s.authority = newLine(t, strings.TrimPrefix(s.sample.URL, "https://"))
	s.address = testkit.FreeAddress(t)
	verifier := s.newKey("Apache", "keys:verify")
	script := write(t, folder, "claviger.lua", integration(t, "apache.lua"))
	config := replaceAll(t, integration(t, "apache.conf"),
		"127.0.0.1:8080", s.authority.listener.Addr().String(),
		"127.0.0.1:9001", strings.TrimPrefix(api.URL, "http://"),
		"Listen 8000", "Listen "+s.address, "*:8000", s.address,
		"ClientID CHANGE_ME", "ClientID "+verifier.id, "ClientSecret CHANGE_ME", "ClientSecret "+verifier.secret,
		"/etc/claviger/tls.pem", cert, "/etc/apache2/claviger.lua", script)
	path := write(t, folder, "httpd.conf", apacheHead(folder)+config)
	// Started by root, Apache reads these as nobody.
	for _, path := range []string{filepath.Dir(folder), folder, script, cert} {
		must(t, os.Chmod(path, 0o755))
	}
	// With -X, Apache is one process, so that nothing stays when the test kills it.
	start(t, exec.Command(program("apache2"), "-X", "-d", folder, "-f", path))
	awaitListener(t, s.address)
	return s
}

func integration(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "integrations", name))
	must(t, err)
	return string(text)
}

// newCertificate writes a certificate for 127.0.0.1 and its key, and returns their paths.
func newCertificate(t testing.TB, folder string) (certPath, keyPath string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Claviger"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	certPath = write(t, folder, "tls.pem", string(text))
	keyPath = write(t, folder, "tls.key",
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return certPath, keyPath, roots
}

// bearer returns the header with a new access token of the key.
func (s *server) bearer(k issued, scope string) string {
	s.t.Helper()
	var token struct {
		Value string `json:"access_token"`
	}
	must(s.t, json.Unmarshal(s.post("/oauth2/token", k,
		url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}), &token))
	return "Authorization: Bearer " + token.Value
}

// post sends a form as the client and returns the body of the response.
func (s *server) post(path string, k issued, form url.Values) []byte {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.sample.URL+path,
		strings.NewReader(form.Encode()))
	must(s.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(k.id, k.secret)
	return s.send(req)
}

func (s *site) testTokens(t *testing.T) {
	t.Helper()
	k := s.newKey("Client", "applications:read", "scopes:read")
	all, narrow := s.bearer(k, ""), s.bearer(k, "scopes:read")
	token := strings.TrimPrefix(all, "Authorization: Bearer ")
	for _, c := range []struct {
		name, method, uri, body, header string
		status                          int
	}{
		{"a token", "GET", "/orders/1", "", all, 200},
		{"a token on another path", "PROPFIND", "/other", "", narrow, 200},
		{"no token", "GET", "/other", "", "Accept: */*", 401},
		{"OPTIONS without a token", "OPTIONS", "/orders/1", "", "Origin: https://app.example.com", 401},
		{"junk", "GET", "/other", "", "Authorization: Bearer junk", 401},
		{"an API key", "GET", "/other", "", "Authorization: Bearer " + k.value, 401},
		{"an API key by Basic", "GET", "/other", "", "Authorization: Basic " + k.basic(), 401},
		{"an API key in its header", "GET", "/other", "", "X-API-Key: " + k.value, 401},
		{"two tokens", "GET", "/orders/1", "", narrow + "\r\n" + all, 401},
		{"a token in the query", "GET", "/other?access_token=" + token, "", "Accept: */*", 401},
		{"a token in the body", "POST", "/other", "access_token=" + token, formType, 401},
		{"a token without the scope", "GET", "/orders/1", "", narrow, 403},
		{"an encoded letter", "GET", "/%6Frders/1", "", narrow, 403},
		{"dots", "GET", "/other/../orders/1", "", narrow, 403},
		{"encoded dots", "GET", "/other/%2e%2e/orders/1", "", narrow, 403},
		{"two slashes", "GET", "//orders/1", "", narrow, 403},
		{"an encoded slash", "GET", "/other/..%2forders/1", "", narrow, 404},
	} {
		got := s.ask(c.method, c.uri, c.body, c.header)
		if got.StatusCode != c.status {
			t.Errorf("%s: %d %s, not %d", c.name, got.StatusCode, got.body, c.status)
		}
	}
}

const formType = "Content-Type: application/x-www-form-urlencoded"

func (s *site) testApacheHeaders(t *testing.T) {
	t.Helper()
	k := s.newKey("Headers", "applications:read")
	token := s.bearer(k, "")
	owner, scopes := "X-Claviger-Owner: usr_0", "X-Claviger-Scopes: applications:read"
	for _, c := range []struct {
		name             string
		headers, has, no []string
	}{
		{
			"a token",
			[]string{"X-API-Key: " + k.value, "Cookie: a=1; claviger=2; b=3"},
			[]string{
				owner, scopes, "X-Claviger-Key-Id: " + k.keyID, "X-Claviger-Principal: key",
				"X-Claviger-Tenant: " + s.sample.Tenants[0].ID, "X-Claviger-Account: acc_",
				"X-Claviger-Transport: oauth", "Cookie: a=1; b=3",
			},
			[]string{"Authorization", "X-Api-Key", "Oidc"},
		},
		{
			"forged headers",
			[]string{"X-Claviger-Owner: usr_forged", "X-Claviger-Plan: gold", "x-claviger-new: gold"},
			[]string{owner},
			[]string{"X-Claviger-Owner: usr_f", "X-Claviger-Plan", "X-Claviger-New"},
		},
		{
			"underscores",
			[]string{"X_Claviger_Owner: usr_forged", "X-Claviger_Owner: ", "x_claviger-plan: gold"},
			[]string{owner},
			[]string{"X_", "X-Claviger_", "x_"},
		},
		{
			"claims",
			[]string{"OIDC_CLAIM_sub: usr_forged", "OIDC-Claim-Scope: all", "oidc_access_token: forged"},
			[]string{owner, scopes},
			[]string{"Oidc", "OIDC", "oidc"},
		},
		{"Connection", []string{"Connection: X-Claviger-Owner"}, []string{owner}, nil},
	} {
		got := s.ask("GET", "/orders/1?a=b%20c", "", append(c.headers, token)...)
		s.expectReceived(t, c.name, got, received{Method: "GET", URI: "/orders/1?a=b%20c"}, c.has, c.no)
	}
}

// A revocation counts for the next request, of a token as of its key.
func (s *site) testRevokedToken(t *testing.T) {
	t.Helper()
	k := s.newKey("Revoked", "applications:read")
	first, second := s.bearer(k, ""), s.bearer(k, "")
	expect := func(name, token string, status int) {
		t.Helper()
		if got := s.ask("GET", "/orders/1", "", token); got.StatusCode != status {
			t.Errorf("%s: %d %s, not %d", name, got.StatusCode, got.body, status)
		}
	}
	expect("before", first, 200)
	s.post("/oauth2/revoke", k, url.Values{"token": {strings.TrimPrefix(first, "Authorization: Bearer ")}})
	expect("a revoked token", first, 401)
	expect("another token", second, 200)
	s.call(http.MethodPost, s.tenant()+"/keys/"+k.keyID+"/revoke", nil)
	expect("a token of a revoked key", second, 401)
}
