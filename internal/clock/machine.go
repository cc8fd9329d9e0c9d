package clock

import (
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Machine is where a node reads the time. The zero value reads the system's clocks.
type Machine struct {
	// Read returns what the machine's clocks show at one moment; nil for the system's clocks.
	Read func() Reading
	// Boot identifies the start of the machine from which elapsed time counts; "" if it is not
	// known. [New] sets it for the system's clocks.
	Boot string
}

// orSystem returns the machine or, for the zero value, that of the system.
func (m Machine) orSystem() Machine {
	if m.Read == nil {
		return Machine{Read: system.read, Boot: bootID()}
	}
	return m
}

// Reading is what the machine's clocks show at one moment. Both are read together, because time
// that passes between two reads would look like a step.
type Reading struct {
	// Wall is the time of the wall clock, which can be set.
	Wall time.Time
	// Elapsed is how long the machine has been up, including time in which it was suspended. It
	// cannot be set.
	Elapsed time.Duration
}

// offset returns the wall clock minus the elapsed time. It changes only when the wall clock steps.
func (r Reading) offset() time.Duration { return time.Duration(r.Wall.UnixNano()) - r.Elapsed }

// expected returns what the wall clock should show by a trusted offset.
func (r Reading) expected(offset time.Duration) time.Time {
	return time.Unix(0, int64(offset+r.Elapsed)).UTC()
}

// Uptime returns how long the machine has been up, including time in which it was suspended. Go's
// monotonic time stands still during a suspension, so freshness is measured with Uptime.
func Uptime() time.Duration { return system.read().Elapsed }

// system reads the clocks of the system.
var system = newSystemClock()

// suspendNotice is the shortest suspension, and the smallest step, that is detected without a
// system call.
const suspendNotice = 100 * time.Millisecond

// systemClock reads wall clock and monotonic time together, without a system call. After a
// suspension the wall clock is ahead of monotonic time. Only then it asks the system how long that
// was.
type systemClock struct {
	begun time.Time
	// offset is the wall clock minus monotonic time; ahead is the uptime minus monotonic time. Both
	// in nanoseconds.
	offset, ahead atomic.Int64
	mu            sync.Mutex
}

func newSystemClock() *systemClock {
	s := &systemClock{begun: time.Now()}
	s.sync()
	return s
}

func (s *systemClock) read() Reading {
	now := time.Now()
	passed := now.Sub(s.begun)
	if !within(time.Duration(now.UnixNano())-passed-time.Duration(s.offset.Load()), suspendNotice) {
		now, passed = s.sync()
	}
	return Reading{now, passed + time.Duration(s.ahead.Load())}
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

// bootID identifies the present start of the machine and the time namespace of the process; "" if
// the system does not provide it.
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
