package key

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
)

// ClaimPeriod is how long the owner of a new key can claim it.
const ClaimPeriod = 7 * policy.Day

// Claim lets the owner of a new key get its secret once, by a link.
type Claim struct {
	ID     ident.LinkID
	Tenant ident.TenantID
	Key    ident.KeyID
	// Owner is the only person who can use it.
	Owner     ident.UserID
	CreatedBy ident.UserID
	Token     credential.TokenHash
	// MailedAt is when the link was given to the mail server; zero where it was shown to the person
	// who created the key.
	MailedAt  time.Time
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Link is what the creator of a key passes on to its owner.
type Link struct {
	// Token is zero where the link is mailed to the owner; nobody else sees it then.
	Token     credential.Secret
	ExpiresAt time.Time
}

// errLinkInvalid is the one answer whatever the cause, so that it reveals nothing about the link.
var errLinkInvalid = fault.New(fault.LinkInvalid,
	"This link was used before, has expired, or belongs to another person. Ask for a new key.")

// draftLink adds to a draft the link by which the owner claims the key.
func (s *Service) draftLink(d *draft, now time.Time) {
	d.link.ExpiresAt = now.Add(ClaimPeriod)
	d.claim = Claim{
		ID: ident.New[ident.LinkID](now, s.Rand), Tenant: d.key.Tenant, Key: d.key.ID, CreatedAt: now,
		ExpiresAt: d.link.ExpiresAt,
	}
	token := s.Keyring.IssueToken(credential.ClaimToken)
	if s.Mails {
		d.claim.MailedAt = now
		token = s.Keyring.DeriveLinkToken(credential.ClaimToken, d.claim.ID, now)
	} else {
		d.link.Token = token
	}
	d.claim.Token = credential.HashToken(token.Reveal())
}

// CheckClaim returns nil if the person for whom the link with this token was made can use it now,
// and fault.LinkInvalid otherwise. It changes nothing. For a token that this server never issued it
// reads nothing.
func (s *Service) CheckClaim(ctx context.Context, token string) error {
	if !s.Keyring.TokenTagged(credential.ClaimToken, token) {
		return errLinkInvalid
	}
	err := s.Store.CheckClaim(ctx, credential.HashToken(token), s.Now())
	if errors.Is(err, fault.NotFound) {
		return errLinkInvalid
	}
	return err
}

// Claimable returns the key whose secret the person can claim with the token now. It changes
// nothing.
func (s *Service) Claimable(ctx context.Context, who principal.Principal, token string) (View, error) {
	caller, err := signedInPerson(who)
	if err != nil {
		return View{}, err
	}
	if err := s.CheckClaim(ctx, token); err != nil {
		return View{}, err
	}
	claim, err := s.Store.Claim(ctx, credential.HashToken(token), caller.ID, s.Now())
	var v View
	if err == nil {
		v, err = s.Get(ctx, who, claim.Tenant, claim.Key)
	}
	if errors.Is(err, fault.NotFound) {
		err = errLinkInvalid
	}
	return v, err
}

// Claim issues the secret of a key that its owner claims by link, and returns it to the owner,
// once.
func (s *Service) Claim(ctx context.Context, who principal.Principal, token string) (Issued, error) {
	issued, err := s.claim(ctx, who, token)
	if errors.Is(err, fault.NotFound) {
		err = errLinkInvalid
	}
	return issued, err
}

func (s *Service) claim(ctx context.Context, who principal.Principal, token string) (Issued, error) {
	caller, err := signedInPerson(who)
	if err != nil {
		return Issued{}, err
	}
	if !s.Keyring.TokenTagged(credential.ClaimToken, token) {
		return Issued{}, fault.NotFound // without a read
	}
	hash, now := credential.HashToken(token), s.Now()
	claim, err := s.Store.Claim(ctx, hash, caller.ID, now)
	if err != nil {
		return Issued{}, err
	}
	k, err := s.Store.Key(ctx, claim.Tenant, claim.Key)
	if err != nil {
		return Issued{}, err
	}
	renewed := s.Keyring.Reissue(k.Shape, k.PublicID, k.TagVersion)
	credential, secret := s.sealSecret(k, k.Serial, renewed, ident.PartyID(caller.ID), now)
	issued := Issued{Credential: credential}
	issued.View, err = s.change(ctx, who, k.Tenant, k.ID, "",
		func(ctx context.Context, tx ChangeTx, c *keyTx) (audit.Action, error) {
			if !c.claimable() {
				return "", fault.NotFound
			}
			if err := tx.UseClaim(ctx, hash, caller.ID, c.now); err != nil {
				return "", err
			}
			if !claim.MailedAt.IsZero() { // who has the link reads mail to the owner's address
				if err := tx.ProveEmail(ctx, caller.ID, c.now); err != nil {
					return "", err
				}
			}
			c.setCurrent(secret)
			c.UpdatedAt, issued.Settings = c.now, c.tenant.Settings
			return audit.ActionKeyClaim, tx.ReplaceSecret(ctx, c.Key, secret.storedFor(c.tenant.Settings))
		})
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}

// claimable reports whether the key still waits for its secret and its owner may still have one.
func (c *keyTx) claimable() bool {
	return c.unclaimed() && !c.expired() && c.owner.Active && c.tenant.Active
}
