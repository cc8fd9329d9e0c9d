package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/journal"
	"github.com/claviger-dev/claviger/internal/store"
)

// JournalFile remembers in the data directory what was revoked, for the restore of a backup that is older.
const JournalFile = "revocations.journal"

const (
	// maxJournal is how long the journal may grow before it is shortened, in bytes.
	maxJournal = 16 << 20
	// journalPage is how many events are read at a time where the journal has to catch up.
	journalPage = 1000
)

// revocations is the journal of the process. It is written and on disk before a revocation is answered; what was committed and not written, as when the process ended in between or another node made the
// change, is caught up with from the audit trail.
type revocations struct {
	path string
	max  int64

	mu   sync.Mutex
	file *os.File
	size int64
	// upto is the change up to which all is there; noted are those after it that are, too.
	upto  int64
	noted map[int64]bool
	// unread is why the last catching up stopped before a change; nil where it did not.
	unread error
}

// ready fails while there are changes whose effects this version does not know.
func (j *revocations) ready(context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.unread
}

// openRevocations opens the journal, or begins one. What a power cut left of a last line is cut off.
func openRevocations(path string) (*revocations, error) {
	j := &revocations{path: path, max: maxJournal, noted: map[int64]bool{}}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	whole := int64(bytes.LastIndexByte(text, '\n') + 1)
	state, err := journal.Read(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	j.upto = state.Upto
	if j.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	j.size = whole
	return j, j.file.Truncate(whole)
}

func (j *revocations) close() error {
	if j == nil {
		return nil
	}
	return j.file.Close()
}

// note writes an event that took authority away, or gave some back.
func (j *revocations) note(change int64, e audit.Event) error {
	l, ok := journal.LineOf(journal.Change{Number: change, At: e.At, Effects: e.Effects})
	if !ok {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if change <= j.upto { // caught up with meanwhile
		return nil
	}
	j.noted[change] = true
	return j.write(l)
}

func (j *revocations) write(lines ...journal.Line) error {
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
	if j.size += int64(len(text)); j.size > j.max {
		return j.shorten()
	}
	return nil
}

// catchUp reads from the audit trail what the journal may lack. A database that is behind the journal was put there by other means than a restore: from now on counts what it says.
func (j *revocations) catchUp(ctx context.Context, s *store.Store) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	last, err := s.LastChange(ctx)
	if err != nil {
		return err
	}
	if last < j.upto {
		j.upto = last
		return j.write(journal.StartMarker(s.Now()), journal.Checkpoint(last))
	}
	for last > j.upto {
		changes, readErr := s.EffectsAfter(ctx, j.upto, journalPage)
		if errors.Is(readErr, audit.ErrUnknownEffect) {
			j.unread = readErr
		}
		if len(changes) == 0 {
			return readErr
		}
		var lines []journal.Line
		for _, c := range changes {
			if l, ok := journal.LineOf(c); ok && !j.noted[c.Number] {
				lines = append(lines, l)
			}
			delete(j.noted, c.Number)
		}
		upto := changes[len(changes)-1].Number
		if len(lines) > 0 || upto == last {
			lines = append(lines, journal.Checkpoint(upto))
		}
		if err := j.write(lines...); err != nil {
			return err
		}
		j.upto = upto
		if readErr != nil {
			return readErr
		}
	}
	return nil
}

// shorten drops what says nothing any more and, where half of the journal is left all the same, its older part.
func (j *revocations) shorten() error {
	text, err := os.ReadFile(j.path)
	if err != nil {
		return err
	}
	if text, err = journal.Compact(text); err == nil && int64(len(text)) > j.max/2 {
		text, err = later(text)
	}
	if err != nil {
		return err
	}
	if err := WriteFile(j.path, text); err != nil {
		return err
	}
	fresh, err := openRevocations(j.path)
	if err != nil {
		return err
	}
	err = j.file.Close()
	j.file, j.size = fresh.file, fresh.size
	return err
}

// later gives the later half of a journal, and says since when it is whole.
func later(text []byte) ([]byte, error) {
	half := text[bytes.IndexByte(text[len(text)/2:], '\n')+len(text)/2+1:]
	dropped, err := journal.Read(bytes.NewReader(text[:len(text)-len(half)]))
	return append(journal.StartMarker(dropped.Latest).Encode(), half...), err
}
