package main

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// keepMemoryPrivate keeps passwords, keys and the root secret, which are in memory while they are
// in use, out of core files. It sets the size limit of core files to 0, and it makes the process
// not dumpable (prctl(2), PR_SET_DUMPABLE). The second call also stops core files that a system
// program writes, and reads by other processes of the same user. A sandbox may forbid either call.
// keepMemoryPrivate returns an error only if both fail: one is enough against core files.
func keepMemoryPrivate() error {
	limitErr := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	dumpErr := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	if limitErr != nil && dumpErr != nil {
		return errors.Join(limitErr, dumpErr)
	}
	return nil
}
