package main

import (
	"math"

	"golang.org/x/sys/unix"
)

// cpuTime returns the processor time of a process in seconds, to the nanosecond: /proc/<pid>/stat
// knows only hundredths of a second. It returns NaN if there is no such process.
func cpuTime(pid int) float64 {
	var t unix.Timespec
	// The id of the clock of a process, CPUCLOCK_SCHED: see clock_getcpuclockid(3).
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return math.NaN()
	}
	return float64(t.Nano()) / 1e9
}
