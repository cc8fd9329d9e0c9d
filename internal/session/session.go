// Package session keeps sign-ins: begin, resume, list, end.
//
// A session is a row; the cookie holds 256 random bits and a tag, and their SHA-256 is stored, so that a stolen database signs nobody in. A session dies
// after an idle and an absolute time, and at once when it is ended or its user is disabled; a job removes the rows of the dead. How long those times are, the
// accounts that the person belongs to say, the strictest of them at each moment.
package session

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Session is one sign-in.
type Session struct {
	ID        ident.SessionID
	User      principal.Person
	CreatedAt time.Time
	// SignedInAt is when the password was last given; sensitive actions ask for a recent one.
	SignedInAt time.Time
	LastSeenAt time.Time
	// ExpiresAt is the absolute end.
	ExpiresAt time.Time
	IP        string
	Agent     string
}

// Store is what sessions read.
type Store interface {
	// Session gives a live session and what its user may do now, or fault.NotFound. Disabled users, accounts,
	// tenants and memberships are left out of it.
	Session(ctx context.Context, token credential.TicketHash) (Session, principal.Session, error)
	// SessionBounds gives what the accounts that a person belongs to ask of sessions.
	SessionBounds(ctx context.Context, user ident.UserID) ([]policy.Sessions, error)
	// Touch records that the session was seen. It is the session's last use, and like a key's it is no audited change.
	Touch(ctx context.Context, id ident.SessionID, at time.Time) error
	// Sessions lists those of a user that live within the bounds, newest first.
	Sessions(ctx context.Context, user ident.UserID, live Bounds, page Page) ([]Session, error)
}

// Page asks for a part of a list, newest first.
type Page struct {
	// BeforeTime and BeforeID are the place of the last item seen; zero for the first page.
	BeforeTime time.Time
	BeforeID   ident.SessionID
	Limit      int
}

// Bounds of the living: a session lives while it ends, was seen and began after these times.
type Bounds struct {
	EndsAfter, SeenAfter, BegunAfter time.Time
}

// boundsOf gives those of a moment.
func boundsOf(s policy.Sessions, now time.Time) Bounds {
	return Bounds{EndsAfter: now, SeenAfter: now.Add(-s.Idle), BegunAfter: now.Add(-s.Absolute)}
}

func (b Bounds) live(s Session) bool {
	return s.ExpiresAt.After(b.EndsAfter) && s.LastSeenAt.After(b.SeenAfter) && s.CreatedAt.After(b.BegunAfter)
}

// Tx is what sessions change.
type Tx interface {
	notice.Writer
	// SeePlaces remembers where a user signs in from, and gives the places that were seen since the time; older ones it forgets.
	SeePlaces(ctx context.Context, user ident.UserID, places []string, now, since time.Time) (known []string, err error)
	// PasswordSetAt tells when a user's password was set, and holds the user; a disabled or deleted one is fault.NotFound.
	PasswordSetAt(ctx context.Context, user ident.UserID) (time.Time, error)
	SessionBounds(ctx context.Context, user ident.UserID) ([]policy.Sessions, error)
	InsertSession(ctx context.Context, s Session, token credential.TicketHash) error
	// DeleteSession is fault.NotFound where the session is not the user's.
	DeleteSession(ctx context.Context, user ident.UserID, id ident.SessionID) error
	// DeleteDeadSessions removes all that do not live within the bounds, and gives how many.
	DeleteDeadSessions(ctx context.Context, live Bounds) (int64, error)
}

// Service begins and ends sessions.
type Service struct {
	Ledger audit.Ledger[Tx]
	Store  Store
	Now    func() time.Time
	// Horizon is the time that work which cannot be undone goes by; it is never ahead of Now.
	Horizon func() time.Time
	Rand    io.Reader
	Keyring *credential.Keyring
	// Doubt returns why the time cannot be trusted; nil while it can. In doubt no session is resumed.
	Doubt func() error

	resumes Resumes
	dead    deadTokens
}

// Begin signs a person in and gives the token of the cookie, once. passwordSetAt says which password they gave: where another was set meanwhile, or the
// user was disabled or deleted, it is fault.SignInFailed.
func (s *Service) Begin(ctx context.Context, user principal.Person, passwordSetAt time.Time, from principal.Origin, agent string) (Session, credential.Secret, error) {
	token := s.Keyring.MintTicket(credential.SessionTicket)
	now := s.Now()
	begun := Session{
		ID: ident.New[ident.SessionID](now, s.Rand), User: user, CreatedAt: now, SignedInAt: now, LastSeenAt: now, IP: from.IP, Agent: cut(agent, 200),
	}
	who := principal.OfSession(&principal.Session{ID: begun.ID, User: user}).From(from)
	err := s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		setAt, err := tx.PasswordSetAt(ctx, user.ID)
		if errors.Is(err, fault.NotFound) || err == nil && !setAt.Equal(passwordSetAt) {
			err = fault.SignInFailed
		}
		if err != nil {
			return audit.Event{}, err
		}
		accounts, err := tx.SessionBounds(ctx, user.ID)
		if err != nil {
			return audit.Event{}, err
		}
		begun.ExpiresAt = now.Add(policy.Strictest(accounts...).Absolute)
		if err := begun.tellPlace(ctx, tx); err != nil {
			return audit.Event{}, err
		}
		return audit.By(who, audit.ActionSessionBegin, target(begun.ID)), tx.InsertSession(ctx, begun, credential.HashTicket(token.Reveal()))
	})
	return begun, token, err
}

// Issued reports whether this server made the token, whatever became of it since. It reads nothing.
func (s *Service) Issued(token string) bool {
	return s.Keyring.OwnTicket(credential.SessionTicket, token)
}

// Resume gives the principal behind a cookie's token. A dead or unknown token is fault.NotFound: no credential at all.
func (s *Service) Resume(ctx context.Context, token string) (principal.Principal, error) {
	who, err := s.resume(ctx, token)
	s.resumes.count(err)
	return who, err
}

func (s *Service) resume(ctx context.Context, token string) (principal.Principal, error) {
	if !s.Keyring.OwnTicket(credential.SessionTicket, token) {
		return principal.Principal{}, fault.NotFound // without a read
	}
	if err := s.Doubt(); err != nil {
		return principal.Principal{}, err
	}
	hash := credential.HashTicket(token)
	if s.dead.has(hash) {
		return principal.Principal{}, fault.NotFound
	}
	ctx = admission.With(ctx, admission.Caller(hash[:])) // until it is known who asks
	found, rights, err := s.Store.Session(ctx, hash)
	if errors.Is(err, fault.NotFound) {
		s.dead.add(hash)
	}
	if err != nil {
		return principal.Principal{}, err
	}
	accounts, err := s.Store.SessionBounds(ctx, found.User.ID)
	if err != nil {
		return principal.Principal{}, err
	}
	now, strictest := s.Now(), policy.Strictest(accounts...)
	if !boundsOf(strictest, now).live(found) {
		return principal.Principal{}, fault.NotFound
	}
	if end := found.CreatedAt.Add(strictest.Absolute); end.Before(rights.ExpiresAt) {
		rights.ExpiresAt = end
	}
	if now.Sub(found.LastSeenAt) > time.Minute {
		s.touch(ctx, found.ID, now)
	}
	return principal.OfSession(&rights), nil
}

// touch does what it can in a second: where nothing can be written, people can still read and sign out, and the session ends a little early.
func (s *Service) touch(ctx context.Context, id ident.SessionID, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = s.Store.Touch(ctx, id, now)
}

// List gives the caller's own live sessions, newest first.
func (s *Service) List(ctx context.Context, who principal.Principal, page Page) ([]Session, error) {
	own, ok := who.Session()
	if !ok {
		return nil, fault.SessionRequired
	}
	accounts, err := s.Store.SessionBounds(ctx, own.User.ID)
	if err != nil {
		return nil, err
	}
	return s.Store.Sessions(ctx, own.User.ID, boundsOf(policy.Strictest(accounts...), s.Now()), page)
}

// End ends one of the caller's own sessions; another's is fault.NotFound.
func (s *Service) End(ctx context.Context, who principal.Principal, id ident.SessionID) error {
	own, ok := who.Session()
	if !ok {
		return fault.SessionRequired
	}
	return s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		return audit.By(who, audit.ActionSessionEnd, target(id)), tx.DeleteSession(ctx, own.User.ID, id)
	})
}

// Sweep removes the sessions that have ended, or that no account can let live any longer.
func (s *Service) Sweep(ctx context.Context) error {
	return s.Ledger.Write(ctx, principal.System(), func(ctx context.Context, tx Tx) (audit.Event, error) {
		n, err := tx.DeleteDeadSessions(ctx, boundsOf(policy.LongestSessions, s.Horizon()))
		if err == nil && n == 0 {
			err = audit.ErrNothing
		}
		return audit.By(principal.System(), audit.ActionSessionSweep, target("")).With("sessions", strconv.FormatInt(n, 10)), err
	})
}

func target(id ident.SessionID) audit.Target { return audit.Target{Type: "session", ID: string(id)} }

func cut(text string, n int) string {
	runes := []rune(text)
	return string(runes[:min(n, len(runes))])
}
