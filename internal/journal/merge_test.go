package journal

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
)

func textOf(lines ...Line) (text []byte) {
	for _, l := range lines {
		text = append(text, l.Encode()...)
	}
	return text
}

func mustMerge(t rapid.TB, first []byte, others ...[]byte) *State {
	t.Helper()
	text, err := Merge(first, others...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Read(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return s
}

// keyLine returns the line of a change of a key.
func keyLine(kind audit.EffectKind, change int64) Line {
	at := noon.Add(time.Duration(change) * time.Minute)
	return Line{Change: change, At: at, Effects: []audit.Effect{{Kind: kind, Tenant: "ten_1", Key: "key_1"}}}
}

// Each node writes its own changes at once, and those of the others later or never.
func TestMergedJournalsSayWhatOneOfEverythingSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all, here, there []Line
		// with what a backup from before this change had
		restored := int64(rapid.IntRange(2, 6).Draw(t, "restored"))
		for change := int64(1); change <= 12; change++ {
			l := keyLine(rapid.SampledFrom([]audit.EffectKind{audit.EffectKeyDisabled, audit.EffectKeyEnabled}).Draw(t,
				"kind"), change)
			if change == restored {
				l = RestoreMarker(change)
				l.ID = "evt_restored"
			}
			all = append(all, l)
			who := rapid.SampledFrom([]string{"here", "there", "both"}).Draw(t, "who")
			if who != "there" || l.Marker != "" {
				here = append(here, l)
			}
			if who != "here" || l.Marker != "" {
				there = append(there, l)
			}
		}
		i := rapid.IntRange(0, len(here)-1).Draw(t, "late") // a line of another node, written late
		if l := here[i]; l.Marker == "" && l.Change > restored {
			here = append(slices.Delete(here, i, i+1), l)
		}
		want, err := Read(bytes.NewReader(textOf(all...)))
		if err != nil {
			t.Fatal(err)
		}
		for _, texts := range [][2][]byte{{textOf(here...), textOf(there...)}, {textOf(there...), textOf(here...)}} {
			got := mustMerge(t, texts[0], texts[1])
			want.Lines, got.Lines = 0, 0
			if diff := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func TestOfThreeJournalsTheOneThatIsCompleteSaysSinceWhen(t *testing.T) {
	node := Line{Marker: nodeMarker, Nodes: []Node{{ID: "node_1"}}}
	shared := keyLine(audit.EffectKeyDisabled, 5)
	whole := textOf(node, keyLine(audit.EffectKeyDisabled, 3), shared, Checkpoint(5))
	late := textOf(StartMarker(noon, 4), shared, keyLine(audit.EffectKeyEnabled, 6), Checkpoint(7))
	empty := textOf()
	s := mustMerge(t, whole, late, empty)
	if !s.Begin.IsZero() || s.After != 0 || s.Checkpoint != 7 || s.keys["key_1"].disabled || s.Node != (Node{}) {
		t.Errorf("%+v, disabled %t", s, s.keys["key_1"].disabled)
	}
}

func TestJournalsThatContradictEachOtherAreOfDifferentDatabases(t *testing.T) {
	restored := RestoreMarker(5)
	restored.ID = "evt_a"
	other := restored
	other.ID = "evt_b"
	begun := StartMarker(noon, 5)
	begun.ID = "evt_a"
	moved := keyLine(audit.EffectKeyDisabled, 7)
	moved.At = moved.At.Add(time.Second)
	marked := func(id ident.EventID) Line { return Line{Marker: checkpointMarker, Change: 8, ID: id} }
	for i, c := range []struct {
		first, second []byte
		good          bool
	}{
		{textOf(restored), textOf(begun), true},
		{textOf(restored), textOf(StartMarker(noon, 6)), true}, // its beginning is unknown
		{textOf(restored), textOf(other), false},
		{textOf(restored), textOf(keyLine(audit.EffectKeyDisabled, 7)), false}, // the sequence before the restore
		{textOf(keyLine(audit.EffectKeyDisabled, 7)), textOf(keyLine(audit.EffectKeyDisabled, 7)), true},
		{textOf(keyLine(audit.EffectKeyDisabled, 7)), textOf(moved), false},
		{textOf(marked("evt_1")), textOf(marked("evt_1")), true},
		{textOf(marked("evt_1")), textOf(marked("evt_2")), false},
	} {
		for turn, texts := range [][2][]byte{{c.first, c.second}, {c.second, c.first}} {
			if _, err := Merge(texts[0], texts[1]); (err == nil) != c.good || err != nil && !errors.Is(err,
				ErrOtherDatabase) {
				t.Errorf("%s: %v", fmt.Sprint(i, ".", turn), err)
			}
		}
	}
	if _, err := Merge(textOf(restored), []byte("no journal\n")); err == nil || errors.Is(err, ErrOtherDatabase) {
		t.Errorf("no journal: %v", err)
	}
}

// A backup from before a compaction can still be compared with the journal.
func TestACompactJournalStillIdentifiesItsDatabase(t *testing.T) {
	checkpoint := func(change int64, id ident.EventID) Line {
		return Line{Marker: checkpointMarker, Change: change, ID: id}
	}
	long := textOf(checkpoint(1, "evt_1"), keyLine(audit.EffectKeyDisabled, 2), checkpoint(3, "evt_3"),
		keyLine(audit.EffectKeyEnabled, 5), RestoreMarker(4), checkpoint(5, "evt_5"),
		keyLine(audit.EffectKeyDisabled, 6), keyLine(audit.EffectKeyEnabled, 8), checkpoint(9, "evt_9"))
	var once, twice bytes.Buffer
	if err := compact(t.Context(), bytes.NewReader(long), &once); err != nil {
		t.Fatal(err)
	}
	if err := compact(t.Context(), bytes.NewReader(once.Bytes()), &twice); err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{once.Bytes(), twice.Bytes()} {
		traces, err := Traces(text, 7)
		want := []Trace{{Change: 1, ID: "evt_1"}, {Change: 5, ID: "evt_5"}}
		if diff := cmp.Diff(want, traces); err != nil || diff != "" {
			t.Errorf("%v: traces (-want +got):\n%s\n%s", err, diff, text)
		}
	}
}

// The database of a node was replaced at change 100, without a restore. The node started its
// journal again, and disabled the key. Another node was stopped before: its last sequence is that
// of the database that is gone.
func TestTheJournalOfADatabaseThatWasReplacedIsNotMerged(t *testing.T) {
	before := keyLine(audit.EffectKeyEnabled, 50)
	disabled := keyLine(audit.EffectKeyDisabled, 120)
	replaced := textOf(before, StartMarker(noon, 100),
		Line{Marker: checkpointMarker, Change: 100, ID: "evt_100"}, disabled, Checkpoint(130))
	stopped := textOf(before, Line{Marker: checkpointMarker, Change: 100, ID: "evt_100"},
		keyLine(audit.EffectKeyEnabled, 150), Checkpoint(200))
	unused := textOf(before, keyLine(audit.EffectKeyDisabled, 160), StartMarker(noon, 100))
	joined := textOf(before, disabled, Checkpoint(140))
	for _, texts := range [][2][]byte{{replaced, stopped}, {stopped, replaced}, {unused, stopped}, {stopped, unused}} {
		if text, err := Merge(texts[0], texts[1]); !errors.Is(err, ErrOtherDatabase) {
			t.Errorf("%v, merged into\n%s", err, text)
		}
	}
	for _, texts := range [][2][]byte{{replaced, joined}, {joined, replaced}} { // of a node that started later
		if s := mustMerge(t, texts[0], texts[1]); !s.keys["key_1"].disabled || s.Checkpoint != 140 {
			t.Errorf("disabled %t, up to %d", s.keys["key_1"].disabled, s.Checkpoint)
		}
	}
}

// Two restores after another: a node that joined after the second one does not have what the first
// one brought. The key was enabled, and later, after the first restore, disabled.
func TestEarlierSequencesOfJournalsAreMergedWithThoseThatAreTheSame(t *testing.T) {
	marker := func(l Line, id ident.EventID) Line { l.ID = id; return l }
	start := keyLine(audit.EffectKeyEnabled, 10)
	first := textOf(start, keyLine(audit.EffectKeyEnabled, 100))
	second := textOf(marker(RestoreMarker(51), "evt_1"), keyLine(audit.EffectKeyDisabled, 60))
	user := keyLine(audit.EffectKeyRevoked, 35)
	user.Effects = []audit.Effect{{Kind: audit.EffectUserDeleted, User: "usr_1"}}
	whole := slices.Concat(first, second, textOf(marker(RestoreMarker(31), "evt_2"), user, Checkpoint(40)))
	joined := textOf(start, marker(StartMarker(noon, 31), "evt_2"), user, Checkpoint(41))
	stopped := slices.Concat(first, textOf(StartMarker(noon, 33), user, Checkpoint(38)))
	for name, texts := range map[string][][]byte{
		"a node that joined": {whole, joined}, "a node that was stopped": {whole, stopped},
		"first a node that joined": {joined, whole}, "first a node that was stopped": {stopped, whole},
		"all": {stopped, joined, whole}, "all, the other way round": {whole, joined, stopped},
	} {
		s := mustMerge(t, texts[0], texts[1:]...)
		if !s.keys["key_1"].disabled || !s.users["usr_1"].deleted || s.Checkpoint < 40 {
			t.Errorf("%s: disabled %t, deleted %t, up to %d", name, s.keys["key_1"].disabled, s.users["usr_1"].deleted,
				s.Checkpoint)
		}
		complete := bytes.Equal(texts[0], whole)
		if s.Begin.IsZero() != complete {
			t.Errorf("%s: it begins at %s", name, s.Begin)
		}
	}
}
