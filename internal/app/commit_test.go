package app_test

import (
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// A COMMIT that arrives after its connection broke must not leave a stale cache entry.
func TestARevocationWhoseCommitLandsLateIsNeverForgotten(t *testing.T) {
	t.Parallel()
	line := &line{holding: make(chan struct{}), release: make(chan struct{})}
	h := testkit.StartOn(t, testkit.DatabaseProxy(t, testkit.MigratedDatabase(t), line.forward))
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

// line is a proxy in front of the database. Once armed, it closes the client's connection at the
// next COMMIT of a change, and delivers that COMMIT when it is released.
type line struct {
	armed   atomic.Bool
	holding chan struct{}
	release chan struct{}
}

func (l *line) forward(client, server net.Conn) {
	defer server.Close()
	go func() {
		_, _ = io.Copy(client, server)
		client.Close()
	}()
	buf := make([]byte, 64<<10)
	var watch testkit.CommitWatch
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if watch.Commits(buf[:n]) && l.armed.CompareAndSwap(true, false) {
			client.Close()
			close(l.holding)
			<-l.release
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}
