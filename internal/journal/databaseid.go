package journal

import (
	"errors"
	"slices"
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

// Traces returns the last trace up to a change, for each sequence in a journal that has any change.
// It is the zero value for a sequence without a trace.
func Traces(journal []byte, upto int64) (traces []Trace, err error) {
	runs, err := sequencesOf(journal)
	for _, r := range runs {
		if !slices.ContainsFunc(r, func(l Line) bool { return l.Change > 0 }) {
			continue
		}
		var last Trace
		for _, l := range r {
			if l.Change <= upto && l.Change >= last.Change && (l.ID != "" || l.Change > 0 && len(l.Effects) > 0) {
				last = Trace{Change: l.Change, ID: l.ID, At: l.At}
			}
		}
		traces = append(traces, last)
	}
	return traces, err
}
