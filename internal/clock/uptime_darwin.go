package clock

import "golang.org/x/sys/unix"

// uptimeClock continues while the machine sleeps, unlike Go's monotonic time on macOS.
const uptimeClock = unix.CLOCK_MONOTONIC
