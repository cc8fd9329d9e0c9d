package main

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// keepMemoryPrivate keeps passwords, keys and the root secret, which are in memory while they are used, out of core files, also of those that a program of the system
// writes, and from other processes of the same user (prctl(2), PR_SET_DUMPABLE). A sandbox may forbid either call: one of them is enough against core files.
func keepMemoryPrivate() error {
	limited, kept := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}), unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	if limited != nil && kept != nil {
		return errors.Join(limited, kept)
	}
	return nil
}
