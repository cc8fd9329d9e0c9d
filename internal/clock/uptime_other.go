//go:build !linux && !darwin

package clock

import "time"

// uptime is not known here: Go's monotonic time has to do.
func uptime() (time.Duration, bool) { return 0, false }
