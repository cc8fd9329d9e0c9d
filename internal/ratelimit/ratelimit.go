// Package ratelimit limits how many requests a caller makes, by the generic cell rate algorithm (GCRA, ITU-T I.371).
//
// A [Limiter] is one caller's state: a single number, changed without a lock. [Limiters] keeps those of many callers in memory
// and forgets the ones that are like new. Times are nanoseconds of whatever clock the caller reads, as long as it is always the
// same one.
package ratelimit

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Minute is what requests are counted by, and how much of them may come at once.
const Minute = int64(time.Minute)

// Limiter is one caller's GCRA state. tat is the theoretical arrival time: when the caller will have all of its burst again. A
// request puts that off by the emission interval; one that would put it off beyond a minute must wait.
type Limiter struct {
	tat atomic.Int64 // nanoseconds, or evicted
}

// evicted marks a limiter that was dropped. Whoever still holds it must ask for the caller's other one, or the caller would
// have two.
const evicted = math.MaxInt64

// Consume takes one request off a burst of perMinute requests, or returns how long to wait for it. It does neither where the
// limiter was evicted.
func (l *Limiter) Consume(now, perMinute int64) (wait time.Duration, current bool) {
	emissionInterval := (Minute-1)/perMinute + 1 // rounded up: never more than the limit
	for {
		tat := l.tat.Load()
		if tat == evicted {
			return 0, false
		}
		arrival := tat
		if tat > now+2*Minute { // time was put back: no request puts it that far off
			arrival = now
		}
		next := max(arrival, now) + emissionInterval
		if early := next - now - emissionInterval*perMinute; early > 0 {
			return time.Duration(early), true
		}
		if l.tat.CompareAndSwap(tat, next) {
			return 0, true
		}
	}
}

// evict marks the limiter if it had all of its burst before that time.
func (l *Limiter) evict(before int64) bool {
	tat := l.tat.Load()
	return tat < before && l.tat.CompareAndSwap(tat, evicted)
}

// Limiters keeps a limiter for each caller that has made a request lately. The zero value is ready for use.
type Limiters[K comparable] struct {
	byCaller sync.Map // K → *Limiter
}

// Of returns the caller's limiter.
func (s *Limiters[K]) Of(caller K) *Limiter {
	kept, _ := s.byCaller.LoadOrStore(caller, &Limiter{})
	return kept.(*Limiter)
}

// Drop forgets a limiter that was evicted.
func (s *Limiters[K]) Drop(caller K, l *Limiter) { s.byCaller.CompareAndDelete(caller, l) }

// Consume takes one request off the caller's burst, or returns how long to wait for it.
func (s *Limiters[K]) Consume(caller K, now, perMinute int64) time.Duration {
	for {
		l := s.Of(caller)
		if wait, current := l.Consume(now, perMinute); current {
			return wait
		}
		s.Drop(caller, l)
	}
}

// Sweep forgets the limiters that have had all of their burst for a minute and so are like new ones. The minute is for requests
// that read the clock just before.
func (s *Limiters[K]) Sweep(now int64) {
	s.byCaller.Range(func(caller, kept any) bool {
		if l := kept.(*Limiter); l.evict(now - Minute) {
			s.Drop(caller.(K), l)
		}
		return true
	})
}
