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

	"github.com/claviger-dev/claviger/internal/fault"
)

// reserveFile is a file in the data directory that reserves disk space. It is removed when the disk
// is full, so that revocations still find room.
const reserveFile = "reserve"

const (
	// lowSpace is the number of free bytes below which a change is refused, unless it only revokes.
	// reserveSize is how many bytes are reserved for those that do. On a small disk each is at most
	// 1/smallPart of the disk.
	lowSpace    = 64 << 20
	reserveSize = 16 << 20
	smallPart   = 16
)

// space is the number of free bytes of a disk, and its size.
type space struct{ free, total int64 }

// spaceOf returns the space of the disk of a directory, as far as this process may use it.
func spaceOf(directory string) (space, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(directory, &s); err != nil {
		return space{}, err
	}
	return space{free: int64(s.Bavail) * int64(s.Bsize), total: int64(s.Blocks) * int64(s.Bsize)}, nil
}

// spaceFunc returns look if it is set, else spaceOf.
func spaceFunc(look func(string) (free, total int64, err error)) func(string) (space, error) {
	if look == nil {
		return spaceOf
	}
	return func(directory string) (s space, err error) {
		s.free, s.total, err = look(directory)
		return s, err
	}
}

// low returns the number of free bytes below which the disk is nearly full.
func (s space) low() int64 { return min(lowSpace, s.total/smallPart) }

// reserve returns how many bytes are reserved for revocations.
func (s space) reserve() int64 { return min(reserveSize, s.total/smallPart) }

// full reports whether a change may not find the room that it needs.
func (s space) full() bool { return s.free < s.reserve()/4 }

// disk watches the free space on the disk of the data directory.
type disk struct {
	directory string
	path      string
	look      func(directory string) (space, error)
	// writeFailed reports whether the database's last write found no room. A quota is seen only so.
	writeFailed func() bool

	mu sync.Mutex // guards the reserve file
	// held is set while the reserve file exists.
	held atomic.Bool
}

// openDisk releases the reserve if the disk is full already, since a start needs room too.
func openDisk(d dataDir, look func(string) (free, total int64, err error),
	writeFailed func() bool,
) (*disk, error) {
	w := &disk{
		directory: d.path, path: d.file(reserveFile), look: spaceFunc(look), writeFailed: writeFailed,
	}
	s, err := w.look(w.directory)
	if err == nil && s.full() {
		err = w.release()
	}
	if info, missing := os.Stat(w.path); missing == nil {
		w.held.Store(info.Size() >= s.reserve())
	}
	return w, err
}

// release removes the reserve file, if it exists.
func (d *disk) release() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := os.Remove(d.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	d.held.Store(false)
	return nil
}

// wanted returns the number of free bytes below which the disk is nearly full. Space that the
// reserve released is not for other changes.
func (d *disk) wanted(s space) int64 {
	if d.held.Load() {
		return s.low()
	}
	return s.low() + s.reserve()
}

// admit refuses a change while the disk is nearly full, unless it only revokes (reduces is set):
// for those it releases the reserve.
func (d *disk) admit(reduces bool) error {
	s, err := d.look(d.directory)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The free space of the disk is not known. Try again.")
	}
	failed := d.writeFailed()
	switch {
	case !failed && s.free >= d.wanted(s):
		return nil
	case !reduces && s.free >= d.wanted(s): // a quota, or the disk of another machine
		return fault.New(fault.Unavailable,
			"The last write to the database found no room: its disk or its quota is full. Until there is "+
				"room, only changes that take authority away are made.")
	case !reduces:
		return fault.New(fault.Unavailable, fmt.Sprintf(
			"The disk of the server is nearly full: %d bytes are free, %d should be. Until there is room, "+
				"only changes that take authority away are made.", s.free, d.wanted(s)))
	case failed || s.full():
		if err := d.release(); err != nil {
			return fault.Wrap(fault.Unavailable, err, "The disk of the server is full.")
		}
	}
	return nil
}

// ready returns an error while the disk is nearly full. It is a check of readyz.
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

// keepReserve creates the reserve file again once the disk has room for it and for changes. It is a
// job.
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

// fillFile creates a file whose space is allocated on the disk. If that fails, it leaves no file.
func fillFile(path string, size int64) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	err = allocate(f, size)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// writeZeros allocates space by writing. It is used where the file system offers nothing quicker.
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
