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

// ClaimWithin is how long a key may be claimed.
const ClaimWithin = 7 * policy.Day

// Claim is the one-time link by which its owner mints a key's secret.
type Claim struct {
	ID     ident.LinkID
	Tenant ident.TenantID
	Key    ident.KeyID
	// Owner alone may use it.
	Owner     ident.UserID
	CreatedBy ident.UserID
	Ticket    credential.TicketHash
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Link is what an admin passes on to the owner of a new key.
type Link struct {
	Ticket    credential.Secret
	ExpiresAt time.Time
}

// errLink is the one answer to every cause.
var errLink = fault.New(fault.LinkInvalid, "The link was used, has expired or is not yours.")

// draft is a new key as it is before the transaction that places it.
type draft struct {
	key    Key
	secret Secret
	minted credential.Minted
	// claim and link of a key that is handed over by link.
	claim Claim
	link  Link
}

// draft mints in the shape the tenant has now. For a hand-over by link of all that is minted only the id is kept.
func (s *Service) draft(t policy.Tenant, delivery Delivery, now time.Time) draft {
	id := ident.New[ident.KeyID](now, s.Rand)
	d := draft{key: Key{ID: id, Tenant: t.ID, Delivery: delivery, CreatedAt: now, UpdatedAt: now}}
	minted := s.Keyring.Mint(t.Settings.Shape())
	if delivery == ByLink {
		d.secret = reserve(id, minted, now)
		d.key.take(d.secret)
		d.key.SecretSetAt = time.Time{}
		d.link = Link{Ticket: s.Keyring.MintTicket(credential.ClaimTicket), ExpiresAt: now.Add(ClaimWithin)}
		d.claim = Claim{
			ID: ident.New[ident.LinkID](now, s.Rand), Tenant: t.ID, Key: id, Ticket: credential.HashTicket(d.link.Ticket.Reveal()),
			CreatedAt: now, ExpiresAt: d.link.ExpiresAt,
		}
		return d
	}
	d.minted, d.secret = s.seal(t.ID, id, 1, minted, now)
	d.key.take(d.secret)
	return d
}

// reserve holds the place of a secret that does not exist yet: nothing proves it. A uuid is id and secret in one, so the key's id is the lookup until then.
func reserve(id ident.KeyID, m credential.Minted, now time.Time) Secret {
	s := Secret{Serial: 1, Shape: m.Shape, Lookup: m.Lookup, PublicID: m.PublicID, TagVersion: m.TagVersion, SetAt: now}
	if s.PublicID == "" {
		s.Lookup, s.PublicID, s.TagVersion = string(id), string(id), 0
	}
	return s
}

// Claim mints the secret of a key that was handed over by link, and shows it to its owner, once.
func (s *Service) Claim(ctx context.Context, who principal.Principal, ticket string) (Issued, error) {
	issued, err := s.claim(ctx, who, ticket)
	if errors.Is(err, fault.NotFound) {
		err = errLink
	}
	return issued, err
}

func (s *Service) claim(ctx context.Context, who principal.Principal, ticket string) (Issued, error) {
	caller, err := person(who)
	if err != nil {
		return Issued{}, err
	}
	if !s.Keyring.OwnTicket(credential.ClaimTicket, ticket) {
		return Issued{}, fault.NotFound // without a read
	}
	hash, now := credential.HashTicket(ticket), s.Now()
	claim, err := s.Store.Claim(ctx, hash, caller.ID, now)
	if err != nil {
		return Issued{}, err
	}
	k, err := s.Store.Key(ctx, claim.Tenant, claim.Key)
	if err != nil {
		return Issued{}, err
	}
	minted, secret := s.seal(k.Tenant, k.ID, k.Serial, s.Keyring.Renew(k.Shape, k.PublicID, k.TagVersion), now)
	issued := Issued{Credential: minted}
	issued.View, err = s.change(ctx, who, k.Tenant, k.ID, func(ctx context.Context, tx Tx, c *changing) (audit.Action, error) {
		if !c.claimable() {
			return "", fault.NotFound
		}
		if err := tx.UseClaim(ctx, hash, caller.ID, c.now); err != nil {
			return "", err
		}
		c.take(secret)
		c.UpdatedAt, issued.Settings = c.now, c.tenant.Settings
		return audit.ActionKeyClaim, tx.ReplaceSecret(ctx, c.Key, secret.under(c.tenant.Settings))
	})
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}

// claimable reports whether the key still waits for its secret, and its owner may still have one.
func (c *changing) claimable() bool {
	return c.unclaimed() && !c.expired() && c.owner.Member != "" && c.tenant.Open
}

// unclaimed reports whether the key waits for its secret.
func (k Key) unclaimed() bool { return k.SecretSetAt.IsZero() && k.RevokedAt.IsZero() }

// DropUnclaimed deletes the keys that were not claimed in time.
func (s *Service) DropUnclaimed(ctx context.Context) error {
	late := func() ([]Ref, error) { return s.Store.LateClaims(ctx, s.Horizon()) }
	return s.tend(ctx, late, func(ctx context.Context, tx Tx, c *changing) (audit.Action, error) {
		if !c.unclaimed() {
			return "", audit.ErrNothing
		}
		c.details = map[string]string{"reason": "unclaimed"}
		c.affect(audit.EffectKeyRevoked)
		return audit.ActionKeyDelete, tx.DeleteKey(ctx, c.ID)
	})
}
