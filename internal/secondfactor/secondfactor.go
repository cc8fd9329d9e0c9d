// Package secondfactor keeps people's second factor, and checks codes at a sign-in: the codes of an
// authenticator app (TOTP, RFC 6238) and recovery codes.
//
// An app and the server share a secret of 160 bits, which the database holds sealed. A code is an
// HMAC of the time step of 30 seconds, cut to 6 digits; a clock may be one step early or late. The
// step of an accepted code is stored in the transaction that accepts it, and only codes of later
// steps are accepted. So a code works once, whatever the number of requests and nodes.
//
// Setting up has two steps, and the database has nothing before the second:
//
//	Start ──▶ secret, and the same secret sealed for 10 minutes ──▶ the app
//	Prepare(sealed secret, code of the app) ──▶ Setup ──▶ Setup.Store, in a transaction
//
// With the factor come 10 recovery codes of 80 random bits for a person without their app. Each
// works once. Using one mails the person, and does not allow a change of the factor.
//
// A sign-in proves the factor in the transaction that begins the session ([Service.Prove]), which
// package session calls for every session. Who guesses codes is slowed down by package identity.
//
// Who may do what: people set up, replace and remove their own factor, by package session, since
// that ends their sessions; they make new recovery codes; the operator removes a factor that a
// person has lost.
package secondfactor

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Factor is the second factor of a person.
type Factor struct {
	User ident.UserID
	// Secret is that of the app, sealed. Without one no code is right: a restored backup lacks a
	// factor that was set up later.
	Secret credential.Sealed
	// LastStep is the latest time step of which a code was accepted.
	LastStep int64
	SetAt    time.Time
}

// State is what a person sees of their factor.
type State struct {
	// SetAt is when the factor was set up; zero for none.
	SetAt time.Time
	// CodesLeft is how many recovery codes are left.
	CodesLeft int
}

// Enabled reports whether the person has a second factor.
func (s State) Enabled() bool { return !s.SetAt.IsZero() }

// Store is what this package reads.
type Store interface {
	// SecondFactor returns the state of a person's factor; the zero value for none.
	SecondFactor(ctx context.Context, user ident.UserID) (State, error)
}

// ProveTx is what checking a code reads and writes. The person is locked.
type ProveTx interface {
	notice.Writer
	// SecondFactor fails with fault.NotFound for a person without one.
	SecondFactor(ctx context.Context, user ident.UserID) (Factor, error)
	// AcceptStep records the step of an accepted code. It fails with fault.NotFound where one of
	// the same step or a later one was accepted.
	AcceptStep(ctx context.Context, user ident.UserID, step int64) error
	// UseRecoveryCode deletes a recovery code. It fails with fault.NotFound for an unknown one.
	UseRecoveryCode(ctx context.Context, user ident.UserID, hash RecoveryHash) error
	// CountRecoveryCodes returns how many recovery codes a person has left.
	CountRecoveryCodes(ctx context.Context, user ident.UserID) (int, error)
}

// StoreTx writes a factor and its recovery codes. The person is locked.
type StoreTx interface {
	// RequireUpgrade fails with fault.Conflict until the upgrade of the database is finished: nodes
	// of the version before ask for no second factor.
	RequireUpgrade(ctx context.Context) error
	// SetSecondFactor replaces the factor of a person.
	SetSecondFactor(ctx context.Context, f Factor) error
	// SetRecoveryCodes replaces the recovery codes of a person.
	SetRecoveryCodes(ctx context.Context, user ident.UserID, hashes []RecoveryHash) error
}

// RemoveTx removes a factor. The person is locked.
type RemoveTx interface {
	// RemoveSecondFactor removes the factor of a person with its recovery codes. It fails with
	// fault.NotFound for a person without one.
	RemoveSecondFactor(ctx context.Context, user ident.UserID) error
}

// Tx is what the changes of this package read and write.
type Tx interface {
	ProveTx
	StoreTx
	RemoveTx
	// PersonTarget locks a person and returns them as the target of an event; fault.NotFound for a
	// deleted person.
	PersonTarget(ctx context.Context, user ident.UserID) (audit.Target, error)
	// EndSessions ends the sessions and half-sessions of a person.
	EndSessions(ctx context.Context, user ident.UserID) error
}

// Service checks codes and keeps second factors.
type Service struct {
	Ledger  audit.Ledger[Tx]
	Store   Store
	Keyring *credential.Keyring
	Now     func() time.Time
	Rand    io.Reader
	// Issuer names this server in authenticator apps.
	Issuer string
}

// Method is how a person proved their second factor.
type Method string

// The methods.
const (
	// ByNone is that of a person without a second factor.
	ByNone     Method = ""
	ByApp      Method = "app"
	ByRecovery Method = "recovery_code"
	// BySession is that of a session that begins in the place of one that proved the factor.
	BySession Method = "session"
)

// Proof is the result of a check.
type Proof struct {
	Method Method
	// At is when the person last proved the factor by their app; zero for never.
	At time.Time
	// Effects belong to the event of the transaction.
	Effects []audit.Effect
	// CodesLeft is how many recovery codes are left after one was used.
	CodesLeft int
}

// On adds the proof to an event.
func (p Proof) On(e audit.Event) audit.Event {
	if p.Method != ByNone {
		e = e.With("second_factor", string(p.Method))
	}
	if p.Method == ByRecovery {
		e = e.With("recovery_codes_left", strconv.Itoa(p.CodesLeft))
	}
	return e.WithEffects(p.Effects...)
}

// ErrRequired says that the password alone does not do.
var ErrRequired = fault.New(fault.SecondFactorRequired,
	"Send `code` as well: the code of your authenticator app, or a recovery code.")

// Prove checks the code of a person who signs in, in the transaction that begins the session. It
// fails with fault.SecondFactorRequired if a person with a factor sends no code, and with
// fault.SignInFailed for a wrong one. A right code is used up. For a person without a factor any
// code does.
func (s *Service) Prove(ctx context.Context, tx ProveTx, user ident.UserID, code credential.Secret,
	from principal.Origin,
) (Proof, error) {
	f, err := tx.SecondFactor(ctx, user)
	switch {
	case errors.Is(err, fault.NotFound):
		return Proof{}, nil
	case err != nil:
		return Proof{}, err
	case code.IsZero():
		return Proof{}, ErrRequired
	}
	switch sent := parseCode(code); {
	case sent.app != "":
		return s.proveByApp(ctx, tx, f, sent.app)
	case sent.recovery != "":
		return s.proveByRecovery(ctx, tx, user, sent.recovery, from)
	}
	return Proof{}, fault.SignInFailed
}

func (s *Service) proveByApp(ctx context.Context, tx ProveTx, f Factor, code string) (Proof, error) {
	if len(f.Secret.Bytes) == 0 {
		return Proof{}, fault.SignInFailed
	}
	secret, err := s.Keyring.OpenSecondFactor(f.Secret, credential.SecondFactorRow(f.User))
	if err != nil {
		return Proof{}, fault.Wrap(fault.Unavailable, err, "The stored second factor cannot be read.")
	}
	step, found := findStep(secret, code, s.Now(), f.LastStep)
	if !found {
		return Proof{}, fault.SignInFailed
	}
	err = tx.AcceptStep(ctx, f.User, step)
	if errors.Is(err, fault.NotFound) { // another request used the code first
		err = fault.SignInFailed
	}
	return Proof{Method: ByApp, At: s.Now()}, err
}

func (s *Service) proveByRecovery(ctx context.Context, tx ProveTx, user ident.UserID, text string,
	from principal.Origin,
) (Proof, error) {
	err := tx.UseRecoveryCode(ctx, user, hashRecovery(user, text))
	if errors.Is(err, fault.NotFound) {
		err = fault.SignInFailed
	}
	if err != nil {
		return Proof{}, err
	}
	left, err := tx.CountRecoveryCodes(ctx, user)
	if err != nil {
		return Proof{}, err
	}
	now := s.Now()
	facts := notice.Facts{Address: from.IP, Agent: from.Device(), CodesLeft: left}
	n := notice.New(notice.RecoveryCodeUsed, user, now, facts, string(user), strconv.FormatInt(now.UnixMicro(), 10),
		strconv.Itoa(left))
	return Proof{Method: ByRecovery, CodesLeft: left, Effects: codesEnded(user)}, tx.PlanNotice(ctx, n)
}

// codesEnded is the effect of a recovery code that no longer works.
func codesEnded(user ident.UserID) []audit.Effect {
	return []audit.Effect{{Kind: audit.EffectRecoveryCodesEnded, User: user}}
}

// State returns the state of the caller's own factor.
func (s *Service) State(ctx context.Context, who principal.Principal) (State, error) {
	me, ok := who.Session()
	if !ok {
		return State{}, fault.SessionRequired
	}
	return s.Store.SecondFactor(ctx, me.User.ID)
}

// RemoveLost removes the factor of a person who has lost it, and ends their sessions. Only the
// operator may, who must make sure that the person is who they say.
func (s *Service) RemoveLost(ctx context.Context, who principal.Principal, user ident.UserID) error {
	if who.Kind() != principal.KindOperator {
		return fault.Forbidden
	}
	return s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		target, err := tx.PersonTarget(ctx, user)
		if err != nil {
			return audit.Event{}, err
		}
		err = tx.RemoveSecondFactor(ctx, user)
		if errors.Is(err, fault.NotFound) {
			err = fault.New(fault.Conflict, "This person has no second factor.")
		}
		if err != nil {
			return audit.Event{}, err
		}
		return audit.By(who, audit.ActionUserFactorRemove, target).WithEffects(Removed(user)), tx.EndSessions(ctx, user)
	})
}

// Removed is the effect of removing a factor.
func Removed(user ident.UserID) audit.Effect {
	return audit.Effect{Kind: audit.EffectSecondFactorRemoved, User: user}
}
