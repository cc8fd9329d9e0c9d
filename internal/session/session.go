// Package session keeps sign-ins: begin, resume, end.
//
// A session is a row; the cookie holds 256 random bits and a tag, and their SHA-256 is stored, so that a stolen database signs nobody in. A session dies
// after an idle and an absolute time, and at once when it is ended or its user is disabled.
package session

import (
	"context"
	"io"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
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

// Lasting bounds a session.
type Lasting struct {
	Idle     time.Duration
	Absolute time.Duration
}

// Default bounds, where no account policy says otherwise.
var Default = Lasting{Idle: 12 * time.Hour, Absolute: 7 * 24 * time.Hour}

// Store is what sessions read.
type Store interface {
	// Session gives a live session and what its user may do now, or fault.NotFound. Disabled users, accounts,
	// tenants and memberships are left out of it.
	Session(ctx context.Context, token credential.TicketHash) (Session, principal.Session, error)
	// Touch records that the session was seen. It is the session's last use, and like a key's it is no audited change.
	Touch(ctx context.Context, id ident.SessionID, at time.Time) error
}

// Tx is what sessions change.
type Tx interface {
	InsertSession(ctx context.Context, s Session, token credential.TicketHash) error
	// DeleteSession is fault.NotFound where the session is not the user's.
	DeleteSession(ctx context.Context, user ident.UserID, id ident.SessionID) error
}

// Service begins and ends sessions.
type Service struct {
	Ledger  audit.Ledger[Tx]
	Store   Store
	Now     func() time.Time
	Rand    io.Reader
	Keyring *credential.Keyring
	Lasting Lasting

	resumes Resumes
}

// Begin signs a person in and gives the token of the cookie, once.
func (s *Service) Begin(ctx context.Context, user principal.Person, from principal.Origin, agent string) (Session, credential.Secret, error) {
	token := s.Keyring.MintTicket(credential.SessionTicket)
	now := s.Now()
	begun := Session{
		ID: ident.New[ident.SessionID](now, s.Rand), User: user, CreatedAt: now, SignedInAt: now, LastSeenAt: now,
		ExpiresAt: now.Add(s.Lasting.Absolute), IP: from.IP, Agent: cut(agent, 200),
	}
	err := s.Ledger.Write(ctx, func(ctx context.Context, tx Tx) (audit.Event, error) {
		return event(begun, "session.begin", from), tx.InsertSession(ctx, begun, credential.HashTicket(token.Reveal()))
	})
	return begun, token, err
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
	found, rights, err := s.Store.Session(ctx, credential.HashTicket(token))
	if err != nil {
		return principal.Principal{}, err
	}
	now := s.Now()
	if !now.Before(found.ExpiresAt) || now.Sub(found.LastSeenAt) >= s.Lasting.Idle {
		return principal.Principal{}, fault.NotFound
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

// End signs the caller out.
func (s *Service) End(ctx context.Context, who principal.Principal) error {
	own, ok := who.Session()
	if !ok {
		return fault.SessionRequired
	}
	ended := Session{ID: own.ID, User: own.User}
	return s.Ledger.Write(ctx, func(ctx context.Context, tx Tx) (audit.Event, error) {
		return event(ended, "session.end", who.Origin()), tx.DeleteSession(ctx, own.User.ID, own.ID)
	})
}

func event(s Session, action string, from principal.Origin) audit.Event {
	who := principal.OfSession(&principal.Session{ID: s.ID, User: s.User}).From(from)
	return audit.By(who, action, audit.Target{Type: "session", ID: string(s.ID)})
}

func cut(text string, n int) string {
	runes := []rune(text)
	return string(runes[:min(n, len(runes))])
}
