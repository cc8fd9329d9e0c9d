package cli_test

import (
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestALastUseJustBeforeTheStopIsKept(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSample(t, e)
		p := s.dev(t)
		line := p.ready()
		_, err := testkit.Client(t, line.URL).WithKey(line.Tenants[0].Key.Value).Whoami(t.Context())
		must(t, err)
		p.term()
		used := func(row string) bool { return strings.HasPrefix(row, "table key_uses\t"+line.Tenants[0].Key.ID+"\t") }
		if !slices.ContainsFunc(s.rows(t), used) {
			t.Error("the last use of the key was lost")
		}
	})
}

func TestAClientThatNeverFinishesDoesNotSpoilTheStop(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSample(t, e)
		p := s.dev(t)
		line := p.ready()
		conn, err := net.Dial("tcp", strings.TrimPrefix(line.URL, "http://"))
		must(t, err)
		defer conn.Close()
		beginRequest(t, conn, bearer(line.Verifier))
		p.term()
	})
}

// beginRequest sends a request up to its body, and waits until the server asks for the body.
func beginRequest(t testing.TB, conn net.Conn, credential string) {
	t.Helper()
	must(t, conn.SetDeadline(time.Now().Add(waitTimeout)))
	_, err := io.WriteString(conn,
		"POST /api/v1/verify HTTP/1.1\r\nHost: x\r\n"+credential+
			"\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	must(t, err)
	answer := make([]byte, len("HTTP/1.1 100 Continue"))
	_, err = io.ReadFull(conn, answer)
	must(t, err)
	if string(answer) != "HTTP/1.1 100 Continue" {
		t.Fatalf("the server answers %q", answer)
	}
}
