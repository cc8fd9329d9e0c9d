package app_test

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
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// journaled is a House with a key, and a backup of before it was revoked.
type journaled struct {
	*testkit.House
	engine testkit.Engine
	tenant tenancy.Tenant
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
	b := backUp(t, h)
	h.Clock.Move(time.Hour)
	return &journaled{House: h, engine: e, tenant: tenant, key: k, backup: b, revoke: func() {
		t.Helper()
		must[*api.Key](t)(h.As(person).RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, ""))
	}}
}

// demandRevoked restores the backup with the journal, and demands that the key stays revoked.
func (j *journaled) demandRevoked(t *testing.T, journal string) {
	t.Helper()
	c := emptyPlace(t, j.House, j.engine)
	r, err := restore(t, j.House, c, j.backup, app.Restoring{Journal: journal})
	if err != nil || !r.Covered || r.Taken.Keys != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	j.Move(c)
	if got := codeOf(t, j.House.With(j.key)); got != api.APIKeyRevoked {
		t.Errorf("the key is %q", got)
	}
}

// text of the journal.
func (j *journaled) text(t *testing.T) []byte {
	t.Helper()
	return must[[]byte](t)(os.ReadFile(journalOf(j.Config)))
}

func TestAJournalThatIsLostIsMadeAgainFromTheAuditTrail(t *testing.T) {
	t.Parallel()
	j := newJournaled(t, testkit.SQLite)
	j.revoke()
	if err := os.Remove(journalOf(j.Config)); err != nil {
		t.Fatal(err)
	}
	j.Restart()
	j.demandRevoked(t, journalOf(j.Config))
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
	_, err := restore(t, j.House, emptyPlace(t, j.House, j.engine), j.backup, app.Restoring{Journal: other, WithoutJournal: true})
	if err == nil || !strings.Contains(err.Error(), "line 1 is none of a journal") {
		t.Errorf("%v", err)
	}
}

// A journal that grew too long drops its older half, keeps the rest, and does not claim to reach back to what it dropped.
func TestAJournalIsBoundedAndSaysWhereItBegins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		dropped time.Duration // when what is dropped was noted, from now; the backup is an hour old
		covered bool
	}{{"of before the backup", -2 * time.Hour, true}, {"of after the backup", -time.Minute, false}} {
		t.Run(c.name, func(t *testing.T) {
			j := newJournaled(t, testkit.SQLite)
			b := bytes.NewBuffer(j.text(t))
			for n := 0; b.Len() <= 16<<20; n++ {
				fmt.Fprintf(b, `{"action":"key.revoke","change":1,"at":%q,"tenant":"ten_none","key":"key_%d"}`+"\n", j.Clock.Now().Add(c.dropped).Format(time.RFC3339), n)
			}
			if err := os.WriteFile(journalOf(j.Config), b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			j.Restart()
			j.revoke()
			j.Restart()
			if info, err := os.Stat(journalOf(j.Config)); err != nil || info.Size() > 9<<20 || info.Mode() != 0o600 {
				t.Errorf("the journal is %v, %v", info, err)
			}
			if c.covered {
				j.demandRevoked(t, journalOf(j.Config))
				return
			}
			if _, err := restore(t, j.House, emptyPlace(t, j.House, testkit.SQLite), j.backup, app.Restoring{Journal: journalOf(j.Config)}); !errors.Is(err, app.ErrUncovered) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestTheJournalHoldsNoNames(t *testing.T) {
	j := newJournaled(t, testkit.SQLite)
	j.revoke()
	text := string(j.text(t))
	for _, name := range []string{"claviger.example", "Key Owner", "Test key", *j.key.Credential.Value, j.key.Key.PublicID} {
		if strings.Contains(text, name) {
			t.Errorf("it holds %q", name)
		}
	}
	if !strings.Contains(text, j.key.Key.ID) {
		t.Errorf("it does not hold the key:\n%s", text)
	}
}

// An upgraded server may find in the audit trail what its earlier version committed and did not note.
func TestARevocationOfAnEarlierVersionIsCaughtUpWith(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		j := newJournaled(t, e)
		j.revoke()
		execute(t, j.House, `UPDATE audit_events SET effects = NULL`)
		if err := os.Remove(journalOf(j.Config)); err != nil {
			t.Fatal(err)
		}
		j.Restart()
		j.demandRevoked(t, journalOf(j.Config))
	})
}

// Nor is it ready where it should have revived what a newer version took away.
func TestANodeThatReadsAnEffectItDoesNotKnowIsNotReady(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		j := newJournaled(t, e)
		j.revoke()
		h := j.House
		h.Application(j.tenant, "A change that no line tells of")
		execute(t, h, `UPDATE audit_events SET effects = '[{"kind":"key_stolen"}]' WHERE change_number = (SELECT MAX(change_number) FROM audit_events)`)
		detail := await(t, func() string { return notReady(t, h) })
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
		// lose restores the backup, or one of later, and leaves a journal that does not tell of the revocation.
		lose func(t *testing.T, j *journaled, earlier []byte) config.Config
	}{
		{"one that was made anew after a restore", func(t *testing.T, j *journaled, _ []byte) config.Config {
			j.revoke()
			c := emptyPlace(t, j.House, j.engine)
			if _, err := restore(t, j.House, c, j.backup, app.Restoring{Journal: journalOf(j.Config)}); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(journalOf(c)); err != nil {
				t.Fatal(err)
			}
			return c
		}},
		{"one that ended before the backup that was restored with it", func(t *testing.T, j *journaled, earlier []byte) config.Config {
			j.revoke()
			later, old := backUp(t, j.House), filepath.Join(t.TempDir(), "journal")
			if err := os.WriteFile(old, earlier, 0o600); err != nil {
				t.Fatal(err)
			}
			c := emptyPlace(t, j.House, j.engine)
			if r, err := restore(t, j.House, c, later, app.Restoring{Journal: old, WithoutJournal: true}); err != nil || r.Covered {
				t.Fatalf("%+v, %v", r, err)
			}
			return c
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := newJournaled(t, testkit.SQLite)
			at := c.lose(t, j, j.text(t))
			j.Move(at)
			if got := codeOf(t, j.House.With(j.key)); got != api.APIKeyRevoked {
				t.Fatalf("the key is %q", got)
			}
			_, err := restore(t, j.House, emptyPlace(t, j.House, j.engine), j.backup, app.Restoring{Journal: journalOf(at)})
			if !errors.Is(err, app.ErrUncovered) {
				t.Errorf("the backup of before is restored: %v", err)
			}
		})
	}
}
