package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
)

const (
	// CompactAt is the size, in bytes, at which a journal is compacted for the first time.
	CompactAt = 16 << 20
	// changesPerRead is how many changes CatchUp reads at a time.
	changesPerRead = 1000
	// maxLockedCopy is how much of the lines appended during a compaction may be copied under the
	// lock, in bytes.
	maxLockedCopy = 16 << 10
)

// Trail is the audit trail, from which a journal reads what it is missing.
type Trail interface {
	// LastChange returns the number of the last change.
	LastChange(ctx context.Context) (int64, error)
	// EffectsAfter returns the changes after a change, in order. With an error it returns the
	// changes before the one that failed.
	EffectsAfter(ctx context.Context, change int64, limit int) ([]Change, error)
}

// File is the journal of a process. No other process writes its file. The effects of a revocation
// are on disk before the revocation is answered ([File.Note]). The journal reads from the audit
// trail ([File.CatchUp]) what was committed and not noted: the process may have ended in between,
// or another node made the change.
//
// A journal never loses the latest effect on an object. When the file has grown to twice its
// compact size, [File.Compact] writes a compact copy beside it while changes are still noted in the
// old file. Then it appends what was noted meanwhile and renames the copy. A process that is killed
// in between leaves one of the two files, and both are complete.
type File struct {
	path string
	// compactAt is the smallest size that is compacted.
	compactAt int64
	now       func() time.Time
	// onStep is called at each step of a compaction. An error stops the compaction there. For
	// tests.
	onStep func(name string) error

	catchUpLock, compactLock sync.Mutex // each serializes one operation

	mu   sync.Mutex
	file *os.File
	// size of the complete lines. compacted is the size after the last compaction; 0 if there was
	// none.
	size, compacted int64
	// checkpointAt is the change up to which everything is written. id is the event of that change;
	// "" if unknown. noted are later changes that are already written.
	checkpointAt int64
	id           ident.EventID
	noted        map[int64]bool
	// node is the node that writes this journal. alive are the live nodes that it names.
	node  Node
	alive []Node
	// unknown is the error of the last CatchUp if it met effects that this version does not know.
	unknown error
	// failed is set once the content of the disk is unknown.
	failed error
}

// Open opens a journal or creates it. It removes an incomplete last line.
func Open(path string, now func() time.Time) (*File, error) { return open(path, now, CompactAt) }

func open(path string, now func() time.Time, compactAt int64) (j *File, err error) {
	j = &File{
		path: path, now: now, compactAt: compactAt, onStep: func(string) error { return nil },
		noted: map[int64]bool{},
	}
	if err := os.Remove(j.newPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	j.file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	var p progress
	j.size, err = eachRawLine(j.file, p.applyMarker)
	if err == nil {
		err = j.file.Truncate(j.size)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), j.file.Close())
	}
	j.checkpointAt = p.checkpointAt
	j.id = p.id
	j.alive = p.alive
	if len(p.own) > 0 {
		j.node = p.own[0]
	}
	return j, nil
}

// Node returns the node that writes this journal; the zero value if none was set yet.
func (j *File) Node() Node {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.node
}

// SetNode records the node that writes this journal from now on.
func (j *File) SetNode(node Node) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.append(Line{Marker: nodeMarker, Nodes: []Node{node}}); err != nil {
		return err
	}
	j.node = node
	return nil
}

// SetAliveNodes records the live nodes if they changed. The next [File.CatchUp] must find the
// changes of nodes that are no longer live: read the nodes before it begins, and record them when
// it is done.
func (j *File) SetAliveNodes(nodes []Node) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if slices.Equal(nodes, j.alive) {
		return nil
	}
	if err := j.append(Line{Marker: nodesMarker, Nodes: nodes}); err != nil {
		return err
	}
	j.alive = slices.Clone(nodes)
	return nil
}

// newPath is the path of the file that a compaction writes.
func (j *File) newPath() string { return j.path + ".new" }

// Close closes the file. It waits for a compaction.
func (j *File) Close() error {
	if j == nil {
		return nil
	}
	j.compactLock.Lock()
	defer j.compactLock.Unlock()
	return j.file.Close()
}

// Ready returns an error while there are changes whose effects this version does not know, and once
// the content of the disk is unknown.
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
	if c.Number <= j.checkpointAt { // CatchUp wrote it meanwhile
		return nil
	}
	if err := j.append(l); err != nil { // a later CatchUp writes it
		return err
	}
	j.noted[c.Number] = true
	return nil
}

// append writes lines. The caller holds the lock.
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
	if err != nil {
		err = fmt.Errorf("journal of revocations: %w", err)
		if cut := j.file.Truncate(j.size); cut != nil { // an incomplete line must not come before others
			j.failed = errors.Join(err, cut)
		}
		return err
	}
	j.size += int64(len(text))
	return nil
}

// CatchUp reads from the audit trail what the journal may be missing. If the trail is not the one
// that the journal followed, the database was replaced without a restore, and the journal starts
// again. It holds no lock while it waits for the database.
func (j *File) CatchUp(ctx context.Context, from Trail) error {
	j.catchUpLock.Lock()
	defer j.catchUpLock.Unlock()
	last, err := from.LastChange(ctx)
	if err != nil {
		return err
	}
	if upto, _ := j.position(); last < upto {
		return j.restart(ctx, from, last)
	}
	for {
		upto, id := j.position()
		if upto >= last { // also changes that were committed after LastChange returned
			return j.setUnknown(nil)
		}
		changes, err := from.EffectsAfter(ctx, max(upto-1, 0), changesPerRead+1)
		if len(changes) == 0 {
			return j.setUnknown(err)
		}
		if upto > 0 { // the first change is the last one that is already here
			if changes[0].Number != upto || id != "" && changes[0].ID != id {
				return j.restart(ctx, from, last)
			}
			changes = changes[1:]
		}
		if err := errors.Join(j.appendChanges(changes, last), err); err != nil || len(changes) == 0 {
			return j.setUnknown(err)
		}
	}
}

func (j *File) position() (upto int64, id ident.EventID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.checkpointAt, j.id
}

// setUnknown records whether err is an unknown effect, and returns err.
func (j *File) setUnknown(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.unknown = nil
	if errors.Is(err, audit.ErrUnknownEffect) {
		j.unknown = err
	}
	return err
}

// appendChanges writes the effects of the changes, except those that were noted.
func (j *File) appendChanges(changes []Change, last int64) error {
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
		lines = append(lines, Line{Marker: checkpointMarker, Change: end.Number, ID: end.ID})
	}
	if err := j.append(lines...); err != nil {
		return err
	}
	j.checkpointAt, j.id = end.Number, end.ID
	for _, c := range changes {
		delete(j.noted, c.Number)
	}
	return nil
}

// restart writes that earlier changes may be missing, and continues after the last change.
func (j *File) restart(ctx context.Context, from Trail, last int64) error {
	end := Change{Number: last}
	if last > 0 {
		changes, err := from.EffectsAfter(ctx, last-1, 1)
		if err != nil {
			return j.setUnknown(err)
		}
		if len(changes) > 0 {
			end = changes[0]
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.append(StartMarker(j.now(), end.Number),
		Line{Marker: checkpointMarker, Change: end.Number, ID: end.ID}); err != nil {
		return err
	}
	j.checkpointAt = end.Number
	j.id = end.ID
	j.unknown = nil
	clear(j.noted)
	return nil
}

// Compact compacts the journal if it has grown to twice its compact size. Changes are noted
// meanwhile; only the last of them are copied under the lock. A failed compaction leaves the
// journal unchanged. If it is then unknown which of the two files is on disk, no more changes are
// noted.
func (j *File) Compact(ctx context.Context) error {
	j.compactLock.Lock()
	defer j.compactLock.Unlock()
	j.mu.Lock()
	old := j.file
	size := j.size
	due := j.size > max(j.compactAt, 2*j.compacted)
	j.mu.Unlock()
	if !due {
		return nil
	}
	fresh, err := os.OpenFile(j.newPath(), os.O_CREATE|os.O_TRUNC|os.O_RDWR|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err == nil {
		err = j.rewrite(ctx, old, size, fresh)
		if err != nil && !j.isCurrent(fresh) {
			err = errors.Join(err, fresh.Close(), os.Remove(j.newPath()))
		}
	}
	if err != nil {
		return fmt.Errorf("compaction of the journal of revocations: %w", err)
	}
	return nil
}

func (j *File) isCurrent(file *os.File) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.file == file
}

func (j *File) rewrite(ctx context.Context, old *os.File, size int64, fresh *os.File) error {
	if err := j.onStep("begun"); err != nil {
		return err
	}
	if err := compact(ctx, io.NewSectionReader(old, 0, size), fresh); err != nil {
		return err
	}
	info, err := fresh.Stat()
	if err != nil {
		return err
	}
	if err := j.onStep("rewritten"); err != nil {
		return err
	}
	copied := size
	for tail := j.length() - copied; tail > maxLockedCopy; tail = j.length() - copied {
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

// swap replaces the old file by the new one, after it copied what was appended to the old file
// meanwhile.
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
	err = errors.Join(err, fresh.Sync())
	if err != nil {
		return err
	}
	if err := j.onStep("copied"); err != nil {
		return err
	}
	if err := os.Rename(j.newPath(), j.path); err != nil {
		return err
	}
	j.file = fresh
	j.size = info.Size()
	j.compacted = compacted
	err = errors.Join(j.onStep("renamed"), syncDir(filepath.Dir(j.path)))
	if err != nil { // after a power cut the old file may be back, without what is appended from now on
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
