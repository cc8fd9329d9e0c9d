package manageapi

import (
	"fmt"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/web"
)

// keyOf gives the wire form of a key as the caller may see it.
func keyOf(v key.View) api.Key {
	k := v.Key
	wire := api.Key{KeySummary: api.KeySummary{
		ID: string(k.ID), PublicID: k.PublicID, Name: k.Name, Description: k.Description, Owner: web.Person(k.Owner),
		CreatedAt: k.CreatedAt.UTC(), Status: string(v.State),
	}}
	if !v.Full {
		return wire
	}
	wire.KeyDetails = &api.KeyDetails{
		CreatedBy: web.Person(k.CreatedBy), Style: string(k.Shape.Style), Last4: k.Last4,
		Scopes: k.Scopes.Strings(), AllApplications: k.Applications.All, ApplicationIDs: web.Strings(k.Applications.IDs),
		Delivery: string(k.Delivery), UpdatedAt: k.UpdatedAt.UTC(), SecretSetAt: web.Time(k.SecretSetAt),
		ExpiresAt: web.Time(k.ExpiresAt), EffectiveExpiresAt: web.Time(v.Life.Expiry.At), ExpiryReason: web.Optional(v.Life.Expiry.Reason),
		LastUsedAt: web.Time(k.LastUsedAt), LastUsedIP: web.Optional(k.LastUsedIP),
		DisabledAt: web.Time(k.DisabledAt), DisabledBy: web.Optional(k.DisabledBy),
		RevokedAt: web.Time(k.RevokedAt), RevokedReason: web.Optional(k.RevokedReason),
	}
	return wire
}

// credentialOf reveals a new credential for the one answer that shows it.
func (a *API) credentialOf(issued key.Issued) *api.Credential {
	m := issued.Credential
	secret, value := m.Secret.Reveal(), m.Value.Reveal()
	example := fmt.Sprintf("curl -H 'Authorization: Bearer %s' %s/api/v1/whoami", value, a.BaseURL)
	return &api.Credential{Style: string(m.Shape.Style), ID: m.PublicID, Secret: &secret, Value: &value, Example: &example}
}
