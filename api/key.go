package api

import (
	"encoding/json"
	"time"
)

// CreateKeyRequest is the body of POST /api/v1/tenants/{tenant}/keys.
type CreateKeyRequest struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// OwnerID is the id of the user who owns the key, by default the caller. Owner names an owner
	// of any type. Send at most one of the two.
	OwnerID string    `json:"owner_id,omitempty"`
	Owner   *KeyOwner `json:"owner,omitempty"`
	// Scopes are by default those of the tenant (default_scopes). "*" must be the only one.
	Scopes []string `json:"scopes,omitempty"`
	// AllApplications must be true, or ApplicationIDs must name at least one application.
	AllApplications bool       `json:"all_applications,omitempty"`
	ApplicationIDs  []string   `json:"application_ids,omitempty"`
	ExpiresAt       *time.Time `json:"expires_at,omitempty"`
	// AllowedCIDRs are the networks from which the key may be used, such as 192.0.2.0/24: 1 to 64
	// IPv4 and IPv6 networks. null, the default, allows every address. An IPv4 address in IPv6
	// notation is the IPv4 address.
	AllowedCIDRs []string `json:"allowed_cidrs,omitzero" nullable:"true"`
	// Metadata is a JSON object for your own programs: at most 4096 bytes, 4 levels deep and 64
	// members, whose names have 1 to 64 of A-Z a-z 0-9 _ . -. It must not contain a secret: verify
	// returns it.
	Metadata json.RawMessage `json:"metadata,omitempty"`
	// Delivery is direct by default. With link, the secret is issued when the owner opens the link,
	// and only the owner sees it. A key for an account owner or account admin that somebody else
	// creates must use link (`link_required`).
	Delivery Delivery `json:"delivery,omitempty"`
}

// KeyOwner names the owner of a new key. The secrets of keys of service accounts and subjects are
// shown to the creator: delivery link is for users.
type KeyOwner struct {
	Type PartyType `json:"type" values:"user,service_account,subject"`
	// ID is the id of the owner. A subject may be named by ExternalID instead.
	ID string `json:"id,omitempty"`
	// ExternalID is the host application's id of a subject. A subject that does not exist is
	// created together with the key.
	ExternalID string `json:"external_id,omitempty"`
	// Name and Plan are those of a new subject. For one that exists, leave them out, or send what
	// it has.
	Name string `json:"name,omitempty"`
	Plan string `json:"plan,omitempty"`
}

// UpdateKeyRequest is the body of PATCH /api/v1/tenants/{tenant}/keys/{key}. Absent members stay as
// they are.
type UpdateKeyRequest struct {
	Name        Optional[string] `json:"name,omitzero"`
	Description Optional[string] `json:"description,omitzero"`
	// Scopes replace the whole list.
	Scopes Optional[[]string] `json:"scopes,omitzero"`
	// AllApplications true removes the restriction to applications. ApplicationIDs alone sets it.
	AllApplications Optional[bool]     `json:"all_applications,omitzero"`
	ApplicationIDs  Optional[[]string] `json:"application_ids,omitzero"`
	// ExpiresAt null removes the key's own expiry. The account's policy still applies.
	ExpiresAt Optional[time.Time] `json:"expires_at,omitzero"`
	// AllowedCIDRs replace the whole list. null allows every address.
	AllowedCIDRs Optional[[]string] `json:"allowed_cidrs,omitzero" nullable:"true"`
	// Metadata is merged with the present object by RFC 7396: a member that is null is removed.
	// null in place of the object removes all members.
	Metadata Optional[json.RawMessage] `json:"metadata,omitzero"`
}

// RefreshKeyRequest is the body of POST …/refresh; it may be empty.
type RefreshKeyRequest struct {
	// KeepID keeps the public id. The default is true.
	KeepID *bool `json:"keep_id,omitempty"`
	// ExpiresAt is the key's new own expiry; null for none. By default the new secret lasts as long
	// as the old one was to last.
	ExpiresAt Optional[time.Time] `json:"expires_at,omitzero"`
	// OverlapSeconds is how long the old secret stays valid beside the new one: 0 to 604800
	// seconds, by default 0.
	OverlapSeconds int `json:"overlap_seconds,omitempty"`
}

// KeySummary is what every member may see of another person's key.
type KeySummary struct {
	ID          string    `json:"id"`
	PublicID    string    `json:"public_id"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Owner       Party     `json:"owner"`
	CreatedAt   time.Time `json:"created_at"`
	Status      KeyStatus `json:"status"`
}

// KeyDetails is what only the owner, admins and auditors may see of a key.
type KeyDetails struct {
	// Number is a stable number beside the id. It is null for a key of the version before, until
	// the upgrade of the database is finished.
	Number    *int64 `json:"number"`
	CreatedBy Party  `json:"created_by"`
	Style     Style  `json:"style"`
	// Last4 is the last four characters of the secret.
	Last4           string   `json:"last4"`
	Scopes          []string `json:"scopes"`
	AllApplications bool     `json:"all_applications"`
	ApplicationIDs  []string `json:"application_ids"`
	// AllowedCIDRs are the networks from which the key may be used; null if it may be used from
	// every address. An empty list allows no address: that is what a restore leaves where two lists
	// have no address in common.
	AllowedCIDRs []string `json:"allowed_cidrs" nullable:"true"`
	// Metadata is the object that was stored with the key, {} if none was.
	Metadata    json.RawMessage `json:"metadata"`
	Delivery    Delivery        `json:"delivery"`
	UpdatedAt   time.Time       `json:"updated_at"`
	SecretSetAt *time.Time      `json:"secret_set_at"`
	// ExpiresAt is the key's own expiry.
	ExpiresAt *time.Time `json:"expires_at"`
	// EffectiveExpiresAt is when the key ends, by its own expiry or the account's policy, whichever
	// is earlier.
	EffectiveExpiresAt *time.Time `json:"effective_expires_at"`
	// ExpiryReason is the rule that EffectiveExpiresAt follows from.
	ExpiryReason *ExpiryReason `json:"expiry_reason"`
	LastUsedAt   *time.Time    `json:"last_used_at"`
	LastUsedIP   *string       `json:"last_used_ip"`
	DisabledAt   *time.Time    `json:"disabled_at"`
	DisabledBy   *string       `json:"disabled_by"`
	// BlockedBy says why an otherwise active key is refused: its owner (or their membership), its
	// tenant or its account is disabled. The key works again when that is enabled.
	BlockedBy     *Blocker        `json:"blocked_by"`
	RevokedAt     *time.Time      `json:"revoked_at"`
	RevokedReason *string         `json:"revoked_reason"`
	Previous      *PreviousSecret `json:"previous"`
	// Version changes with every edit. An edit that sends it in If-Match is refused if somebody
	// else edited the object meanwhile.
	Version string `json:"version"`
}

// PreviousSecret is a key's secret from before the last refresh, while it is still valid.
type PreviousSecret struct {
	PublicID  string    `json:"public_id"`
	Last4     string    `json:"last4"`
	ExpiresAt time.Time `json:"expires_at"`
	// LastUsedAt is when it was last used since it was replaced.
	LastUsedAt *time.Time `json:"last_used_at"`
}

// Key is an API key without its secret. A member sees only the summary of another person's key.
type Key struct {
	KeySummary
	*KeyDetails
}

// OwnKey is one of the caller's own keys, with the tenant that it belongs to.
type OwnKey struct {
	Key
	TenantID string `json:"tenant_id"`
}

// Credential is a key with its secret. It is shown once.
type Credential struct {
	Style Style  `json:"style"`
	ID    string `json:"id"`
	// Secret, Value and Example are null if the secret is not shown again, as in the response to a
	// repeated request. In Go they are "" then.
	Secret string `json:"secret" nullable:"true"`
	// Value is what a client sends.
	Value string `json:"value" nullable:"true"`
	// Example is a curl line that uses the key.
	Example string `json:"example" nullable:"true"`
}

// MarshalJSON writes null for members that are not shown.
func (c Credential) MarshalJSON() ([]byte, error) {
	type credential struct { // in the order of Credential
		Style   Style   `json:"style"`
		ID      string  `json:"id"`
		Secret  *string `json:"secret"`
		Value   *string `json:"value"`
		Example *string `json:"example"`
	}
	return json.Marshal(credential{c.Style, c.ID, shown(c.Secret), shown(c.Value), shown(c.Example)})
}

// shown returns nil for "".
func shown(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// IssuedKey is the response when a key is created, refreshed or claimed. It has the credential, or
// the link through which the owner of a new key gets it.
type IssuedKey struct {
	Key        Key         `json:"key"`
	Credential *Credential `json:"credential"`
	Link       *Link       `json:"link"`
	// EndedPrevious is the secret from before the last refresh, if it was still valid and this
	// refresh ended it early; null otherwise, and in the response to a repeated request.
	EndedPrevious *PreviousSecret `json:"ended_previous"`
}

// RevealedKey is the response to POST …/reveal.
type RevealedKey struct {
	Credential Credential `json:"credential"`
}

// Link delivers a new key to its owner. The secret does not exist until the owner opens the link.
type Link struct {
	// URL is shown once. It is null if the link is mailed to the owner, and in the response to a
	// repeated request.
	URL       *string   `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

// BulkKeysRequest is the body of POST /api/v1/tenants/{tenant}/keys/revoke and …/keys/disable.
type BulkKeysRequest struct {
	// IDs are those of 1 to 200 keys.
	IDs []string `json:"ids"`
	// Reason is that of a revocation.
	Reason string `json:"reason,omitempty"`
}

// BulkKeysResponse has a result for each key, in the order of the request.
type BulkKeysResponse struct {
	Results []BulkKeyResult `json:"results"`
}

// BulkKeyResult says whether a key was changed: ok, or the code of the refusal.
type BulkKeyResult struct {
	ID   string `json:"id"`
	Code Code   `json:"code"`
}

// RevokeKeyRequest is the body of POST …/revoke; it may be empty.
type RevokeKeyRequest struct {
	Reason string `json:"reason,omitempty"`
}
