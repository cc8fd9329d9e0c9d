package ratelimit

import (
	"sync"
	"sync/atomic"
	"time"
)

// Limiter limits the requests of many callers. It is safe for concurrent use.
type Limiter[K comparable] interface {
	// Consume takes one request from the caller's burst of perMinute requests and returns 0, or
	// returns how long the caller must wait for its next request. perMinute must be at least 1.
	// now is in nanoseconds.
	Consume(caller *Caller[K], now, perMinute int64) time.Duration
	// ConsumeMany takes n requests at once, all of them or none. n is at most perMinute.
	ConsumeMany(caller *Caller[K], n, now, perMinute int64) time.Duration
	// Wait returns what Consume would return, and takes nothing.
	Wait(caller *Caller[K], now, perMinute int64) time.Duration
}

// Caller is whose requests a [Limiter] counts. Several Callers with one ID are the same caller.
// Keep a Caller that sends many requests, so that its state is looked up only once. Each Caller
// belongs to one Limiter. It must not be copied.
type Caller[K comparable] struct {
	ID K

	// state is the caller's state in an [InMemory] limiter; nil before the first request.
	state atomic.Pointer[GCRA]
}

// InMemory is a [Limiter] that keeps the states of its callers in memory. The zero value is ready
// for use.
type InMemory[K comparable] struct {
	states sync.Map // K → *GCRA
}

// Consume implements [Limiter].
func (m *InMemory[K]) Consume(caller *Caller[K], now, perMinute int64) time.Duration {
	return m.ConsumeMany(caller, 1, now, perMinute)
}

// ConsumeMany implements [Limiter].
func (m *InMemory[K]) ConsumeMany(caller *Caller[K], n, now, perMinute int64) time.Duration {
	for {
		if state := caller.state.Load(); state != nil {
			if wait, ok := state.ConsumeMany(n, now, perMinute); ok {
				return wait
			}
			m.states.CompareAndDelete(caller.ID, state)
		}
		state, _ := m.states.LoadOrStore(caller.ID, &GCRA{})
		caller.state.Store(state.(*GCRA))
	}
}

// Wait implements [Limiter].
func (m *InMemory[K]) Wait(caller *Caller[K], now, perMinute int64) time.Duration {
	state, known := m.states.Load(caller.ID)
	if !known {
		return 0
	}
	return state.(*GCRA).Wait(now, perMinute)
}

// Sweep evicts the states that have had their whole burst for a minute and so equal a new one. The
// minute is for requests that read the clock just before the sweep.
func (m *InMemory[K]) Sweep(now int64) {
	m.states.Range(func(id, state any) bool {
		if state.(*GCRA).evict(now - minute) {
			m.states.CompareAndDelete(id, state)
		}
		return true
	})
}
