package verify_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/ratelimit"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/usage"
	"github.com/claviger-dev/claviger/internal/verify"
)

// limitFixture is an engine over a fixture whose tenant has a limit. Its clock stands still until a
// test moves it. It is also the engine's cache: it has no entry or, with returnsFirst, returns the
// first entry it was given at every second call.
type limitFixture struct {
	verify.Source
	fixture     *fixture
	engine      *verify.Engine
	generations *verify.Generations
	limiters    [2]ratelimit.InMemory[ident.KeyID]
	verifier    verify.Verifier
	perMinute   atomic.Int64
	// verifyPerMinute is the limit of keys that verify others.
	verifyPerMinute atomic.Int64
	now             atomic.Pointer[time.Time]
	previous        previousSecret

	returnsFirst bool
	gets         atomic.Int64
	first        atomic.Pointer[verify.Entry]
}

// previousSecret is the secret from before a refresh, with another lookup of the same key.
type previousSecret struct {
	lookup  string
	current string // the current lookup
	row     verify.SecretRow
}

func newLimitFixture(t testing.TB, perMinute int64) *limitFixture {
	t.Helper()
	b := newFixture(t)
	l := &limitFixture{Source: b.Source, fixture: b, generations: verify.NewGenerations()}
	l.perMinute.Store(perMinute)
	start := time.Now().UTC()
	l.now.Store(&start)
	l.newEngine(l)
	admin := principal.OfSession(&principal.Session{Memberships: []principal.Membership{{
		Tenant: b.tenant.ID,
		Role:   scope.Admin,
	}}})
	var err error
	l.verifier, err = (verify.Caller{Principal: admin}).Verifier()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// newEngine replaces the engine by one with the cache.
func (l *limitFixture) newEngine(c verify.Cache) {
	now := func() time.Time { return *l.now.Load() }
	l.engine = verify.New(verify.Options{
		Source: l, Keyring: l.fixture.keyring, Generations: l.generations, Now: now,
		Cache: c, Limiter: &l.limiters[0], VerifierLimiter: &l.limiters[1], Recorder: &usage.Recorder{},
	})
}

func (l *limitFixture) TenantFacts(ctx context.Context, id ident.TenantID) (verify.TenantRow, error) {
	row, err := l.Source.TenantFacts(ctx, id)
	row.Settings.RequestsPerMinute = int(l.perMinute.Load())
	row.Settings.VerifyRequestsPerMinute = int(l.verifyPerMinute.Load())
	return row, err
}

func (l *limitFixture) KeyFacts(ctx context.Context, lookup string) (verify.KeyRow, error) {
	if lookup != l.previous.lookup {
		row, err := l.Source.KeyFacts(ctx, lookup)
		row.Role, row.Scopes = scope.Admin, append(row.Scopes, scope.KeysVerify)
		return row, err
	}
	row, err := l.Source.KeyFacts(ctx, l.previous.current)
	row.Secrets = []verify.SecretRow{l.previous.row}
	return row, err
}

func (l *limitFixture) Get(string) (*verify.Entry, bool) {
	f := l.first.Load()
	return f, l.returnsFirst && f != nil && l.gets.Add(1)%2 == 0
}

func (l *limitFixture) Put(_ string, f *verify.Entry) { l.first.CompareAndSwap(nil, f) }
func (l *limitFixture) Entries() int                  { return 1 }

// sweep does what the job does every minute.
func (l *limitFixture) sweep() {
	for i := range l.limiters {
		l.limiters[i].Sweep(l.now.Load().UnixNano())
	}
}

func (l *limitFixture) advance(d time.Duration) {
	later := l.now.Load().Add(d)
	l.now.Store(&later)
}

// countAllowed decides about the credentials in turn, that many times in all, and returns how many
// decisions allow the request.
func (l *limitFixture) countAllowed(t *testing.T, times int, ps ...credential.Parsed) (allowed int) {
	t.Helper()
	for i := range times {
		v, err := l.engine.DecideFor(t.Context(), l.verifier, verify.PresentKey(ps[i%len(ps)], policy.Location{}),
			verify.Request{})
		switch {
		case err != nil:
			t.Error(err)
		case v.Code == "":
			allowed++
		case v.Code != fault.RateLimited || v.Facts == nil:
			t.Errorf("refused as %q", v.Code)
		}
	}
	return allowed
}

func TestABurstIsAMinutesWorthAtOnceAndThenAnEvenFlow(t *testing.T) {
	l := newLimitFixture(t, 7) // which does not divide a minute
	_, p := l.fixture.key(t)
	for _, step := range []struct {
		move time.Duration
		want int
	}{
		{0, 7}, {8571428571, 0}, {1, 1}, {0, 0}, {30 * time.Second, 3}, {time.Minute, 7}, {time.Hour, 7},
	} {
		l.advance(step.move)
		if got := l.countAllowed(t, 20, p); got != step.want {
			t.Errorf("%s later %d are allowed, want %d", step.move, got, step.want)
		}
	}
}

func TestTheTwoIDsOfARefreshedKeyShareOneBurst(t *testing.T) {
	l := newLimitFixture(t, 5)
	id, p := l.fixture.key(t)
	old := l.fixture.keyring.Issue(l.fixture.tenant.Settings.Shape())
	l.previous = previousSecret{lookup: old.Lookup, current: p.Lookup(), row: verify.SecretRow{
		Serial: 2, Previous: true, Shape: old.Shape, PublicID: old.PublicID, Until: l.now.Load().Add(policy.Day),
		Digest: l.fixture.keyring.SealDigest(credential.DigestOf(id, old.Secret), credential.Row{Key: id, Serial: 2}),
	}}
	oldOne, ok := credential.Parse(old.Value.Reveal())
	if !ok {
		t.Fatal("the previous credential does not parse")
	}
	if got := l.countAllowed(t, 20, p, oldOne); got != 5 {
		t.Errorf("%d are allowed, want 5", got)
	}
}

func TestAnotherLimitCountsFromTheNextFacts(t *testing.T) {
	l := newLimitFixture(t, 2)
	_, p := l.fixture.key(t)
	if got := l.countAllowed(t, 20, p); got != 2 {
		t.Fatalf("%d are allowed, want 2", got)
	}
	for _, step := range []struct {
		perMinute int64
		move      time.Duration
		want      int
	}{
		{60, time.Second, 1}, {60, time.Hour, 60}, {1, time.Second, 0}, {1, time.Hour, 1}, {0, 0, 200},
	} {
		l.perMinute.Store(step.perMinute)
		l.generations.Invalidate(audit.Invalidation{Tenants: []ident.TenantID{l.fixture.tenant.ID}})
		l.advance(step.move)
		if got := l.countAllowed(t, 200, p); got != step.want {
			t.Errorf("%s after a limit of %d: %d are allowed, want %d", step.move, step.perMinute, got, step.want)
		}
	}
}

// Facts that were read before a sweep and facts that were read after it share one burst.
func TestAnEvictedKeyHasNoSecondBurst(t *testing.T) {
	l := newLimitFixture(t, 5)
	l.returnsFirst = true
	_, p := l.fixture.key(t)
	l.countAllowed(t, 3, p)
	for range 3 {
		l.advance(10 * time.Minute)
		l.sweep()
		if got := l.countAllowed(t, 20, p); got != 5 {
			t.Errorf("%d are allowed, want 5", got)
		}
	}
}

func TestASweepKeepsAKeyThatHasNotItsWholeBurst(t *testing.T) {
	l := newLimitFixture(t, 6)
	_, p := l.fixture.key(t)
	l.countAllowed(t, 6, p)
	for range 6 {
		l.advance(10 * time.Second)
		l.sweep()
		if got := l.countAllowed(t, 3, p); got != 1 {
			t.Errorf("after a sweep %d are allowed, want 1", got)
		}
	}
}

// Without the cache, each decision has facts of its own during the sweep. With it, all share one
// burst.
func TestABurstIsConsumedOnceUnderAnyConcurrency(t *testing.T) {
	for name, c := range map[string]struct {
		perMinute, rounds int
		cache             verify.Cache // nil for the fixture itself
	}{
		"cold": {8, 10, nil},
		"warm": {5000, 5, verify.NewCache(1 << 20)},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLimitFixture(t, int64(c.perMinute))
			l.returnsFirst = c.cache == nil
			if !l.returnsFirst {
				l.newEngine(c.cache)
			}
			_, p := l.fixture.key(t)
			for range c.rounds {
				l.advance(10 * time.Minute)
				if allowed := l.countAllowedConcurrently(t, c.perMinute, p); allowed != c.perMinute {
					t.Fatalf("%d are allowed, want %d", allowed, c.perMinute)
				}
			}
		})
	}
}

// countAllowedConcurrently lets four goroutines decide that many times each, while sweeps run, and
// returns how many decisions allow the request.
func (l *limitFixture) countAllowedConcurrently(t *testing.T, times int, p credential.Parsed) int {
	var allowed atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { allowed.Add(int64(l.countAllowed(t, times, p))) })
		all.Go(l.sweep)
	}
	all.Wait()
	return int(allowed.Load())
}

func TestOnceWarmALimitedDecisionAllocatesNothing(t *testing.T) {
	l := newLimitFixture(t, 1_000_000)
	_, p := l.fixture.key(t)
	l.newEngine(verify.NewCache(1 << 20))
	l.verifyPerMinute.Store(1_000_000)
	d, err := l.engine.Authenticate(t.Context(), verify.PresentKey(p, policy.Location{Transport: policy.Bearer}), "")
	if err != nil || d.Code != "" {
		t.Fatal(d.Code, err)
	}
	byKey, err := verify.Caller{Principal: d.Principal(), Transport: policy.Bearer, Facts: d.Facts}.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	for who, verifier := range map[string]verify.Verifier{"a person": l.verifier, "a key": byKey} {
		decide := func() {
			v, err := l.engine.DecideFor(t.Context(), verifier, verify.PresentKey(p, policy.Location{}),
				verify.Request{})
			if err != nil || v.Code != "" {
				t.Fatal(v.Code, err)
			}
		}
		if got := testing.AllocsPerRun(100, decide); got > 0 {
			t.Errorf("%s asks: %v allocations a decision", who, got)
		}
	}
}
