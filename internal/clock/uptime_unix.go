//go:build linux || darwin

package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// uptime returns how long the machine has been up, including time in which it was suspended. ok is
// false if the system does not say.
func uptime() (time.Duration, bool) {
	var t unix.Timespec
	if unix.ClockGettime(uptimeClock, &t) != nil {
		return 0, false
	}
	return time.Duration(t.Nano()), true
}
