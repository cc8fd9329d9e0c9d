package token

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Store is what this package reads outside transactions.
type Store interface {
	SigningKeys(ctx context.Context) ([]SigningKey, error)
	// TokensSince returns when the database was last restored; zero for never.
	TokensSince(ctx context.Context) (time.Time, error)
	// HasExpiredRevocations reports whether there are revocations of tokens that have expired.
	HasExpiredRevocations(ctx context.Context, now time.Time) (bool, error)
}

// Tx is what this package reads and changes in a transaction.
type Tx interface {
	// LockKeyRow locks a key. It returns fault.NotFound if there is none.
	LockKeyRow(ctx context.Context, tenant ident.TenantID, id ident.KeyID) error
	// TokenRevoked reports whether the access token of the key was revoked.
	TokenRevoked(ctx context.Context, key ident.KeyID, token string) (bool, error)
	// CountRevokedTokens counts the key's revoked tokens that have not expired.
	CountRevokedTokens(ctx context.Context, key ident.KeyID, now time.Time) (int, error)
	InsertRevokedToken(ctx context.Context, key ident.KeyID, token string, expires time.Time) error
	// DeleteExpiredRevocations deletes at most limit revocations of tokens that have expired.
	DeleteExpiredRevocations(ctx context.Context, now time.Time, limit int) (int64, error)
	LockSigningKeys(ctx context.Context) ([]SigningKey, error)
	InsertSigningKey(ctx context.Context, k SigningKey) error
	DeleteSigningKey(ctx context.Context, id string) error
}

// maxRevoked is how many tokens of one key can be revoked at a time. All of them are read with the
// key.
const maxRevoked = 1_000

// Revoke revokes a token of the key. Once it returns, every node rejects the token. A token that
// was revoked or has expired stays so.
func (s *Service) Revoke(ctx context.Context, who principal.Principal, k principal.Key,
	t credential.AccessToken,
) error {
	err := s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		now := s.Now()
		e := audit.By(who, audit.ActionTokenRevoke, audit.Target{Type: "access_token", ID: t.ID.String()}).
			In(k.Tenant, k.Account).InvalidatesLookups(t.Lookup).With("key_id", string(k.ID))
		if !now.Before(t.Expires) {
			return e, audit.ErrNothing
		}
		if err := tx.LockKeyRow(ctx, k.Tenant, k.ID); err != nil {
			return e, err
		}
		revoked, err := tx.TokenRevoked(ctx, k.ID, t.ID.String())
		if err == nil && revoked {
			err = audit.ErrNothing
		}
		if err != nil {
			return e, err
		}
		n, err := tx.CountRevokedTokens(ctx, k.ID, now)
		if err == nil && n >= maxRevoked {
			err = fault.Retry(fault.LimitOfChanges, time.Minute, fmt.Sprintf(
				"%d tokens of this key are revoked and have not expired, which is the limit. "+
					"Revoke the key itself, or wait until some have expired.", maxRevoked))
		}
		if err != nil {
			return e, err
		}
		return e, tx.InsertRevokedToken(ctx, k.ID, t.ID.String(), t.Expires)
	})
	if err == nil {
		s.counts.Revoked.Add(1)
	}
	return err
}

// sweptAtOnce is how many revocations one change deletes.
const sweptAtOnce = 1_000

// Sweep deletes revocations of tokens that have expired.
func (s *Service) Sweep(ctx context.Context) error {
	for {
		found, err := s.Store.HasExpiredRevocations(ctx, s.Horizon())
		if err != nil || !found {
			return err
		}
		who := principal.System()
		err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
			e := audit.By(who, audit.ActionTokenSweep, signingTarget)
			n, err := tx.DeleteExpiredRevocations(ctx, s.Horizon(), sweptAtOnce)
			if err == nil && n == 0 {
				err = audit.ErrNothing
			}
			return e.With("tokens", strconv.FormatInt(n, 10)), err
		})
		if err != nil {
			return err
		}
	}
}
