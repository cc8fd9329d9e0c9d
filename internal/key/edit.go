package key

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// Edit is what somebody asks a key to become. What is nil stays.
type Edit struct {
	Name        *string
	Description *string
	// Scopes replace the whole list.
	Scopes []scope.Scope
	// AllApplications, or at least one of ApplicationIDs; either alone changes both.
	AllApplications *bool
	ApplicationIDs  []string
	ExpiresAt       Expiring
}

// Expiring is what becomes of a key's own expiry; the zero value asks nothing.
type Expiring struct {
	Given bool
	// At is nil for none.
	At *time.Time
}

// validate normalises the texts and says what is wrong, as far as it can be told without the tenant.
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
		e.Description, faults = &description, append(faults, more...)
	}
	faults = append(faults, scopeFaults(e.Scopes)...)
	faults = append(faults, applicationFaults(e.everyApplication(), e.ApplicationIDs)...)
	if e.restricts() && len(e.ApplicationIDs) == 0 {
		faults = append(faults, noApplications)
	}
	return append(faults, expiryFaults(e.ExpiresAt.At, now)...)
}

func (e *Edit) everyApplication() bool { return e.AllApplications != nil && *e.AllApplications }

// restricts reports whether the key is to be restricted to the applications listed.
func (e *Edit) restricts() bool {
	return (e.AllApplications != nil || e.ApplicationIDs != nil) && !e.everyApplication()
}

// Edit changes a key. Scopes are judged only where they are given, so that someone who lost a scope may still rename.
func (s *Service) Edit(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID, e Edit) (View, error) {
	if err := fault.Refuse(e.validate(s.Now())...); err != nil {
		return View{}, err
	}
	return s.change(ctx, who, tenant, id, func(ctx context.Context, tx Tx, c *changing) (audit.Action, error) {
		if err := e.fit(c); err != nil {
			return "", err
		}
		if err := knownApplications(ctx, tx, tenant, e.ApplicationIDs); err != nil {
			return "", err
		}
		changed := e.apply(&c.Key)
		if len(changed) == 0 {
			return "", audit.ErrNothing
		}
		c.UpdatedAt = c.now
		c.details = map[string]string{"changed": strings.Join(changed, " ")}
		if slices.Contains(changed, "expires_at") {
			c.effects = []audit.Effect{{Kind: audit.EffectKeyExpirySet, Tenant: c.Tenant, Key: c.ID, Expires: c.ExpiresAt.UTC()}}
			if !c.ExpiresAt.IsZero() {
				c.details["expires_at"] = c.ExpiresAt.UTC().Format(time.RFC3339Nano)
			}
			if err := c.tellExpiring(ctx, tx); err != nil {
				return "", err
			}
		}
		return audit.ActionKeyEdit, tx.EditKey(ctx, c.Key)
	})
}

// fit says what the key's state, the catalogue, the owner's role and the account's policy refuse.
func (e *Edit) fit(c *changing) error {
	switch {
	case !c.RevokedAt.IsZero():
		return errRevoked
	case e.ExpiresAt.Given && c.Life(c.tenant.Rules).Expiry.Passed(c.now.Add(policy.Overrun)):
		return fault.New(fault.Conflict, "The key has expired, or will within two minutes; only a refresh ends that.")
	}
	from := c.SecretSetAt
	if from.IsZero() {
		from = c.now
	}
	faults := unheld(c.tenant, c.owner.Acting(), e.Scopes)
	return fault.Refuse(append(faults, beyondPolicy(c.tenant.Rules, e.ExpiresAt.At, from)...)...)
}

// apply makes the key what was asked and names the fields that are now otherwise.
func (e *Edit) apply(k *Key) (changed []string) {
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
	if e.everyApplication() || e.restricts() {
		k.Applications = scope.Applications{All: e.everyApplication(), IDs: distinct(e.ApplicationIDs)}
	}
	if e.ExpiresAt.Given {
		k.ExpiresAt = stored(e.ExpiresAt.At)
	}
	for _, field := range []struct {
		name string
		same bool
	}{
		{"name", k.Name == was.Name},
		{"description", k.Description == was.Description},
		{"scopes", slices.Equal(k.Scopes, was.Scopes)},
		{"all_applications", k.Applications.All == was.Applications.All},
		{"application_ids", slices.Equal(distinct(k.Applications.IDs), distinct(was.Applications.IDs))},
		{"expires_at", k.ExpiresAt.Equal(was.ExpiresAt)},
	} {
		if !field.same {
			changed = append(changed, field.name)
		}
	}
	return changed
}
