//go:build !linux

package postgres

import "time"

// setUserTimeout does nothing: keepalives notice a server that vanished, and every statement has a deadline.
func setUserTimeout(uintptr, time.Duration) error { return nil }
