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
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// journaled is a House with a key, and a backup of before it was revoked.
type journaled struct {
	*testkit.House
	engine testkit.Engine
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
	return &journaled{House: h, engine: e, key: k, backup: b, revoke: func() {
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
