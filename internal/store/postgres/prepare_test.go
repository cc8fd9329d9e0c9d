package postgres_test

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/postgres"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// messages counts the messages that clients send to PostgreSQL, by type.
type messages struct {
	mu   sync.Mutex
	sent map[byte]int
}

// serve copies both directions. It counts a client's message before it forwards it, and so before
// the reply.
func (m *messages) serve(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	go func() {
		defer server.Close()
		header := make([]byte, 4) // the first message of a connection has no type
		for {
			if _, err := io.ReadFull(client, header); err != nil {
				return
			}
			if len(header) == 5 {
				m.count(header[0])
			}
			if _, err := server.Write(header); err != nil {
				return
			}
			length := int64(binary.BigEndian.Uint32(header[len(header)-4:]))
			if _, err := io.CopyN(server, client, length-4); err != nil {
				return
			}
			header = make([]byte, 5)
		}
	}()
	_, _ = io.Copy(client, server)
}

func (m *messages) count(kind byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent[kind]++
}

// take returns the counts since the last call.
func (m *messages) take() map[byte]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	counts := m.sent
	m.sent = map[byte]int{}
	return counts
}

func TestAQueryThatRanBeforeIsOneRoundTrip(t *testing.T) {
	m := &messages{sent: map[byte]int{}}
	url := testkit.DatabaseProxy(t, testkit.MigratedDatabase(t), m.serve)
	backend, err := postgres.Open(t.Context(), credential.NewSecret(url))
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(backend, store.Options{Now: time.Now, Rand: rand.Reader})
	t.Cleanup(func() { _ = s.Close() })
	read := func() map[byte]int {
		m.take()
		if _, err := s.Account(t.Context(), ident.AccountID("acc_none")); fault.KindOf(err) != fault.NotFound {
			t.Fatalf("reading an account that does not exist: %v", err)
		}
		return m.take()
	}
	const (
		parse   = 'P'
		closing = 'C'
		sync    = 'S'
	)
	first, second := read(), read()
	if first[parse] == 0 {
		t.Errorf("the first read sent %v: the proxy counts nothing", first)
	}
	if second[sync] != 1 || second[parse]+second[closing] != 0 {
		t.Errorf("the second read sent %d Sync, %d Parse and %d Close messages, want one Sync alone", second[sync],
			second[parse], second[closing])
	}
}
