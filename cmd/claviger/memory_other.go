//go:build !linux && !windows

package main

import "syscall"

// keepMemoryPrivate keeps passwords, keys and the root secret, which are in memory while they are
// in use, out of core files.
func keepMemoryPrivate() error { return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) }
