//go:build linux || darwin

package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// uptime asks the system how long the machine has been up, time while it was suspended included.
func uptime() (time.Duration, bool) {
	var t unix.Timespec
	if unix.ClockGettime(uptimeClock, &t) != nil {
		return 0, false
	}
	return time.Duration(t.Nano()), true
}
