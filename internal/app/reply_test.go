package app_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/claviger-dev/claviger/api"
)

// While the reply to its own COMMIT is missing, a node knows of its change no sooner than of another node's, and no later.
func TestANodeWhoseReplyToACommitIsMissingAcceptsNoKeyThatAnotherAnsweredToBeRevoked(t *testing.T) {
	t.Parallel()
	replies := &heldReply{held: make(chan struct{}), release: make(chan struct{})}
	p := twoNodes(t, func(databaseURL string) string { return replies.proxy(t, databaseURL) })
	tenant, key := string(p.tenant.ID), p.key.Key.ID
	there, answer := p.there.As(p.here.Owner), make(chan error, 1)
	replies.armed.Store(true)
	go func() {
		_, err := there.RevokeKey(t.Context(), tenant, key, "")
		answer <- err
	}()
	<-replies.held
	again := must[*api.Key](t)(p.admin.RevokeKey(t.Context(), tenant, key, ""))
	if again.Status != "revoked" {
		t.Fatalf("the other node says %+v", again)
	}
	p.refusedThere(t, api.APIKeyRevoked)
	select {
	case err := <-answer:
		t.Errorf("answered without the reply: %v", err)
	default:
	}
	close(replies.release)
	expect(t, "the revocation, once the reply is there", <-answer, "")
	p.refusedThere(t, api.APIKeyRevoked)
}

// heldReply is a proxy in front of the database. Once armed, it delivers the next COMMIT and holds its reply back.
type heldReply struct {
	armed         atomic.Bool
	held, release chan struct{}
}

// proxy listens in front of the database and returns the URL that leads through.
func (h *heldReply) proxy(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", server)
			if err != nil {
				near.Close()
				continue
			}
			h.forward(near, far)
		}
	}()
	u.Host = listener.Addr().String()
	return u.String()
}

func (h *heldReply) forward(near, far net.Conn) {
	var holding atomic.Bool
	go func() {
		defer far.Close()
		request := make([]byte, 64<<10)
		change := false // whether the transaction has recorded an event: others, of last uses, commit as well
		for {
			n, err := near.Read(request)
			if err != nil {
				return
			}
			change = change || bytes.Contains(request[:n], []byte("evt_"))
			ends := bytes.Contains(bytes.ToLower(request[:n]), []byte("commit"))
			commit := change && ends && h.armed.CompareAndSwap(true, false)
			change = change && !ends
			holding.Store(commit)
			if _, err := far.Write(request[:n]); err != nil {
				return
			}
			if commit {
				close(h.held)
			}
		}
	}()
	go func() {
		defer near.Close()
		_, _ = io.Copy(writer(func(reply []byte) (int, error) {
			if holding.Load() {
				<-h.release
			}
			return near.Write(reply)
		}), far)
	}()
}

type writer func([]byte) (int, error)

// Write implements io.Writer.
func (w writer) Write(p []byte) (int, error) { return w(p) }
