package identity

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/fault"
)

// cheap is the cost of the tests.
var cheap = Cost{Memory: 8, Time: 1, Threads: 1}

func nothing(context.Context, *turn) error { return nil }

func TestTheQueueSaysWhoHashesWhoWaitsAndHowManyGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(cheap, 4)
		demand := func(running, waiting int64, gaveUp uint64) {
			t.Helper()
			q := h.Queue()
			got := [3]int64{q.Running.Load(), q.Waiting.Load(), int64(q.GivenUp.Load())}
			if want := [3]int64{running, waiting, int64(gaveUp)}; got != want {
				t.Errorf("running, waiting and given up are %d, not %d", got, want)
			}
		}
		err := h.inTurn(t.Context(), "a", "", func(context.Context, *turn) error {
			second := make(chan error)
			go func() { second <- h.inTurn(t.Context(), "b", "", nothing) }()
			synctest.Wait()
			demand(1, 1, 0)
			if err := <-second; !errors.Is(err, fault.Unavailable) || fault.RetryAfter(err) == 0 {
				t.Errorf("the second had its turn, or is not told when to come again: %v", err)
			}
			demand(1, 0, 1)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		demand(0, 0, 1)
	})
}

// occupied returns a hasher of one turn that is taken until done is called.
func occupied(t *testing.T) (h *Hasher, done func()) {
	h = NewHasher(cheap, 4)
	release := make(chan struct{})
	go func() {
		_ = h.inTurn(t.Context(), "first", "", func(context.Context, *turn) error {
			<-release
			return nil
		})
	}()
	synctest.Wait()
	return h, func() { close(release) }
}

func TestASourceThatFloodsDelaysAnotherByOneTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, done := occupied(t)
		var order []admission.Caller
		come := func(source admission.Caller, person string) {
			go func() {
				_ = h.inTurn(t.Context(), source, person, func(context.Context, *turn) error {
					order = append(order, source)
					return nil
				})
			}()
			synctest.Wait()
		}
		for i := range maxWaitingOfSource {
			come("flood", fmt.Sprint("person", i))
		}
		come("someone", "victim")
		done()
		synctest.Wait()
		if len(order) != maxWaitingOfSource+1 || order[1] != "someone" {
			t.Errorf("the turns went to %v", order)
		}
	})
}

func TestASourceFillsOnlyItsShareOfTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, done := occupied(t)
		refused := map[admission.Caller]int{}
		come := func(source admission.Caller, person string) {
			go func() {
				if err := h.inTurn(t.Context(), source, person, nothing); errors.Is(err, fault.Unavailable) {
					refused[source]++
				}
			}()
			synctest.Wait()
		}
		for i := range 100 {
			come("flood", fmt.Sprint("person", i))
		}
		come("someone", "else")
		if refused["flood"] != 100-maxWaitingOfSource || refused["someone"] != 0 {
			t.Errorf("refused at once: %v", refused)
		}
		done()
		synctest.Wait()
		demandEmpty(t, h)
	})
}

// guesses asks for turns for one person, each of which takes as long as a hash.
func guesses(t *testing.T, h *Hasher, n int, source func(i int) admission.Caller, person string) {
	t.Helper()
	for i := range n {
		go func() {
			_ = h.inTurn(t.Context(), source(i), person, func(context.Context, *turn) error {
				<-time.After(20 * time.Millisecond)
				return nil
			})
		}()
	}
	synctest.Wait()
}

func TestGuessesAtAPersonRefuseNeitherTheirSignInNorDelayOthers(t *testing.T) {
	oneSource := func(int) admission.Caller { return "flood" }
	manySources := func(i int) admission.Caller { return admission.Caller(fmt.Sprint("flood ", i)) }
	sources := map[string]func(int) admission.Caller{"one source": oneSource, "many sources": manySources}
	for name, source := range sources {
		for _, cores := range []int{1, 4, 16, 20, 64} {
			t.Run(fmt.Sprint(name, " on ", cores, " cores"), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := NewHasher(cheap, cores)
					guesses(t, h, 100, source, "victim")
					for _, person := range []string{"victim", "another"} {
						go func() {
							start := time.Now()
							if err := h.inTurn(t.Context(), "own", person, nothing); err != nil {
								t.Errorf("%s: %v", person, err)
							}
							if took := time.Since(start); person == "another" && cores > 16 && took > 0 {
								t.Errorf("%s waited for %s, although there are turns", person, took)
							}
						}()
						synctest.Wait()
					}
					<-time.After(time.Minute)
					demandEmpty(t, h)
				})
			})
		}
	}
}

// demandEmpty demands that nobody has a turn or waits for one.
func demandEmpty(t *testing.T, h *Hasher) {
	t.Helper()
	for _, g := range []*admission.Gate{h.attempts, h.sources, h.persons} {
		if g == nil {
			continue
		}
		if s := g.Stats(); s.Held != 0 || s.Waiting != 0 {
			t.Errorf("the hasher keeps something: %+v", s)
		}
	}
}

// Whatever comes and goes, no more run than there are turns, none of them for one person, and
// nothing is left.
func TestNoPersonIsServedTwiceAtATime(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		turns := rapid.IntRange(1, 6).Draw(r, "turns")
		visits := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) [4]int {
			return [4]int{
				rapid.IntRange(0, 3).Draw(r, "source"), rapid.IntRange(0, 2).Draw(r, "person"),
				rapid.IntRange(0, 3000).Draw(r, "comes, ms"), rapid.IntRange(0, 2000).Draw(r, "stays, ms"),
			}
		}), 1, 40).Draw(r, "visits")
		synctest.Test(t, func(t *testing.T) {
			h := NewHasher(cheap, 4*turns)
			var mu sync.Mutex // of the two below
			running, total := map[string]int{}, 0
			for _, v := range visits {
				person := ""
				if v[1] > 0 {
					person = fmt.Sprint(v[1])
				}
				go func() {
					<-time.After(time.Duration(v[2]) * time.Millisecond)
					_ = h.inTurn(t.Context(), admission.Caller(fmt.Sprint(v[0])), person,
						func(context.Context, *turn) error {
							mu.Lock()
							running[person]++
							total++
							if total > turns || person != "" && running[person] > 1 {
								t.Errorf("%d run, %d of them for %q", total, running[person], person)
							}
							mu.Unlock()
							<-time.After(time.Duration(v[3]) * time.Millisecond)
							mu.Lock()
							running[person]--
							total--
							mu.Unlock()
							return nil
						})
				}()
			}
			<-time.After(5 * time.Minute)
			demandEmpty(t, h)
		})
	})
}

func TestHashingTakesAQuarterOfTheCoresAtMost(t *testing.T) {
	for cores, want := range map[int]struct {
		turns int
		rest  float64
	}{1: {1, 3}, 2: {1, 1}, 3: {1, 1.0 / 3}, 4: {1, 0}, 7: {1, 0}, 8: {2, 0}, 64: {16, 0}} {
		turns, rest := atOnce(t, cores), NewHasher(cheap, cores).rest
		if turns != want.turns || math.Abs(rest-want.rest) > 1e-9 {
			t.Errorf("%d cores: %d turns, a rest of %g; want %d, %g", cores, turns, rest, want.turns, want.rest)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(cheap, 2)
		first := h.inTurn(t.Context(), "a", "", func(_ context.Context, hash *turn) error {
			hash.measure(func() { <-time.After(20 * time.Millisecond) })
			<-time.After(30 * time.Millisecond) // the database
			return nil
		})
		ended := time.Now()
		second := h.inTurn(t.Context(), "b", "", func(context.Context, *turn) error {
			if rest := time.Since(ended); rest != 20*time.Millisecond {
				t.Errorf("it rests for %s", rest)
			}
			return nil
		})
		if first != nil || second != nil {
			t.Error(first, second)
		}
	})
}

// atOnce returns how many of one source hash at once on a machine of so many cores.
func atOnce(t *testing.T, cores int) (most int) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(cheap, cores)
		for range maxWaitingOfSource {
			go func() {
				_ = h.inTurn(t.Context(), "a", "", func(context.Context, *turn) error {
					<-time.After(time.Second)
					return nil
				})
			}()
		}
		synctest.Wait()
		most = int(h.Queue().Running.Load())
		<-time.After(5 * time.Minute) // until all have had their turn, or given up
	})
	return most
}
