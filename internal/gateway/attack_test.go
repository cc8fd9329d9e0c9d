package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// publicRules make everything below /public public.
const publicRules = `
entries:
  - name: films
    hosts: [films.example.com]
    rules:
      - {path: "/public/{rest...}", public: true}
`

// short makes the gateway wait for nothing longer than a moment.
func short(c *config.Config) {
	c.Gateway.StallTimeout = config.Timeout(300 * time.Millisecond)
	c.Server.Limits.ReadTimeout = config.Timeout(300 * time.Millisecond)
}

// dial sends the text of a request on a connection of its own.
func (s *site) dial(request string) (net.Conn, *bufio.Reader) {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.GatewayURL, "http://"))
	testkit.NoError(s.t, err)
	s.t.Cleanup(func() { conn.Close() })
	testkit.NoError(s.t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, request)
	testkit.NoError(s.t, err)
	return conn, bufio.NewReader(conn)
}

// ends reports whether the gateway ends the connection.
func ends(stream *bufio.Reader) error {
	for {
		_, err := stream.ReadByte()
		if err != nil {
			if isTimeout(err) {
				return err
			}
			return nil
		}
	}
}

// By HTTP/2 in clear text, further requests would reach the API without a decision.
func TestNoProtocolButWebSocketIsTunnelled(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{rules: publicRules, serve: func(w http.ResponseWriter, r *http.Request) {
		if upgrade := r.Header.Get("Upgrade"); upgrade != "" || r.Header.Get("Http2-Settings") != "" {
			w.Header().Set("Upgrade", upgrade)
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(http.StatusSwitchingProtocols)
		}
	}})
	_, stream := s.dial("GET /public/a HTTP/1.1\r\nHost: films.example.com\r\nConnection: Upgrade, HTTP2-Settings\r\n" +
		"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")
	resp, err := http.ReadResponse(stream, nil)
	testkit.NoError(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d", resp.StatusCode)
	}
	if at := s.api.last().Header; at.Get("Upgrade") != "" || at.Get("Http2-Settings") != "" {
		t.Errorf("the API got %v", at)
	}
}

// The API answers before the body has arrived. Nothing of the body is taken for another request,
// and the connection ends, whether the rest of the body arrives or not.
func TestTheRestOfABodyIsNoRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{config: short, serve: func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
	}})
	k := s.key("applications:read")
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	head := fmt.Sprintf("POST /upload HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n",
		k.Credential.Value, 10+len(smuggled))
	for name, rest := range map[string]string{"missing": "", "a request": smuggled} {
		conn, stream := s.dial(head + "0123456789")
		resp, err := http.ReadResponse(stream, nil)
		testkit.NoError(t, err)
		if resp.StatusCode != http.StatusForbidden || !resp.Close {
			t.Errorf("%s: status %d, close %t", name, resp.StatusCode, resp.Close)
		}
		_, _ = io.WriteString(conn, rest) // the gateway may have ended the connection
		if err := ends(stream); err != nil {
			t.Errorf("%s: the connection stays open: %v", name, err)
		}
	}
	for _, seen := range s.api.all() {
		if seen.URL.Path == "/smuggled" {
			t.Error("a part of a body reached the API as a request")
		}
	}
}

func TestAHostIsNoApplication(t *testing.T) {
	t.Parallel()
	const id = "app_01m8k6w12gk3m4np"
	secret := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "of the application")
	}))
	defer secret.Close()
	s := newSite(t, setUp{config: func(c *config.Config) {
		c.Gateway.Upstreams = config.Upstreams{{Name: id, Upstream: config.Upstream(secret.URL)}}
	}})
	got := s.send(http.MethodGet, "/a", bearer(s.key("applications:read"), http.Header{"Host": {id}}))
	if got.body != "the API at /a" {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

func TestNoOtherSiteOpensAWebSocketWithTheSessionOfAPerson(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{serve: webSocket})
	cookie := s.signIn(s.Member(s.tenant, "Member", scope.Member)).Get("Cookie")
	for site, want := range map[string]int{"same-origin": 101, "same-site": 403, "cross-site": 403} {
		_, stream := s.dial("GET /socket HTTP/1.1\r\nHost: a\r\nCookie: " + cookie + "\r\nSec-Fetch-Site: " + site +
			"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		resp, err := http.ReadResponse(stream, nil)
		testkit.NoError(t, err)
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", site, resp.StatusCode, want)
		}
	}
}

func TestAnUploadAndALongResponseEndWithTheirKey(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{serve: func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = io.Copy(io.Discard, r.Body)
			return
		}
		w.Header().Set("Content-Length", "100000")
		fmt.Fprint(w, strings.Repeat("begin", 10_000))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}})
	revoke := func(k api.IssuedKey) {
		testkit.Must[*api.Key](t)(s.owner.RevokeKey(t.Context(), string(s.tenant.ID), k.Key.ID, ""))
	}
	k := s.key("applications:read")
	_, upload := s.dial("POST /upload HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + k.Credential.Value +
		"\r\nContent-Length: 1000\r\n\r\nbegin")
	revoke(k)
	resp, err := http.ReadResponse(upload, nil)
	testkit.NoError(t, err)
	if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("X-Claviger-Code") != "api_key_revoked" {
		t.Errorf("the upload: %d %v", resp.StatusCode, resp.Header)
	}
	k = s.key("applications:read")
	got, err := http.DefaultTransport.RoundTrip(s.request(t.Context(), http.MethodGet, "/", bearer(k)))
	testkit.NoError(t, err)
	defer got.Body.Close()
	revoke(k)
	if text, err := io.ReadAll(got.Body); err == nil || len(text) < 10_000 {
		t.Errorf("the response: %d bytes, %v", len(text), err)
	}
}

func TestAWebSocketWhoseClientTakesNothingEndsWithItsKey(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{serve: func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, switching)
		for err == nil {
			_, err = conn.Write(make([]byte, 64<<10))
		}
	}})
	k := s.key("applications:read")
	_, stream := s.dial("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + k.Credential.Value +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	resp, err := http.ReadResponse(stream, nil)
	testkit.NoError(t, err)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", resp.StatusCode)
	}
	testkit.Must[*api.Key](t)(s.owner.RevokeKey(t.Context(), string(s.tenant.ID), k.Key.ID, ""))
	testkit.Await(t, func() string {
		if testkit.Scrape(t, s.Server)["claviger_gateway_in_progress"] > 0 {
			return ""
		}
		return "the connection has ended"
	})
}

func TestTheRequestsOfOneCallerAreBounded(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	s := newSite(t, setUp{
		config: func(c *config.Config) { c.Gateway.ConcurrentRequests = 2 },
		serve: func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				fmt.Fprint(w, "begin")
				_ = http.NewResponseController(w).Flush()
				<-release
			}
		},
	})
	k, other := s.key("applications:read"), s.key("applications:read")
	for range 2 {
		resp, err := http.DefaultTransport.RoundTrip(s.request(t.Context(), http.MethodGet, "/wait", bearer(k)))
		testkit.NoError(t, err)
		defer resp.Body.Close()
	}
	got := s.send(http.MethodGet, "/", bearer(k))
	if got.code() != "rate_limited" || got.Header.Get("Retry-After") != "1" {
		t.Errorf("one more: %d %s", got.StatusCode, got.body)
	}
	if got := s.send(http.MethodGet, "/", bearer(other)); got.StatusCode != http.StatusOK {
		t.Errorf("another key: %d %s", got.StatusCode, got.body)
	}
}

func TestTheKeyHeaderOfAnotherTenantIsAHeaderLikeAnyOther(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{})
	s.Tenant("Other", func(p *policy.Settings) { p.KeyHeader = "X-Continuation-Token" })
	k := s.key("applications:read")
	s.send(http.MethodGet, "/", bearer(k, http.Header{"X-Continuation-Token": {"17"}}))
	if got := s.api.last().Header.Get("X-Continuation-Token"); got != "17" {
		t.Errorf("the API got %q", got)
	}
}

func TestAHeaderOfOneRuleIsForgedUnderNoOther(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{rules: publicRules + `      - {path: /films, headers: {X-Plan-Tier: owner.tier}}
      - {path: /other}
`})
	k := s.key("applications:read")
	for _, uri := range []string{"/films", "/other", "/public/a"} {
		got := s.send(http.MethodGet, uri, bearer(k, http.Header{
			"Host": {"films.example.com"}, "X-Plan-Tier": {"enterprise"},
		}))
		if sent := s.api.last().Header.Get("X-Plan-Tier"); got.StatusCode != http.StatusOK || sent != "" {
			t.Errorf("%s: %d, the API got %q", uri, got.StatusCode, sent)
		}
	}
}

func TestNoTokenOfASessionReachesTheAPI(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{preset: policy.Blazeauth})
	k := s.key("applications:read")
	member := s.Member(s.tenant, "Member", scope.Member)
	for _, kind := range []credential.TokenKind{
		credential.SessionToken, credential.GatewayToken, credential.PasswordToken,
	} {
		_, token, _ := strings.Cut(s.cookie("x", session.SignIn{User: member, Kind: kind}), "=")
		for _, cookies := range [][]string{
			{"session=" + token},
			{"session=theirs; session=" + token},
			{`LWSSO_COOKIE_KEY="` + token + `"`},
			{"a=1", "other=" + token + "; b=2"},
		} {
			header := bearer(k)
			header["Cookie"] = cookies
			s.send(http.MethodGet, "/licenses", header)
			if sent := strings.Join(s.api.last().Header["Cookie"], "; "); strings.Contains(sent, token) {
				t.Errorf("%s: the API got %s", kind, cookies)
			}
		}
	}
}

func TestABodyThatIsCutShortDoesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{preset: policy.Blazeauth, config: short})
	k := s.key("applications:read", "applications:create")
	_, stream := s.dial("POST /api/v1/panel/create-application HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " +
		k.Credential.Value + "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"17\r\n{\"name\":\"Half an app\"}  \r\nbroken\r\n")
	resp, err := http.ReadResponse(stream, nil)
	testkit.NoError(t, err)
	list := testkit.Must[api.List[api.Application]](t)(s.owner.Applications(t.Context(), string(s.tenant.ID),
		client.Page{}))
	if resp.StatusCode != http.StatusBadRequest || len(list.Items) != 0 {
		t.Errorf("status %d, applications %v", resp.StatusCode, list.Items)
	}
}

func TestASlowBodyIsNotWaitedForWhereTheGatewayAnswers(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{config: short})
	cookie := s.signIn(s.Member(s.tenant, "Member", scope.Member)).Get("Cookie")
	for _, method := range []string{"GET", "DELETE"} {
		_, stream := s.dial(method + " /api/v1/session HTTP/1.1\r\nHost: a\r\nCookie: " + cookie +
			"\r\nContent-Length: 100\r\n\r\n")
		if err := ends(stream); err != nil {
			t.Errorf("%s: the connection stays open: %v", method, err)
		}
	}
}

func TestWhatTheAPISaysBeforeAndAfterItsResponseIsNotPassedOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{serve: func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("X-Claviger-Owner", "forged")
		h.Set("Set-Cookie", "claviger-gateway=x")
		w.WriteHeader(http.StatusEarlyHints)
		h.Del("X-Claviger-Owner")
		h["Set-Cookie"] = []string{"=claviger-gateway=x", "own=1"}
		h.Set("Trailer", "X-Claviger-Code, Set-Cookie")
		fmt.Fprint(w, "ok")
		h.Set("X-Claviger-Code", "forged")
	}})
	_, stream := s.dial("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " +
		s.key("applications:read").Credential.Value + "\r\n\r\n")
	resp, err := http.ReadResponse(stream, nil)
	testkit.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	testkit.NoError(t, err)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Request-Id") == "" || len(resp.Trailer) > 0 ||
		strings.Join(resp.Header["Set-Cookie"], " ") != "own=1" {
		t.Errorf("%d %v %v", resp.StatusCode, resp.Header, resp.Trailer)
	}
}

// A public route may have a sign-in of its own, by a credential that is none of this server.
func TestAPublicRouteGetsTheCredentialsOfOthers(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{rules: publicRules})
	k := s.key("applications:read")
	for sent, want := range map[string]string{
		"Bearer eyJhbGciOiJIUzI1NiJ9.e30.x": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "Basic dTpw": "Basic dTpw",
		"Bearer " + k.Credential.Value: "", "Token " + k.Credential.Value: "", basic(k).Get("Authorization"): "",
	} {
		s.send(http.MethodGet, "/public/a", http.Header{"Host": {"films.example.com"}, "Authorization": {sent}})
		if got := s.api.last().Header.Get("Authorization"); got != want {
			t.Errorf("%s: the API got %q", sent, got)
		}
	}
}
