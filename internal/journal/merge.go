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
// is complete. The last sequences of all journals must be the same; lines of the others are added
// to it. An earlier sequence is added to the one that is the same, or else stands by itself before
// the sequences that came after it. The result belongs to no node.
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
		merged, err = mergeSequences(merged, runs)
		if err != nil {
			return nil, err
		}
	}
	var text []byte
	for i, r := range merged {
		rest := r
		if len(r) > 0 && r[0].startsSequence() {
			rest = r[1:]
		} else if i > 0 { // an earlier sequence of another journal was put before it
			text = append(text, RestoreMarker(0).Encode()...)
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

// mergeSequences adds the sequences of another journal to those of a journal. It goes backwards
// from the last ones.
func mergeSequences(merged, runs []sequence) ([]sequence, error) {
	at := len(merged) - 1
	last := len(runs) - 1
	if err := merged[at].checkSame(runs[last]); err != nil {
		return nil, err
	}
	merged[at] = merged[at].with(runs[last])
	for i := last - 1; i >= 0; i-- {
		r := runs[i]
		if !slices.ContainsFunc(r, func(l Line) bool { return l.Change > 0 }) {
			continue
		}
		same := at - 1
		for same >= 0 && !merged[same].isSame(r) {
			same--
		}
		if same >= 0 {
			merged[same] = merged[same].with(r)
			at = same
			continue
		}
		merged = slices.Insert(merged, at, r.apart())
	}
	return merged, nil
}

// with returns the sequence with the lines of another.
func (r sequence) with(other sequence) sequence {
	return append(r, slices.DeleteFunc(slices.Clone(other), Line.startsSequence)...)
}

// apart returns the sequence with a restore marker in the place of a start marker. The first
// journal says since when the result is complete, and not this sequence.
func (r sequence) apart() sequence {
	if len(r) == 0 || r[0].Marker != startMarker {
		return r
	}
	marker := RestoreMarker(r[0].Change)
	marker.ID = r[0].ID
	return append(sequence{marker}, r[1:]...)
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

// checkSame returns an error if two sequences differ: one began with a restore that the other does
// not have, or a change has another time or event. If it is unknown with which restore one of them
// began, they must have a change in common: the database may have been replaced without a restore.
func (r sequence) checkSame(other sequence) error {
	a, known := r.startEvent()
	b, otherKnown := other.startEvent()
	if known && otherKnown && a != b {
		return ErrOtherDatabase
	}
	common, differs := r.compare(other)
	if differs > 0 {
		return fmt.Errorf("change %d: %w", differs, ErrOtherDatabase)
	}
	from := max(r.startChange(), other.startChange())
	if (!known || !otherKnown) && !common && (r.hasEffects(from) || other.hasEffects(from)) {
		return fmt.Errorf("they have no change in common after change %d: %w", from, ErrOtherDatabase)
	}
	return nil
}

// isSame reports whether two earlier sequences are the same: they began with the same restore, or
// they have a change in common.
func (r sequence) isSame(other sequence) bool {
	a, known := r.startEvent()
	b, otherKnown := other.startEvent()
	common, differs := r.compare(other)
	if known && otherKnown {
		return a == b && differs == 0
	}
	return common && differs == 0
}

// compare reports whether two sequences have a change in common, apart from those up to the start
// of one of them. differs is a change that has another time or event; 0 for none.
func (r sequence) compare(other sequence) (common bool, differs int64) {
	times, events := map[int64]time.Time{}, map[int64]ident.EventID{}
	for _, l := range r {
		switch {
		case len(l.Effects) > 0:
			times[l.Change] = l.At.Truncate(time.Microsecond)
		case l.Marker == checkpointMarker && l.ID != "":
			events[l.Change] = l.ID
		}
	}
	from := max(r.startChange(), other.startChange())
	for _, l := range other {
		at, told := times[l.Change]
		id, checked := events[l.Change]
		told = told && l.Change > 0 && len(l.Effects) > 0
		checked = checked && l.Change > 0 && l.Marker == checkpointMarker && l.ID != ""
		if told && !at.Equal(l.At.Truncate(time.Microsecond)) || checked && id != l.ID {
			return common, l.Change
		}
		common = common || (told || checked) && l.Change > from
	}
	return common, 0
}

// startChange returns the change after which the sequence begins; 0 if unknown.
func (r sequence) startChange() int64 {
	if len(r) == 0 || !r[0].startsSequence() {
		return 0
	}
	return r[0].Change
}

// hasEffects reports whether the sequence has effects of a change after the given one.
func (r sequence) hasEffects(after int64) bool {
	return slices.ContainsFunc(r, func(l Line) bool { return len(l.Effects) > 0 && l.Change > after })
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
