//go:build !linux && !darwin

package clock

import "time"

// uptime reports that the uptime is not known here. Go's monotonic time is used instead.
func uptime() (time.Duration, bool) { return 0, false }
