package clock

import "golang.org/x/sys/unix"

// uptimeClock goes on while the machine sleeps, unlike the clock of Go's monotonic time on macOS.
const uptimeClock = unix.CLOCK_MONOTONIC
