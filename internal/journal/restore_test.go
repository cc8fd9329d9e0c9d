package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/journal"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// journaled is a server with a key, and a backup of before it was revoked.
type journaled struct {
	*testkit.Server
	engine testkit.Engine
	tenant tenancy.Tenant
	owner  principal.Person
	key    api.IssuedKey
	backup []byte
	revoke func()
}

func newJournaled(t *testing.T, e testkit.Engine) *journaled {
	t.Helper()
	h := testkit.Start(t, e)
	tenant := h.Tenant("Main tenant", nil)
	person := h.Member(tenant, "Key Owner", scope.Admin)
	k := h.Key(h.As(person), tenant, "applications:read")
	h.Clock.Move(time.Hour)
	b := testkit.Backup(t, h)
	h.Clock.Move(time.Hour)
	return &journaled{Server: h, engine: e, tenant: tenant, owner: person, key: k, backup: b, revoke: func() {
		t.Helper()
		testkit.Must[*api.Key](t)(h.As(person).RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, ""))
	}}
}

// demandRevoked restores the backup with the journal, and demands that the key stays revoked.
func (j *journaled) demandRevoked(t *testing.T, journal string) {
	t.Helper()
	c := testkit.RestoreTarget(t, j.Server, j.engine)
	r, err := testkit.Restore(t, j.Server, c, j.backup, app.Restoring{Journals: []string{journal}})
	if err != nil || !r.Covered || r.Revocations.Keys != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	j.Move(c)
	if got := testkit.WhoamiCode(t, j.Server.With(j.key)); got != api.APIKeyRevoked {
		t.Errorf("the key is %q", got)
	}
}

// text of the journal.
func (j *journaled) text(t *testing.T) []byte {
	t.Helper()
	return testkit.Must[[]byte](t)(os.ReadFile(testkit.JournalPath(j.Config)))
}

func TestAJournalThatIsLostIsMadeAgainFromTheAuditTrail(t *testing.T) {
	t.Parallel()
	j := newJournaled(t, testkit.SQLite)
	j.revoke()
	if err := os.Remove(testkit.JournalPath(j.Config)); err != nil {
		t.Fatal(err)
	}
	j.Restart()
	j.demandRevoked(t, testkit.JournalPath(j.Config))
}

func TestAJournalThatWasCopiedInTheMiddleOfALineIsGood(t *testing.T) {
	t.Parallel()
	j := newJournaled(t, testkit.SQLite)
	j.revoke()
	copied := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(copied, append(j.text(t), `{"action":"key.rev`...), 0o600); err != nil {
		t.Fatal(err)
	}
	j.demandRevoked(t, copied)
	j.Restart() // with what the restore made of it
}

func TestAFileThatIsNoJournalStopsTheRestore(t *testing.T) {
	j := newJournaled(t, testkit.SQLite)
	other := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(other, append([]byte("no journal\n"), j.text(t)...), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := testkit.Restore(t, j.Server, testkit.RestoreTarget(t, j.Server, j.engine), j.backup,
		app.Restoring{Journals: []string{other}, WithoutJournal: true})
	if err == nil || !strings.Contains(err.Error(), "line 1 is not a line of a journal") {
		t.Errorf("%v", err)
	}
}

// However often a member changes one thing: the journal keeps the last word of everybody else, and
// none takes more room for that.
func TestAMemberWhoTogglesAKeyPushesNoRevocationOutOfTheJournal(t *testing.T) {
	t.Parallel()
	j := newJournaled(t, testkit.SQLite)
	j.revoke()
	change := testkit.QueryInt(t, j.Server, `SELECT value FROM counters WHERE name = 'change'`)
	toggled := "key_" + strings.Repeat("x", 4096) // long, so that few lines fill the journal
	for range 2 {
		b := bytes.NewBuffer(j.text(t))
		for n := 0; b.Len() <= journal.CompactAt; n++ {
			kind := []string{"key_disabled", "key_enabled"}[n%2]
			fmt.Fprintf(b, `{"change":%d,"at":%q,"effects":[{"kind":%q,"tenant":"ten_other","key":%q}]}`+"\n", change,
				j.Clock.Now().Format(time.RFC3339), kind, toggled)
		}
		if err := os.WriteFile(testkit.JournalPath(j.Config), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		j.Restart()
		testkit.Await(t, func() string {
			if info := testkit.Must[os.FileInfo](t)(os.Stat(testkit.JournalPath(j.Config))); info.Size() < 64<<10 &&
				info.Mode() == 0o600 {
				return "compact"
			}
			return ""
		})
	}
	j.demandRevoked(t, testkit.JournalPath(j.Config))
}

// As that of a node that was stopped while another one restored a backup, and the changes went on
// beyond what it had seen.
func TestAJournalOfADatabaseThatIsGoneDoesNotClaimToTellOfThisOne(t *testing.T) {
	j := newJournaled(t, testkit.SQLite)
	for n := range 5 {
		j.Application(j.tenant, fmt.Sprint("Lost application ", n))
	}
	stopped := filepath.Join(j.Config.Data, "stopped.journal")
	j.Restart() // with which the journal catches up
	if err := os.WriteFile(stopped, j.text(t), 0o600); err != nil {
		t.Fatal(err)
	}
	c := testkit.RestoreTarget(t, j.Server, j.engine)
	if _, err := testkit.Restore(t, j.Server, c, j.backup,
		app.Restoring{Journals: []string{testkit.JournalPath(j.Config)}}); err != nil {
		t.Fatal(err)
	}
	j.Move(c)
	testkit.Must[*api.Key](t)(j.As(j.owner).RevokeKey(t.Context(), string(j.tenant.ID), j.key.Key.ID, ""))
	for n := range 10 {
		j.Application(j.tenant, fmt.Sprint("New application ", n))
	}
	if err := os.Rename(stopped, testkit.JournalPath(c)); err != nil { // another file than the server has open
		t.Fatal(err)
	}
	j.Restart()
	_, err := testkit.Restore(t, j.Server, testkit.RestoreTarget(t, j.Server, j.engine), j.backup,
		app.Restoring{Journals: []string{testkit.JournalPath(c)}})
	if !errors.Is(err, app.ErrUncovered) {
		t.Errorf("%v", err)
	}
}

func TestTheJournalHoldsNoNames(t *testing.T) {
	j := newJournaled(t, testkit.SQLite)
	j.revoke()
	text := string(j.text(t))
	for _, name := range []string{
		"claviger.example", "Key Owner", "Test key", j.key.Credential.Value,
		j.key.Key.PublicID,
	} {
		if strings.Contains(text, name) {
			t.Errorf("it holds %q", name)
		}
	}
	if !strings.Contains(text, j.key.Key.ID) {
		t.Errorf("it does not hold the key:\n%s", text)
	}
}

// An upgraded server may find in the audit trail what its earlier version committed and did not
// note.
func TestARevocationOfAnEarlierVersionIsCaughtUpWith(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		j := newJournaled(t, e)
		j.revoke()
		testkit.Exec(t, j.Server, `UPDATE audit_events SET effects = NULL`)
		if err := os.Remove(testkit.JournalPath(j.Config)); err != nil {
			t.Fatal(err)
		}
		j.Restart()
		j.demandRevoked(t, testkit.JournalPath(j.Config))
	})
}

// Nor is it ready where it should have revived what a newer version took away.
func TestANodeThatReadsAnEffectItDoesNotKnowIsNotReady(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		j := newJournaled(t, e)
		j.revoke()
		h := j.Server
		h.Application(j.tenant, "A change that no line tells of")
		testkit.Exec(t, h,
			`UPDATE audit_events SET effects = '[{"kind":"key_stolen"}]'
			WHERE change_number = (SELECT MAX(change_number) FROM audit_events)`)
		detail := testkit.Await(t, func() string { return testkit.NotReady(t, h) })
		if !strings.Contains(detail, " revocations (") {
			t.Errorf("%q does not name the journal", detail)
		}
		if !bytes.Contains(j.text(t), []byte(j.key.Key.ID)) {
			t.Error("what came before the unknown effect is not in the journal")
		}
		h.ExpectStopToFail()
	})
}

// What was revoked in a database that is gone, the audit trail of the restored one does not tell.
func TestAJournalThatDidNotGoThroughARestoreReachesBackToItAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		// lose restores the backup, or one of later, and leaves a journal that does not tell of the
		// revocation.
		lose func(t *testing.T, j *journaled, earlier []byte) config.Config
	}{
		{"one that was made anew after a restore", func(t *testing.T, j *journaled, _ []byte) config.Config {
			j.revoke()
			c := testkit.RestoreTarget(t, j.Server, j.engine)
			if _, err := testkit.Restore(t, j.Server, c, j.backup,
				app.Restoring{Journals: []string{testkit.JournalPath(j.Config)}}); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(testkit.JournalPath(c)); err != nil {
				t.Fatal(err)
			}
			return c
		}},
		{
			"one that ended before the backup that was restored with it",
			func(t *testing.T, j *journaled, earlier []byte) config.Config {
				j.revoke()
				later, old := testkit.Backup(t, j.Server), filepath.Join(t.TempDir(), "journal")
				if err := os.WriteFile(old, earlier, 0o600); err != nil {
					t.Fatal(err)
				}
				c := testkit.RestoreTarget(t, j.Server, j.engine)
				if r, err := testkit.Restore(t, j.Server, c, later,
					app.Restoring{Journals: []string{old}, WithoutJournal: true}); err != nil || r.Covered {
					t.Fatalf("%+v, %v", r, err)
				}
				return c
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := newJournaled(t, testkit.SQLite)
			at := c.lose(t, j, j.text(t))
			j.Move(at)
			if got := testkit.WhoamiCode(t, j.Server.With(j.key)); got != api.APIKeyRevoked {
				t.Fatalf("the key is %q", got)
			}
			_, err := testkit.Restore(t, j.Server, testkit.RestoreTarget(t, j.Server, j.engine), j.backup,
				app.Restoring{Journals: []string{testkit.JournalPath(at)}})
			if !errors.Is(err, app.ErrUncovered) {
				t.Errorf("the backup of before is restored: %v", err)
			}
		})
	}
}
