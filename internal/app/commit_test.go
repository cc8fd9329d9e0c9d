package app_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// A COMMIT that lands after its connection broke must not leave a stale fact behind that nobody knows of.
func TestARevocationWhoseCommitLandsLateIsNeverForgotten(t *testing.T) {
	t.Parallel()
	address, err := url.Parse(testkit.MigratedDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	line := newLine(t, address.Host)
	address.Host = line.Addr().String()
	h := testkit.StartOn(t, address.String())
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := h.Key(owner, tenant, "applications:read")
	ask := func() api.Code {
		_, err := h.With(k).Whoami(t.Context())
		return testkit.Code(t, err)
	}

	line.armed.Store(true)
	answer := make(chan error, 1)
	go func() {
		_, err := owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "")
		answer <- err
	}()
	<-line.holding // the COMMIT is on its way, and the connection it left by is broken
	if got := ask(); got != "" {
		t.Errorf("before the COMMIT: %s", got)
	}
	select {
	case err := <-answer:
		t.Fatalf("answered before anyone knows: %v", err)
	default:
	}
	close(line.release)
	if got := testkit.Code(t, <-answer); got != "" {
		t.Errorf("the answer is %q of a revocation that was kept", got)
	}
	if got := ask(); got != api.APIKeyRevoked {
		t.Errorf("after the COMMIT: %q, want %s", got, api.APIKeyRevoked)
	}
	again, err := owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "")
	if err != nil || again.Status != "revoked" {
		t.Errorf("once more: %+v, %v", again, err)
	}
}

// line is the wire to the database. Once armed, it breaks the client's end at the next COMMIT and delivers that COMMIT when it is released.
type line struct {
	net.Listener
	to      string
	armed   atomic.Bool
	holding chan struct{}
	release chan struct{}
}

func newLine(t *testing.T, to string) *line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	wire := &line{Listener: l, to: to, holding: make(chan struct{}), release: make(chan struct{})}
	go func() {
		for {
			client, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			go wire.carry(client)
		}
	}()
	return wire
}

func (l *line) carry(client net.Conn) {
	server, err := net.Dial("tcp", l.to)
	if err != nil {
		client.Close()
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(client, server)
		client.Close()
	}()
	buf := make([]byte, 64<<10)
	change := false // whether the transaction has recorded an event: others, of last uses, commit as well
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		change = change || bytes.Contains(buf[:n], []byte("evt_"))
		ends := bytes.Contains(bytes.ToLower(buf[:n]), []byte("commit"))
		held := change && ends && l.armed.CompareAndSwap(true, false)
		change = change && !ends
		if held {
			client.Close()
			close(l.holding)
			<-l.release
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}
