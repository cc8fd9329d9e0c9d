package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
)

// errThrottled is fault.SignInFailed for an attempt that was not judged. To whoever asks it is the same answer.
var errThrottled = fmt.Errorf("%w: unjudged", fault.SignInFailed)

// SignIn returns the user whose e-mail and password these are, or fault.SignInFailed, without a message, for every cause.
// Where the request came from decides how long it waits.
func (s *Service) SignIn(ctx context.Context, from principal.Origin, email string, password credential.Secret) (User, error) {
	u, err := s.signIn(ctx, from, email, password)
	s.signIns.count(err)
	return u, err
}

func (s *Service) signIn(ctx context.Context, from principal.Origin, email string, password credential.Secret) (u User, err error) {
	canonical := CanonicalEmail(email)
	if !storable(canonical) {
		canonical = "" // nobody's
	}
	err = s.Passwords.inTurn(ctx, admission.At(from.IP), canonical, func(ctx context.Context, t *turn) error {
		u, err = s.judge(ctx, t, canonical, password)
		return err
	})
	return u, err
}

// judge is one attempt. Whoever it is about, it reads twice, writes once and hashes once.
func (s *Service) judge(ctx context.Context, t *turn, canonical string, password credential.Secret) (User, error) {
	u, hash, err := s.Store.UserByEmail(ctx, canonical)
	known := err == nil
	if !known && !errors.Is(err, fault.NotFound) {
		return User{}, err
	}
	before, err := s.Store.Failures(ctx, canonical)
	if err != nil {
		return User{}, err
	}
	claimed, err := s.claim(ctx, known, canonical, before)
	if err != nil {
		return User{}, err
	}
	refusal := error(fault.SignInFailed)
	if known && !claimed { // the hash of one who is unknown is empty already
		hash, refusal = "", errThrottled
	}
	compared, err := t.compare(password, hash)
	if err != nil {
		return User{}, err
	}
	if !compared.matches || u.Disabled {
		t.refuse(compared, password)
		return User{}, refusal
	}
	// The password was right: that is kept even if the person has left.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxTurn)
	defer cancel()
	if t.outdated(compared) {
		if err := s.Store.UpgradeHash(ctx, u.ID, hash, t.hash(password)); err != nil {
			return User{}, err
		}
	}
	return u, s.Store.ForgetFailures(ctx, canonical)
}

// claim counts an attempt as failed before it is judged, and reports whether it may be: it is due, and nobody claimed another meanwhile.
func (s *Service) claim(ctx context.Context, known bool, canonical string, before Failures) (bool, error) {
	now := s.Now()
	if known && before.permit(now) {
		claimed, err := s.Store.ClaimAttempt(ctx, canonical, before, Failures{Count: before.Count + 1, LastAt: now})
		if claimed || err != nil {
			return claimed, err
		}
	}
	return false, s.Store.CountAttempt(ctx, bucket(canonical), now)
}

// SetPassword replaces a user's password, ends their sessions and forgets the failed sign-ins.
func (s *Service) SetPassword(ctx context.Context, who principal.Principal, u User, password credential.Secret) error {
	if err := fault.Refuse(passwordFaults("password", password, u.Email, u.Name)...); err != nil {
		return err
	}
	hash, err := s.Passwords.Hash(ctx, admission.Of(who), password)
	if err != nil {
		return err
	}
	return s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		now, err := tx.LockUser(ctx, u.ID)
		if err != nil {
			return audit.Event{}, err
		}
		_, err = s.setPassword(ctx, tx, now, hash)
		return audit.By(who, audit.ActionUserPassword, target(now)), err
	})
}

// ChangePassword replaces the caller's password, ends all their sessions and gives the user, to be signed in again. The current password is judged like
// a sign-in.
func (s *Service) ChangePassword(ctx context.Context, who principal.Principal, current, next credential.Secret) (u User, err error) {
	me, err := own(who)
	if err != nil {
		return User{}, err
	}
	if err := fault.Refuse(passwordFaults("new_password", next, me.User.Email, me.User.Name)...); err != nil {
		return User{}, err
	}
	canonical, hash := CanonicalEmail(me.User.Email), ""
	err = s.Passwords.inTurn(ctx, admission.Of(who), canonical, func(ctx context.Context, t *turn) (err error) {
		if u, err = s.judge(ctx, t, canonical, current); err == nil {
			hash = t.hash(next)
		}
		return err
	})
	if err != nil {
		return User{}, err
	}
	judged := u.PasswordSetAt
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		now, err := tx.LockUser(ctx, me.User.ID)
		if err == nil && (now.Disabled || !now.PasswordSetAt.Equal(judged)) {
			err = fault.SignInFailed
		}
		if err != nil {
			return audit.Event{}, err
		}
		u, err = s.setPassword(ctx, tx, now, hash)
		return audit.By(who, audit.ActionUserPassword, target(now)), err
	})
	return u, err
}

// setPassword gives the user as they are with the new password. Sessions begun with the old one end with it.
func (s *Service) setPassword(ctx context.Context, tx Tx, u User, hash string) (User, error) {
	u.PasswordSetAt = s.Now()
	u.UpdatedAt = u.PasswordSetAt
	if err := tx.SetPassword(ctx, u.ID, hash, u.PasswordSetAt); err != nil {
		return User{}, err
	}
	if err := tx.ForgetFailures(ctx, u.Canonical); err != nil {
		return User{}, err
	}
	return u, tx.EndSessions(ctx, u.ID)
}
