package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Identity headers of a client, in every spelling that some API could read, do not reach the API.
func TestNoForgedIdentityHeaderReachesTheAPI(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{})
	k := s.key("applications:read")
	names := []string{
		"Principal", "Key-Id", "Owner-Type", "Owner", "External-Id", "Plan", "Email", "Tenant", "Account", "Scopes",
		"Applications", "Transport", "Omitted", "Other",
	}
	const forged = "forged"
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 1500 {
		name := spelling(random, "X-Claviger-"+names[i%len(names)])
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.GatewayURL, "http://"))
		testkit.NoError(t, err)
		_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n%s: %s\r\n%s"+
			"Connection: close\r\n\r\n", k.Credential.Value, name, forged, connection(random, name))
		testkit.NoError(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		testkit.NoError(t, err)
		conn.Close()
		if resp.StatusCode != http.StatusOK {
			continue
		}
		for sent, values := range s.api.last().Header {
			for _, value := range values {
				if strings.Contains(value, forged) {
					t.Fatalf("%s reached the API as %s", name, sent)
				}
			}
		}
		if got := s.api.last().Header.Get("X-Claviger-Owner"); got != k.Key.Owner.ID {
			t.Fatalf("%s: the API got the owner %q", name, got)
		}
	}
	if n := s.api.count(); n != 1500 {
		t.Errorf("%d requests reached the API", n)
	}
}

// spelling changes the case and the hyphens of a name.
func spelling(random *rand.Rand, name string) string {
	var b strings.Builder
	for _, c := range name {
		switch random.IntN(4) {
		case 0:
			b.WriteString(strings.ToUpper(string(c)))
		case 1:
			b.WriteString(strings.ToLower(string(c)))
		case 2:
			b.WriteString(strings.ReplaceAll(string(c), "-", string("_.!~"[random.IntN(4)])))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// connection returns a Connection header that names a header, or nothing.
func connection(random *rand.Rand, name string) string {
	if random.IntN(2) == 0 {
		return ""
	}
	return "Connection: " + name + "\r\n"
}

func TestForwardedHeadersAreThoseOfTrustedProxiesAlone(t *testing.T) {
	t.Parallel()
	header := http.Header{
		"X-Forwarded-For": {"198.51.100.7"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"api.example.com"},
		"X-Real-Ip": {"198.51.100.7"}, "Forwarded": {"for=198.51.100.7"}, "X-Forwarded-Prefix": {"/a"},
	}
	for name, c := range map[string]struct {
		config func(*config.Config)
		want   map[string]string
	}{
		"of a client": {func(*config.Config) {}, map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Real-Ip": "", "Forwarded": "",
			"X-Forwarded-Prefix": "",
		}},
		"of a trusted proxy": {testkit.TrustLoopback, map[string]string{
			"X-Forwarded-For": "198.51.100.7, 127.0.0.1", "X-Forwarded-Proto": "https",
			"X-Forwarded-Host": "api.example.com", "X-Real-Ip": "198.51.100.7", "X-Forwarded-Prefix": "/a",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, setUp{config: c.config})
			s.send(http.MethodGet, "/", bearer(s.key("applications:read"), header))
			for name, want := range c.want {
				if got := s.api.last().Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

// The API reads a request and ends the connection. Nobody can know what it did, so that the gateway
// does not send the request again.
func TestNoRequestIsSentTwice(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{serve: func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			panic(http.ErrAbortHandler)
		}
	}})
	k := s.key("applications:read")
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPost} {
		s.send(http.MethodGet, "/", bearer(k)) // which leaves a connection to the API open
		before := s.api.count()
		got := s.send(method, "/end", bearer(k))
		if n := s.api.count() - before; n != 1 || got.StatusCode != http.StatusBadGateway {
			t.Errorf("%s: sent %d times, answered %d", method, n, got.StatusCode)
		}
	}
}

func TestAnAPIThatDoesNotAnswerIsAnsweredFor(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	s := newSite(t, setUp{
		serve: func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		},
		config: func(c *config.Config) { c.Gateway.ResponseTimeout = config.Timeout(200 * time.Millisecond) },
	})
	k := s.key("applications:read")
	late := s.send(http.MethodGet, "/", bearer(k))
	if late.StatusCode != http.StatusGatewayTimeout || !strings.Contains(late.body, `"code":"gateway_timeout"`) {
		t.Errorf("late: %d %s", late.StatusCode, late.body)
	}
	s.api.Close()
	gone := s.send(http.MethodGet, "/", bearer(k))
	if gone.StatusCode != http.StatusBadGateway || !strings.Contains(gone.body, `"code":"bad_gateway"`) {
		t.Errorf("gone: %d %s", gone.StatusCode, gone.body)
	}
}

func TestABodyBeyondTheLimitIsNotForwarded(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{
		serve: func(w http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n)
		},
		config: func(c *config.Config) { c.Gateway.BodyBytes = 4096 },
	})
	k := s.key("applications:read")
	if got := s.send(http.MethodPost, "/", bearer(k), strings.Repeat("a", 4096)); got.body != "4096" {
		t.Errorf("at the limit: %d %s", got.StatusCode, got.body)
	}
	got := s.send(http.MethodPost, "/", bearer(k), strings.Repeat("a", 4097))
	if got.code() != "too_large" || !strings.Contains(got.body, "4096 bytes") {
		t.Errorf("announced: %d %s", got.StatusCode, got.body)
	}
	req := s.request(t.Context(), http.MethodPost, "/", bearer(k))
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("a", 1<<20))), -1
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("in chunks: %d", resp.StatusCode)
		}
	}
}

func TestBodiesStreamInBothDirections(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{serve: func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintln(w, "echo", lines.Text())
			_ = control.Flush()
		}
	}})
	read, write := io.Pipe()
	req := s.request(t.Context(), http.MethodPost, "/", bearer(s.key("applications:read")))
	req.Body, req.ContentLength = read, -1
	answered := make(chan *http.Response, 1)
	go func() {
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Error(err)
		}
		answered <- resp
	}()
	fmt.Fprintln(write, "one")
	resp := <-answered
	if resp == nil {
		return
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for _, word := range []string{"one", "two", "three"} {
		if word != "one" {
			fmt.Fprintln(write, word)
		}
		got, err := lines.ReadString('\n')
		if got != "echo "+word+"\n" {
			t.Fatalf("%q %v, want the echo of %s", got, err, word)
		}
	}
	testkit.NoError(t, write.Close())
}

// webSocket answers the handshake of a WebSocket and sends back what it receives.
func webSocket(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "websocket" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	conn, stream, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, switching)
	_, _ = io.Copy(conn, stream)
}

// switching is the response that begins a WebSocket.
const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"

func TestAnOpenWebSocketEndsWithItsKey(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{serve: webSocket})
	k := s.key("applications:read")
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.GatewayURL, "http://"))
	testkit.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n"+
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n", k.Credential.Value)
	testkit.NoError(t, err)
	stream := bufio.NewReader(conn)
	resp, err := http.ReadResponse(stream, nil)
	testkit.NoError(t, err)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", resp.StatusCode)
	}
	echo := func() error {
		if _, err := io.WriteString(conn, "hello"); err != nil {
			return err
		}
		_, err := io.ReadFull(stream, make([]byte, len("hello")))
		return err
	}
	testkit.NoError(t, echo())
	if at := s.api.last().Header; at.Get("X-Claviger-Key-Id") != k.Key.ID || at.Get("Authorization") != "" {
		t.Errorf("the API got %v", at)
	}
	_, err = s.owner.RevokeKey(t.Context(), string(s.tenant.ID), k.Key.ID, "")
	testkit.NoError(t, err)
	testkit.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	if n, err := stream.Read(make([]byte, 1)); err == nil || n > 0 || isTimeout(err) {
		t.Errorf("after the revocation: %d bytes, %v", n, err)
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

func TestAnOpenStreamEndsWithItsKey(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{serve: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}})
	k := s.key("applications:read")
	resp, err := http.DefaultTransport.RoundTrip(s.request(t.Context(), http.MethodGet, "/events", bearer(k)))
	testkit.NoError(t, err)
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); line != "data: 1\n" {
		t.Fatalf("%q %v", line, err)
	}
	_, err = s.owner.DisableKey(t.Context(), string(s.tenant.ID), k.Key.ID)
	testkit.NoError(t, err)
	if rest, err := io.ReadAll(lines); err == nil {
		t.Errorf("the stream ended as if it were whole: %q", rest)
	}
}

func TestTheAPICannotSpeakForClaviger(t *testing.T) {
	t.Parallel()
	s := newSite(t, setUp{serve: func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("X-Claviger-Code", "ok")
		h.Add("Set-Cookie", "claviger-gateway=fixed; Path=/")
		h.Add("Set-Cookie", "__Host-claviger=fixed; Path=/")
		h.Add("Set-Cookie", "own=1")
		w.WriteHeader(http.StatusTeapot)
	}})
	got := s.send(http.MethodGet, "/", bearer(s.key("applications:read")))
	if got.StatusCode != http.StatusTeapot || got.code() != "" ||
		strings.Join(got.Header["Set-Cookie"], " ") != "own=1" {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
}

func TestRequestsGoToTheUpstreamOfTheirApplicationOrHost(t *testing.T) {
	t.Parallel()
	byHost := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "by host "+r.RequestURI)
	}))
	defer byHost.Close()
	s := newSite(t, setUp{config: func(c *config.Config) {
		to := config.Upstream(byHost.URL + "/in%20ner")
		c.Gateway.Upstreams = config.Upstreams{{Name: "eu.example.com", Upstream: to}}
		c.Gateway.Hosts = config.GatewayHosts{
			{Name: "eu.example.com", Entry: "default"}, {Name: "a.example.com", Entry: "default"},
		}
	}})
	k := s.key("applications:read")
	for host, want := range map[string]string{
		"eu.example.com":      "by host /in%20ner/x%20y?z",
		"EU.example.com.:123": "by host /in%20ner/x%20y?z",
		"a.example.com":       "the API at /x%20y?z",
	} {
		if got := s.send(http.MethodGet, "/x%20y?z", bearer(k, http.Header{"Host": {host}})); got.body != want {
			t.Errorf("%s: %d %s", host, got.StatusCode, got.body)
		}
	}
	got := s.send(http.MethodGet, "/", bearer(k, http.Header{"Host": {"else.example.com"}}))
	if got.code() != "route_unknown" {
		t.Errorf("another host: %d %s", got.StatusCode, got.body)
	}
}
