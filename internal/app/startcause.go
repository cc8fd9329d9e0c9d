package app

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// startCause adds to the error of a start what to do about its disk, directory or addresses.
func startCause(err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: the disk is mounted read-only: mount it for writing, "+
			"or name another directory with --data", err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: the disk is full: free some space and start again", err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: a file stands in the place of a directory: move it away, "+
			"or name another directory with --data", err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another program, or another claviger, has this address: stop it, "+
			"or use another port with --listen", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this machine has no such address: use one of its own with --listen", err)
	case isListen(err) && errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: this user may not use this port: use one above 1023 with --listen", err)
	}
	return err
}

// isListen reports whether an error is about an address on which the server should listen.
func isListen(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "listen"
}
