package admission_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/fault"
)

// fill lets callers wait, each with as many requests as it may, until the queue is full.
func fill(t *testing.T, g *admission.Gate, l admission.Limits, name func(i int) admission.Caller) {
	t.Helper()
	for i := 0; g.Stats().Waiting < l.Queue; i++ {
		for range l.PerCaller + l.QueuePerCaller {
			go func() {
				if p, err := g.Acquire(t.Context(), name(i)); err == nil {
					p.Release()
				}
			}()
		}
		synctest.Wait()
	}
}

func TestNoNumberOfRequestsOfAFewCallersRefusesAnothersFirst(t *testing.T) {
	for name, l := range map[string]admission.Limits{
		"hasher":  {Concurrency: 1, PerCaller: 1, Queue: 1000, QueuePerCaller: 32, Wait: 5 * time.Second},
		"changes": {Concurrency: 3, PerCaller: 1, Queue: 1024, QueuePerCaller: 64, Wait: 5 * time.Second},
		"reads":   {Concurrency: 7, PerCaller: 3, Queue: 2048, QueuePerCaller: 256, Wait: 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := admission.NewGate(l)
				var held []admission.Permit
				for i := range l.Concurrency {
					held = append(held, enter(t, g, admission.Caller(fmt.Sprint("holder ", i))))
				}
				fill(t, g, l, func(i int) admission.Caller { return admission.Caller(fmt.Sprint("flood ", i)) })
				refused := g.Stats().Refused
				served := make(chan error, 1)
				go func() {
					p, err := g.Acquire(t.Context(), "somebody else")
					p.Release()
					served <- err
				}()
				synctest.Wait()
				if s := g.Stats(); s.Waiting != l.Queue || s.Refused != refused+1 {
					t.Errorf("after one more came: %+v, refused before: %d", s, refused)
				}
				for _, p := range held {
					p.Release()
				}
				if err := <-served; err != nil {
					t.Errorf("somebody with one request: %v", err)
				}
			})
		})
	}
}

func TestAWaiterIsDroppedOnlyForACallerWithFewerAndThenTheNewestOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := admission.NewGate(admission.Limits{
			Concurrency: 1, PerCaller: 1, Queue: 4, QueuePerCaller: 4,
			Wait: time.Minute,
		})
		held := enter(t, g, "holder")
		var served, refused []string
		come := func(c admission.Caller, name string) {
			go func() {
				p, err := g.Acquire(t.Context(), c)
				if err != nil {
					refused = append(refused, name)
					return
				}
				served = append(served, name)
				p.Release()
			}()
			synctest.Wait()
		}
		for i := range 3 {
			come("a", fmt.Sprint("a", i))
		}
		come("b", "b0")
		come("c", "c0") // for a2
		come("d", "d0") // for a1
		come("e", "e0") // now nobody has more than one
		come("a", "a3")
		if fmt.Sprint(refused) != "[a2 a1 e0 a3]" {
			t.Errorf("refused %v", refused)
		}
		held.Release()
		synctest.Wait()
		if fmt.Sprint(served) != "[a0 b0 c0 d0]" {
			t.Errorf("served %v", served)
		}
	})
}

func TestASessionLeavesTheOthersOfItsPersonTurnsAndRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := admission.Limits{Concurrency: 2, PerCaller: 1, Queue: 100, QueuePerCaller: 10, Wait: time.Minute}
		g := admission.NewGate(l)
		flood, own := admission.ForPrincipal(session("usr_1", "ses_stolen")),
			admission.ForPrincipal(session("usr_1", "ses_own"))
		held := enter(t, g, flood)
		enter(t, g, "another").Release() // one person does not get the second permit
		var served []admission.Caller
		come := func(c admission.Caller) {
			go func() {
				if p, err := g.Acquire(t.Context(), c); err == nil {
					served = append(served, c)
					p.Release()
				}
			}()
			synctest.Wait()
		}
		for range 20 {
			come(flood)
		}
		come(own)
		if s := g.Stats(); s.Held != 1 || s.Waiting != l.QueuePerCaller {
			t.Errorf("of one person: %+v", s)
		}
		held.Release()
		synctest.Wait()
		if len(served) != 10 || served[1] != own {
			t.Errorf("served %q", served)
		}
	})
}

// gateModel uses a gate at random, and knows the result of each request.
type gateModel struct {
	failure string // the first one
	gate    *admission.Gate
	limits  admission.Limits
	pending []*request
	holding []*request
}

type request struct {
	caller, part admission.Caller
	cancel       context.CancelFunc
	cancelled    bool
	since        time.Time
	told         chan answer
	answer
	done bool
}

type answer struct {
	pass admission.Permit
	err  error
}

func (m *gateModel) come(caller, part string) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &request{caller: admission.Caller(caller), cancel: cancel, since: time.Now(), told: make(chan answer, 1)}
	r.part = r.caller.Part(part)
	before := m.waitingByCaller()
	m.pending = append(m.pending, r)
	go func() {
		pass, err := m.gate.Acquire(ctx, r.part)
		r.told <- answer{pass, err}
	}()
	m.check()
	if r.err == nil {
		return
	}
	for other, n := range before {
		if n > before[r.caller]+1 && before[r.caller] < m.limits.QueuePerCaller {
			m.fail("%q with %d waiting was refused, %q has %d", r.caller, before[r.caller], other, n)
		}
	}
}

func (m *gateModel) fail(format string, args ...any) {
	if m.failure == "" {
		m.failure = fmt.Sprintf(format, args...)
	}
}

// check waits until nothing changes any more, and checks the state of all requests by the rules.
func (m *gateModel) check() {
	synctest.Wait()
	before := m.waitingByCaller()
	var still []*request
	for _, r := range m.pending {
		select {
		case r.answer = <-r.told:
			r.done = true
		default:
		}
		switch {
		case !r.done:
			still = append(still, r)
		case r.err == nil:
			m.holding = append(m.holding, r)
		case errors.Is(r.err, context.Canceled):
			if !r.cancelled {
				m.fail("%q is told that it left", r.part)
			}
		case fault.KindOf(r.err) != fault.Unavailable:
			m.fail("%v", r.err)
		case before[r.caller] == 1 && time.Since(r.since) < m.limits.Wait && r.since.Before(time.Now()):
			m.fail("the only one of %q was dropped", r.caller)
		}
	}
	m.pending = still
	held, waiting := map[admission.Caller]int{}, m.waitingByCaller()
	for _, r := range m.holding {
		held[r.caller]++
	}
	s := m.gate.Stats()
	if s.Held != len(m.holding) || s.Waiting != len(m.pending) {
		m.fail("%+v, but %d hold and %d wait", s, len(m.holding), len(m.pending))
	}
	if s.Held > m.limits.Concurrency || s.Waiting > m.limits.Queue {
		m.fail("%+v is beyond %+v", s, m.limits)
	}
	for c, n := range held {
		if n > m.limits.PerCaller {
			m.fail("%q holds %d", c, n)
		}
	}
	for c, n := range waiting {
		if n > m.limits.QueuePerCaller {
			m.fail("of %q wait %d", c, n)
		}
		if held[c] < m.limits.PerCaller && len(m.holding) < m.limits.Concurrency {
			m.fail("%q waits for a permit that is free", c)
		}
	}
}

func (m *gateModel) waitingByCaller() map[admission.Caller]int {
	n := map[admission.Caller]int{}
	for _, r := range m.pending {
		n[r.caller]++
	}
	return n
}

// step is what happens next: the kind of event, the caller or request, and a detail.
type step [3]int

func (m *gateModel) step(s step) {
	switch s[0] {
	case 0, 1:
		m.come(fmt.Sprint("caller ", s[1]%4), fmt.Sprint(s[2]%3))
	case 2:
		m.leave(s[1])
	case 3:
		if len(m.pending) > 0 {
			r := m.pending[s[1]%len(m.pending)]
			r.cancelled = true
			r.cancel()
			if s[2]%2 == 0 {
				m.leave(0) // so that somebody gets a permit at the same moment
			}
		}
	case 4:
		<-time.After(time.Duration(1+s[1]%6) * time.Second)
	}
	m.check()
}

func (m *gateModel) leave(i int) {
	if len(m.holding) > 0 {
		i %= len(m.holding)
		m.holding[i].pass.Release()
		m.holding = append(m.holding[:i], m.holding[i+1:]...)
	}
}

func TestGatesLoseNoPermitAndServeNobodyTwiceHoweverRequestsComeAndGo(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := func(from, to int, name string) int { return rapid.IntRange(from, to).Draw(r, name) }
		m := &gateModel{limits: admission.Limits{
			Concurrency: n(1, 3, "concurrency"), PerCaller: n(1, 2, "permits per caller"),
			Queue: n(1, 8, "queue"), QueuePerCaller: n(1, 5, "queue per caller"), Wait: 5 * time.Second,
		}}
		m.gate = admission.NewGate(m.limits)
		steps := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) step {
			number := rapid.IntRange(0, 11)
			return step{rapid.IntRange(0, 4).Draw(r, "what"), number.Draw(r, "whom"), number.Draw(r, "how")}
		}), 1, 60).Draw(r, "steps")
		synctest.Test(t, func(*testing.T) {
			for _, s := range steps {
				m.step(s)
			}
			for len(m.holding) > 0 {
				m.leave(0)
				m.check()
			}
			if s := m.gate.Stats(); s.Held != 0 || s.Waiting != 0 || len(m.pending) > 0 {
				m.fail("when all have left: %+v, %d wait", s, len(m.pending))
			}
			<-time.After(time.Hour) // in which all waiters give up
		})
		if m.failure != "" {
			r.Fatal(m.failure)
		}
	})
}
