package journal

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
)

// ErrOtherDatabase says that two journals belong to different databases.
var ErrOtherDatabase = errors.New("the journals belong to different databases: " +
	"leave out the journal of a node that was stopped before an earlier restore")

// sequence has the lines of one sequence of changes. Each but the first begins with the marker that
// started it.
type sequence []Line

// startsSequence reports whether the line starts a sequence.
func (l Line) startsSequence() bool { return l.Marker == startMarker || l.Marker == restoreMarker }

func sequencesOf(text []byte) (runs []sequence, err error) {
	runs = []sequence{nil}
	err = eachLine(bytes.NewReader(text), func(l Line) error {
		if l.startsSequence() {
			runs = append(runs, nil)
		}
		last := len(runs) - 1
		runs[last] = append(runs[last], l)
		return nil
	})
	return runs, err
}

// Merge returns a journal with the lines of all journals. The first one says since when the result
// is complete. Lines of the others are added to the sequence of their change: the last sequences of
// all journals are the same, and so are those before, as far as they go. The result belongs to no
// node.
func Merge(first []byte, others ...[]byte) ([]byte, error) {
	if len(others) == 0 {
		return withoutNodes(first)
	}
	merged, err := sequencesOf(first)
	if err != nil {
		return nil, err
	}
	for _, text := range others {
		runs, err := sequencesOf(text)
		if err != nil {
			return nil, err
		}
		if err := merged[len(merged)-1].checkSame(runs[len(runs)-1]); err != nil {
			return nil, err
		}
		for i, r := range runs {
			into := max(len(merged)-len(runs)+i, 0)
			merged[into] = append(merged[into], slices.DeleteFunc(slices.Clone(r), Line.startsSequence)...)
		}
	}
	var text []byte
	for _, r := range merged {
		rest := r
		if len(r) > 0 && r[0].startsSequence() {
			rest = r[1:]
		}
		slices.SortStableFunc(rest, func(a, b Line) int { return cmp.Compare(a.Change, b.Change) })
		for _, l := range r {
			if l.Marker != nodeMarker && l.Marker != nodesMarker {
				text = append(text, l.Encode()...)
			}
		}
	}
	return text, nil
}

// withoutNodes returns the complete lines of a journal except those about nodes.
func withoutNodes(journal []byte) (text []byte, err error) {
	of := []byte(`{"action":"` + string(nodeMarker)) // the marker of live nodes also begins so
	_, err = eachRawLine(bytes.NewReader(journal), func(line []byte) error {
		if !bytes.HasPrefix(line, of) {
			text = append(text, line...)
		}
		return nil
	})
	return text, err
}

// checkSame returns an error if two sequences are known to differ: one began with a restore that
// the other does not have, or a change has another time or event.
func (r sequence) checkSame(other sequence) error {
	if a, known := r.startEvent(); known {
		if b, known := other.startEvent(); known && a != b {
			return ErrOtherDatabase
		}
	}
	times, events := map[int64]time.Time{}, map[int64]ident.EventID{}
	for _, l := range r {
		switch {
		case len(l.Effects) > 0:
			times[l.Change] = l.At.Truncate(time.Microsecond)
		case l.Marker == checkpointMarker && l.ID != "":
			events[l.Change] = l.ID
		}
	}
	for _, l := range other {
		at, told := times[l.Change]
		id, checked := events[l.Change]
		if len(l.Effects) > 0 && told && !at.Equal(l.At.Truncate(time.Microsecond)) ||
			l.Marker == checkpointMarker && l.ID != "" && checked && id != l.ID {
			return fmt.Errorf("change %d: %w", l.Change, ErrOtherDatabase)
		}
	}
	return nil
}

// startEvent returns the event of the restore that began the sequence; "" for the first sequence of
// a database. It is unknown if the journal started again in between, and in journals of earlier
// versions.
func (r sequence) startEvent() (id ident.EventID, known bool) {
	if len(r) == 0 || !r[0].startsSequence() {
		return "", true
	}
	return r[0].ID, r[0].ID != ""
}
