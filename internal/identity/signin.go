package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// errThrottled is fault.SignInFailed for an attempt that came too soon, whose password was not
// checked. The caller gets the same answer.
var errThrottled = fmt.Errorf("%w: too soon", fault.SignInFailed)

// SignIn returns the user with this e-mail address and password. It fails with fault.SignInFailed,
// without a message, whatever the cause. Requests wait for their turn by the address that they come
// from.
func (s *Service) SignIn(ctx context.Context, from principal.Origin, email string,
	password credential.Secret,
) (User, error) {
	u, err := s.signIn(ctx, from, email, password, func(_ User, bucket string) string { return bucket })
	s.signIns.count(err)
	return u, err
}

// SignInToAPI is SignIn for a program that sends the password of a person to an API of a tenant
// which allows that. Its failures count apart, so that a program with an old password does not make
// its person wait in the console.
func (s *Service) SignInToAPI(ctx context.Context, from principal.Origin, email string,
	password credential.Secret,
) (User, error) {
	u, err := s.signIn(ctx, from, email, password, func(u User, bucket string) string {
		return bucketPrefix(u.ID) + "api " + bucket
	})
	s.signIns.count(err)
	return u, err
}

// signIn checks a password. named returns the name of a bucket of the user for this use of the
// password.
func (s *Service) signIn(ctx context.Context, from principal.Origin, email string,
	password credential.Secret, named func(User, string) string,
) (u User, err error) {
	canonical := CanonicalEmail(email)
	if !Storable(canonical) {
		canonical = "" // nobody has this address
	}
	err = s.Passwords.inTurn(ctx, admission.ForAddress(from.IP), canonical, func(ctx context.Context, t *turn) error {
		u, err = s.attempt(ctx, t, canonical, password, func(u User) (string, error) {
			clients, err := s.Store.KnownClients(ctx, u.ID, s.Now().Add(-policy.KnownClientPeriod))
			if bucket, known := clientBucket(u.ID, clients, from); known {
				return named(u, bucket), err
			}
			return named(u, canonical), err
		})
		return err
	})
	return u, err
}

// attempt checks a password once. It counts in the bucket that bucketOf returns for the user, or
// for the zero user where nobody has the address. In both cases it reads three times, writes once
// and hashes once.
func (s *Service) attempt(
	ctx context.Context, t *turn, canonical string, password credential.Secret, bucketOf func(User) (string, error),
) (User, error) {
	u, hash, err := s.Store.UserByEmail(ctx, canonical)
	known := err == nil
	if !known && !errors.Is(err, fault.NotFound) {
		return User{}, err
	}
	bucket, err := bucketOf(u)
	if err != nil {
		return User{}, err
	}
	before, err := s.Store.Failures(ctx, bucket)
	if err != nil {
		return User{}, err
	}
	reserved, err := s.reserveAttempt(ctx, known, bucket, before)
	if err != nil {
		return User{}, err
	}
	refusal := error(fault.SignInFailed)
	if known && !reserved { // the hash of an unknown person is empty already
		hash = ""
		refusal = errThrottled
	}
	compared, err := t.compare(password, hash)
	if err != nil {
		return User{}, err
	}
	if !compared.matches || u.Disabled {
		t.equalize(compared, password)
		return User{}, refusal
	}
	// The password was right. Record that even if the client has left.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxTurn)
	defer cancel()
	if t.needsRehash(compared) {
		if err := s.Store.UpgradeHash(ctx, u.ID, hash, t.hash(password)); err != nil {
			return User{}, err
		}
	}
	return u, s.Store.DeleteFailures(ctx, bucket)
}

// reserveAttempt counts an attempt as failed before the password is checked. It reports whether the
// password may be checked: the attempt is due, and no other was reserved at the same time.
func (s *Service) reserveAttempt(ctx context.Context, known bool, bucket string, before Failures) (bool, error) {
	now := s.Now()
	if known && before.allows(now) {
		next := Failures{Count: before.At(now).Count + 1, LastAt: now}
		reserved, err := s.Store.ReserveAttempt(ctx, bucket, before, next)
		if reserved || err != nil {
			return reserved, err
		}
	}
	return false, s.Store.CountAttempt(ctx, sharedBucket(bucket), now)
}
