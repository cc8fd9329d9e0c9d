// Package wire converts management keys between package machine and package api, for the management
// API and the API of operators.
package wire

import (
	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/web"
)

// ManagementKeySpec returns what a request asks a new management key to be. It fails with
// fault.Invalid for values that no management key has.
func ManagementKeySpec(sent api.CreateManagementKeyRequest) (machine.ManagementKeySpec, error) {
	ceilings, faults := Ceilings(sent.Ceilings)
	addresses, more := policy.ParseAddresses("allowed_cidrs", sent.AllowedCIDRs)
	return machine.ManagementKeySpec{
		Name: sent.Name, ExpiresAt: sent.ExpiresAt,
		Rights: policy.ManagementRights{
			Permissions: web.TextsAs[policy.Permission](sent.Permissions),
			Owners:      web.TextsAs[ident.PartyType](sent.Owners), Ceilings: ceilings, Addresses: addresses,
		},
	}, fault.Refuse(append(faults, more...)...)
}

// Ceilings returns the ceilings that a request names. A lifetime and a count of 0 are refused: in
// the domain 0 is no bound, or the default.
func Ceilings(sent api.ManagementCeilingsRequest) (policy.Ceilings, []fault.Field) {
	addresses, faults := policy.ParseAddresses("ceilings.allowed_cidrs", sent.AllowedCIDRs)
	c := policy.Ceilings{
		Scopes:       web.TextsAs[scope.Scope](sent.Scopes),
		Applications: scope.Applications{All: sent.AllApplications, IDs: sent.ApplicationIDs},
		Addresses:    addresses, CreatesPerHour: sent.CreatesPerHour,
	}
	for _, name := range sent.Plans {
		switch {
		case name == nil:
			c.Plans = append(c.Plans, "")
		case *name == "":
			faults = append(faults, fault.Field{
				Name: "ceilings.plans", Code: "form", Message: "Use the name of a plan, or null for no plan.",
			})
		default:
			c.Plans = append(c.Plans, *name)
		}
	}
	if sent.MaxLifetimeDays != nil {
		c.MaxLifetimeDays = *sent.MaxLifetimeDays
		if c.MaxLifetimeDays == 0 {
			c.MaxLifetimeDays = -1
		}
	}
	return c, faults
}

// IssuedManagementKey returns a management key with its value, which is shown once.
func IssuedManagementKey(k machine.IssuedManagementKey) api.IssuedManagementKey {
	return api.IssuedManagementKey{
		ManagementKey: ManagementKey(k.ManagementKeyView), Value: new(k.Credential.Value.Reveal()),
	}
}

// ManagementKey returns the wire form of a management key.
func ManagementKey(v machine.ManagementKeyView) api.ManagementKey {
	c := v.Rights.Ceilings
	shown := api.ManagementKey{
		ID: string(v.ID), TenantID: string(v.Tenant), Name: v.Name, PublicID: v.PublicID, Last4: v.Last4,
		ServiceAccount: web.Party(v.ServiceAccount.Party),
		Permissions:    web.TextsAs[api.Permission](v.Rights.Permissions),
		Owners:         web.TextsAs[api.PartyType](v.Rights.Owners),
		Ceilings: api.ManagementCeilings{
			Scopes: c.Scopes.Strings(), AllApplications: c.Applications.All,
			ApplicationIDs: web.Strings(c.Applications.IDs), Plans: make([]*string, len(c.Plans)),
			CreatesPerHour: c.CreatesPerHour, AllowedCIDRs: c.Addresses.Strings(),
		},
		AllowedCIDRs: v.Rights.Addresses.Strings(), Status: api.KeyStatus(v.Status), ExpiresAt: v.ExpiresAt.UTC(),
		EffectiveExpiresAt: v.Ends.At.UTC(), CreatedBy: web.Party(v.CreatedBy), CreatedAt: v.CreatedAt.UTC(),
		UpdatedAt: v.UpdatedAt.UTC(), SecretSetAt: v.SecretSetAt.UTC(), LastUsedAt: web.Time(v.LastUsedAt),
		LastUsedIP: web.Optional(v.LastUsedIP), RevokedAt: web.Time(v.RevokedAt),
		RevokedReason: web.Optional(v.RevokedReason), Previous: previousManagementOf(v.Previous),
		Version: string(v.Version()),
	}
	for i, name := range c.Plans {
		shown.Ceilings.Plans[i] = web.Optional(name)
	}
	if c.MaxLifetimeDays > 0 {
		shown.Ceilings.MaxLifetimeDays = &c.MaxLifetimeDays
	}
	return shown
}

func previousManagementOf(p machine.PreviousSecret) *api.PreviousSecret {
	if p.Until.IsZero() {
		return nil
	}
	return &api.PreviousSecret{PublicID: p.PublicID, Last4: p.Last4, ExpiresAt: p.Until.UTC()}
}
