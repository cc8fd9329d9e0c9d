package api

import "time"

// VerifyRequest asks for a decision: exactly one of Credential and Headers, the rest optional.
type VerifyRequest struct {
	// Credential is a key's value or an access token.
	Credential string `json:"credential,omitempty"`
	// Headers are those of the request to decide, names without regard to case; a cookie among them is ignored.
	Headers map[string]string `json:"headers,omitempty"`
	// Scopes are all needed.
	Scopes []string `json:"scopes,omitempty"`
	// ApplicationID is the application that the request is about.
	ApplicationID string `json:"application_id,omitempty"`
	// TenantID is the one tenant whose keys are good.
	TenantID string `json:"tenant_id,omitempty"`
	// SessionOnly says that the route takes no key.
	SessionOnly bool `json:"session_only,omitempty"`
	// Transport is judged only when said, or known from Headers.
	Transport string `json:"transport,omitempty"`
	// IP is the address of the protected API's client, kept as that of the last use.
	IP string `json:"ip,omitempty"`
}

// Decision answers a VerifyRequest for a credential that may pass.
type Decision struct {
	// Active is true.
	Active bool `json:"active"`
	// Code is ok.
	Code      Code   `json:"code"`
	KeyID     string `json:"key_id"`
	PublicID  string `json:"public_id"`
	TenantID  string `json:"tenant_id"`
	AccountID string `json:"account_id"`
	Owner     Person `json:"owner"`
	// Scopes are the effective ones: the key's own, cut to what its owner's role allows now.
	Scopes             []string   `json:"scopes"`
	AllApplications    bool       `json:"all_applications"`
	ApplicationIDs     []string   `json:"application_ids"`
	Transport          *string    `json:"transport"`
	EffectiveExpiresAt *time.Time `json:"effective_expires_at"`
}

// Refusal answers a VerifyRequest for one that may not. Whose key it is stands there only once possession was proven.
type Refusal struct {
	// Active is false.
	Active bool `json:"active"`
	// Code says why, as in /docs/errors.
	Code     Code   `json:"code"`
	KeyID    string `json:"key_id,omitempty"`
	PublicID string `json:"public_id,omitempty"`
	TenantID string `json:"tenant_id,omitempty"`
}

// Whoami tells a caller who they are; null where a member is not of the caller's kind.
type Whoami struct {
	// Principal is key or session.
	Principal          string       `json:"principal"`
	User               *Person      `json:"user"`
	TenantID           *string      `json:"tenant_id"`
	AccountID          *string      `json:"account_id"`
	KeyID              *string      `json:"key_id"`
	PublicID           *string      `json:"public_id"`
	Scopes             []string     `json:"scopes" nullable:"true"`
	AllApplications    *bool        `json:"all_applications"`
	ApplicationIDs     []string     `json:"application_ids" nullable:"true"`
	Transport          *string      `json:"transport"`
	EffectiveExpiresAt *time.Time   `json:"effective_expires_at"`
	Memberships        []Membership `json:"memberships" nullable:"true"`
	Accounts           []Standing   `json:"accounts" nullable:"true"`
}
