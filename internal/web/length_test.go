package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/testkit"
)

const (
	post11   = "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	post10   = "POST %s HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n"
	chunks   = "2\r\n{}\r\n0\r\n\r\n"
	noChunks = "0\r\n\r\n"
)

// lengths are requests by how their length is told, and whether the connection goes on after the
// answer. Where two parties could disagree about the length, what follows must not be taken for a
// request.
var lengths = []struct {
	what, request string
	goesOn        bool
}{
	{"a length", post11 + "Content-Length: 2\r\n\r\n{}", true},
	{"a length twice", post11 + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", true},
	{"chunks", post11 + "Transfer-Encoding: chunked\r\n\r\n" + chunks, false},
	{"both", post11 + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, false},
	{"both, the other way round", post11 + "Transfer-Encoding: chunked\r\nContent-Length: 12\r\n\r\n" + chunks, false},
	{"both, with bare line feeds", post11 + "Transfer-Encoding: chunked\nContent-Length: 12\n\n" + chunks, false},
	{"two lengths", post11 + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", false},
	{"a list of lengths", post11 + "Content-Length: 2, 2\r\n\r\n{}", false},
	{"chunks twice", post11 + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + noChunks, false},
	{"another coding", post11 + "Transfer-Encoding: gzip, chunked\r\n\r\n" + noChunks, false},
	{"chunks of HTTP/1.0", post10 + "Transfer-Encoding: chunked\r\n\r\n", false},
	{"chunks and a length of HTTP/1.0", post10 + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", false},
}

// goesOn sends a request over a connection, reads the answer and reports whether another request is
// answered.
func goesOn(t *testing.T, conn net.Conn, request string) bool {
	t.Helper()
	testkit.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	in := bufio.NewReader(conn)
	ask := func(request string) error {
		if _, err := io.WriteString(conn, request); err != nil {
			return err
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	testkit.NoError(t, ask(request))
	return ask("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") == nil
}

func TestAConnectionEndsWithARequestWhoseLengthIsUnclear(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for name, at := range map[string][2]string{
		"main": {"tcp", h.Address}, "metrics": {"tcp", strings.TrimPrefix(h.AdminURL, "http://")},
		"socket": {"unix", h.File("claviger.sock")},
	} {
		for _, path := range []string{"/api/v1/verify", "/nowhere"} {
			for _, l := range lengths {
				conn := testkit.Must[net.Conn](t)(net.Dial(at[0], at[1]))
				if got := goesOn(t, conn, fmt.Sprintf(l.request, path)); got != l.goesOn {
					t.Errorf("%s, %s to %s: the connection goes on: %t", name, l.what, path, got)
				}
				_ = conn.Close()
			}
		}
	}
}
