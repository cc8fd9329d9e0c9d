package identity

import (
	"context"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// TryCode runs a check of a code of a person's second factor. Like a password, a code counts as
// failed before it is checked, and no longer once the check has succeeded. It fails with
// fault.SignInFailed, without the check, where an attempt comes too soon or at the same time as
// another one. Codes from clients that the person has signed in from count apart from all others,
// so that nobody else locks the person out.
func (s *Service) TryCode(ctx context.Context, user ident.UserID, from principal.Origin,
	check func(context.Context) error,
) error {
	clients, err := s.Store.KnownClients(ctx, user, s.Now().Add(-policy.KnownClientPeriod))
	if err != nil {
		return err
	}
	client, known := clientBucket(user, clients, from)
	if !known {
		client = "elsewhere"
	}
	bucket := codePrefix(user) + client
	before, err := s.Store.Failures(ctx, bucket)
	if err != nil {
		return err
	}
	reserved, err := s.reserveAttempt(ctx, true, bucket, before)
	if err != nil {
		return err
	}
	if !reserved {
		return errThrottled
	}
	if err := check(ctx); err != nil {
		return err
	}
	if err := s.Store.DeleteFailures(context.WithoutCancel(ctx), bucket); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The sign-in could not be completed. Try again.")
	}
	return nil
}
