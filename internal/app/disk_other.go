//go:build !linux

package app

import "os"

// allocate allocates disk space for a file.
func allocate(f *os.File, size int64) error { return writeZeros(f, size) }
