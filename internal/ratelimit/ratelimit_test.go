package ratelimit_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/ratelimit"
)

const minute = int64(time.Minute)

// consume sends one request of a caller that keeps no state between its requests.
func consume(m *ratelimit.InMemory[string], caller string, now, perMinute int64) time.Duration {
	return m.Consume(&ratelimit.Caller[string]{ID: caller}, now, perMinute)
}

func TestEachCallerHasABurstAndThenAnEvenFlow(t *testing.T) {
	const perMinute = 6
	var m ratelimit.InMemory[string]
	for _, step := range []struct {
		name   string
		caller string
		now    time.Duration
		want   time.Duration
	}{
		{"request 1 of the burst", "one", 0, 0},
		{"request 2 of the burst", "one", 0, 0},
		{"request 3 of the burst", "one", 0, 0},
		{"request 4 of the burst", "one", 0, 0},
		{"request 5 of the burst", "one", 0, 0},
		{"request 6 of the burst", "one", 0, 0},
		{"one request more", "one", 0, 10 * time.Second},
		{"another caller", "other", 0, 0},
		{"one nanosecond too early", "one", 10*time.Second - 1, 1},
		{"after one emission interval", "one", 10 * time.Second, 0},
		{"a second request then", "one", 10 * time.Second, 10 * time.Second},
		{"after a minute without requests", "one", 70 * time.Second, 0},
	} {
		if wait := consume(&m, step.caller, int64(step.now), perMinute); wait != step.want {
			t.Errorf("%s waits for %s, want %s", step.name, wait, step.want)
		}
	}
}

func TestAClockThatIsSetBackFarGivesTheBurstAgain(t *testing.T) {
	const perMinute = 3
	const start = 1000 * minute
	for _, c := range []struct {
		name string
		back int64
		want time.Duration
	}{
		{"not set back", 0, 20 * time.Second},
		{"a second back", int64(time.Second), 21 * time.Second},
		{"a minute back", minute, 80 * time.Second},
		{"more than a minute back", minute + 1, 0},
		{"to the beginning", start, 0},
	} {
		var g ratelimit.GCRA
		for range perMinute {
			if wait, ok := g.Consume(start, perMinute); wait != 0 || !ok {
				t.Fatalf("%s: a request of the burst waits for %s, %t", c.name, wait, ok)
			}
		}
		if wait, ok := g.Consume(start-c.back, perMinute); wait != c.want || !ok {
			t.Errorf("%s: the next request waits for %s, %t, want %s", c.name, wait, ok, c.want)
		}
	}
}

// The caller sends requests at random times, half of them with a kept Caller, and sweeps run at
// random times.
func TestNoWindowHasMoreThanTheBurstAndTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perMinute := rapid.Int64Range(1, 30).Draw(t, "perMinute")
		emissionInterval := (minute-1)/perMinute + 1
		steps := rapid.SliceOfN(rapid.Int64Range(0, 3*emissionInterval), 1, 200).Draw(t, "steps")
		idle := rapid.SliceOfN(rapid.SampledFrom([]int64{0, 0, 0, 0, 0, minute, 3 * minute}), len(steps), len(steps)).
			Draw(t, "idle")
		sweeps := rapid.SliceOfN(rapid.Bool(), len(steps), len(steps)).Draw(t, "sweeps")
		kept := rapid.SliceOfN(rapid.Bool(), len(steps), len(steps)).Draw(t, "kept")

		var m ratelimit.InMemory[string]
		caller := &ratelimit.Caller[string]{ID: "one"}
		now := int64(0)
		var allowed []int64
		for i, step := range steps {
			now += step + idle[i]
			if sweeps[i] {
				m.Sweep(now)
			}
			by := caller
			if !kept[i] {
				by = &ratelimit.Caller[string]{ID: "one"}
			}
			if m.Consume(by, now, perMinute) == 0 {
				allowed = append(allowed, now)
			}
		}
		for i, from := range allowed {
			for j := i; j < len(allowed); j++ {
				window := allowed[j] - from
				if n := int64(j - i + 1); n > perMinute+window/emissionInterval {
					t.Fatalf("%d requests are allowed within %s, with a limit of %d a minute", n,
						time.Duration(window), perMinute)
				}
			}
		}
	})
}

func TestTheNextRequestIsAllowedExactlyAfterTheWait(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perMinute := rapid.Int64Range(1, 10_000).Draw(t, "perMinute")
		var g, tooEarly ratelimit.GCRA
		now := rapid.Int64Range(0, 1<<62).Draw(t, "now")
		both := func() time.Duration {
			wait, _ := g.Consume(now, perMinute)
			same, _ := tooEarly.Consume(now, perMinute)
			if wait != same {
				t.Fatalf("two equal states wait for %s and %s", wait, same)
			}
			return wait
		}
		wait := both()
		for range 50 {
			now += rapid.Int64Range(0, minute/perMinute).Draw(t, "step")
			wait = both()
		}
		for n := int64(0); wait == 0 && n <= perMinute; n++ {
			wait = both()
		}
		if wait == 0 {
			t.Fatal("a request more than the burst is allowed")
		}
		if early, _ := tooEarly.Consume(now+int64(wait)-1, perMinute); early != 1 {
			t.Fatalf("one nanosecond before the end of the wait the wait is %s", early)
		}
		if rest, _ := g.Consume(now+int64(wait), perMinute); rest != 0 {
			t.Fatalf("after the wait the request waits for %s", rest)
		}
	})
}

func TestAnEvictedCallerIsLikeANewOne(t *testing.T) {
	const perMinute = 3
	for _, c := range []struct {
		name  string
		sent  int // requests before the sweep
		idle  int64
		first int // requests that are allowed after it
	}{
		{"had its burst for more than a minute", 3, 2*minute + 1, 3},
		{"had its burst for a minute", 3, 2 * minute, 3},
		{"has part of its burst", 3, minute / 3, 1},
		{"has nothing of its burst", 3, 0, 0},
	} {
		var m ratelimit.InMemory[string]
		caller := &ratelimit.Caller[string]{ID: "one"}
		for range c.sent {
			m.Consume(caller, minute, perMinute)
		}
		now := minute + c.idle
		m.Sweep(now)
		allowed := 0
		for range perMinute { // one burst, although the kept Caller has the evicted state
			for _, by := range []*ratelimit.Caller[string]{caller, {ID: "one"}} {
				if m.Consume(by, now, perMinute) == 0 {
					allowed++
				}
			}
		}
		if allowed != c.first {
			t.Errorf("a caller that %s sends %d requests after a sweep, want %d", c.name, allowed, c.first)
		}
	}
}

func TestABurstIsConsumedOnceUnderAnyConcurrency(t *testing.T) {
	const perMinute = 100
	var m ratelimit.InMemory[string]
	shared := &ratelimit.Caller[string]{ID: "one"}
	for round := range int64(20) {
		now := (round + 1) * 10 * minute
		var allowed atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for i := range perMinute {
					by := shared
					if i%2 == 0 {
						by = &ratelimit.Caller[string]{ID: "one"}
					}
					if m.Consume(by, now, perMinute) == 0 {
						allowed.Add(1)
					}
				}
			})
			all.Go(func() { m.Sweep(now) })
		}
		all.Wait()
		if got := allowed.Load(); got != perMinute {
			t.Fatalf("round %d: %d requests are allowed, want %d", round, got, perMinute)
		}
	}
}
