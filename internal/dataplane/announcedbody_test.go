package dataplane_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/proxy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Proxies announce the body of the client's request and do not send it. The test sends the text of
// each request and no body, and reads until the server ends the connection.
func TestABodyThatIsNeverSentIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	k := g.key("applications:read")
	for name, headers := range map[string]string{
		"a length":                "Content-Length: 5\r\n",
		"a large length":          "Content-Length: 5000000\r\n",
		"chunks":                  "Transfer-Encoding: chunked\r\n",
		"a length and Expect":     "Content-Length: 5\r\nExpect: 100-continue\r\n",
		"chunks and Expect":       "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n",
		"an upgrade and a length": "Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 5\r\n",
	} {
		for _, path := range []string{"/api/v1/authz", "/api/v1/authz-refusal"} {
			for _, key := range []string{k.Credential.Value, "none"} {
				text := g.exchange(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nX-Original-Method: POST\r\n"+
					"X-Original-URI: /\r\nAuthorization: Bearer %s\r\n%s\r\n", path, key, headers))
				want := "HTTP/1.1 401 "
				switch {
				case key == "none":
				case path == "/api/v1/authz":
					want = "HTTP/1.1 200 "
				default:
					want = "HTTP/1.1 403 "
				}
				if !strings.HasPrefix(text, want) || !strings.Contains(text, "\r\nConnection: close\r\n") {
					t.Errorf("%s, %s: %s", name, path, text)
				}
			}
		}
	}
}

// exchange sends the text of a request and returns all that the server sends before it ends the
// connection. It fails the test if that takes longer than a check may.
func (g *gate) exchange(text string) string {
	g.t.Helper()
	conn := g.dial()
	_, err := io.WriteString(conn, text)
	testkit.NoError(g.t, err)
	testkit.NoError(g.t, conn.SetReadDeadline(time.Now().Add(10*time.Second))) // the server's would be 20
	answer, err := io.ReadAll(conn)
	if err != nil {
		g.t.Errorf("the connection did not end: %v\n%s", err, answer)
	}
	return string(answer)
}

func TestABodyThatIsSentDoesNotDisturbTheResponse(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	k := g.key("applications:read")
	for _, size := range []int{5, 100_000, 2_000_000} {
		conn := g.dial()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = fmt.Fprintf(conn, "POST /api/v1/authz HTTP/1.1\r\nHost: a\r\nX-Original-Method: POST\r\n"+
				"X-Original-URI: /\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
				k.Credential.Value, size, strings.Repeat("x", size)) // the server may end the connection
		}()
		testkit.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		status := make([]byte, len("HTTP/1.1 200"))
		if _, err := io.ReadFull(conn, status); err != nil || string(status) != "HTTP/1.1 200" {
			t.Errorf("%d bytes: %s %v", size, status, err)
		}
		testkit.NoError(t, conn.Close())
		<-sent
	}
}

func TestEveryMethodAndHTTP10Work(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	k := g.key("applications:read")
	for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "DELETE", "PROPFIND", "lower", "TRACE"} {
		for _, header := range []http.Header{bearer(k), {}} {
			got := g.send(method, "/api/v1/authz", nginx(http.MethodGet, "/", header))
			want := http.StatusUnauthorized
			if len(header) > 0 {
				want = http.StatusOK
			}
			if got.Status != want || got.Status != 200 && len(got.Header["Www-Authenticate"]) != 2 ||
				(got.Body == "") != (got.Status == 200 || method == "HEAD") {
				t.Errorf("%s: %d %q %v", method, got.Status, got.Body, got.Header)
			}
		}
	}
	text := g.exchange("GET /api/v1/authz HTTP/1.0\r\nX-Original-Method: GET\r\nX-Original-URI: /\r\n" +
		"Authorization: Bearer " + k.Credential.Value + "\r\n\r\n")
	if !strings.HasPrefix(text, "HTTP/1.0 200 ") || !strings.Contains(text, "\r\nX-Claviger-Owner: usr_") {
		t.Errorf("HTTP/1.0: %s", text)
	}
}
