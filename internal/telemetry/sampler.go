package telemetry

import (
	"sync/atomic"
	"time"
)

// Sampler lets a few things a second be logged of many that happen. It costs whoever is turned away two loads and a look at the clock.
type Sampler struct {
	perSecond int64
	begun     time.Time
	second    atomic.Int64 // after begun
	taken     atomic.Int64
}

// NewSampler lets about so many through each second.
func NewSampler(perSecond int64) *Sampler { return &Sampler{perSecond: perSecond, begun: time.Now()} }

// Take reports whether this one is let through.
func (s *Sampler) Take() bool {
	now := int64(time.Since(s.begun) / time.Second)
	if then := s.second.Load(); then != now && s.second.CompareAndSwap(then, now) {
		s.taken.Store(0)
	}
	return s.taken.Load() < s.perSecond && s.taken.Add(1) <= s.perSecond
}
