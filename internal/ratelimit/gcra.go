// Package ratelimit limits how many requests a caller may send, by the generic cell rate algorithm
// (GCRA, ITU-T I.371).
//
// A limit is a number of requests a minute. A caller may send that many at once, the burst, and
// then one in each emission interval. [GCRA] is the state of one caller, a single number: the
// theoretical arrival time (tat), at which the caller has its whole burst again.
//
//	emissionInterval = minute / perMinute, rounded up
//	next             = max(tat, now) + emissionInterval
//	allowed            when next - now <= emissionInterval * perMinute; then tat = next
//
// So no window of the length t has more than perMinute + t / emissionInterval allowed requests.
//
// A [Limiter] limits many callers. [InMemory] is the one that keeps their states in memory and
// removes those that equal a new one. Times are nanoseconds of any clock, as long as all times that
// one limiter is given come from the same clock.
package ratelimit

import (
	"math"
	"sync/atomic"
	"time"
)

// minute is the period of every limit, in nanoseconds.
const minute = int64(time.Minute)

// GCRA is the state of one caller. The zero value has its whole burst. It is safe for concurrent
// use and takes no lock.
type GCRA struct {
	// tat is the theoretical arrival time in nanoseconds, or evicted.
	tat atomic.Int64
}

// evicted replaces the tat of a state that was removed from an [InMemory] limiter. A request that
// still has the state must look for the caller's new one, or the caller would have two bursts.
const evicted = math.MaxInt64

// Consume takes one request from the burst and returns 0, or returns how long the caller must wait
// for its next request. perMinute must be at least 1. ok is false, and nothing is taken, when the
// state was evicted.
func (g *GCRA) Consume(now, perMinute int64) (wait time.Duration, ok bool) {
	return g.ConsumeMany(1, now, perMinute)
}

// ConsumeMany takes n requests from the burst, all of them or none. n is at most perMinute: more
// than a burst is never allowed. See Consume.
func (g *GCRA) ConsumeMany(n, now, perMinute int64) (wait time.Duration, ok bool) {
	for {
		tat := g.tat.Load()
		if tat == evicted {
			return 0, false
		}
		next, wait := after(tat, n, now, perMinute)
		if wait > 0 {
			return wait, true
		}
		if g.tat.CompareAndSwap(tat, next) {
			return 0, true
		}
	}
}

// Wait returns what Consume would return, and takes nothing. An evicted state has its whole burst.
func (g *GCRA) Wait(now, perMinute int64) time.Duration {
	tat := g.tat.Load()
	if tat == evicted {
		return 0
	}
	_, wait := after(tat, 1, now, perMinute)
	return wait
}

// after returns the tat after n requests that arrive now, or how long the caller must wait.
func after(tat, n, now, perMinute int64) (next int64, wait time.Duration) {
	emissionInterval := (minute-1)/perMinute + 1 // rounded up, so that the limit is never exceeded
	burst := emissionInterval * perMinute
	arrival := max(tat, now)
	if tat > now+2*minute { // the clock was set back: no request moves tat so far ahead
		arrival = now
	}
	next = arrival + n*emissionInterval
	return next, max(0, time.Duration(next-now-burst))
}

// evict marks the state as evicted if it has had its whole burst since before the given time, and
// reports whether it did.
func (g *GCRA) evict(before int64) bool {
	tat := g.tat.Load()
	return tat < before && g.tat.CompareAndSwap(tat, evicted)
}
