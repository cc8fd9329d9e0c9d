//go:build !linux

package postgres

import "time"

// setUserTimeout does nothing on this system. Keepalives notice a server that vanished, and every
// statement has a deadline.
func setUserTimeout(uintptr, time.Duration) error { return nil }
