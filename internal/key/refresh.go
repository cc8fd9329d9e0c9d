package key

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// MaxOverlap is how long two secrets of a key may both count, in seconds: seven days.
const MaxOverlap = 604800

// Renewal is what somebody asks of a refresh.
type Renewal struct {
	// KeepID keeps the public id and the shape the key has; else it gets a new id in the shape its tenant has now.
	KeepID bool
	// ExpiresAt is by default as far from now as the key's own expiry was from its secret.
	ExpiresAt Expiring
	// Overlap is how long the old secret counts beside the new one, in seconds.
	Overlap int
}

// renewed is a credential minted for a key as it was read before the transaction.
type renewed struct {
	minted credential.Minted
	secret Secret
}

func (r Renewal) validate(now time.Time) []fault.Field {
	faults := expiryFaults(r.ExpiresAt.At, now)
	if r.Overlap < 0 || r.Overlap > MaxOverlap {
		faults = append(faults, fault.Field{Name: "overlap_seconds", Code: "range", Message: fmt.Sprintf("Use 0 to %d.", MaxOverlap)})
	}
	return faults
}

// Refresh gives a key a new secret and shows it, once. A disabled key stays disabled; an expired one lives again.
func (s *Service) Refresh(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID, r Renewal) (Issued, error) {
	if err := fault.Refuse(r.validate(s.Now())...); err != nil {
		return Issued{}, err
	}
	fresh, err := s.renew(ctx, who, tenant, id, r.KeepID)
	if err != nil {
		return Issued{}, err
	}
	issued := Issued{Credential: fresh.minted}
	issued.View, err = s.change(ctx, who, tenant, id, func(ctx context.Context, tx Tx, c *changing) (audit.Action, error) {
		if err := r.fit(c, fresh); err != nil {
			return "", err
		}
		if err := c.revive(ctx, tx); err != nil {
			return "", err
		}
		r.apply(c, fresh.secret)
		issued.Settings = c.tenant.Settings
		if err := c.tellRefreshed(ctx, tx); err != nil {
			return "", err
		}
		return audit.ActionKeyRefresh, tx.ReplaceSecret(ctx, c.Key, fresh.secret.under(c.tenant.Settings))
	})
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}

// renew mints outside the transaction. Should the key change meanwhile, fit finds that the serial is not the next.
func (s *Service) renew(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID, keepID bool) (renewed, error) {
	t, err := s.visible(ctx, who, tenant)
	if err != nil {
		return renewed{}, err
	}
	k, err := s.Store.Key(ctx, tenant, id)
	if err != nil {
		return renewed{}, err
	}
	var m credential.Minted
	if keepID {
		m = s.Keyring.Renew(k.Shape, k.PublicID, k.TagVersion)
	} else {
		m = s.Keyring.Mint(t.Settings.Shape())
	}
	minted, secret := s.seal(tenant, id, k.Serial+1, m, s.Now())
	return renewed{minted, secret}, nil
}

// fit says why the key cannot be refreshed by the caller, or not so.
func (r Renewal) fit(c *changing, fresh renewed) error {
	byOwner := c.Owner.ID == c.by.Person.ID
	switch {
	case !byOwner && !c.tenant.Settings.AdminRefresh:
		return fault.New(fault.Forbidden, "Only the key's owner may refresh it in this tenant.")
	case !c.RevokedAt.IsZero():
		return errRevoked
	case c.SecretSetAt.IsZero():
		return fault.New(fault.Conflict, "The key's owner has not claimed it yet: there is no secret to replace.")
	case !c.tenant.Open:
		return errTenantDisabled
	case fresh.secret.Serial != c.Serial+1:
		return fault.New(fault.Conflict, "The key was refreshed meanwhile. Look before you repeat it.")
	case !r.KeepID && fresh.secret.Shape != c.tenant.Settings.Shape():
		return errOtherShape
	}
	if err := c.refreshable(byOwner); err != nil {
		return err
	}
	return fault.Refuse(beyondPolicy(c.tenant.Rules, r.ExpiresAt.At, c.now)...)
}

// refreshable refuses an expired key to anyone but its owner, and to everyone once it has been expired for long.
func (c *changing) refreshable(byOwner bool) error {
	switch {
	case !c.expired():
		return nil
	case !byOwner:
		return fault.New(fault.Conflict, "The key has expired; only its owner may refresh it.")
	case !c.now.Before(c.Life(c.tenant.Rules).Expiry.At.Add(policy.Grace)):
		return fault.New(fault.Conflict, "The key expired more than 30 days ago. Create another.")
	}
	return nil
}

// expired reports whether the key's authority has ended by time.
func (c *changing) expired() bool { return c.Life(c.tenant.Rules).Expiry.Passed(c.now) }

// revive gives an expired key a slot again; any other keeps its own.
func (c *changing) revive(ctx context.Context, tx Tx) (err error) {
	if c.expired() {
		c.Slot, err = place(ctx, tx, c.tenant, c.Owner.ID, c.now)
	}
	return err
}

// apply makes the secret the key's own. The old one overlaps at most until it would have expired by itself.
func (r Renewal) apply(c *changing, secret Secret) {
	c.details = map[string]string{"keep_id": strconv.FormatBool(r.KeepID), "serial": strconv.Itoa(secret.Serial)}
	c.effects = []audit.Effect{{Kind: audit.EffectKeyRefreshed, Tenant: c.Tenant, Key: c.ID, Serial: secret.Serial}}
	previous := Previous{PublicID: c.PublicID, Last4: c.Last4, SetAt: c.SecretSetAt}
	previous.Until = earlier(c.now.Add(time.Duration(r.Overlap)*time.Second), c.Life(c.tenant.Rules).Expiry.At)
	c.Previous = Previous{}
	if previous.Until.After(c.now) {
		c.Previous = previous
		c.details["previous_until"] = previous.Until.UTC().Format(time.RFC3339)
	}
	switch {
	case r.ExpiresAt.Given:
		c.ExpiresAt = stored(r.ExpiresAt.At)
	case !c.ExpiresAt.IsZero():
		c.ExpiresAt = secret.SetAt.Add(c.ExpiresAt.Sub(c.SecretSetAt))
	}
	c.take(secret)
	c.UpdatedAt = c.now
}

// EndPrevious ends the secret of before a refresh at once; fault.NotFound where none counts.
func (s *Service) EndPrevious(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID) error {
	_, err := s.change(ctx, who, tenant, id, func(ctx context.Context, tx Tx, c *changing) (audit.Action, error) {
		switch {
		case !c.RevokedAt.IsZero():
			return "", errRevoked
		case c.overlap(c.Life(c.tenant.Rules), c.tenant.Rules, c.now).Until.IsZero():
			return "", fault.NotFound
		}
		c.details = map[string]string{"serial": strconv.Itoa(c.Serial)}
		c.effects = []audit.Effect{{Kind: audit.EffectKeyPreviousEnded, Tenant: c.Tenant, Key: c.ID, Serial: c.Serial}}
		return audit.ActionKeyEndPrevious, tx.EndPrevious(ctx, id, c.now)
	})
	return err
}
