package journal_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/journal"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// copied writes a copy of a journal as it is now into a directory, and returns its path.
func copied(t *testing.T, from, directory, name string) string {
	t.Helper()
	path := filepath.Join(directory, name)
	if err := os.WriteFile(path, testkit.Must[[]byte](t)(os.ReadFile(from)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// stateOf reads a journal.
func stateOf(t *testing.T, path string) *journal.State {
	t.Helper()
	f := testkit.Must[*os.File](t)(os.Open(path))
	defer f.Close()
	return testkit.Must[*journal.State](t)(journal.Read(f))
}

// What a node acknowledged right before everything was lost is in its own journal alone.
func TestARestoreAsksForTheJournalOfEveryNodeThatWasAlive(t *testing.T) {
	t.Parallel()
	p := testkit.StartTwoNodes(t, testkit.Direct)
	here, there := testkit.JournalPath(p.First.Config), testkit.JournalPath(p.Second.Config)
	for _, path := range []string{here, there} {
		testkit.Await(t, func() string {
			if len(stateOf(t, path).Alive) == 2 {
				return "both are known"
			}
			return ""
		})
	}
	b := testkit.Backup(t, p.First)
	dir := t.TempDir()
	first := copied(t, here, dir, "first.journal")
	if _, err := p.Second.As(p.First.Owner).RevokeKey(t.Context(), string(p.Tenant.ID), p.Key.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	second := copied(t, there, dir, "second.journal")
	missing := stateOf(t, second).Node

	c := testkit.RestoreTarget(t, p.First, testkit.Postgres)
	_, err := testkit.Restore(t, p.First, c, b, app.Restoring{Journals: []string{first}})
	if !errors.Is(err, app.ErrUncovered) || !strings.Contains(err.Error(), "node "+missing.ID+" on "+missing.Name) {
		t.Fatalf("without the journal of the other node: %v", err)
	}
	r, err := testkit.Restore(t, p.First, c, b, app.Restoring{Journals: []string{first}, WithoutJournal: true})
	if err != nil || r.Covered || len(r.Missing) != 1 || r.Missing[0] != missing {
		t.Fatalf("accepted: %+v, %v", r, err)
	}

	for _, journals := range [][]string{{first, second}, {second, first}, {dir}} {
		c := testkit.RestoreTarget(t, p.First, testkit.Postgres)
		r, err := testkit.Restore(t, p.First, c, b, app.Restoring{Journals: journals})
		if err != nil || !r.Covered || r.Revocations.Keys != 1 || len(r.Missing) != 0 {
			t.Errorf("%v: %+v, %v", journals, r, err)
		}
		if s := stateOf(t, testkit.JournalPath(c)); s.Node != (journal.Node{}) || !s.Begin.IsZero() {
			t.Errorf("the journal that is left is of %+v and begins at %s", s.Node, s.Begin)
		}
	}
	p.First.Move(c)
	if got := testkit.WhoamiCode(t, p.First.With(p.Key)); got != "" { // that was the place where the gap was accepted
		t.Errorf("the key is %q", got)
	}
}

func TestANodeThatStoppedIsNotAskedFor(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.Postgres)
	path := testkit.JournalPath(h.Config)
	first := stateOf(t, path)
	if len(first.Alive) != 1 || first.Alive[0] != first.Node {
		t.Fatalf("alone, it knows %+v", first.Alive)
	}
	c := testkit.SQLite.Config(t)
	c.RootSecret, c.Database = credential.NewSecret(string(testkit.Must[[]byte](t)(os.ReadFile(h.File("root.key"))))),
		h.Config.Database
	other, err := app.Start(t.Context(), c,
		app.Options{Log: telemetry.NewLogger(h.Log, slog.LevelDebug), Machine: h.Clock.Machine()})
	if err != nil {
		t.Fatal(err)
	}
	testkit.Await(t, func() string {
		if len(stateOf(t, path).Alive) == 2 {
			return "both are known"
		}
		return ""
	})
	if err := other.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.Await(t, func() string {
		if alive := stateOf(t, path).Alive; len(alive) == 1 && alive[0] == first.Node {
			return "alone again"
		}
		return ""
	})
	h.Restart()
	if again := stateOf(t, path); again.Node != first.Node || len(again.Alive) != 1 {
		t.Errorf("after a restart it is %+v and knows %+v", again.Node, again.Alive)
	}
}

func TestJournalsOfDifferentDatabasesAreRefused(t *testing.T) {
	t.Parallel()
	j := newJournaled(t, testkit.SQLite)
	j.Application(j.tenant, "Lost application")
	j.Restart() // with which the journal catches up
	stopped := copied(t, testkit.JournalPath(j.Config), t.TempDir(), "stopped.journal")
	c := testkit.RestoreTarget(t, j.Server, j.engine)
	if _, err := testkit.Restore(t, j.Server, c, j.backup,
		app.Restoring{Journals: []string{testkit.JournalPath(j.Config)}}); err != nil {
		t.Fatal(err)
	}
	j.Move(c)
	_, err := j.As(j.owner).RevokeKey(t.Context(), string(j.tenant.ID), j.key.Key.ID, "")
	testkit.ExpectCode(t, "revoke", err, "")
	b := testkit.Backup(t, j.Server)
	_, err = testkit.Restore(t, j.Server, testkit.RestoreTarget(t, j.Server, j.engine), b,
		app.Restoring{Journals: []string{testkit.JournalPath(c), stopped}, WithoutJournal: true})
	if !errors.Is(err, journal.ErrOtherDatabase) {
		t.Errorf("%v", err)
	}
}

// Two journals that end with the same change were not written at the same time: either may be the
// one that met a node last.
func TestOfJournalsThatEndWithTheSameChangeEachIsAskedWhoWasAlive(t *testing.T) {
	t.Parallel()
	j := newJournaled(t, testkit.SQLite)
	j.Restart() // with which the journal catches up
	dir := t.TempDir()
	first, second := copied(t, testkit.JournalPath(j.Config), dir, "first.journal"),
		copied(t, testkit.JournalPath(j.Config), dir, "second.journal")
	f := testkit.Must[*os.File](t)(os.OpenFile(second, os.O_APPEND|os.O_WRONLY, 0))
	testkit.Must[int](t)(f.WriteString(`{"action":"journal.nodes","nodes":[{"id":"0123456789abcdef","name":"third"}]}` +
		"\n"))
	testkit.NoError(t, f.Close())
	for _, journals := range [][]string{{first, second}, {second, first}} {
		_, err := testkit.Restore(t, j.Server, testkit.RestoreTarget(t, j.Server, j.engine), j.backup,
			app.Restoring{Journals: journals})
		if !errors.Is(err, app.ErrUncovered) || !strings.Contains(err.Error(), "node 0123456789abcdef on third") {
			t.Errorf("%v: %v", journals, err)
		}
	}
}

// A journal of another server, or of a time before an earlier restore, tells nothing of what was
// revoked after the backup, however far it goes.
func TestAJournalOfAnotherDatabaseThanTheBackupIsRefused(t *testing.T) {
	t.Parallel()
	j := newJournaled(t, testkit.SQLite)
	other := newJournaled(t, testkit.SQLite)
	for n := range 5 {
		other.Application(other.tenant, fmt.Sprintf("Application %d", n))
	}
	other.Restart() // with which the journal catches up
	for _, accepted := range []bool{false, true} {
		how := app.Restoring{Journals: []string{testkit.JournalPath(other.Config)}, WithoutJournal: accepted}
		r, err := testkit.Restore(t, j.Server, testkit.RestoreTarget(t, j.Server, j.engine), j.backup, how)
		if !errors.Is(err, journal.ErrOtherBackup) {
			t.Errorf("accepted %t: %+v, %v", accepted, r, err)
		}
	}
}

// Each journal is compared with the backup, and each of its sequences of changes.
func TestAJournalOfAnotherDatabaseIsRefusedWhateverItBeginsWithAndWhateverIsBesideIt(t *testing.T) {
	t.Parallel()
	j := newJournaled(t, testkit.SQLite)
	other := newJournaled(t, testkit.SQLite)
	for n := range 5 {
		other.Application(other.tenant, fmt.Sprintf("Application %d", n))
	}
	for _, s := range []*journaled{j, other} {
		s.Restart() // with which the journal catches up
	}
	const begun = `{"action":"journal.begin","at":"2026-01-01T00:00:00Z"}` + "\n"
	const apart = `{"action":"journal.upto","change":3,"event":"evt_foreign"}` + "\n"
	own := testkit.JournalPath(j.Config)
	for _, c := range []struct {
		name    string
		foreign string
		beside  []string
	}{
		{"with a start marker", begun + string(other.text(t)), nil},
		{"with a start marker, before its own one", begun + string(other.text(t)), []string{own}},
		{"without a change that the other journal has", apart, []string{own}},
	} {
		foreign := filepath.Join(t.TempDir(), "foreign.journal")
		testkit.NoError(t, os.WriteFile(foreign, []byte(c.foreign), 0o600))
		for _, accepted := range []bool{false, true} {
			how := app.Restoring{Journals: append(c.beside, foreign), WithoutJournal: accepted}
			r, err := testkit.Restore(t, j.Server, testkit.RestoreTarget(t, j.Server, j.engine), j.backup, how)
			if !errors.Is(err, journal.ErrOtherBackup) && !errors.Is(err, journal.ErrOtherDatabase) {
				t.Errorf("%s, accepted %t: %+v, %v", c.name, accepted, r, err)
			}
		}
	}
}

// A journal whose lines are all later than the backup may be of any database.
func TestAJournalThatCannotBeComparedWithTheBackupDoesNotCoverIt(t *testing.T) {
	t.Parallel()
	j := newJournaled(t, testkit.SQLite)
	const begun = `{"action":"journal.begin","at":"2026-01-01T00:00:00Z"}` + "\n"
	const later = `{"change":1000,"at":"2026-01-01T00:00:00Z",` +
		`"effects":[{"kind":"user_deleted","user":"usr_1"}]}` + "\n"
	for name, text := range map[string]string{"a compacted one": later, "one with a start marker": begun + later} {
		path := filepath.Join(t.TempDir(), "late.journal")
		testkit.NoError(t, os.WriteFile(path, []byte(text+`{"action":"journal.upto","change":1000}`+"\n"), 0o600))
		how := app.Restoring{Journals: []string{path}}
		_, err := testkit.Restore(t, j.Server, testkit.RestoreTarget(t, j.Server, j.engine), j.backup, how)
		if !errors.Is(err, app.ErrUncovered) {
			t.Errorf("%s: %v", name, err)
		}
		how.WithoutJournal = true
		c := testkit.RestoreTarget(t, j.Server, j.engine)
		r, err := testkit.Restore(t, j.Server, c, j.backup, how)
		if err != nil || r.Covered {
			t.Errorf("%s, accepted: %+v, %v", name, r, err)
		}
		if s := stateOf(t, testkit.JournalPath(c)); s.Begin.IsZero() {
			t.Errorf("%s: the journal that is left claims to be complete", name)
		}
	}
}

func TestADirectoryWithoutJournalsStopsTheRestore(t *testing.T) {
	t.Parallel()
	j := newJournaled(t, testkit.SQLite)
	_, err := testkit.Restore(t, j.Server, testkit.RestoreTarget(t, j.Server, j.engine), j.backup,
		app.Restoring{Journals: []string{t.TempDir()}, WithoutJournal: true})
	if err == nil || !strings.Contains(err.Error(), "ends in .journal") {
		t.Errorf("%v", err)
	}
}
