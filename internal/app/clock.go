package app

import (
	"fmt"
	"sync/atomic"
	"time"
)

// clock tells a time that never goes back, whatever the machine's clock does: an expired key must not come to life again.
type clock struct {
	wall   func() time.Time
	latest atomic.Int64 // microseconds
}

// advance makes sure that no time before the given one is told: the latest on record, at start.
func (c *clock) advance(to time.Time) {
	if !to.IsZero() {
		c.reach(to.UnixMicro())
	}
}

// reach gives the latest time that was told or is to be told. Many may call it at once, and none puts it back for another.
func (c *clock) reach(to int64) (latest int64) {
	for {
		if latest = c.latest.Load(); to <= latest {
			return latest
		}
		if c.latest.CompareAndSwap(latest, to) {
			return to
		}
	}
}

// Now in UTC, to the microsecond as it is stored.
func (c *clock) Now() time.Time {
	return time.UnixMicro(c.reach(c.wall().UnixMicro())).UTC()
}

// maxStepBack is how far the machine's clock may lie behind before the node says that it is not ready.
const maxStepBack = time.Minute

func (c *clock) ready() error {
	if behind := c.latest.Load() - c.wall().UnixMicro(); behind > maxStepBack.Microseconds() {
		return fmt.Errorf("the machine's clock is %s behind the latest time on record", time.Duration(behind)*time.Microsecond)
	}
	return nil
}
