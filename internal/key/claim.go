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
	"github.com/claviger-dev/claviger/internal/scope"
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
	"This link was used before, has expired, was replaced by a new one, or belongs to another person. "+
		"Ask an admin of the tenant for a new link.")

// newClaim returns a claim of a key, and the link that its creator passes on.
func (s *Service) newClaim(tenant ident.TenantID, id ident.KeyID, now time.Time) (c Claim, link Link) {
	link.ExpiresAt = now.Add(ClaimPeriod)
	c = Claim{
		ID: ident.New[ident.LinkID](now, s.Rand), Tenant: tenant, Key: id, CreatedAt: now, ExpiresAt: link.ExpiresAt,
	}
	token := s.Keyring.IssueToken(credential.ClaimToken)
	if s.Mails {
		c.MailedAt = now
		token = s.Keyring.DeriveLinkToken(credential.ClaimToken, c.ID, now)
	} else {
		link.Token = token
	}
	c.Token = credential.HashToken(token.Reveal())
	return c, link
}

// RenewClaim replaces the link of a key that its owner has not claimed, because the link was lost.
// Who may create keys for others may do this. The new link works for seven days from now, and the
// old one no longer.
func (s *Service) RenewClaim(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.KeyID,
) (Issued, error) {
	claim, link := s.newClaim(tenant, id, s.Now())
	renewed := Issued{Link: link}
	var err error
	renewed.View, err = s.change(ctx, who, tenant, id, "",
		func(ctx context.Context, tx ChangeTx, c *keyTx) (audit.Action, error) {
			if err := c.checkRenewal(); err != nil {
				return "", err
			}
			if err := tx.RequireUpgrade(ctx); err != nil { // an older node does not know the action
				return "", err
			}
			if err := tx.DeleteClaims(ctx, id); err != nil {
				return "", err
			}
			next := claim
			next.Owner, next.CreatedBy = c.Owner.User(), c.by.Person.ID
			c.Open = OpenClaim{MailedAt: next.MailedAt, ExpiresAt: next.ExpiresAt}
			if err := tx.InsertClaim(ctx, next); err != nil {
				return "", err
			}
			c.details = map[string]string{"owner": c.Owner.Label()}
			renewed.Settings = c.tenant.Settings
			return audit.ActionKeyClaimLink, c.notifyRenewed(ctx, tx, next)
		})
	if err != nil {
		return Issued{}, err
	}
	return renewed, nil
}

// checkRenewal returns why the key cannot get a new link from the caller.
func (c *keyTx) checkRenewal() error {
	if c.Owner.Is(c.by.Person.ID) {
		return fault.New(fault.Forbidden, "This is your own key. Ask another admin of the tenant for the link.")
	}
	switch {
	case c.Delivery != ByLink || !c.SecretSetAt.IsZero():
		return fault.New(fault.Conflict,
			"The key has a secret, and so no link. If the secret is lost, its owner refreshes the key.")
	case c.revoked():
		return errRevoked
	case !c.tenant.Active:
		return errTenantDisabled
	case c.expired():
		return fault.New(fault.Conflict, "The key has expired before its owner claimed it. Create another key.")
	}
	return authorizeCreate(c.tenant.Settings, c.by.Authority, c.owner)
}

// mayRenewClaim reports whether a person with the role may make another link for a key. The
// transaction that makes it checks it again.
func mayRenewClaim(t policy.Tenant, k Key, person ident.UserID, role scope.Role) bool {
	return k.Delivery == ByLink && k.unclaimed() && !k.Owner.Is(person) &&
		MayCreateFor(role, t.Settings, k.Owner.Type()) == nil
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
			c.Open = OpenClaim{}
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
