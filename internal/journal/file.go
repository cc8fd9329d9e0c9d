package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
)

const (
	// CompactAt is the size at which a journal is compacted for the first time, in bytes.
	CompactAt = 16 << 20
	// page is how many changes are read at a time where the journal has to catch up.
	page = 1000
	// tailAtOnce is how much of what was appended during a compaction is copied under the lock, in bytes.
	tailAtOnce = 16 << 10
)

// Trail is the audit trail, from which a journal learns what it lacks.
type Trail interface {
	// LastChange returns the number of the last change.
	LastChange(ctx context.Context) (int64, error)
	// EffectsAfter lists the changes after one, in their order. Beside an error it returns those before the change that it failed at.
	EffectsAfter(ctx context.Context, change int64, limit int) ([]Change, error)
}

// File is the journal of a process, in a file that no other process writes. It is written and on disk before a revocation is answered ([File.Note]). What was
// committed and not noted, as when the process ended in between or another node made the change, it reads from the audit trail ([File.CatchUp]).
//
// A journal drops nothing that has the last word on something. When it has grown to twice its compact size it is written anew beside the old file
// ([File.Compact]), while changes are noted in the old one. What was noted meanwhile is copied behind it, and the new file takes the name of the old one. A process
// that is killed in between leaves one or the other, and both are complete.
type File struct {
	path string
	// compactAt is the least size that is compacted.
	compactAt int64
	now       func() time.Time
	// step is called at each step of a compaction; an error ends it there. For tests.
	step func(name string) error

	catching, compacting sync.Mutex // one at a time

	mu   sync.Mutex
	file *os.File
	// size of the whole lines, and what it was when the file was last compacted; 0 where it was not.
	size, compacted int64
	// upto is the last change up to which everything is there, and id is its event, "" where that is not known. noted are later changes that are there, too.
	upto  int64
	id    ident.EventID
	noted map[int64]bool
	// unknown is why the last catching up stopped before a change; nil where it did not.
	unknown error
	// failed is set once it is not known what is on disk.
	failed error
}

// Open opens a journal, or begins one. What a power cut left of a last line is cut off.
func Open(path string, now func() time.Time) (*File, error) { return open(path, now, CompactAt) }

func open(path string, now func() time.Time, compactAt int64) (j *File, err error) {
	j = &File{path: path, now: now, compactAt: compactAt, step: func(string) error { return nil }, noted: map[int64]bool{}}
	if err := os.Remove(j.beside()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if j.file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	var p progress
	j.size, err = eachText(j.file, p.takeMarker)
	if err == nil {
		err = j.file.Truncate(j.size)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), j.file.Close())
	}
	j.upto, j.id = p.upto, p.id
	return j, nil
}

// beside is the path of what a compaction writes.
func (j *File) beside() string { return j.path + ".new" }

// Close closes the file, and waits for a compaction under way.
func (j *File) Close() error {
	if j == nil {
		return nil
	}
	j.compacting.Lock()
	defer j.compacting.Unlock()
	return j.file.Close()
}

// Ready fails while there are changes whose effects this version does not know, and once it is not known what is on disk.
func (j *File) Ready(context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(j.unknown, j.failed)
}

// Note writes the effects of a change. They are on disk when it returns.
func (j *File) Note(c Change) error {
	l, ok := LineOf(c)
	if !ok {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if c.Number <= j.upto { // caught up with meanwhile
		return nil
	}
	j.noted[c.Number] = true
	return j.append(l)
}

// append writes lines; the lock is held.
func (j *File) append(lines ...Line) error {
	if j.failed != nil {
		return j.failed
	}
	var text []byte
	for _, l := range lines {
		text = append(text, l.Encode()...)
	}
	_, err := j.file.Write(text)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil { // half a line must not come before others
		return fmt.Errorf("journal of revocations: %w", errors.Join(err, j.file.Truncate(j.size)))
	}
	j.size += int64(len(text))
	return nil
}

// CatchUp reads from the audit trail what the journal may lack. Where the trail is another one than it was, the database was put there by other means than a
// restore, and the journal begins anew. It holds no lock while it waits for the database.
func (j *File) CatchUp(ctx context.Context, from Trail) error {
	j.catching.Lock()
	defer j.catching.Unlock()
	last, err := from.LastChange(ctx)
	if err != nil {
		return err
	}
	if upto, _ := j.reached(); last < upto {
		return j.beginAnew(ctx, from, last)
	}
	for {
		upto, id := j.reached()
		if upto >= last { // also what was committed since the last change was asked for
			return j.known(nil)
		}
		changes, err := from.EffectsAfter(ctx, max(upto-1, 0), page+1)
		if len(changes) == 0 {
			return j.known(err)
		}
		if upto > 0 { // the first is the last of before
			if changes[0].Number != upto || id != "" && changes[0].ID != id {
				return j.beginAnew(ctx, from, last)
			}
			changes = changes[1:]
		}
		if err := errors.Join(j.take(changes, last), err); err != nil || len(changes) == 0 {
			return j.known(err)
		}
	}
}

func (j *File) reached() (upto int64, id ident.EventID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.upto, j.id
}

// known remembers whether an effect was unknown, and returns the error as it is.
func (j *File) known(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.unknown = nil
	if errors.Is(err, audit.ErrUnknownEffect) {
		j.unknown = err
	}
	return err
}

// take writes what the changes took away, but for what was noted.
func (j *File) take(changes []Change, last int64) error {
	if len(changes) == 0 {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var lines []Line
	for _, c := range changes {
		if l, ok := LineOf(c); ok && !j.noted[c.Number] {
			lines = append(lines, l)
		}
	}
	end := changes[len(changes)-1]
	if len(lines) > 0 || end.Number >= last {
		lines = append(lines, Line{Marker: checkpoint, Change: end.Number, ID: end.ID})
	}
	if err := j.append(lines...); err != nil {
		return err
	}
	j.upto, j.id = end.Number, end.ID
	for _, c := range changes {
		delete(j.noted, c.Number)
	}
	return nil
}

// beginAnew says that what was before now may be missing, and goes on from the last change.
func (j *File) beginAnew(ctx context.Context, from Trail, last int64) error {
	end := Change{Number: last}
	if last > 0 {
		changes, err := from.EffectsAfter(ctx, last-1, 1)
		if err != nil {
			return j.known(err)
		}
		if len(changes) > 0 {
			end = changes[0]
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.append(StartMarker(j.now()), Line{Marker: checkpoint, Change: end.Number, ID: end.ID}); err != nil {
		return err
	}
	j.upto, j.id, j.unknown = end.Number, end.ID, nil
	clear(j.noted)
	return nil
}

// Compact writes the journal anew where it has grown to twice its compact size. Changes are noted meanwhile; only what was noted last is copied under the lock.
// A compaction that fails leaves the journal as it was, unless the disk does not say which of the two files it has: then nothing more is noted.
func (j *File) Compact(ctx context.Context) error {
	j.compacting.Lock()
	defer j.compacting.Unlock()
	j.mu.Lock()
	old, size, due := j.file, j.size, j.size > max(j.compactAt, 2*j.compacted)
	j.mu.Unlock()
	if !due {
		return nil
	}
	fresh, err := os.OpenFile(j.beside(), os.O_CREATE|os.O_TRUNC|os.O_RDWR|os.O_APPEND, 0o600)
	if err == nil {
		err = j.rewrite(ctx, old, size, fresh)
		if err != nil && !j.uses(fresh) {
			err = errors.Join(err, fresh.Close(), os.Remove(j.beside()))
		}
	}
	if err != nil {
		return fmt.Errorf("compaction of the journal of revocations: %w", err)
	}
	return nil
}

func (j *File) uses(file *os.File) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.file == file
}

func (j *File) rewrite(ctx context.Context, old *os.File, size int64, fresh *os.File) error {
	if err := j.step("begun"); err != nil {
		return err
	}
	if err := compact(ctx, io.NewSectionReader(old, 0, size), fresh); err != nil {
		return err
	}
	info, err := fresh.Stat()
	if err != nil {
		return err
	}
	if err := j.step("rewritten"); err != nil {
		return err
	}
	copied := size
	for tail := j.length() - copied; tail > tailAtOnce; tail = j.length() - copied {
		if _, err := io.Copy(fresh, io.NewSectionReader(old, copied, tail)); err != nil {
			return err
		}
		copied += tail
	}
	if err := fresh.Sync(); err != nil { // so that there is little to wait for under the lock
		return err
	}
	return j.swap(old, copied, fresh, info.Size())
}

func (j *File) length() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size
}

// swap puts the new file in the place of the old one, with what was appended to that meanwhile.
func (j *File) swap(old *os.File, copied int64, fresh *os.File, compacted int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed != nil {
		return j.failed
	}
	if _, err := io.Copy(fresh, io.NewSectionReader(old, copied, j.size-copied)); err != nil {
		return err
	}
	info, err := fresh.Stat()
	if err = errors.Join(err, fresh.Sync()); err != nil {
		return err
	}
	if err := j.step("copied"); err != nil {
		return err
	}
	if err := os.Rename(j.beside(), j.path); err != nil {
		return err
	}
	j.file, j.size, j.compacted = fresh, info.Size(), compacted
	err = errors.Join(j.step("renamed"), syncDir(filepath.Dir(j.path)))
	if err != nil { // a power cut may bring the old file back, which lacks what is appended from now on
		j.failed = fmt.Errorf("journal of revocations: it is not known which file is on disk: %w", err)
	}
	_ = old.Close() // everything was synced
	return j.failed
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
