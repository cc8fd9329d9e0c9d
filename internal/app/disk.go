package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
)

// reserveFile takes up room in the data directory that is given up when the disk is full, so that a revocation still finds some.
const reserveFile = "reserve"

const (
	// lowSpace is below how many free bytes changes are refused that do not take authority away, and reserveSize how much is
	// kept for those that do. On a small disk both are a sixteenth of it.
	lowSpace    = 64 << 20
	reserveSize = 16 << 20
	smallPart   = 16
	// spaceEvery bounds how long the reserve is missing once there is room again.
	spaceEvery = 10 * time.Second
)

// space is how many bytes of a disk are free, and how many it has.
type space struct{ free, total int64 }

// spaceOf returns the space of the disk that a directory is on, as far as this process may use it.
func spaceOf(directory string) (space, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(directory, &s); err != nil {
		return space{}, err
	}
	return space{free: int64(s.Bavail) * int64(s.Bsize), total: int64(s.Blocks) * int64(s.Bsize)}, nil
}

// spaceBy looks in another way than spaceOf, where there is one.
func spaceBy(look func(string) (free, total int64, err error)) func(string) (space, error) {
	if look == nil {
		return spaceOf
	}
	return func(directory string) (s space, err error) {
		s.free, s.total, err = look(directory)
		return s, err
	}
}

// low is below how many free bytes the disk counts as nearly full.
func (s space) low() int64 { return min(lowSpace, s.total/smallPart) }

// reserve is how many bytes are kept for revocations.
func (s space) reserve() int64 { return min(reserveSize, s.total/smallPart) }

// full reports whether a change may not find the room that it needs.
func (s space) full() bool { return s.free < s.reserve()/4 }

// disk watches over the disk of the data directory.
type disk struct {
	directory string
	path      string
	look      func(directory string) (space, error)
	// writeFailed reports whether the database's last write found no room: a quota does not show in the free space.
	writeFailed func() bool

	mu sync.Mutex // over the reserve
	// held is set while the reserve is there.
	held atomic.Bool
}

// openDisk gives up the reserve where the disk is full already, since a start needs room too.
func openDisk(d dataDir, look func(string) (free, total int64, err error)) (*disk, error) {
	w := &disk{directory: d.path, path: d.file(reserveFile), look: spaceBy(look), writeFailed: func() bool { return false }}
	s, err := w.look(w.directory)
	if err == nil && s.full() {
		err = w.release()
	}
	if info, missing := os.Stat(w.path); missing == nil {
		w.held.Store(info.Size() >= s.reserve())
	}
	return w, err
}

// release gives up the reserve, if there is one.
func (d *disk) release() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := os.Remove(d.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	d.held.Store(false)
	return nil
}

// wanted is below how many free bytes the disk counts as nearly full. What the reserve gave up is not for others.
func (d *disk) wanted(s space) int64 {
	if d.held.Load() {
		return s.low()
	}
	return s.low() + s.reserve()
}

// admit refuses a change while the disk is nearly full, unless it only takes authority away. For those it makes room.
func (d *disk) admit(reduces bool) error {
	s, err := d.look(d.directory)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The free space of the disk is not known. Try again.")
	}
	failed := d.writeFailed()
	switch {
	case !failed && s.free >= d.wanted(s):
		return nil
	case !reduces:
		return fault.New(fault.Unavailable, fmt.Sprintf(
			"The disk of the server is nearly full: %d bytes are free, %d should be. Until there is room, only changes that take "+
				"authority away are made.", s.free, d.wanted(s)))
	case failed || s.full():
		if err := d.release(); err != nil {
			return fault.Wrap(fault.Unavailable, err, "The disk of the server is full.")
		}
	}
	return nil
}

// ready fails while the disk is nearly full.
func (d *disk) ready(context.Context) error {
	s, err := d.look(d.directory)
	switch {
	case err != nil:
		return err
	case d.writeFailed():
		return fmt.Errorf("the last write found no room: %d bytes are free", s.free)
	case s.free < d.wanted(s):
		return fmt.Errorf("%d bytes are free, %d should be", s.free, d.wanted(s))
	}
	return nil
}

// keepReserve takes up the reserve again once there is room for it beside what changes need.
func (d *disk) keepReserve(context.Context) error {
	s, err := d.look(d.directory)
	if err != nil {
		return err
	}
	size := s.reserve()
	if d.held.Load() {
		return nil
	}
	if s.free < s.low()+size {
		return nil // the disk check says so
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	err = fillFile(d.path, size)
	d.held.Store(err == nil)
	return err
}

// fillFile makes a file that has its room on the disk, or none.
func fillFile(path string, size int64) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = allocate(f, size)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// writeZeros takes up room where nothing quicker does.
func writeZeros(f *os.File, size int64) error {
	chunk := make([]byte, 1<<20)
	for size > 0 {
		n, err := f.Write(chunk[:min(size, int64(len(chunk)))])
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}
