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
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
)

// limited is an engine over a bench whose tenant has a limit. Its clock stands still, and it reads every fact anew: its cache gives
// nothing, or every second time the first facts it was ever given.
type limited struct {
	verify.Source
	bench       *bench
	engine      *verify.Engine
	generations *verify.Generations
	asker       verify.Verifier
	perMinute   atomic.Int64
	now         atomic.Pointer[time.Time]
	previous    previous

	hoards bool
	gets   atomic.Int64
	first  atomic.Pointer[verify.Entry]
}

// previous is the secret of before a refresh: another lookup of the same key.
type previous struct {
	lookup string
	of     string // the lookup of now
	secret verify.SecretRow
}

func newLimited(t *testing.T, perMinute int64) *limited {
	t.Helper()
	b := newBench(t)
	l := &limited{Source: b.Source, bench: b, generations: verify.NewGenerations()}
	l.perMinute.Store(perMinute)
	start := time.Now().UTC()
	l.now.Store(&start)
	l.use(l)
	admin := principal.OfSession(&principal.Session{Memberships: []principal.Membership{{Tenant: b.tenant.ID, Role: scope.Admin}}})
	var err error
	if l.asker, err = (verify.Caller{Principal: admin}).Verifier(); err != nil {
		t.Fatal(err)
	}
	return l
}

// use makes the engine anew with a cache.
func (l *limited) use(c verify.Cache) {
	now := func() time.Time { return *l.now.Load() }
	l.engine = verify.New(verify.Options{Source: l, Keyring: l.bench.keyring, Generations: l.generations, Now: now, Cache: c})
}

func (l *limited) TenantFacts(ctx context.Context, id ident.TenantID) (verify.TenantRow, error) {
	row, err := l.Source.TenantFacts(ctx, id)
	row.Settings.RequestsPerMinute = int(l.perMinute.Load())
	return row, err
}

func (l *limited) KeyFacts(ctx context.Context, lookup string) (verify.KeyRow, error) {
	if lookup != l.previous.lookup {
		return l.Source.KeyFacts(ctx, lookup)
	}
	row, err := l.Source.KeyFacts(ctx, l.previous.of)
	row.Secrets = []verify.SecretRow{l.previous.secret}
	return row, err
}

func (l *limited) Get(string) (*verify.Entry, bool) {
	f := l.first.Load()
	return f, l.hoards && f != nil && l.gets.Add(1)%2 == 0
}

func (l *limited) Put(_ string, f *verify.Entry) { l.first.CompareAndSwap(nil, f) }
func (l *limited) Entries() int                  { return 1 }

func (l *limited) move(d time.Duration) {
	later := l.now.Load().Add(d)
	l.now.Store(&later)
}

// passed asks so many times about the credentials in turn and gives how often the answer was yes.
func (l *limited) passed(t *testing.T, times int, ps ...credential.Presented) (yes int) {
	t.Helper()
	for i := range times {
		v, err := l.engine.DecideFor(t.Context(), l.asker, verify.PresentKey(ps[i%len(ps)], policy.Way{}), verify.Request{})
		switch {
		case err != nil:
			t.Error(err)
		case v.Code == "":
			yes++
		case v.Code != fault.RateLimited || v.Facts == nil:
			t.Errorf("refused as %q", v.Code)
		}
	}
	return yes
}

func TestAnAllowanceIsAMinutesWorthAtOnceAndThenAnEvenFlow(t *testing.T) {
	l := newLimited(t, 7) // which does not divide a minute
	_, p := l.bench.key(t)
	for _, step := range []struct {
		move time.Duration
		want int
	}{
		{0, 7}, {8571428571, 0}, {1, 1}, {0, 0}, {30 * time.Second, 3}, {time.Minute, 7}, {time.Hour, 7},
	} {
		l.move(step.move)
		if got := l.passed(t, 20, p); got != step.want {
			t.Errorf("%s later %d pass, want %d", step.move, got, step.want)
		}
	}
}

func TestTheTwoIdsOfARefreshedKeyShareOneAllowance(t *testing.T) {
	l := newLimited(t, 5)
	id, p := l.bench.key(t)
	old := l.bench.keyring.Mint(l.bench.tenant.Settings.Shape())
	l.previous = previous{lookup: old.Lookup, of: p.Lookup(), secret: verify.SecretRow{
		Serial: 2, Previous: true, Shape: old.Shape, PublicID: old.PublicID, Until: l.now.Load().Add(policy.Day),
		Digest: l.bench.keyring.SealDigest(credential.DigestOf(id, old.Secret), credential.Row{Key: id, Serial: 2}),
	}}
	oldOne, ok := credential.Parse(old.Value.Reveal())
	if !ok {
		t.Fatal("the previous credential does not parse")
	}
	if got := l.passed(t, 20, p, oldOne); got != 5 {
		t.Errorf("%d pass, want 5", got)
	}
}

func TestAnotherLimitCountsFromTheNextFacts(t *testing.T) {
	l := newLimited(t, 2)
	_, p := l.bench.key(t)
	if got := l.passed(t, 20, p); got != 2 {
		t.Fatalf("%d pass, want 2", got)
	}
	for _, step := range []struct {
		perMinute int64
		move      time.Duration
		want      int
	}{
		{60, time.Second, 1}, {60, time.Hour, 60}, {1, time.Second, 0}, {1, time.Hour, 1}, {0, 0, 200},
	} {
		l.perMinute.Store(step.perMinute)
		l.generations.Outdate(audit.Stale{Tenants: []ident.TenantID{l.bench.tenant.ID}})
		l.move(step.move)
		if got := l.passed(t, 200, p); got != step.want {
			t.Errorf("%s after a limit of %d: %d pass, want %d", step.move, step.perMinute, got, step.want)
		}
	}
}

// Facts that were read before a sweep and facts that were read after it must not each have an allowance.
func TestASweptAllowanceIsNoSecondOne(t *testing.T) {
	l := newLimited(t, 5)
	l.hoards = true
	_, p := l.bench.key(t)
	l.passed(t, 3, p)
	for range 3 {
		l.move(10 * time.Minute)
		l.engine.SweepAllowances()
		if got := l.passed(t, 20, p); got != 5 {
			t.Errorf("%d pass, want 5", got)
		}
	}
}

func TestASweepForgetsNothingThatIsStillOwed(t *testing.T) {
	l := newLimited(t, 6)
	_, p := l.bench.key(t)
	l.passed(t, 6, p)
	for range 6 {
		l.move(10 * time.Second)
		l.engine.SweepAllowances()
		if got := l.passed(t, 3, p); got != 1 {
			t.Errorf("after a sweep %d pass, want 1", got)
		}
	}
}

// Cold, every decision meets the sweep with facts of its own; warm, all of them meet in one allowance.
func TestAnAllowanceIsSpentOnceUnderAnyConcurrency(t *testing.T) {
	for name, c := range map[string]struct {
		perMinute, rounds int
		cache             verify.Cache // nil for the hoarding one
	}{
		"cold": {8, 10, nil},
		"warm": {5000, 5, verify.NewCache(1)},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLimited(t, int64(c.perMinute))
			if l.hoards = c.cache == nil; !l.hoards {
				l.use(c.cache)
			}
			_, p := l.bench.key(t)
			for range c.rounds {
				l.move(10 * time.Minute)
				if yes := l.passedTogether(t, c.perMinute, p); yes != c.perMinute {
					t.Fatalf("%d pass, want %d", yes, c.perMinute)
				}
			}
		})
	}
}

// passedTogether lets four ask so many times each, with sweeps in between, and gives how often the answer was yes.
func (l *limited) passedTogether(t *testing.T, times int, p credential.Presented) int {
	var yes atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { yes.Add(int64(l.passed(t, times, p))) })
		all.Go(l.engine.SweepAllowances)
	}
	all.Wait()
	return int(yes.Load())
}

func TestOnceWarmALimitedDecisionAllocatesNothing(t *testing.T) {
	l := newLimited(t, 1_000_000)
	_, p := l.bench.key(t)
	l.use(verify.NewCache(1))
	ask := func() {
		v, err := l.engine.DecideFor(t.Context(), l.asker, verify.PresentKey(p, policy.Way{}), verify.Request{})
		if err != nil || v.Code != "" {
			t.Fatal(v.Code, err)
		}
	}
	if got := testing.AllocsPerRun(100, ask); got > 0 {
		t.Errorf("%v allocations a decision", got)
	}
}
