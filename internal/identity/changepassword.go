package identity

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
)

// SetPassword replaces a user's password, ends their sessions and forgets the failed sign-ins.
func (s *Service) SetPassword(ctx context.Context, who principal.Principal, u User, password credential.Secret) error {
	if err := s.checkPassword(ctx, u.Person(), "password", password); err != nil {
		return err
	}
	hash, err := s.Passwords.Hash(ctx, admission.ForPrincipal(who), password)
	if err != nil {
		return err
	}
	return s.Ledgers.Passwords.Write(ctx, who, func(ctx context.Context, tx PasswordTx) (audit.Event, error) {
		now, err := tx.LockUser(ctx, u.ID)
		if err != nil {
			return audit.Event{}, err
		}
		now, err = s.setPassword(ctx, tx, now, newPassword{"password", password, hash})
		return passwordEvent(who, now), err
	})
}

// ChangePassword replaces the caller's password, ends all their sessions and returns the user, to
// be signed in again. It checks the current password as a sign-in does, but counts failures in a
// bucket of the session, so that nobody who tries to sign in can keep the caller from changing the
// password.
func (s *Service) ChangePassword(ctx context.Context, who principal.Principal,
	current, next credential.Secret,
) (u User, err error) {
	me, err := signedIn(who)
	if err != nil {
		return User{}, err
	}
	if err := s.checkPassword(ctx, me.User, "new_password", next); err != nil {
		return User{}, err
	}
	canonical := CanonicalEmail(me.User.Email)
	bucket := sessionBucket(me)
	var hash string
	err = s.Passwords.inTurn(ctx, admission.ForPrincipal(who), bucket, func(ctx context.Context, t *turn) (err error) {
		u, err = s.attempt(ctx, t, canonical, current, func(User) (string, error) { return bucket, nil })
		if err == nil {
			hash = t.hash(next)
		}
		return err
	})
	if err != nil {
		return User{}, err
	}
	checked := u.PasswordSetAt
	err = s.Ledgers.Passwords.Write(ctx, who, func(ctx context.Context, tx PasswordTx) (audit.Event, error) {
		now, err := tx.LockUser(ctx, me.User.ID)
		if err == nil && (now.Disabled || !now.PasswordSetAt.Equal(checked)) {
			err = fault.SignInFailed
		}
		if err != nil {
			return audit.Event{}, err
		}
		u, err = s.setPassword(ctx, tx, now, newPassword{"new_password", next, hash})
		return passwordEvent(who, u), err
	})
	return u, err
}

// passwordEvent records since when the user has their password, in microseconds as it is stored.
func passwordEvent(who principal.Principal, u User) audit.Event {
	e := audit.By(who, audit.ActionUserPassword, target(u))
	since := u.PasswordSetAt.Truncate(time.Microsecond)
	return e.WithEffects(audit.Effect{Kind: audit.EffectPasswordSet, User: u.ID, Since: since})
}

// checkPassword refuses a new password of a known person. It may be shorter where they have a
// second factor, which setPassword checks again in the transaction. field is its name in the
// request.
func (s *Service) checkPassword(ctx context.Context, p principal.Person, field string,
	password credential.Secret,
) error {
	has, err := s.Store.HasSecondFactor(ctx, p.ID)
	if err != nil {
		return err
	}
	return fault.Refuse(passwordFaults(field, password, leastPassword(has), p.Email, p.Name)...)
}

// newPassword is a password that is about to be set. field is its name in the request.
type newPassword struct {
	field    string
	password credential.Secret
	hash     string
}

// setPassword replaces the password and returns the user as they are afterwards. It refuses a
// password that is too short for a user without a second factor. It forgets failed sign-ins, and
// ends the user's sessions and the links by which a password can be set. The second factor stays.
func (s *Service) setPassword(ctx context.Context, tx PasswordTx, u User, n newPassword) (User, error) {
	has, err := tx.HasSecondFactor(ctx, u.ID)
	if err != nil {
		return User{}, err
	}
	faults := passwordFaults(n.field, n.password, leastPassword(has), u.Email, u.Name)
	if err := fault.Refuse(faults...); err != nil {
		return User{}, err
	}
	u.PasswordSetAt = s.Now()
	u.UpdatedAt = u.PasswordSetAt
	u.ShortPassword = passwordLength(n.password) < MinPassword
	if err := tx.SetPassword(ctx, u.ID, n.hash, u.PasswordSetAt); err != nil {
		return User{}, err
	}
	if u.ShortPassword {
		if err := tx.MarkShortPassword(ctx, u.ID, u.PasswordSetAt); err != nil {
			return User{}, err
		}
	}
	if err := tx.DeleteFailuresOf(ctx, u.Canonical, bucketPrefix(u.ID)); err != nil {
		return User{}, err
	}
	if err := tx.VoidLinks(ctx, u.ID, u.PasswordSetAt); err != nil {
		return User{}, err
	}
	return u, tx.EndSessions(ctx, u.ID)
}
