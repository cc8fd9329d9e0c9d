package manageapi

import (
	"strings"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
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
		Previous: previousOf(v.Previous),
	}
	return wire
}

func ownKeyOf(v key.View) api.OwnKey {
	return api.OwnKey{Key: keyOf(v), TenantID: string(v.Key.Tenant)}
}

func previousOf(p key.Previous) *api.PreviousSecret {
	if p.Until.IsZero() {
		return nil
	}
	return &api.PreviousSecret{PublicID: p.PublicID, Last4: p.Last4, ExpiresAt: p.Until.UTC(), LastUsedAt: web.Time(p.LastUsedAt)}
}

func (a *API) issuedOf(issued key.Issued) api.IssuedKey {
	if link := issued.Link; !link.Ticket.IsZero() {
		return api.IssuedKey{Key: keyOf(issued.View), Link: &api.Link{URL: web.Optional(a.BaseURL + "/claims/" + link.Ticket.Reveal()), ExpiresAt: link.ExpiresAt.UTC()}}
	}
	return api.IssuedKey{Key: keyOf(issued.View), Credential: a.credentialOf(issued)}
}

// shownOf gives again what issuedOf gave, without what is shown once.
func shownOf(v key.View) api.IssuedKey {
	if v.Key.Delivery == key.ByLink {
		return api.IssuedKey{Key: keyOf(v), Link: &api.Link{ExpiresAt: v.Key.CreatedAt.Add(key.ClaimWithin).UTC()}}
	}
	return api.IssuedKey{Key: keyOf(v), Credential: shownCredential(v.Key)}
}

func shownCredential(k key.Key) *api.Credential {
	return &api.Credential{Style: string(k.Shape.Style), ID: k.PublicID}
}

// credentialOf reveals a new credential for the one answer that shows it.
func (a *API) credentialOf(issued key.Issued) *api.Credential {
	m := issued.Credential
	secret, value := m.Secret.Reveal(), m.Value.Reveal()
	return &api.Credential{Style: string(m.Shape.Style), ID: m.PublicID, Secret: &secret, Value: &value, Example: web.Optional(a.example(issued.Settings, m))}
}

// example gives a curl line that uses the credential by the first transport that its tenant allows; "" where it allows none.
func (a *API) example(s policy.Settings, m credential.Minted) string {
	whoami := quoted(a.BaseURL + "/api/v1/whoami")
	switch {
	case s.Allows(policy.Way{Transport: policy.Bearer}):
		return "curl -H " + quoted("Authorization: Bearer "+m.Value.Reveal()) + " " + whoami
	case s.Allows(policy.Way{Transport: policy.Basic}):
		return "curl --user " + quoted(m.PublicID+":"+m.Secret.Reveal()) + " " + whoami
	case s.Allows(policy.Way{Transport: policy.Header}):
		return "curl -H " + quoted(s.KeyHeader+": "+m.Value.Reveal()) + " " + whoami
	case s.Allows(policy.Way{Transport: policy.OAuth}):
		return "curl -d grant_type=client_credentials --data-urlencode " + quoted("client_id="+m.PublicID) +
			" --data-urlencode " + quoted("client_secret="+m.Secret.Reveal()) + " " + quoted(a.BaseURL+"/oauth2/token")
	}
	return ""
}

// quoted makes one word of a text for a POSIX shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
