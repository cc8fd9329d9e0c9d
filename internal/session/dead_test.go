package session_test

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/sqlite"
)

// counting counts how often a session is read.
type counting struct {
	session.Store
	reads int
}

func (c *counting) Session(ctx context.Context, token credential.TicketHash) (session.Session, principal.Session, error) {
	c.reads++
	return c.Store.Session(ctx, token)
}

func newService(t *testing.T) (*session.Service, *counting, principal.Person, time.Time) {
	t.Helper()
	backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "claviger.db"))
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(backend, store.Options{Now: time.Now, Rand: rand.Reader})
	t.Cleanup(func() { _ = s.Close() })
	keyring, err := credential.NewKeyring(credential.NewRoot(rand.Reader), credential.FirstVersions(), rand.Reader, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	set := time.Now().Truncate(time.Microsecond)
	u := identity.User{ID: "usr_1", Email: "a@claviger.example", Canonical: "a@claviger.example", PasswordSetAt: set, CreatedAt: set, UpdatedAt: set}
	users := store.NewLedger(s, func(t *store.Tx) identity.Tx { return t })
	err = users.Write(t.Context(), principal.System(), func(ctx context.Context, tx identity.Tx) (audit.Event, error) {
		_, err := tx.InsertUser(ctx, u, "x")
		return audit.By(principal.System(), audit.ActionUserCreate, audit.Target{}), err
	})
	if err != nil {
		t.Fatal(err)
	}
	reads := &counting{Store: s}
	return &session.Service{
		Ledger: store.NewLedger(s, func(t *store.Tx) session.Tx { return t }), Store: reads, Now: time.Now, Rand: rand.Reader, Keyring: keyring,
		Horizon: time.Now, Doubt: func() error { return nil },
	}, reads, u.Person(), set
}

func TestATokenOfADeadSessionIsReadOnceAndALiveOneNeverForgotten(t *testing.T) {
	s, store, person, set := newService(t)
	begin := func() (session.Session, string) {
		begun, token, err := s.Begin(t.Context(), person, set, principal.Origin{}, "")
		if err != nil {
			t.Fatal(err)
		}
		return begun, token.Reveal()
	}
	resume := func(token string, want error) (reads int) {
		t.Helper()
		before := store.reads
		if _, err := s.Resume(t.Context(), token); fault.KindOf(err) != fault.KindOf(want) {
			t.Fatalf("resumed with %v, want %v", err, want)
		}
		return store.reads - before
	}
	_, live := begin()
	dying, dead := begin()
	if n := resume(dead, nil); n != 1 {
		t.Errorf("a live session is read %d times", n)
	}
	who, err := s.Resume(t.Context(), dead)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.End(t.Context(), who, dying.ID); err != nil {
		t.Fatal(err)
	}
	if n := resume(dead, fault.NotFound); n != 1 {
		t.Errorf("a session that has just ended is read %d times", n)
	}
	for range 100 {
		if n := resume(dead, fault.NotFound); n != 0 {
			t.Fatal("a dead session is read again")
		}
	}
	for range 9000 { // more than are remembered, of which none ever lived
		resume(s.Keyring.MintTicket(credential.SessionTicket).Reveal(), fault.NotFound)
	}
	if n := resume(live, nil); n != 1 {
		t.Errorf("a live session is read %d times", n)
	}
	if n := resume(dead, fault.NotFound); n != 1 {
		t.Error("dead tokens are remembered without bound")
	}
}
