package storetest

import (
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/store"
)

// house is a store on a fresh database, with what a test needs around it. Its time stands still and its randomness repeats.
type house struct {
	*testing.T
	open    Open
	backend store.Backend
	engine  engine
	faults  *faults
	store   *store.Store
	clock   *testClock
	random  io.Reader
	stale   *staleLog
	fatal   []error
	domain  *domain // see services
	people  int
}

func newHouse(t *testing.T, open Open) *house {
	t.Helper()
	h := &house{T: t, open: open, clock: newClock(), random: newRandom(), stale: &staleLog{}}
	h.backend, h.faults = inject(open(t))
	h.engine = engines[h.backend.Name]
	h.store = store.New(h.backend, store.Options{
		Now: h.clock.Now, Rand: h.random, Outdate: h.stale.add, Fatal: func(err error) { h.fatal = append(h.fatal, err) },
	})
	t.Cleanup(func() { h.must(h.store.Close()) })
	return h
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// change is a change of the store that sees the whole transaction.
type change = func(context.Context, *store.Tx) (audit.Event, error)

// ledger is one of the whole transaction.
func (h *house) ledger() audit.Ledger[*store.Tx] {
	return store.NewLedger(h.store, func(t *store.Tx) *store.Tx { return t })
}

func (h *house) write(c change) error { return h.ledger().Write(h.Context(), principal.Operator(), c) }

// in writes a change that must succeed.
func (h *house) in(do func(context.Context, *store.Tx) error) {
	h.Helper()
	h.must(h.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		return event(audit.ActionNoticeRetry), do(ctx, tx)
	}))
}

// event is an event of the operator in the server's chain.
func event(action audit.Action) audit.Event {
	return audit.By(principal.Operator(), action, audit.Target{Type: "test"})
}

// testClock gives a time that only the test moves.
type testClock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *testClock {
	return &testClock{at: time.Date(2026, time.March, 1, 12, 0, 0, 123456000, time.UTC)}
}

// Now gives the time.
func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// move the time on, and give it.
func (c *testClock) move(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	return c.at
}

// random is a source of randomness that repeats, for many at once.
type random struct {
	mu   sync.Mutex
	from *rand.ChaCha8
}

func newRandom() *random {
	return &random{from: rand.NewChaCha8([32]byte([]byte(strings.Repeat("claviger", 4))))}
}

// Read implements io.Reader.
func (r *random) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.from.Read(p)
}

// staleLog keeps what the store called outdated.
type staleLog struct {
	mu  sync.Mutex
	all []audit.Stale
	// hook, where set, is called with each.
	hook func(audit.Stale)
}

func (l *staleLog) add(s audit.Stale) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, s)
	if l.hook != nil {
		l.hook(s)
	}
}

func (l *staleLog) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}
