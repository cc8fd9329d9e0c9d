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
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/store"
)

// fixture is a store on a fresh database, with a clock that only the test moves and randomness that
// repeats.
type fixture struct {
	*testing.T
	open          Open
	backend       store.Backend
	engine        engine
	faults        *faults
	store         *store.Store
	clock         *testClock
	random        io.Reader
	invalidations *invalidationLog
	fatal         []error
	built         *services // see services
	people        int
}

func newFixture(t *testing.T, open Open) *fixture {
	t.Helper()
	fx := &fixture{T: t, open: open, clock: newClock(), random: newRandom(), invalidations: &invalidationLog{}}
	fx.backend, fx.faults = inject(open(t))
	fx.engine = engines[fx.backend.Name]
	fx.store = newStore(fx.backend, store.Options{
		Now: fx.clock.Now, Rand: fx.random, Invalidate: fx.invalidations.add,
		Fatal: func(err error) { fx.fatal = append(fx.fatal, err) },
	})
	t.Cleanup(func() { fx.must(fx.store.Close()) })
	return fx
}

// testRoot is the root secret of every store in the tests.
var testRoot = credential.NewRoot(newRandom())

// newStore returns a store that knows the root secret, like the store of a started server.
func newStore(b store.Backend, o store.Options) *store.Store {
	s := store.New(b, o)
	s.SetRoot(testRoot)
	return s
}

func (fx *fixture) must(err error) {
	fx.Helper()
	if err != nil {
		fx.Fatal(err)
	}
}

// change is a change that sees the whole transaction.
type change = func(context.Context, *store.Tx) (audit.Event, error)

// ledger returns a ledger of the whole transaction.
func (fx *fixture) ledger() audit.Ledger[*store.Tx] {
	return store.NewLedger(fx.store, func(t *store.Tx) *store.Tx { return t })
}

func (fx *fixture) write(c change) error {
	return fx.ledger().Write(fx.Context(), principal.Operator(), c)
}

// mustWrite writes a change that must succeed.
func (fx *fixture) mustWrite(do func(context.Context, *store.Tx) error) {
	fx.Helper()
	fx.must(fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		return event(audit.ActionNoticeRetry), do(ctx, tx)
	}))
}

// event returns an event of the operator in the server's chain.
func event(action audit.Action) audit.Event {
	return audit.By(principal.Operator(), action, audit.Target{Type: "test"})
}

// testClock is a clock that only the test moves.
type testClock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *testClock {
	return &testClock{at: time.Date(2026, time.March, 1, 12, 0, 0, 123456000, time.UTC)}
}

// Now returns the time.
func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// move advances the clock and returns the new time.
func (c *testClock) move(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	return c.at
}

// random is a source of randomness that repeats. It may be used concurrently.
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

// invalidationLog collects what the store invalidated.
type invalidationLog struct {
	mu  sync.Mutex
	all []audit.Invalidation
	// onAdd is called with each invalidation, if set.
	onAdd func(audit.Invalidation)
}

func (l *invalidationLog) add(s audit.Invalidation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, s)
	if l.onAdd != nil {
		l.onAdd(s)
	}
}

func (l *invalidationLog) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}
