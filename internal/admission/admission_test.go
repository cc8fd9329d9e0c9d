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

var one = admission.Limits{Slots: 1, PerCaller: 1, Queue: 100, QueuePerCaller: 50, Wait: 5 * time.Second}

func enter(t *testing.T, g *admission.Gate, c admission.Caller) admission.Pass {
	t.Helper()
	p, err := g.Enter(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNoCallerHoldsMoreSlotsThanItsOwnAndNoGateMoreThanItHas(t *testing.T) {
	limits := admission.Limits{Slots: 4, PerCaller: 2, Queue: 1000, QueuePerCaller: 1000, Wait: time.Minute}
	g := admission.NewGate(limits)
	var all atomic.Int64
	var of [3]atomic.Int64
	var done sync.WaitGroup
	for i := range 600 {
		done.Go(func() {
			p, err := g.Enter(t.Context(), admission.Caller(fmt.Sprint(i%3)))
			if err != nil {
				t.Error(err)
				return
			}
			if n := all.Add(1); n > int64(limits.Slots) {
				t.Errorf("%d slots are held", n)
			}
			if n := of[i%3].Add(1); n > int64(limits.PerCaller) {
				t.Errorf("one caller holds %d slots", n)
			}
			of[i%3].Add(-1)
			all.Add(-1)
			p.Leave()
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
		var served []admission.Caller // by one at a time
		wait := func(c admission.Caller) {
			go func() {
				p, err := g.Enter(t.Context(), c)
				if err != nil {
					t.Error(err)
					return
				}
				served = append(served, c)
				p.Leave()
			}()
			synctest.Wait()
		}
		for range 40 {
			wait("flood")
		}
		wait("other")
		wait("third")
		held.Leave()
		synctest.Wait()
		if len(served) != 42 || served[0] != "other" && served[1] != "other" || served[2] != "third" && served[1] != "third" {
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
				p, err := g.Enter(t.Context(), "a")
				if err != nil {
					t.Error(err)
					return
				}
				served = append(served, i)
				p.Leave()
			}()
			synctest.Wait()
		}
		held.Leave()
		synctest.Wait()
		if fmt.Sprint(served) != "[0 1 2 3 4 5 6 7 8 9]" {
			t.Errorf("served %v", served)
		}
	})
}

func TestWhatDoesNotFitIsRefusedAtOnceAndWhatWaitsTooLongThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := admission.NewGate(admission.Limits{Slots: 1, PerCaller: 1, Queue: 3, QueuePerCaller: 2, Wait: time.Second})
		held := enter(t, g, "a")
		begun := time.Now()
		refusals := make(chan time.Duration, 10)
		for _, c := range []admission.Caller{"a", "a", "a", "b", "c"} { // the third and the fifth have no place
			go func() {
				_, err := g.Enter(t.Context(), c)
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
		held.Leave()
		enter(t, g, "b").Leave() // those who gave up stand in nobody's way
		if s := g.Stats(); s != (admission.Stats{Refused: 5}) {
			t.Errorf("at the end: %+v", s)
		}
	})
}

func TestACallerWhoLeavesTheQueueLosesNoSlot(t *testing.T) {
	g := admission.NewGate(one)
	for range 2000 {
		held := enter(t, g, "a")
		ctx, cancel := context.WithCancel(t.Context())
		var both sync.WaitGroup
		both.Go(func() {
			p, err := g.Enter(ctx, "b")
			if err == nil {
				p.Leave()
			} else if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		both.Go(held.Leave)
		cancel()
		both.Wait()
	}
	if s := g.Stats(); s.Held != 0 || s.Waiting != 0 {
		t.Errorf("at the end: %+v", s)
	}
}

func TestCallersAreToldApartByPersonKeyAndNetwork(t *testing.T) {
	user := func(user, session string) principal.Principal {
		return principal.OfSession(&principal.Session{ID: ident.SessionID(session), User: principal.Person{ID: ident.UserID(user)}})
	}
	same := [][2]admission.Caller{
		{admission.Of(user("usr_1", "ses_1")), admission.Of(user("usr_1", "ses_2"))},
		{admission.At("2001:db8::1"), admission.At("2001:db8::ffff:1")},
		{admission.At("192.0.2.1"), admission.At("::ffff:192.0.2.1")},
		{admission.Of(principal.Principal{}.From(principal.Origin{IP: "192.0.2.1"})), admission.At("192.0.2.1")},
	}
	for _, pair := range same {
		if pair[0] != pair[1] {
			t.Errorf("%q and %q are one caller", pair[0], pair[1])
		}
	}
	seen := map[admission.Caller]bool{}
	for _, c := range []admission.Caller{
		admission.Of(user("usr_1", "ses_1")), admission.Of(user("usr_2", "ses_1")), admission.Of(principal.OfKey(&principal.Key{ID: "key_1"})),
		admission.Of(principal.Operator()), admission.Of(principal.System()), admission.At("192.0.2.1"), admission.At("192.0.2.2"), admission.At("2001:db8:0:1::1"), admission.At(""),
	} {
		if seen[c] {
			t.Errorf("%q is two callers", c)
		}
		seen[c] = true
	}
}
