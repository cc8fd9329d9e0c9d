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

// MaxOverlap is the longest overlap of two secrets of a key, in seconds: seven days.
const MaxOverlap = 604800

// RefreshParams is what a person asks of a refresh.
type RefreshParams struct {
	// KeepID keeps the public id and the shape of the key. Otherwise the key gets a new id, in the
	// shape that its tenant has now.
	KeepID bool
	// ExpiresAt is the key's next own expiry. If it is not given, the expiry moves with the secret:
	// it is as far from the new secret as it was from the old one.
	ExpiresAt ExpiryPatch
	// Overlap is how long the old secret stays valid beside the new one, in seconds.
	Overlap int
}

func (r RefreshParams) validate(now time.Time) []fault.Field {
	faults := expiryFaults(r.ExpiresAt.At, now)
	if r.Overlap < 0 || r.Overlap > MaxOverlap {
		faults = append(faults, fault.Field{
			Name: "overlap_seconds", Code: "range",
			Message: fmt.Sprintf("Use 0 to %d seconds.", MaxOverlap),
		})
	}
	return faults
}

// Refresh replaces the secret of a key and returns the new one, once. A disabled key stays
// disabled. An expired key becomes usable again.
func (s *Service) Refresh(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID,
	r RefreshParams,
) (Issued, error) {
	if err := fault.Refuse(r.validate(s.Now())...); err != nil {
		return Issued{}, err
	}
	fresh, err := s.issueReplacement(ctx, who, tenant, id, r.KeepID)
	if err != nil {
		return Issued{}, err
	}
	issued := Issued{Credential: fresh.issued}
	issued.View, err = s.change(ctx, who, tenant, id, policy.MayRefreshKeys,
		func(ctx context.Context, tx ChangeTx, c *keyTx) (audit.Action, error) {
			if err := r.check(c, fresh); err != nil {
				return "", err
			}
			if err := c.reclaimSlot(ctx, tx); err != nil {
				return "", err
			}
			issued.EndedPrevious = c.validPrevious(c.Life(c.tenant.Rules), c.tenant.Rules, c.now)
			r.apply(c, fresh.secret)
			if !issued.EndedPrevious.Until.IsZero() {
				c.details["ended_previous"] = issued.EndedPrevious.PublicID
			}
			issued.Settings = c.tenant.Settings
			if err := c.notifyRefreshed(ctx, tx); err != nil {
				return "", err
			}
			return audit.ActionKeyRefresh, tx.ReplaceSecret(ctx, c.Key, fresh.secret.storedFor(c.tenant.Settings))
		})
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}

// replacement is the credential that a refresh issues before the transaction.
type replacement struct {
	issued credential.Issued
	secret Secret
}

// issueReplacement issues the next credential of a key. If the key is refreshed by somebody else
// before the transaction, check finds that the serial is not the next one.
func (s *Service) issueReplacement(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID,
	keepID bool,
) (replacement, error) {
	t, err := s.visibleTenant(ctx, who, tenant)
	if err != nil {
		return replacement{}, err
	}
	k, err := s.Store.Key(ctx, tenant, id)
	if err != nil {
		return replacement{}, err
	}
	var m credential.Issued
	if keepID {
		m = s.Keyring.Reissue(k.Shape, k.PublicID, k.TagVersion)
	} else {
		m = s.Keyring.Issue(t.Settings.Shape())
	}
	caller, err := actorOf(who)
	if err != nil {
		return replacement{}, err
	}
	issued, secret := s.sealSecret(k, k.Serial+1, m, caller.party().ID, s.Now())
	return replacement{issued, secret}, nil
}

// check returns why the caller cannot refresh the key, or not in this way.
func (r RefreshParams) check(c *keyTx, fresh replacement) error {
	byOwner := c.by.actsAsOwner(c.Key)
	switch {
	case !byOwner && c.owner.Account.Valid():
		return fault.New(fault.Forbidden,
			"The owner of this key is an owner or admin of the account. Only they may refresh it.")
	case !byOwner && !c.tenant.Settings.AdminRefresh:
		return fault.New(fault.Forbidden,
			"Only the owner may refresh this key. In tenants with `admin_refresh`, admins may too.")
	case c.revoked():
		return errRevoked
	case c.SecretSetAt.IsZero():
		return fault.New(fault.Conflict, "The key has no secret to replace yet. Its owner must claim it first.")
	case !c.tenant.Active:
		return errTenantDisabled
	case fresh.secret.Serial != c.Serial+1:
		return fault.New(fault.Conflict,
			"The key was refreshed during this request. Check whether you still need another secret.")
	case !r.KeepID && fresh.secret.Shape != c.tenant.Settings.Shape():
		return errStyleChanged
	case !r.KeepID && fresh.secret.Shape.Reserved():
		return errLabelReserved
	}
	if err := c.checkExpired(byOwner); err != nil {
		return err
	}
	return fault.Refuse(lifetimeFaults(c.tenant.Rules, r.ExpiresAt.At, c.now)...)
}

// checkExpired lets only the owner refresh an expired key, and nobody once it expired policy.Grace
// ago.
func (c *keyTx) checkExpired(byOwner bool) error {
	switch {
	case !c.expired():
		return nil
	case !byOwner:
		return fault.New(fault.Conflict, "The key has expired. Only its owner may refresh it now.")
	case !c.now.Before(c.Life(c.tenant.Rules).Expiry.At.Add(policy.Grace)):
		return fault.New(fault.Conflict, "The key expired more than 30 days ago. Create another key.")
	}
	return nil
}

// reclaimSlot allocates a slot to an expired key; any other key has one.
func (c *keyTx) reclaimSlot(ctx context.Context, tx SlotTx) (err error) {
	if c.expired() {
		c.Slot, err = allocateSlot(ctx, tx, c.tenant, c.by.Person.ID, c.Owner.ID, c.now)
	}
	return err
}

// apply makes the secret the key's current one. The old secret stays valid for the overlap, but
// never longer than it would have been without the refresh.
func (r RefreshParams) apply(c *keyTx, secret Secret) {
	c.details = map[string]string{"keep_id": strconv.FormatBool(r.KeepID), "serial": strconv.Itoa(secret.Serial)}
	c.effects = []audit.Effect{{Kind: audit.EffectKeyRefreshed, Tenant: c.Tenant, Key: c.ID, Serial: secret.Serial}}
	previous := Previous{PublicID: c.PublicID, Last4: c.Last4, SetAt: c.SecretSetAt, SetBy: c.SetBy}
	previous.Until = earlierTime(c.now.Add(time.Duration(r.Overlap)*time.Second), c.Life(c.tenant.Rules).Expiry.At)
	c.Previous = Previous{}
	if previous.Until.After(c.now) {
		c.Previous = previous
		c.details["previous_until"] = previous.Until.UTC().Format(time.RFC3339)
	}
	switch {
	case r.ExpiresAt.Given:
		c.ExpiresAt = storedTime(r.ExpiresAt.At)
	case !c.ExpiresAt.IsZero():
		c.ExpiresAt = secret.SetAt.Add(c.ExpiresAt.Sub(c.SecretSetAt))
	}
	c.setCurrent(secret)
	c.UpdatedAt = c.now
}
