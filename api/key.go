package api

import "time"

// NewKey is the body of POST /api/v1/tenants/{tenant}/keys.
type NewKey struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// OwnerID defaults to the caller.
	OwnerID string `json:"owner_id,omitempty"`
	// Scopes default to the tenant's; "*" stands alone.
	Scopes []string `json:"scopes,omitempty"`
	// AllApplications true, or at least one of ApplicationIDs.
	AllApplications bool       `json:"all_applications,omitempty"`
	ApplicationIDs  []string   `json:"application_ids,omitempty"`
	ExpiresAt       *time.Time `json:"expires_at,omitempty"`
	// Delivery is direct, as is the default, or link: then the owner mints the secret, and only they see it.
	Delivery string `json:"delivery,omitempty"`
}

// KeyEdit is the body of PATCH /api/v1/tenants/{tenant}/keys/{key}. What is absent stays.
type KeyEdit struct {
	Name        Optional[string] `json:"name,omitzero"`
	Description Optional[string] `json:"description,omitzero"`
	// Scopes replace the whole list.
	Scopes Optional[[]string] `json:"scopes,omitzero"`
	// AllApplications true lifts the restriction; giving ApplicationIDs alone sets it.
	AllApplications Optional[bool]     `json:"all_applications,omitzero"`
	ApplicationIDs  Optional[[]string] `json:"application_ids,omitzero"`
	// ExpiresAt null means that the key's own expiry goes; the account's policy still counts.
	ExpiresAt Optional[time.Time] `json:"expires_at,omitzero"`
}

// Refresh is the body of POST …/refresh; it may be empty.
type Refresh struct {
	// KeepID keeps the public id, as is the default.
	KeepID *bool `json:"keep_id,omitempty"`
	// ExpiresAt is by default as far from now as the key's own expiry was from its secret; null for none.
	ExpiresAt Optional[time.Time] `json:"expires_at,omitzero"`
	// OverlapSeconds is how long the old secret counts beside the new one: 0, as is the default, to 604800.
	OverlapSeconds int `json:"overlap_seconds,omitempty"`
}

// KeySummary is what every member may see of another's key.
type KeySummary struct {
	ID          string    `json:"id"`
	PublicID    string    `json:"public_id"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Owner       Person    `json:"owner"`
	CreatedAt   time.Time `json:"created_at"`
	// Status is active, disabled, expired or revoked.
	Status string `json:"status"`
}

// KeyDetails is what the owner, admins and auditors see besides.
type KeyDetails struct {
	CreatedBy Person `json:"created_by"`
	// Style is token, pair, client or uuid.
	Style string `json:"style"`
	// Last4 are the secret's last four characters.
	Last4           string     `json:"last4"`
	Scopes          []string   `json:"scopes"`
	AllApplications bool       `json:"all_applications"`
	ApplicationIDs  []string   `json:"application_ids"`
	Delivery        string     `json:"delivery"`
	UpdatedAt       time.Time  `json:"updated_at"`
	SecretSetAt     *time.Time `json:"secret_set_at"`
	// ExpiresAt is the key's own expiry.
	ExpiresAt *time.Time `json:"expires_at"`
	// EffectiveExpiresAt is when it ends, by its own expiry or by the account's policies.
	EffectiveExpiresAt *time.Time `json:"effective_expires_at"`
	// ExpiryReason says what EffectiveExpiresAt follows from: key, max_lifetime or auto_expiry.
	ExpiryReason  *string         `json:"expiry_reason"`
	LastUsedAt    *time.Time      `json:"last_used_at"`
	LastUsedIP    *string         `json:"last_used_ip"`
	DisabledAt    *time.Time      `json:"disabled_at"`
	DisabledBy    *string         `json:"disabled_by"`
	RevokedAt     *time.Time      `json:"revoked_at"`
	RevokedReason *string         `json:"revoked_reason"`
	Previous      *PreviousSecret `json:"previous"`
}

// PreviousSecret is the secret of before a refresh, while it still counts.
type PreviousSecret struct {
	PublicID  string    `json:"public_id"`
	Last4     string    `json:"last4"`
	ExpiresAt time.Time `json:"expires_at"`
	// LastUsedAt is when it was last used since it was replaced.
	LastUsedAt *time.Time `json:"last_used_at"`
}

// Key is an API key without its secret. Another's key shown to a member carries the summary alone.
type Key struct {
	KeySummary
	*KeyDetails
}

// OwnKey is one of the caller's keys, of whatever tenant.
type OwnKey struct {
	Key
	TenantID string `json:"tenant_id"`
}

// Credential is shown once.
type Credential struct {
	Style  string  `json:"style"`
	ID     string  `json:"id"`
	Secret *string `json:"secret"`
	// Value is what a client sends.
	Value *string `json:"value"`
	// Example is a curl line that uses the key.
	Example *string `json:"example"`
}

// IssuedKey answers a creation, a refresh and a claim: with the credential, or with the link that the owner of a new key gets it by.
type IssuedKey struct {
	Key        Key         `json:"key"`
	Credential *Credential `json:"credential"`
	Link       *Link       `json:"link"`
}

// RevealedKey answers POST …/reveal.
type RevealedKey struct {
	Credential Credential `json:"credential"`
}

// Link hands a key over; its secret does not exist until the owner opens it.
type Link struct {
	URL       *string   `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Revocation is the body of POST …/revoke; it may be empty.
type Revocation struct {
	Reason string `json:"reason,omitempty"`
}
