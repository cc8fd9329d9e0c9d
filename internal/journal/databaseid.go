package journal

import (
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
)

// ErrOtherBackup says that a journal belongs to another database than a backup.
var ErrOtherBackup = errors.New("the journal of revocations belongs to another database than the backup: " +
	"give the journals of the nodes that last ran on the database that was backed up")

// Trace is a change that identifies the database of a journal. The journal knows the event of the
// change, or only its time; then ID is "".
type Trace struct {
	Change int64
	ID     ident.EventID
	At     time.Time
}

// Of reports whether the trace matches a change as a database has it.
func (t Trace) Of(id ident.EventID, at time.Time) bool {
	if t.ID != "" {
		return t.ID == id
	}
	return t.At.Truncate(time.Microsecond).Equal(at.Truncate(time.Microsecond))
}

// Traces returns the last trace up to a change, for each sequence of changes in a journal; the zero
// value for a sequence without one.
func Traces(journal []byte, upto int64) ([]Trace, error) {
	runs, err := sequencesOf(journal)
	traces := make([]Trace, len(runs))
	for i, r := range runs {
		for _, l := range r {
			if l.Change <= upto && l.Change >= traces[i].Change && (l.ID != "" || l.Change > 0 && len(l.Effects) > 0) {
				traces[i] = Trace{Change: l.Change, ID: l.ID, At: l.At}
			}
		}
	}
	return traces, err
}
