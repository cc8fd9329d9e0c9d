package admission_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

var one = admission.Limits{Concurrency: 1, PerCaller: 1, Queue: 100, QueuePerCaller: 50, Wait: 5 * time.Second}

func enter(t *testing.T, g *admission.Gate, c admission.Caller) admission.Permit {
	t.Helper()
	p, err := g.Acquire(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNoCallerHoldsMorePermitsThanItsOwnAndNoGateMoreThanItHas(t *testing.T) {
	limits := admission.Limits{Concurrency: 4, PerCaller: 2, Queue: 1000, QueuePerCaller: 1000, Wait: time.Minute}
	g := admission.NewGate(limits)
	var all atomic.Int64
	var of [3]atomic.Int64
	var done sync.WaitGroup
	for i := range 600 {
		done.Go(func() {
			p, err := g.Acquire(t.Context(), admission.Caller(fmt.Sprint(i%3)))
			if err != nil {
				t.Error(err)
				return
			}
			if n := all.Add(1); n > int64(limits.Concurrency) {
				t.Errorf("%d permits are held", n)
			}
			if n := of[i%3].Add(1); n > int64(limits.PerCaller) {
				t.Errorf("one caller holds %d permits", n)
			}
			of[i%3].Add(-1)
			all.Add(-1)
			p.Release()
		})
	}
	done.Wait()
	if s := g.Stats(); s != (admission.Stats{}) {
		t.Errorf("when all have left: %+v", s)
	}
}

func TestACallerWithManyRequestsDelaysAnotherByOneTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := admission.NewGate(one)
		held := enter(t, g, "flood")
		var served []admission.Caller // only one goroutine has the permit
		wait := func(c admission.Caller) {
			go func() {
				p, err := g.Acquire(t.Context(), c)
				if err != nil {
					t.Error(err)
					return
				}
				served = append(served, c)
				p.Release()
			}()
			synctest.Wait()
		}
		for range 40 {
			wait("flood")
		}
		wait("other")
		wait("third")
		held.Release()
		synctest.Wait()
		if len(served) != 42 || served[0] != "other" && served[1] != "other" || served[2] != "third" &&
			served[1] != "third" {
			t.Errorf("served %v", served)
		}
	})
}

func TestOneCallerIsServedInTheOrderOfItsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := admission.NewGate(one)
		held := enter(t, g, "a")
		var served []int
		for i := range 10 {
			go func() {
				p, err := g.Acquire(t.Context(), "a")
				if err != nil {
					t.Error(err)
					return
				}
				served = append(served, i)
				p.Release()
			}()
			synctest.Wait()
		}
		held.Release()
		synctest.Wait()
		if fmt.Sprint(served) != "[0 1 2 3 4 5 6 7 8 9]" {
			t.Errorf("served %v", served)
		}
	})
}

func TestWhatDoesNotFitIsRefusedAtOnceAndWhatWaitsTooLongThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := admission.NewGate(admission.Limits{
			Concurrency: 1, PerCaller: 1, Queue: 3, QueuePerCaller: 2,
			Wait: time.Second,
		})
		held := enter(t, g, "a")
		begun := time.Now()
		refusals := make(chan time.Duration, 10)
		for _, c := range []admission.Caller{"a", "a", "a", "b", "b"} { // the third and the fifth have no room
			go func() {
				_, err := g.Acquire(t.Context(), c)
				if fault.KindOf(err) != fault.Unavailable || fault.RetryAfter(err) != time.Second {
					t.Errorf("refused with %v", err)
				}
				refusals <- time.Since(begun)
			}()
			synctest.Wait()
		}
		for i, want := range []time.Duration{0, 0, time.Second, time.Second, time.Second} {
			if got := <-refusals; got != want {
				t.Errorf("refusal %d came after %s, want %s", i+1, got, want)
			}
		}
		held.Release()
		enter(t, g, "b").Release() // callers who gave up block nobody
		if s := g.Stats(); s != (admission.Stats{Refused: 5}) {
			t.Errorf("at the end: %+v", s)
		}
	})
}

func TestACallerWhoLeavesTheQueueLosesNoPermit(t *testing.T) {
	g := admission.NewGate(one)
	for range 2000 {
		held := enter(t, g, "a")
		ctx, cancel := context.WithCancel(t.Context())
		var both sync.WaitGroup
		both.Go(func() {
			p, err := g.Acquire(ctx, "b")
			if err == nil {
				p.Release()
			} else if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		both.Go(held.Release)
		cancel()
		both.Wait()
	}
	if s := g.Stats(); s.Held != 0 || s.Waiting != 0 {
		t.Errorf("at the end: %+v", s)
	}
}

// session returns the principal of a person's session.
func session(user ident.UserID, id ident.SessionID) principal.Principal {
	return principal.OfSession(&principal.Session{ID: id, User: principal.Person{ID: user}})
}

func TestCallersAreToldApartByPersonKeyAndNetwork(t *testing.T) {
	same := [][2]admission.Caller{
		{admission.ForAddress("2001:db8::1"), admission.ForAddress("2001:db8:0:ff::1")},
		{admission.ForAddress("192.0.2.1"), admission.ForAddress("::ffff:192.0.2.1")},
		{
			admission.ForPrincipal(principal.Principal{}.WithOrigin(principal.Origin{IP: "192.0.2.1"})),
			admission.ForAddress("192.0.2.1"),
		},
	}
	for _, pair := range same {
		if pair[0] != pair[1] {
			t.Errorf("%q and %q are one caller", pair[0], pair[1])
		}
	}
	seen := map[admission.Caller]bool{}
	for _, c := range []admission.Caller{
		admission.ForPrincipal(session("usr_1", "ses_1")), admission.ForPrincipal(session("usr_2", "ses_1")),
		admission.ForPrincipal(principal.OfKey(&principal.Key{ID: "key_1"})),
		admission.ForPrincipal(principal.Operator()), admission.ForPrincipal(principal.System()),
		admission.ForAddress("192.0.2.1"),
		admission.ForAddress("192.0.2.2"), admission.ForAddress("2001:db8:0:100::1"),
		admission.ForAddress("2001:db8::1"), admission.ForAddress(""),
	} {
		if seen[c] {
			t.Errorf("%q is two callers", c)
		}
		seen[c] = true
	}
}
