package manageapi

import (
	"strings"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/web"
)

// keyOf returns the wire form of a key as the caller may see it.
func keyOf(v key.View) api.Key {
	k := v.Key
	wire := api.Key{KeySummary: api.KeySummary{
		ID: string(k.ID), PublicID: k.PublicID, Name: k.Name, Description: k.Description, Owner: web.Party(k.Owner),
		CreatedAt: k.CreatedAt.UTC(), Status: api.KeyStatus(v.Status),
	}}
	if !v.Full {
		return wire
	}
	wire.KeyDetails = &api.KeyDetails{
		Number: numberOrNil(k.Number), CreatedBy: web.Party(k.CreatedBy),
		Style: api.Style(k.Shape.Style), Last4: k.Last4,
		Scopes: k.Scopes.Strings(), AllApplications: k.Applications.All,
		ApplicationIDs: web.Strings(k.Applications.IDs),
		AllowedCIDRs:   k.Addresses.Strings(), Metadata: k.Metadata.JSON(),
		Delivery: api.Delivery(k.Delivery), UpdatedAt: k.UpdatedAt.UTC(), SecretSetAt: web.Time(k.SecretSetAt),
		ExpiresAt: web.Time(k.ExpiresAt), EffectiveExpiresAt: web.Time(v.Life.Expiry.At),
		ExpiryReason: web.OptionalAs[api.ExpiryReason](v.Life.Expiry.Reason),
		LastUsedAt:   web.Time(k.LastUsedAt), LastUsedIP: web.Optional(k.LastUsedIP),
		DisabledAt: web.Time(k.DisabledAt), DisabledBy: web.Optional(k.DisabledBy),
		BlockedBy: web.OptionalAs[api.Blocker](v.BlockedBy),
		RevokedAt: web.Time(k.RevokedAt), RevokedReason: web.Optional(k.RevokedReason),
		Previous: previousOf(v.Previous), Version: string(k.Version()),
	}
	return wire
}

// numberOrNil returns nil for 0: the object has no number yet.
func numberOrNil(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// ownKeyOf returns the wire form of a key with its tenant.
func ownKeyOf(v key.View) api.OwnKey {
	return api.OwnKey{Key: keyOf(v), TenantID: string(v.Key.Tenant)}
}

// previousOf returns the wire form of a previous secret; nil for none.
func previousOf(p key.Previous) *api.PreviousSecret {
	if p.Until.IsZero() {
		return nil
	}
	return &api.PreviousSecret{
		PublicID: p.PublicID, Last4: p.Last4, ExpiresAt: p.Until.UTC(),
		LastUsedAt: web.Time(p.LastUsedAt),
	}
}

// issuedOf returns the wire form of a new key or secret, with everything that is shown once.
func (a *API) issuedOf(issued key.Issued) api.IssuedKey {
	if link := issued.Link; !link.ExpiresAt.IsZero() {
		shown := &api.Link{ExpiresAt: link.ExpiresAt.UTC()}
		if !link.Token.IsZero() { // otherwise the link is mailed
			shown.URL = web.Optional(a.BaseURL + "/claims/" + link.Token.Reveal())
		}
		return api.IssuedKey{Key: keyOf(issued.View), Link: shown}
	}
	return api.IssuedKey{
		Key: keyOf(issued.View), Credential: a.credentialOf(issued), EndedPrevious: previousOf(issued.EndedPrevious),
	}
}

// replayedKeyOf returns what issuedOf returned, without what is shown once.
func replayedKeyOf(v key.View) api.IssuedKey {
	if v.Key.Delivery == key.ByLink {
		return api.IssuedKey{Key: keyOf(v), Link: &api.Link{ExpiresAt: v.Key.CreatedAt.Add(key.ClaimPeriod).UTC()}}
	}
	return api.IssuedKey{Key: keyOf(v), Credential: credentialWithoutSecret(v.Key)}
}

// credentialWithoutSecret returns the public part of a key's credential.
func credentialWithoutSecret(k key.Key) *api.Credential {
	return &api.Credential{Style: api.Style(k.Shape.Style), ID: k.PublicID}
}

// credentialOf returns a credential with its secret, for the response that shows it.
func (a *API) credentialOf(issued key.Issued) *api.Credential {
	m := issued.Credential
	return &api.Credential{
		Style: api.Style(m.Shape.Style), ID: m.PublicID,
		Secret: m.Secret.Reveal(), Value: m.Value.Reveal(), Example: a.example(issued.Settings, m),
	}
}

// example returns a curl command with the credential. It uses the first transport that the tenant
// allows. It is "" if the tenant allows none.
func (a *API) example(s policy.Settings, m credential.Issued) string {
	whoami := quoted(a.BaseURL + "/api/v1/whoami")
	switch {
	case s.Allows(policy.Location{Transport: policy.Bearer}):
		return "curl -H " + quoted("Authorization: Bearer "+m.Value.Reveal()) + " " + whoami
	case s.Allows(policy.Location{Transport: policy.Basic}):
		return "curl --user " + quoted(m.PublicID+":"+m.Secret.Reveal()) + " " + whoami
	case s.Allows(policy.Location{Transport: policy.Header}):
		return "curl -H " + quoted(s.KeyHeader+": "+m.Value.Reveal()) + " " + whoami
	case s.Allows(policy.Location{Transport: policy.OAuth}):
		return "curl -d grant_type=client_credentials --data-urlencode " + quoted("client_id="+m.PublicID) +
			" --data-urlencode " + quoted("client_secret="+m.Secret.Reveal()) + " " + quoted(a.BaseURL+"/oauth2/token")
	}
	return ""
}

// quoted quotes a text as one word of a POSIX shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
