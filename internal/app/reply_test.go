package app_test

import (
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// While the reply to its own COMMIT is missing, a node learns of its change as it learns of those
// of others.
func TestANodeWhoseReplyToACommitIsMissingAcceptsNoKeyThatAnotherAnsweredToBeRevoked(t *testing.T) {
	t.Parallel()
	replies := &heldReply{held: make(chan struct{}), release: make(chan struct{})}
	p := testkit.StartTwoNodes(t, func(databaseURL string) string { return replies.proxy(t, databaseURL) })
	tenant, key := string(p.Tenant.ID), p.Key.Key.ID
	there, answer := p.Second.As(p.First.Owner), make(chan error, 1)
	replies.armed.Store(true)
	go func() {
		_, err := there.RevokeKey(t.Context(), tenant, key, "")
		answer <- err
	}()
	<-replies.held
	again := testkit.Must[*api.Key](t)(p.Admin.RevokeKey(t.Context(), tenant, key, ""))
	if again.Status != "revoked" {
		t.Fatalf("the other node says %+v", again)
	}
	p.ExpectRefusedOnSecond(t, api.APIKeyRevoked)
	select {
	case err := <-answer:
		t.Errorf("answered without the reply: %v", err)
	default:
	}
	close(replies.release)
	testkit.ExpectCode(t, "the revocation, once the reply is there", <-answer, "")
	p.ExpectRefusedOnSecond(t, api.APIKeyRevoked)
}

// A node does not stop because the database was away when the reply to a COMMIT was due: it finds
// out whether the change was kept.
func TestARevocationWhoseReplyWasLostInAnOutageIsAnsweredOnceTheDatabaseIsBack(t *testing.T) {
	t.Parallel()
	line := &heldReply{held: make(chan struct{}), outage: true}
	p := testkit.StartTwoNodes(t, func(databaseURL string) string { return line.proxy(t, databaseURL) })
	there, answer := p.Second.As(p.First.Owner), make(chan error, 1)
	line.armed.Store(true)
	go func() {
		_, err := there.RevokeKey(t.Context(), string(p.Tenant.ID), p.Key.Key.ID, "")
		answer <- err
	}()
	<-line.held
	testkit.Await(t, func() string { return testkit.NotReady(t, p.Second) })
	select {
	case err := <-answer:
		t.Fatalf("answered while nobody knows: %v", err)
	default:
	}
	line.down.Store(false)
	testkit.ExpectCode(t, "the revocation", <-answer, "")
	p.ExpectRefusedOnSecond(t, api.APIKeyRevoked)
	text := string(testkit.Must[[]byte](t)(os.ReadFile(testkit.JournalPath(p.Second.Config))))
	if !strings.Contains(text, p.Key.Key.ID) {
		t.Errorf("the journal of the node that answered lacks the revocation:\n%s", text)
	}
	select {
	case err := <-p.Second.Failed():
		t.Errorf("the node ended: %v", err)
	default:
	}
}

// When PostgreSQL restarts, all connections of a pool are lost. No request must fail for that.
func TestLostConnectionsOfThePoolCostNobodyAnAnswer(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.Postgres)
	tenant := h.Tenant("Main tenant", nil)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	db := h.Beside()
	for round := range 5 {
		var all sync.WaitGroup
		for range 8 { // so that the pool has several
			all.Go(func() { _, _ = admin.Keys(t.Context(), string(tenant.ID), client.KeyFilter{}, client.Page{}) })
		}
		all.Wait()
		if _, err := db.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
			t.Fatal(err)
		}
		if round%2 == 0 {
			_, err := admin.CreateApplication(t.Context(), string(tenant.ID),
				api.CreateApplicationRequest{Name: "An application"})
			testkit.ExpectCode(t, "a change", err, "")
		}
		for range 8 {
			_, err := admin.Keys(t.Context(), string(tenant.ID), client.KeyFilter{}, client.Page{})
			testkit.ExpectCode(t, "a list", err, "")
		}
	}
}

// heldReply is a proxy in front of the database. Once armed, it delivers the next COMMIT and holds
// back the reply.
type heldReply struct {
	armed         atomic.Bool
	held, release chan struct{}
	// outage closes all connections instead, and refuses new ones until down is reset.
	outage bool
	down   atomic.Bool
	mu     sync.Mutex
	nears  []net.Conn
}

// fail begins the outage.
func (h *heldReply) fail() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down.Store(true)
	for _, near := range h.nears {
		near.Close()
	}
}

// proxy returns the URL of the database through the proxy.
func (h *heldReply) proxy(t *testing.T, databaseURL string) string {
	t.Helper()
	return testkit.DatabaseProxy(t, databaseURL, func(near, far net.Conn) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.down.Load() {
			near.Close()
			far.Close()
			return
		}
		h.nears = append(h.nears, near)
		h.forward(near, far)
	})
}

func (h *heldReply) forward(near, far net.Conn) {
	var holding atomic.Bool
	go func() {
		defer far.Close()
		request := make([]byte, 64<<10)
		var watch testkit.CommitWatch
		for {
			n, err := near.Read(request)
			if err != nil {
				return
			}
			commit := watch.Commits(request[:n]) && h.armed.CompareAndSwap(true, false)
			holding.Store(commit)
			if _, err := far.Write(request[:n]); err != nil {
				return
			}
			if commit && h.outage {
				h.fail()
			}
			if commit {
				close(h.held)
			}
		}
	}()
	go func() {
		defer near.Close()
		_, _ = io.Copy(writer(func(reply []byte) (int, error) {
			switch {
			case holding.Load() && h.outage:
				return 0, net.ErrClosed
			case holding.Load():
				<-h.release
			}
			return near.Write(reply)
		}), far)
	}()
}

type writer func([]byte) (int, error)

// Write implements io.Writer.
func (w writer) Write(p []byte) (int, error) { return w(p) }
