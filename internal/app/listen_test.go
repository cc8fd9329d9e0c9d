package app_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// pair is a certificate for 127.0.0.1 and its key, in PEM.
type pair struct{ cert, key []byte }

func newPair(t *testing.T, serial int64) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	testkit.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	testkit.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	testkit.NoError(t, err)
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
}

// tlsServer starts a server whose certificate has serial number 1.
func tlsServer(t *testing.T) (*testkit.Server, config.TLS) {
	t.Helper()
	dir := t.TempDir()
	files := config.TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	first := newPair(t, 1)
	testkit.NoError(t, os.WriteFile(files.Cert, first.cert, 0o600))
	testkit.NoError(t, os.WriteFile(files.Key, first.key, 0o600))
	h := testkit.Start(t, testkit.SQLite)
	h.Config.Server.TLS = files
	h.Restart()
	return h, files
}

// serial returns the serial number of the certificate on a new connection.
func serial(t *testing.T, h *testkit.Server) int64 {
	t.Helper()
	// its number is all that is asked for
	conn, err := tls.Dial("tcp", h.Address, &tls.Config{InsecureSkipVerify: true})
	testkit.NoError(t, err)
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestAKeyOfTheCertificateThatOthersCanReadIsWarnedOf(t *testing.T) {
	h, files := tlsServer(t)
	testkit.NoError(t, os.Chmod(files.Key, 0o644))
	h.Restart()
	if said := h.Log.String(); !strings.Contains(said, config.ExposedWarning) || !strings.Contains(said, files.Key) {
		t.Errorf("the log says:\n%s", said)
	}
}

func TestAChangedCertificateIsShownFromTheNextConnectionOn(t *testing.T) {
	h, files := tlsServer(t)
	second, third := newPair(t, 2), newPair(t, 3)
	steps := []struct {
		what string
		file string
		text []byte
		want int64
	}{
		{"the key of the next one, whose certificate is yet to come", files.Key, second.key, 1},
		{"and its certificate", files.Cert, second.cert, 2},
		{"a certificate whose key is yet to come", files.Cert, third.cert, 2},
		{"a file that is no certificate", files.Cert, []byte("nothing"), 2},
		{"the certificate again", files.Cert, third.cert, 2},
		{"and its key", files.Key, third.key, 3},
	}
	if got := serial(t, h); got != 1 {
		t.Fatalf("the first certificate has number %d", got)
	}
	for _, s := range steps {
		renew(t, s.file, s.text)
		if a, b := serial(t, h), serial(t, h); a != s.want || b != s.want {
			t.Errorf("%s: number %d, then %d, want %d", s.what, a, b, s.want)
		}
	}
	testkit.NoError(t, os.Remove(files.Key))
	if got := serial(t, h); got != 3 {
		t.Errorf("without its key the last one is gone: %d", got)
	}
	if got := strings.Count(h.Log.String(), "the old one stays"); got != 5 {
		t.Errorf("%d warnings, want one for each state of the files that makes no pair:\n%s", got, h.Log)
	}
}

// renew replaces a file, as tools that renew certificates do.
func renew(t *testing.T, file string, text []byte) {
	t.Helper()
	testkit.NoError(t, os.WriteFile(file+".new", text, 0o600))
	testkit.NoError(t, os.Rename(file+".new", file))
}

// signInTo signs the owner in at a URL whose host is the server, and returns the answer without its
// body.
func signInTo(t *testing.T, h *testkit.Server, url string) *http.Response {
	t.Helper()
	transport := &http.Transport{
		// the certificate is the other test's
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, h.Address)
		},
	}
	defer transport.CloseIdleConnections()
	body, err := json.Marshal(api.SignInRequest{Email: h.Owner.Email, Password: testkit.Password})
	testkit.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/v1/session", bytes.NewReader(body))
	testkit.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: transport}).Do(req)
	testkit.NoError(t, err)
	testkit.NoError(t, resp.Body.Close())
	return resp
}

func TestWithTLSACookieIsForThisHostAndTLSAlone(t *testing.T) {
	demand := func(t *testing.T, resp *http.Response, name string, secure bool) {
		t.Helper()
		if cookies := resp.Cookies(); len(cookies) != 1 || cookies[0].Name != name || cookies[0].Secure != secure ||
			!cookies[0].HttpOnly || cookies[0].Path != "/" || cookies[0].Domain != "" {
			t.Errorf("%s, cookies %v", resp.Status, cookies)
		}
		if hsts := resp.Header.Get("Strict-Transport-Security"); (hsts != "") != secure {
			t.Errorf("Strict-Transport-Security: %s", hsts)
		}
	}
	t.Run("by its own certificate", func(t *testing.T) {
		h, _ := tlsServer(t)
		resp := signInTo(t, h, h.URL)
		demand(t, resp, "__Host-claviger", true)
		if resp.ProtoMajor != 2 || !strings.HasPrefix(h.URL, "https://127.0.0.1:") {
			t.Errorf("%s of %s", resp.Proto, h.URL)
		}
		plain, err := http.Get("http://" + h.Address + "/healthz")
		testkit.NoError(t, err)
		testkit.NoError(t, plain.Body.Close())
		if plain.StatusCode != http.StatusBadRequest {
			t.Errorf("without TLS it is answered with %s", plain.Status)
		}
	})
	t.Run("by a proxy's", func(t *testing.T) {
		h := testkit.Start(t, testkit.SQLite)
		h.Config.Server.BaseURL = "https://keys.example.com"
		h.Restart()
		demand(t, signInTo(t, h, "http://keys.example.com"), "__Host-claviger", true)
	})
	t.Run("not without", func(t *testing.T) {
		h := testkit.Start(t, testkit.SQLite)
		demand(t, signInTo(t, h, h.URL), "claviger", false)
	})
}

func TestWhereARequestComesFromIsWhatTheTrustedProxySays(t *testing.T) {
	for name, c := range map[string]struct {
		proxies config.Proxies
		want    string
	}{
		"through a proxy":   {config.Proxies{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}, "198.51.100.1"},
		"without":           {nil, "127.0.0.1"},
		"a proxy of others": {config.Proxies{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}}, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := testkit.SQLite.Config(t)
			settings.Server.TrustedProxies = c.proxies
			h := testkit.StartEmpty(t, settings)
			from := h.Anyone().WithHeader("X-Forwarded-For", "203.0.113.1, 198.51.100.1")
			expectSetUpFrom(t, h, from, c.want)
			h.Account, _ = h.OtherAccount("Account Owner")
			expectUsedFrom(t, h, from, c.want)
		})
	}
}

// expectSetUpFrom fails the test unless the trail says from which address an account was created.
func expectSetUpFrom(t *testing.T, h *testkit.Server, from *client.Client, want string) {
	t.Helper()
	token := h.SetupLink()
	owner, session, err := from.SetUp(t.Context(), api.SetUpRequest{
		Token: token.Reveal(), Account: "Another", Email: "another@claviger.example", Name: "Another Owner",
		Password: testkit.Password,
	})
	testkit.NoError(t, err)
	events, err := owner.AccountEvents(t.Context(), session.Accounts[0].AccountID, client.EventFilter{}, client.Page{})
	testkit.NoError(t, err)
	if len(events.Items) == 0 {
		t.Error("no events")
	}
	for _, e := range events.Items {
		if e.IP == nil || *e.IP != want {
			t.Errorf("%s is not from %s: %+v", e.Action, want, e)
		}
	}
}

// expectUsedFrom fails the test unless a key was last used from the address.
func expectUsedFrom(t *testing.T, h *testkit.Server, from *client.Client, want string) {
	t.Helper()
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := h.Key(owner, tenant, "applications:read")
	_, err := from.WithKey(k.Credential.Value).Whoami(t.Context())
	testkit.NoError(t, err)
	used, err := owner.Key(t.Context(), string(tenant.ID), k.Key.ID)
	testkit.NoError(t, err)
	if used.LastUsedIP == nil || *used.LastUsedIP != want {
		t.Errorf("not used from %s: %+v", want, used)
	}
}

func TestSlowClientsAreCutOffAndKeepNobodyWaiting(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	h.Config.Server.Limits = config.Limits{
		HeaderTimeout: config.Timeout(time.Second),
		ReadTimeout:   config.Timeout(2 * time.Second), IdleTimeout: config.Timeout(time.Second),
	}
	h.Restart()
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	key := h.Key(owner, tenant, "applications:read")
	good := h.With(key)
	head := "POST /api/v1/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key.Credential.Value +
		"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
	kinds := map[string]string{
		"nothing at all":               "",
		"half a request line":          "GET /api",
		"half of the headers":          fmt.Sprintf(head, "verify"),
		"half of a decision's body":    fmt.Sprintf(head, "verify") + "\r\n{\"credential\":",
		"half of a sign-in":            fmt.Sprintf(head, "session") + "\r\n{\"email\":",
		"one request and then no more": "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
	}
	const each = 40
	var slow []net.Conn
	for _, text := range kinds {
		for range each {
			conn, err := net.Dial("tcp", h.Address)
			testkit.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, text)
			testkit.NoError(t, err)
			slow = append(slow, conn)
		}
	}
	for range 100 {
		_, err := good.Whoami(t.Context())
		testkit.NoError(t, err)
	}
	end := time.Now().Add(time.Minute)
	for _, conn := range slow {
		testkit.NoError(t, conn.SetReadDeadline(end))
		if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatal("a slow client was not cut off")
		}
	}
	_, err := good.Whoami(t.Context())
	testkit.NoError(t, err)
}

func TestHeadersEndAtTheirLimit(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	h.Config.Server.Limits.HeaderBytes = 4096
	h.Restart()
	for size, want := range map[int]int{1000: http.StatusOK, 16000: http.StatusRequestHeaderFieldsTooLarge} {
		conn, err := net.Dial("tcp", h.Address)
		testkit.NoError(t, err)
		defer conn.Close()
		fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", size))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		testkit.NoError(t, err)
		testkit.NoError(t, resp.Body.Close())
		if resp.StatusCode != want {
			t.Errorf("%d bytes are answered with %s", size, resp.Status)
		}
	}
}
