package session_test

import (
	"context"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/secondfactor"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/sqlite"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// counting counts how often a session is read, and notes on whose behalf.
type counting struct {
	session.Store
	reads   int
	callers []admission.Caller
}

func (c *counting) Session(ctx context.Context,
	token credential.TokenHash,
) (session.Session, principal.Session, error) {
	c.reads++
	c.callers = append(c.callers, admission.CallerFrom(ctx))
	return c.Store.Session(ctx, token)
}

func (c *counting) Touch(ctx context.Context, id ident.SessionID, at time.Time) error {
	c.callers = append(c.callers, admission.CallerFrom(ctx))
	return c.Store.Touch(ctx, id, at)
}

func (c *counting) SessionBounds(
	ctx context.Context, user ident.UserID, id ident.SessionID,
) ([]policy.AccountSessions, error) {
	c.callers = append(c.callers, admission.CallerFrom(ctx))
	return c.Store.SessionBounds(ctx, user, id)
}

func newService(t *testing.T) (*session.Service, *counting, principal.Person, time.Time) {
	t.Helper()
	backend, err := sqlite.Open(t.Context(), testkit.MigratedFile(t))
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(backend, store.Options{Now: time.Now, Rand: rand.Reader})
	s.SetRoot(credential.NewRoot(rand.Reader))
	t.Cleanup(func() { _ = s.Close() })
	keyring, err := credential.NewKeyring(credential.NewRoot(rand.Reader), credential.FirstVersions(), rand.Reader,
		time.Now)
	if err != nil {
		t.Fatal(err)
	}
	set := time.Now().Truncate(time.Microsecond)
	u := identity.User{
		ID: "usr_1", Email: "a@claviger.example", Canonical: "a@claviger.example", PasswordSetAt: set,
		CreatedAt: set, UpdatedAt: set,
	}
	users := store.NewLedger(s, func(t *store.Tx) identity.UserTx { return t })
	err = users.Write(t.Context(), principal.System(),
		func(ctx context.Context, tx identity.UserTx) (audit.Event, error) {
			_, err := tx.InsertUser(ctx, u, "x")
			return audit.By(principal.System(), audit.ActionUserCreate, audit.Target{}), err
		})
	if err != nil {
		t.Fatal(err)
	}
	reads := &counting{Store: s}
	return &session.Service{
		Ledger: store.NewLedger(s, func(t *store.Tx) session.Tx { return t }), Store: reads, Now: time.Now,
		Rand: rand.Reader, Keyring: keyring,
		Horizon: time.Now, Doubt: func() error { return nil },
		Factors: &secondfactor.Service{Keyring: keyring, Now: time.Now, Rand: rand.Reader},
	}, reads, u.Person(), set
}

func TestATokenOfADeadSessionIsReadOnceAndALiveOneNeverForgotten(t *testing.T) {
	s, store, person, set := newService(t)
	begin := func() (session.Session, string) {
		begun, token, err := s.Begin(t.Context(), session.SignIn{User: person, PasswordSetAt: set})
		if err != nil {
			t.Fatal(err)
		}
		return begun, token.Reveal()
	}
	resume := func(token string, want error) (reads int) {
		t.Helper()
		before := store.reads
		if _, err := s.Resume(t.Context(), credential.SessionToken, token); fault.KindOf(err) != fault.KindOf(want) {
			t.Fatalf("resumed with %v, want %v", err, want)
		}
		return store.reads - before
	}
	_, live := begin()
	dying, dead := begin()
	if n := resume(dead, nil); n != 1 {
		t.Errorf("a live session is read %d times", n)
	}
	who, err := s.Resume(t.Context(), credential.SessionToken, dead)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.End(t.Context(), who, dying.ID); err != nil {
		t.Fatal(err)
	}
	if n := resume(dead, fault.SessionEnded); n != 1 {
		t.Errorf("a session that has just ended is read %d times", n)
	}
	for range 100 {
		if n := resume(dead, fault.SessionEnded); n != 0 {
			t.Fatal("a dead session is read again")
		}
	}
	for range 9000 { // more than are remembered, of which none ever lived
		resume(s.Keyring.IssueToken(credential.SessionToken).Reveal(), fault.SessionEnded)
	}
	if n := resume(live, nil); n != 1 {
		t.Errorf("a live session is read %d times", n)
	}
	if n := resume(dead, fault.SessionEnded); n != 1 {
		t.Error("dead tokens are remembered without bound")
	}
}

func TestATokenIsReadForItsPersonOnceItIsKnownAndForTheAddressBefore(t *testing.T) {
	s, store, person, set := newService(t)
	begun, token, err := s.Begin(t.Context(), session.SignIn{User: person, PasswordSetAt: set})
	if err != nil {
		t.Fatal(err)
	}
	address := admission.ForAddress("192.0.2.1")
	own := admission.ForPrincipal(principal.OfSession(&principal.Session{ID: begun.ID, User: person}))
	resume := func(when string, s *session.Service, token credential.Secret, want error, callers ...admission.Caller) {
		t.Helper()
		store.callers = nil
		_, err := s.Resume(admission.WithCaller(t.Context(), address), credential.SessionToken, token.Reveal())
		if fault.KindOf(err) != fault.KindOf(want) || !slices.Equal(store.callers, callers) {
			t.Errorf("%s: %v, read for %q, want %q", when, err, store.callers, callers)
		}
	}
	resume("after the sign-in", s, token, nil, own, own)
	restarted := &session.Service{Store: store, Now: s.Now, Keyring: s.Keyring, Doubt: s.Doubt}
	resume("the first time", restarted, token, nil, address, own)
	resume("the second time", restarted, token, nil, own, own)
	restarted.Now = func() time.Time { return time.Now().Add(2 * time.Minute) }
	resume("when it is seen again after a while", restarted, token, nil, own, own, own)
	resume("of nobody", restarted, s.Keyring.IssueToken(credential.SessionToken), fault.SessionEnded, address)
}

func TestOnlyATokenThatWasSeenOfALiveSessionAMomentAgoLived(t *testing.T) {
	s, _, person, set := newService(t)
	now := time.Now()
	s.Now = func() time.Time { return now }
	_, token, err := s.Begin(t.Context(), session.SignIn{User: person, PasswordSetAt: set})
	if err != nil {
		t.Fatal(err)
	}
	value := token.Reveal()
	lived := func(when string, want bool) {
		t.Helper()
		if got := s.WasLive(credential.SessionToken, value); got != want {
			t.Errorf("%s: %t", when, got)
		}
	}
	lived("when it began", true)
	now = now.Add(6 * time.Second)
	lived("a while later", false)
	who, err := s.Resume(t.Context(), credential.SessionToken, value)
	if err != nil {
		t.Fatal(err)
	}
	lived("when it was resumed", true)
	now = now.Add(-time.Second)
	lived("when the clock went back", false)
	now = now.Add(time.Second)
	own, _ := who.Session()
	if err := s.End(t.Context(), who, own.ID); err != nil {
		t.Fatal(err)
	}
	_, _ = s.Resume(t.Context(), credential.SessionToken, value) // which finds it ended
	lived("once it was found ended", false)
	value = s.Keyring.IssueToken(credential.SessionToken).Reveal()
	lived("nobody's", false)
}
