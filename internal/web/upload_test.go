package web_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// startUpload begins to send a file of 2 MB and sends a part of it. more are headers.
func startUpload(t *testing.T, h *testkit.Server, more ...string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
	testkit.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprintf(conn, "PUT /api/v1/me/avatar HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"+
		"Content-Length: 2000000\r\n%s\r\n", strings.Join(append(more, ""), "\r\n"))
	_, err = conn.Write(bytes.Repeat([]byte{' '}, 100_000))
	testkit.NoError(t, err)
	return conn
}

func TestTheFileOfAStrangerIsNotReceived(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for name, headers := range map[string][]string{
		"nothing": nil, "a bad key": {"Authorization: Bearer x"}, "a dead cookie": {"Cookie: claviger=" +
			strings.Repeat("A", 59)},
	} {
		resp, took := answered(t, startUpload(t, h, headers...))
		if resp.StatusCode != http.StatusUnauthorized || !resp.Close || took > 10*time.Second {
			t.Errorf("%s: %s after %s, closed %t", name, resp.Status, took, resp.Close)
		}
	}
}

// A second file of the same person is refused while the first one is received, and accepted after
// its connection has ended.
func TestAPersonSendsOneFileAtATime(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	ann := h.Member(h.Tenant("Main", nil), "Ann Example", scope.Member)
	cookie := testkit.SessionHeader(t, h, ann)
	first := startUpload(t, h, "Cookie: "+cookie.Get("Cookie"))
	send := func() string {
		header := cookie.Clone()
		header.Set("Content-Type", "image/png")
		status, answer, _ := testkit.Send(t, h, http.MethodPut, "/api/v1/me/avatar", header, "no picture")
		return fmt.Sprintf("%d %s", status, answer.Get("Retry-After"))
	}
	testkit.Await(t, func() string {
		if got := send(); got == "429 1" {
			return got
		}
		return ""
	})
	testkit.NoError(t, first.Close())
	testkit.Await(t, func() string {
		if got := send(); got == "422 " {
			return got
		}
		return ""
	})
	_, _ = io.Copy(io.Discard, first)
}
