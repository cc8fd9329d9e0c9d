package telemetry

import (
	"sync/atomic"
	"time"
)

// Sampler limits how many events a second are logged. A refusal costs two atomic loads and one
// reading of the clock.
type Sampler struct {
	perSecond int64
	begun     time.Time
	second    atomic.Int64 // since begun
	allowed   atomic.Int64 // in this second
}

// NewSampler returns a sampler that allows about that many events a second.
func NewSampler(perSecond int64) *Sampler { return &Sampler{perSecond: perSecond, begun: time.Now()} }

// Allow reports whether this event may be logged.
func (s *Sampler) Allow() bool {
	now := int64(time.Since(s.begun) / time.Second)
	if then := s.second.Load(); then != now && s.second.CompareAndSwap(then, now) {
		s.allowed.Store(0)
	}
	return s.allowed.Load() < s.perSecond && s.allowed.Add(1) <= s.perSecond
}
