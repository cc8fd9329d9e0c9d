package app

import (
	"errors"
	"fmt"
	"syscall"
)

// startCause adds to the error of a start what to do if the disk is full or read-only.
func startCause(err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: the disk is mounted read-only: mount it for writing, "+
			"or name another directory with --data", err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: the disk is full: free some space and start again", err)
	}
	return err
}
