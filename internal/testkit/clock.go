package testkit

import (
	"fmt"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/clock"
)

// Clock is the clock of a machine that tests move. The clock of the database moves with it, but
// does not step with it.
type Clock struct {
	mu      sync.Mutex
	at      time.Time
	booted  time.Time
	stepped time.Duration
}

// NewClock returns a clock at that time, cut to seconds, of a machine that has been up for an hour.
func NewClock(at time.Time) *Clock {
	at = at.UTC().Truncate(time.Second)
	return &Clock{at: at, booted: at.Add(-time.Hour)}
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Microsecond) // no two events have the same time
	return c.at
}

// Move lets time pass. A negative duration sets the clock back.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	c.stepped += min(d, 0)
}

// Step sets the clock forward or back without time passing.
func (c *Clock) Step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	c.stepped += d
}

// Stepped returns the sum of all steps.
func (c *Clock) Stepped() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stepped
}

// Machine returns the machine whose clock this is.
func (c *Clock) Machine() clock.Machine {
	return clock.Machine{Boot: fmt.Sprintf("%p", c), Read: func() clock.Reading {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.at = c.at.Add(time.Microsecond)
		return clock.Reading{Wall: c.at, Elapsed: c.at.Sub(c.booted) - c.stepped}
	}}
}
