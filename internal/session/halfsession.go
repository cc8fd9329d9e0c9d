package session

import (
	"context"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/secondfactor"
)

// Step is what a half-session waits for.
type Step string

// The steps.
const (
	// AwaitsCode waits for a code of the second factor.
	AwaitsCode Step = "code"
	// AwaitsSetup waits until the person has set up a second factor, which an account requires.
	AwaitsSetup Step = "setup"
)

// HalfSession is a person who has given their password, and has yet to prove or to set up a second
// factor. It can do nothing else. Each step gives it a new id and token.
type HalfSession struct {
	ID   ident.HalfSessionID
	User principal.Person
	Step Step
	// PasswordSetAt identifies the password that the person gave; zero where they must give it
	// before they set up a second factor.
	PasswordSetAt time.Time
	// Tries is how many wrong codes it has seen.
	Tries                int
	CreatedAt, ExpiresAt time.Time
}

const (
	// HalfLifetime is how long a half-session lives, whatever its steps.
	HalfLifetime = 10 * time.Minute
	// MaxTries is how many codes a half-session checks.
	MaxTries = 5
	// MaxHalfSessions is how many half-sessions a person has. Another sign-in ends the oldest.
	MaxHalfSessions = 10
)

// HalfTx is what half-sessions read and change in a transaction.
type HalfTx interface {
	InsertHalfSession(ctx context.Context, h HalfSession, token credential.TokenHash) error
	// EndOldestHalfSessions ends all of a user's half-sessions except the newest ones.
	EndOldestHalfSessions(ctx context.Context, user ident.UserID, newest int) error
	// DeleteHalfSession fails with fault.NotFound where the half-session has ended.
	DeleteHalfSession(ctx context.Context, id ident.HalfSessionID) error
	// DeleteExpiredHalfSessions removes those that have expired, and returns how many.
	DeleteExpiredHalfSessions(ctx context.Context, now time.Time) (int64, error)
}

// errHalfEnded is the answer to a half-session that can no longer be used.
var errHalfEnded = fault.New(fault.SessionEnded, "This sign-in was not finished in time. Sign in again.")

// BeginHalf begins the half-session of a person who cannot have a session yet, and returns its
// token once. It fails as Begin does where the password changed, and with fault.Conflict for a
// person who needs no second factor.
func (s *Service) BeginHalf(ctx context.Context, in SignIn) (HalfSession, credential.Secret, error) {
	h, token := s.newHalf(in.User, in.PasswordSetAt)
	who := principal.OfSession(&principal.Session{User: in.User}).WithOrigin(in.From)
	err := s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		if err := checkPassword(ctx, tx, in); err != nil {
			return audit.Event{}, err
		}
		return s.insertHalf(ctx, tx, who, &h, token)
	})
	return h, token, err
}

// Restrict turns a session into a half-session, because an account requires a second factor that
// its person does not have. If the sign-in is older than five minutes, the person must give their
// password again: somebody with an old cookie must not set up a factor with it. It fails with
// fault.SessionEnded where the session has ended, or where nothing is missing.
func (s *Service) Restrict(ctx context.Context, sessionToken string, from principal.Origin) (
	HalfSession, credential.Secret, error,
) {
	_, found, _, err := s.find(ctx, credential.SessionToken, sessionToken)
	if !errors.Is(err, fault.SecondFactorRequired) { // it has ended, or nothing is missing
		return HalfSession{}, credential.Secret{}, errors.Join(err, errHalfEnded)
	}
	h, token := s.newHalf(found.User, time.Time{})
	who := principal.OfSession(&principal.Session{ID: found.ID, User: found.User}).WithOrigin(from)
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (e audit.Event, err error) {
		setAt, err := tx.PasswordSetAt(ctx, found.User.ID)
		if err != nil {
			return e, err
		}
		if (principal.Session{SignedInAt: found.SignedInAt}).Recent(s.Now()) {
			h.PasswordSetAt = setAt
		}
		if err := tx.DeleteSession(ctx, found.User.ID, found.ID); err != nil {
			return e, err
		}
		return s.insertHalf(ctx, tx, who, &h, token)
	})
	return h, token, halfFault(err)
}

// newHalf returns a half-session with a new id and token.
func (s *Service) newHalf(user principal.Person, passwordSetAt time.Time) (HalfSession, credential.Secret) {
	now := s.Now()
	return HalfSession{
		ID: ident.New[ident.HalfSessionID](now, s.Rand), User: user, PasswordSetAt: passwordSetAt, CreatedAt: now,
		ExpiresAt: now.Add(HalfLifetime),
	}, s.Keyring.IssueToken(credential.HalfToken)
}

// insertHalf inserts a half-session that waits for what its person has yet to do.
func (s *Service) insertHalf(ctx context.Context, tx Tx, who principal.Principal, h *HalfSession,
	token credential.Secret,
) (audit.Event, error) {
	_, err := tx.SecondFactor(ctx, h.User.ID)
	h.Step = AwaitsCode
	if errors.Is(err, fault.NotFound) {
		h.Step = AwaitsSetup
		err = checkNeedsFactor(ctx, tx, h.User.ID)
	}
	if err != nil {
		return audit.Event{}, err
	}
	if err := tx.EndOldestHalfSessions(ctx, h.User.ID, MaxHalfSessions-1); err != nil {
		return audit.Event{}, err
	}
	e := audit.By(who, audit.ActionSessionChallenge, halfTarget(h.ID)).With("step", string(h.Step))
	return e, tx.InsertHalfSession(ctx, *h, credential.HashToken(token.Reveal()))
}

// checkNeedsFactor returns a fault.Conflict unless an account of the person requires a second
// factor.
func checkNeedsFactor(ctx context.Context, tx Tx, user ident.UserID) error {
	accounts, err := tx.SessionBounds(ctx, user)
	if err == nil && !policy.RequiresFactor(accounts...) {
		err = fault.New(fault.Conflict, "You need no second factor any more. Sign in again.")
	}
	return err
}

// Half returns the half-session of a token. It fails with fault.NotFound for a token that is not
// one of this server, and with fault.SessionEnded for one that has ended.
func (s *Service) Half(ctx context.Context, token string) (HalfSession, error) {
	if !s.Keyring.TokenTagged(credential.HalfToken, token) {
		return HalfSession{}, fault.NotFound
	}
	h, err := s.Store.HalfSession(ctx, credential.HashToken(token), s.Now())
	return h, halfFault(err)
}

// halfFault turns fault.NotFound into fault.SessionEnded.
func halfFault(err error) error {
	if errors.Is(err, fault.NotFound) {
		return errHalfEnded
	}
	return err
}

// Finished is how a step of a half-session ended: in a session, or in another half-session after a
// wrong code.
type Finished struct {
	// Token is that of the session, or of the next half-session; zero where the half-session has
	// ended.
	Token credential.Secret
	// TriesLeft is how many codes the next half-session checks.
	TriesLeft int
}

// Finish proves the second factor of a half-session by a code and begins the session. Where the
// code is wrong it fails with fault.SignInFailed, and returns the token of the half-session that
// takes the place of this one, or none after MaxTries.
func (s *Service) Finish(ctx context.Context, h HalfSession, code credential.Secret, from principal.Origin) (
	done Finished, err error,
) {
	if h.Step != AwaitsCode {
		return done, errHalfEnded
	}
	in := SignIn{User: h.User, PasswordSetAt: h.PasswordSetAt, Code: code, From: from}
	err = s.Attempts.TryCode(ctx, h.User.ID, from, func(ctx context.Context) (err error) {
		done, err = s.finish(ctx, h, in)
		return err
	})
	if errors.Is(err, fault.SignInFailed) && done == (Finished{}) { // too soon
		done, err = s.refuse(ctx, h, from)
	}
	return done, err
}

func (s *Service) finish(ctx context.Context, h HalfSession, in SignIn) (done Finished, err error) {
	b := s.newSession(in)
	err = s.Ledger.Write(ctx, b.who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		err := checkPassword(ctx, tx, in)
		if errors.Is(err, fault.SignInFailed) { // another password was set
			err = errHalfEnded
		}
		if err == nil {
			err = halfFault(tx.DeleteHalfSession(ctx, h.ID))
		}
		if err != nil {
			return audit.Event{}, err
		}
		proof, err := s.Factors.Prove(ctx, tx, in.User.ID, in.Code, in.From)
		if err != nil {
			return audit.Event{}, err
		}
		return b.insert(ctx, tx, proof, audit.ActionSessionBegin, target(b.session.ID))
	})
	if errors.Is(err, fault.SecondFactorRequired) {
		err = fault.SignInFailed // no code was sent
	}
	if err != nil {
		return Finished{}, err
	}
	return Finished{Token: b.token}, nil
}

// refuse counts a wrong code of a half-session. It returns the half-session that takes its place,
// if any, and fault.SignInFailed.
func (s *Service) refuse(ctx context.Context, h HalfSession, from principal.Origin) (done Finished, err error) {
	next, token := s.newHalf(h.User, h.PasswordSetAt)
	next.Step, next.Tries = h.Step, h.Tries+1
	next.CreatedAt, next.ExpiresAt = h.CreatedAt, h.ExpiresAt
	last := next.Tries >= MaxTries
	who := principal.OfSession(&principal.Session{User: h.User}).WithOrigin(from)
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		if _, err := tx.PasswordSetAt(ctx, h.User.ID); err != nil {
			return audit.Event{}, err
		}
		if err := tx.DeleteHalfSession(ctx, h.ID); err != nil {
			return audit.Event{}, err
		}
		e := audit.By(who, audit.ActionSessionCodeRefused, halfTarget(h.ID))
		if last {
			return e, nil
		}
		return e, tx.InsertHalfSession(ctx, next, credential.HashToken(token.Reveal()))
	})
	if err != nil {
		return Finished{}, halfFault(err)
	}
	if !last {
		done = Finished{Token: token, TriesLeft: MaxTries - next.Tries}
	}
	return done, fault.SignInFailed
}

// SetUp stores the second factor that the person of a half-session has set up, ends their sessions,
// and begins one. It fails with fault.SignInAgain where they have yet to give their password.
func (s *Service) SetUp(ctx context.Context, h HalfSession, setup secondfactor.Setup, from principal.Origin) (
	credential.Secret, error,
) {
	switch {
	case h.Step != AwaitsSetup:
		return credential.Secret{}, errHalfEnded
	case h.PasswordSetAt.IsZero():
		return credential.Secret{}, fault.New(fault.SignInAgain, "Give your password as well.")
	}
	in := SignIn{User: h.User, PasswordSetAt: h.PasswordSetAt, From: from}
	return s.replaceSessions(ctx, in, func(ctx context.Context, tx Tx, b *pendingSession) (audit.Event, error) {
		if err := tx.DeleteHalfSession(ctx, h.ID); err != nil {
			return audit.Event{}, halfFault(err)
		}
		_, err := tx.SecondFactor(ctx, h.User.ID)
		if err == nil {
			err = errHalfEnded // another half-session set one up, and the code of it is needed now
		}
		if !errors.Is(err, fault.NotFound) {
			return audit.Event{}, err
		}
		return b.setUp(ctx, tx, setup)
	})
}

// SetFactor stores the second factor that the caller has set up, in the place of one that they
// have. It ends their sessions, and begins one in their place.
func (s *Service) SetFactor(ctx context.Context, who principal.Principal, setup secondfactor.Setup) (
	credential.Secret, error,
) {
	return s.changeFactor(ctx, who, func(ctx context.Context, tx Tx, b *pendingSession, _ bool) (audit.Event, error) {
		return b.setUp(ctx, tx, setup)
	})
}

// RemoveFactor removes the caller's second factor, ends their sessions, and begins one in their
// place. It fails with fault.Conflict for a person without a factor, for one whose account requires
// it, and for one whose password is too short to be the only factor.
func (s *Service) RemoveFactor(ctx context.Context, who principal.Principal) (credential.Secret, error) {
	return s.changeFactor(ctx, who, func(ctx context.Context, tx Tx, b *pendingSession, has bool) (audit.Event, error) {
		if !has {
			return audit.Event{}, secondfactor.ErrNone
		}
		user := b.session.User.ID
		accounts, err := tx.SessionBounds(ctx, user)
		if err == nil && policy.RequiresFactor(accounts...) {
			err = fault.New(fault.Conflict, "An account that you belong to requires a second factor. "+
				"You can replace it by another one: set that one up.")
		}
		short := false
		if err == nil {
			short, err = tx.HasShortPassword(ctx, user)
		}
		if err == nil && short {
			err = fault.New(fault.Conflict, "Your password is too short to be the only factor. "+
				"Change it to one of at least 15 characters, then turn the second factor off.")
		}
		if err == nil {
			err = tx.RemoveSecondFactor(ctx, user)
		}
		if err != nil {
			return audit.Event{}, err
		}
		e, err := b.insert(ctx, tx, secondfactor.Proof{}, audit.ActionUserFactorRemove, personTarget(b.session.User))
		return e.WithEffects(secondfactor.Removed(user)), err
	})
}

// setUp stores a factor and begins the session of its person.
func (b *pendingSession) setUp(ctx context.Context, tx Tx, setup secondfactor.Setup) (audit.Event, error) {
	effect, err := setup.Store(ctx, tx)
	if err != nil {
		return audit.Event{}, err
	}
	proof := secondfactor.Proof{Method: secondfactor.ByApp, At: b.session.CreatedAt}
	e, err := b.insert(ctx, tx, proof, audit.ActionUserFactorSet, personTarget(b.session.User))
	return e.WithEffects(effect), err
}

// changeFactor replaces the caller's sessions by one that begins in the transaction of a change of
// their second factor.
func (s *Service) changeFactor(ctx context.Context, who principal.Principal,
	change func(ctx context.Context, tx Tx, b *pendingSession, has bool) (audit.Event, error),
) (credential.Secret, error) {
	me, ok := who.Session()
	if !ok {
		return credential.Secret{}, fault.SessionRequired
	}
	in := SignIn{User: me.User, From: who.Origin()}
	return s.replaceSessions(ctx, in, func(ctx context.Context, tx Tx, b *pendingSession) (audit.Event, error) {
		_, err := tx.SecondFactor(ctx, me.User.ID)
		has := err == nil
		if errors.Is(err, fault.NotFound) {
			err = nil
		}
		if err == nil {
			err = secondfactor.Allow(me, has, s.Now())
		}
		if err == nil { // it may have ended in the meantime
			err = halfFault(tx.DeleteSession(ctx, me.User.ID, me.ID))
		}
		if err != nil {
			return audit.Event{}, err
		}
		return change(ctx, tx, b, has)
	})
}

// replaceSessions locks a person, ends their sessions after a change, and returns the token of the
// session that the change began. A zero PasswordSetAt stands for any.
func (s *Service) replaceSessions(ctx context.Context, in SignIn,
	change func(ctx context.Context, tx Tx, b *pendingSession) (audit.Event, error),
) (credential.Secret, error) {
	b := s.newSession(in)
	err := s.Ledger.Write(ctx, b.who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		setAt, err := tx.PasswordSetAt(ctx, in.User.ID)
		if err == nil && !in.PasswordSetAt.IsZero() && !setAt.Equal(in.PasswordSetAt) {
			err = fault.NotFound
		}
		if err != nil {
			return audit.Event{}, halfFault(err)
		}
		e, err := change(ctx, tx, b)
		if err != nil {
			return audit.Event{}, err
		}
		return e, tx.EndOtherSessions(ctx, in.User.ID, b.session.ID)
	})
	if err != nil {
		return credential.Secret{}, err
	}
	return b.token, nil
}

func halfTarget(id ident.HalfSessionID) audit.Target {
	return audit.Target{Type: "session", ID: string(id)}
}

func personTarget(p principal.Person) audit.Target {
	return audit.Target{Type: "user", ID: string(p.ID), Name: p.Name}
}
