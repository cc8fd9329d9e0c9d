package notice

import (
	"sync"
	"sync/atomic"
	"time"
)

// Counts counts the attempts by how they ended: sent, skipped, dead, in_doubt, or waiting for
// another.
type Counts struct {
	ended [len(states)]atomic.Uint64
}

// Each emits how many attempts ended in each way.
func (c *Counts) Each(emit func(n uint64, result ...string)) {
	for i, state := range states {
		switch state {
		case Waiting:
			emit(c.ended[i].Load(), "retried")
		case Leased, Sending:
		default:
			emit(c.ended[i].Load(), string(state))
		}
	}
}

// Counts returns the counts since the service started.
func (s *Service) Counts() *Counts { return &s.counts }

// count counts an attempt, and logs what the operator should see.
func (s *Service) count(n Notice, attempts int, o Outcome) {
	for i, state := range states {
		if state == o.State {
			s.counts.ended[i].Add(1)
		}
	}
	if o.State == Dead || o.State == InDoubt {
		s.Log.Warn("a notice was not delivered: see claviger notices list", "notice", n.ID, "kind", n.Kind, "state",
			o.State, "attempts", attempts, "reason", o.Reason)
	}
}

// Backlog is how many notices are in a state, and when the oldest of them was planned.
type Backlog struct {
	State  State
	Size   int64
	Oldest time.Time
}

// backlog holds the backlog as of the last pass.
type backlog struct {
	mu    sync.Mutex
	sizes map[State]int64
	age   time.Duration
}

func (b *backlog) set(backlogs []Backlog, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sizes, b.age = map[State]int64{}, 0
	for _, p := range backlogs {
		b.sizes[p.State] = p.Size
		if !p.State.final() {
			b.age = max(b.age, now.Sub(p.Oldest))
		}
	}
}

// EachBacklog emits, as of the last pass, how many notices are in each state that is not final or
// needs the operator.
func (s *Service) EachBacklog(emit func(n int64, state ...string)) {
	s.backlog.mu.Lock()
	defer s.backlog.mu.Unlock()
	for _, state := range []State{Waiting, Leased, Sending, Dead, InDoubt} {
		emit(s.backlog.sizes[state], string(state))
	}
}

// OldestAge returns how long ago the oldest notice that is not final was planned, as of the last
// pass; 0 for none.
func (s *Service) OldestAge() time.Duration {
	s.backlog.mu.Lock()
	defer s.backlog.mu.Unlock()
	return s.backlog.age
}
