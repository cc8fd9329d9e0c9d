package clock

import (
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Machine is where a node reads time. The zero value is the system's.
type Machine struct {
	// Wall is the wall clock, which somebody may set.
	Wall func() time.Time
	// Elapsed is how long the machine has been up, time while it was suspended included. Nobody sets it.
	Elapsed func() time.Duration
	// Boot names what Elapsed counts from; "" where it has no name.
	Boot string
}

// orSystem fills in what is missing. A wall clock without elapsed time never steps forward.
func (m Machine) orSystem() Machine {
	switch {
	case m.Wall == nil:
		m.Elapsed, m.Boot = nil, bootID()
	case m.Elapsed == nil:
		var most atomic.Int64
		begun := m.Wall()
		m.Elapsed = func() time.Duration {
			passed := int64(m.Wall().Sub(begun))
			for {
				was := most.Load()
				if passed <= was {
					return time.Duration(was)
				}
				if most.CompareAndSwap(was, passed) {
					return time.Duration(passed)
				}
			}
		}
	}
	return m
}

// reading is what the machine's clocks say at one moment.
type reading struct {
	wall    time.Time
	elapsed time.Duration
}

func (m *Machine) read() reading {
	if m.Wall == nil {
		return system.read()
	}
	wall := m.Wall()
	return reading{wall, m.Elapsed()}
}

// offset is the wall clock minus the elapsed time. It changes only where the wall clock steps.
func (r reading) offset() time.Duration { return time.Duration(r.wall.UnixNano()) - r.elapsed }

// expected is what the wall clock should say by an offset that was trusted.
func (r reading) expected(offset time.Duration) time.Time {
	return time.Unix(0, int64(offset+r.elapsed)).UTC()
}

// Uptime returns how long the machine has been up, time while it was suspended included. Go's own
// monotonic time stands still meanwhile, so what must be fresh is measured by this.
func Uptime() time.Duration { return system.read().elapsed }

// system reads the clocks of the system.
var system = newSystemClock()

// suspendNotice is how long a suspension, or how large a step, is noticed without a system call.
const suspendNotice = 100 * time.Millisecond

// systemClock reads wall clock and monotonic time together, without a system call. A suspension shows
// as a wall clock that is ahead of monotonic time; only then the system is asked for how long it was.
type systemClock struct {
	begun time.Time
	// offset is the wall clock minus monotonic time, ahead the uptime minus monotonic time.
	offset, ahead atomic.Int64
	mu            sync.Mutex
}

func newSystemClock() *systemClock {
	s := &systemClock{begun: time.Now()}
	s.sync()
	return s
}

func (s *systemClock) read() reading {
	now := time.Now()
	passed := now.Sub(s.begun)
	if !within(time.Duration(now.UnixNano())-passed-time.Duration(s.offset.Load()), suspendNotice) {
		now, passed = s.sync()
	}
	return reading{now, passed + time.Duration(s.ahead.Load())}
}

// sync asks the system how far the uptime is ahead of monotonic time.
func (s *systemClock) sync() (now time.Time, passed time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	up, ok := uptime()
	now = time.Now()
	passed = now.Sub(s.begun)
	if ok {
		s.ahead.Store(max(s.ahead.Load(), int64(up-passed)))
	}
	s.offset.Store(now.UnixNano() - int64(passed))
	return now, passed
}

// bootID names the machine's present boot and the time namespace of the process; "" where the system does not tell.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/time")
	if err != nil {
		namespace = ""
	}
	return strings.TrimSpace(string(id)) + namespace
}
