package key

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/metadata"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// Edit is what a person asks a key to become. A nil field stays as it is.
type Edit struct {
	// Expected is the version that the key must have; "" for any.
	Expected    etag.Tag
	Name        *string
	Description *string
	// Scopes replace the whole list.
	Scopes []scope.Scope
	// AllApplications is set, or ApplicationIDs has at least one id. Either of them replaces the
	// whole restriction.
	AllApplications *bool
	ApplicationIDs  []string
	ExpiresAt       ExpiryPatch
	Addresses       AddressPatch
	// Metadata is merged with the key's by RFC 7396. nil leaves it as it is, and null in JSON
	// removes all of it.
	Metadata json.RawMessage
	// WholeMetadata is set if Metadata takes the place of the key's instead.
	WholeMetadata bool

	// addresses and metadata are what validate read in Addresses and Metadata.
	addresses policy.Addresses
	metadata  metadata.Patch
}

// ExpiryPatch changes a key's own expiry. The zero value leaves it as it is.
type ExpiryPatch struct {
	Given bool
	// At is nil for no expiry.
	At *time.Time
}

// AddressPatch changes from which addresses a key may be used. The zero value leaves them as they
// are.
type AddressPatch struct {
	Given bool
	// Networks replace the whole list; nil for every address.
	Networks []string
}

// Edit changes a key. It checks scopes only if they are given, so that the owner of a key with a
// scope that their role has lost can still rename it. With [etag.ErrChanged] it also returns the
// key as it is.
func (s *Service) Edit(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID,
	e Edit,
) (View, error) {
	if err := fault.Refuse(e.validate(s.Now())...); err != nil {
		return View{}, err
	}
	return s.change(ctx, who, tenant, id, policy.MayUpdateKeys,
		func(ctx context.Context, tx ChangeTx, c *keyTx) (audit.Action, error) {
			if err := e.Expected.Check(c.Version()); err != nil {
				return "", err
			}
			if err := e.check(c); err != nil {
				return "", err
			}
			if err := checkApplications(ctx, tx, tenant, e.ApplicationIDs); err != nil {
				return "", err
			}
			changed, err := e.apply(&c.Key)
			if err != nil {
				return "", err
			}
			if len(changed) == 0 {
				return "", audit.ErrNothing
			}
			if slices.Contains(changed, addressField) || slices.Contains(changed, metadataField) {
				if err := tx.RequireUpgrade(ctx); err != nil {
					return "", err
				}
			}
			c.UpdatedAt = c.now
			c.recordEdit(changed)
			if slices.Contains(changed, "expires_at") {
				if err := c.notifyExpiring(ctx, tx); err != nil {
					return "", err
				}
			}
			return audit.ActionKeyEdit, tx.EditKey(ctx, c.Key)
		})
}

// Version returns the version of what an edit can change in the key.
func (k Key) Version() etag.Tag {
	return etag.Of(k.Name, k.Description, k.Scopes.Strings(), k.Applications.All, sortedUnique(k.Applications.IDs),
		k.ExpiresAt, k.Addresses.Restricted(), k.Addresses.Strings(), k.Metadata.Text())
}

// validate normalises the texts and returns what is wrong without regard to the key and its tenant.
func (e *Edit) validate(now time.Time) []fault.Field {
	var faults, more []fault.Field
	if e.Name != nil {
		var name string
		name, faults = text.Name("name", *e.Name)
		e.Name = &name
	}
	if e.Description != nil {
		var description string
		description, more = text.Description("description", *e.Description)
		e.Description = &description
		faults = append(faults, more...)
	}
	faults = append(faults, scopeFaults(e.Scopes)...)
	faults = append(faults, applicationFaults(e.allApplications(), e.ApplicationIDs)...)
	if e.restrictsApplications() && len(e.ApplicationIDs) == 0 {
		faults = append(faults, noApplications)
	}
	e.addresses, more = policy.ParseAddresses(addressField, e.Addresses.Networks)
	faults = append(faults, more...)
	switch {
	case e.WholeMetadata:
		var whole metadata.Metadata
		whole, more = metadata.Parse(metadataField, e.Metadata)
		e.metadata = metadata.Replacement(whole)
		faults = append(faults, more...)
	case e.Metadata != nil:
		e.metadata, more = metadata.ParsePatch(metadataField, e.Metadata)
		faults = append(faults, more...)
	}
	return append(faults, expiryFaults(e.ExpiresAt.At, now)...)
}

// allApplications reports whether the key is to reach every application.
func (e *Edit) allApplications() bool { return e.AllApplications != nil && *e.AllApplications }

// restrictsApplications reports whether the key is to reach the listed applications only.
func (e *Edit) restrictsApplications() bool {
	return (e.AllApplications != nil || e.ApplicationIDs != nil) && !e.allApplications()
}

// check returns what the key's status, the tenant's catalogue, the owner's role and the account's
// policy refuse.
func (e *Edit) check(c *keyTx) error {
	switch {
	case c.revoked():
		return errRevoked
	case e.ExpiresAt.Given && c.Life(c.tenant.Rules).Expiry.Passed(c.now.Add(policy.Overrun)):
		return fault.New(fault.Conflict,
			"The key has expired, or expires within two minutes. Refresh it to give it another expiry.")
	}
	from := c.SecretSetAt
	if from.IsZero() {
		from = c.now
	}
	faults := scopeGrantFaults(c.tenant, c.owner.Rights, e.Scopes)
	return fault.Refuse(append(faults, lifetimeFaults(c.tenant.Rules, e.ExpiresAt.At, from)...)...)
}

// apply changes the key and returns the names of the fields that are different afterwards. It
// returns an error if the key's metadata would become too large.
func (e *Edit) apply(k *Key) (changed []string, err error) {
	was := *k
	if e.Name != nil {
		k.Name = *e.Name
	}
	if e.Description != nil {
		k.Description = *e.Description
	}
	if e.Scopes != nil {
		k.Scopes = scope.NewSet(e.Scopes...)
	}
	if e.allApplications() || e.restrictsApplications() {
		k.Applications = scope.Applications{All: e.allApplications(), IDs: sortedUnique(e.ApplicationIDs)}
	}
	if e.ExpiresAt.Given {
		k.ExpiresAt = storedTime(e.ExpiresAt.At)
	}
	if e.Addresses.Given {
		k.Addresses = e.addresses
	}
	var faults []fault.Field
	k.Metadata, faults = k.Metadata.Merge(e.metadata)
	if err := fault.Refuse(faults...); err != nil {
		return nil, err
	}
	for _, field := range []struct {
		name string
		same bool
	}{
		{"name", k.Name == was.Name},
		{"description", k.Description == was.Description},
		{"scopes", slices.Equal(k.Scopes, was.Scopes)},
		{"all_applications", k.Applications.All == was.Applications.All},
		{"application_ids", slices.Equal(sortedUnique(k.Applications.IDs), sortedUnique(was.Applications.IDs))},
		{"expires_at", k.ExpiresAt.Equal(was.ExpiresAt)},
		{addressField, k.Addresses.Equal(was.Addresses)},
		{metadataField, k.Metadata == was.Metadata},
	} {
		if !field.same {
			changed = append(changed, field.name)
		}
	}
	return changed, nil
}

// recordEdit adds the changed fields to the event, and the effects that they have on what the key
// may do.
func (c *keyTx) recordEdit(changed []string) {
	c.details = map[string]string{"changed": strings.Join(changed, " ")}
	if slices.Contains(changed, "scopes") {
		c.effects = append(c.effects, audit.Effect{
			Kind: audit.EffectKeyScopesSet, Tenant: c.Tenant, Key: c.ID, Scopes: c.Scopes.Strings(),
		})
	}
	if slices.Contains(changed, "all_applications") || slices.Contains(changed, "application_ids") {
		c.effects = append(c.effects, audit.Effect{
			Kind: audit.EffectKeyApplicationsSet, Tenant: c.Tenant, Key: c.ID,
			AllApplications: c.Applications.All, Applications: c.Applications.IDs,
		})
	}
	if slices.Contains(changed, addressField) {
		c.effects = append(c.effects, audit.Effect{
			Kind: audit.EffectKeyAddressesSet, Tenant: c.Tenant, Key: c.ID, Addresses: c.Addresses,
		})
	}
	if slices.Contains(changed, "expires_at") {
		c.effects = append(c.effects, audit.Effect{
			Kind: audit.EffectKeyExpirySet, Tenant: c.Tenant, Key: c.ID, Expires: c.ExpiresAt.UTC(),
		})
		if !c.ExpiresAt.IsZero() {
			c.details["expires_at"] = c.ExpiresAt.UTC().Format(time.RFC3339Nano)
		}
	}
}
