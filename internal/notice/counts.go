package notice

import (
	"sync"
	"sync/atomic"
	"time"
)

// Counts are how attempts ended: sent, skipped, dead, in_doubt, or waiting for the next.
type Counts struct {
	ended [len(states)]atomic.Uint64
}

// Each gives how often an attempt ended in each way.
func (c *Counts) Each(give func(n uint64, result ...string)) {
	for i, state := range states {
		switch state {
		case Waiting:
			give(c.ended[i].Load(), "retried")
		case Claimed, Sending:
		default:
			give(c.ended[i].Load(), string(state))
		}
	}
}

// Counts of what was sent since the start.
func (s *Service) Counts() *Counts { return &s.counts }

// count an attempt, and leave a line of what the operator should see.
func (s *Service) count(n Notice, attempts int, o Outcome) {
	for i, state := range states {
		if state == o.State {
			s.counts.ended[i].Add(1)
		}
	}
	if o.State == Dead || o.State == InDoubt {
		s.Log.Warn("a notice was not delivered: see claviger notices list", "notice", n.ID, "kind", n.Kind, "state", o.State, "attempts", attempts, "reason", o.Reason)
	}
}

// Pile is how many notices are in a state, and since when the oldest was planned.
type Pile struct {
	State  State
	Size   int64
	Oldest time.Time
}

// backlog remembers the piles of the last pass.
type backlog struct {
	mu    sync.Mutex
	sizes map[State]int64
	age   time.Duration
}

func (b *backlog) set(piles []Pile, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sizes, b.age = map[State]int64{}, 0
	for _, p := range piles {
		if b.sizes[p.State] = p.Size; !p.State.over() {
			b.age = max(b.age, now.Sub(p.Oldest))
		}
	}
}

// EachPile gives, as of the last pass, how many notices are not over, and how many need the operator.
func (s *Service) EachPile(give func(n int64, state ...string)) {
	s.backlog.mu.Lock()
	defer s.backlog.mu.Unlock()
	for _, state := range []State{Waiting, Claimed, Sending, Dead, InDoubt} {
		give(s.backlog.sizes[state], string(state))
	}
}

// OldestAge is how long ago the oldest notice that is not over was planned, as of the last pass; 0 for none.
func (s *Service) OldestAge() time.Duration {
	s.backlog.mu.Lock()
	defer s.backlog.mu.Unlock()
	return s.backlog.age
}
