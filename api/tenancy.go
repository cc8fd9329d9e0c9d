package api

import "time"

// Account is a customer organisation.
type Account struct {
	ID     string `json:"id"`
	Number int64  `json:"number"`
	Name   string `json:"name"`
	Status string `json:"status"`
	// Role of the caller in the account; null for a member of its tenants alone.
	Role      *string   `json:"role"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// AccountPatch is the body of PATCH /api/v1/accounts/{account}.
type AccountPatch struct {
	Name Optional[string] `json:"name,omitzero"`
}

// Standing to be: the body of PUT /api/v1/accounts/{account}/members/{user}.
type NewStanding struct {
	// Role is owner or admin.
	Role string `json:"role"`
}

// Tenant is a workspace of an account.
type Tenant struct {
	ID        string    `json:"id"`
	Number    int64     `json:"number"`
	AccountID string    `json:"account_id"`
	Name      string    `json:"name"`
	Preset    string    `json:"preset"`
	Status    string    `json:"status"`
	Settings  Settings  `json:"settings"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Settings of a tenant.
type Settings struct {
	// Style of new keys: token, pair, client or uuid.
	Style  string  `json:"style"`
	Prefix *string `json:"prefix"`
	Label  *string `json:"label"`
	// ClientDomain stands behind the @ of style client.
	ClientDomain *string `json:"client_domain"`
	// KeyHeader is the tenant's own header for keys: X-…-Key or X-…-Token. Names that other systems use for secrets of their own, such as X-CSRF-Token, are
	// refused; the tenants of an account may use 8 different names besides those of the presets.
	KeyHeader *string `json:"key_header"`
	// Transports by which keys may come: bearer, basic, header, oauth.
	Transports []string `json:"transports"`
	// SessionTransport lets sessions through on forward-auth, gateway and vendor paths.
	SessionTransport bool `json:"session_transport"`
	// KeysPerUser is the cap; null means none.
	KeysPerUser *int `json:"keys_per_user"`
	// Creators of keys: self, admin.
	Creators []string `json:"creators"`
	// Visibility of keys to members: all or own.
	Visibility string `json:"visibility"`
	// DefaultScopes are given to a key that names none; empty means that its creator must choose.
	DefaultScopes []string `json:"default_scopes"`
	// RevokeMode is tombstone or delete.
	RevokeMode string `json:"revoke_mode"`
	// Disclosure is once or recoverable.
	Disclosure string `json:"disclosure"`
	Dialect    string `json:"dialect"`
	// AdminRefresh lets an admin refresh another's key.
	AdminRefresh bool `json:"admin_refresh"`
	// TokenSeconds is the life of an OAuth access token.
	TokenSeconds int    `json:"token_seconds"`
	TokenFormat  string `json:"token_format"`
	// IdleDays disables a key unused for so long, of which its owner is told 7 days before: so not within 8 days. Null for never.
	IdleDays *int `json:"idle_days"`
	// RequestsPerMinute bounds each key; null for no bound.
	RequestsPerMinute *int `json:"requests_per_minute"`
	// LegacyPassword lets people of an old tenant come to its API with e-mail address and password, too. Only the operator of the server sets it.
	LegacyPassword bool `json:"legacy_password"`
}

// SettingsPatch changes settings: absent keeps, null clears, lists replace.
type SettingsPatch struct {
	Style             Optional[string]   `json:"style,omitzero"`
	Prefix            Optional[string]   `json:"prefix,omitzero"`
	Label             Optional[string]   `json:"label,omitzero"`
	ClientDomain      Optional[string]   `json:"client_domain,omitzero"`
	KeyHeader         Optional[string]   `json:"key_header,omitzero"`
	Transports        Optional[[]string] `json:"transports,omitzero"`
	SessionTransport  Optional[bool]     `json:"session_transport,omitzero"`
	KeysPerUser       Optional[int]      `json:"keys_per_user,omitzero"`
	Creators          Optional[[]string] `json:"creators,omitzero"`
	Visibility        Optional[string]   `json:"visibility,omitzero"`
	DefaultScopes     Optional[[]string] `json:"default_scopes,omitzero"`
	RevokeMode        Optional[string]   `json:"revoke_mode,omitzero"`
	Disclosure        Optional[string]   `json:"disclosure,omitzero"`
	Dialect           Optional[string]   `json:"dialect,omitzero"`
	AdminRefresh      Optional[bool]     `json:"admin_refresh,omitzero"`
	TokenSeconds      Optional[int]      `json:"token_seconds,omitzero"`
	TokenFormat       Optional[string]   `json:"token_format,omitzero"`
	IdleDays          Optional[int]      `json:"idle_days,omitzero"`
	RequestsPerMinute Optional[int]      `json:"requests_per_minute,omitzero"`
}

// NewTenant is the body of POST /api/v1/tenants.
type NewTenant struct {
	// AccountID may be left out by whoever runs only one account.
	AccountID string `json:"account_id,omitempty"`
	Name      string `json:"name"`
	// Preset is standard, blazemeter, loadrunner, blazeauth or blancco.
	Preset string `json:"preset"`
}

// TenantPatch is the body of PATCH /api/v1/tenants/{tenant}.
type TenantPatch struct {
	Name     Optional[string] `json:"name,omitzero"`
	Settings *SettingsPatch   `json:"settings,omitempty"`
	// Status is active or disabled.
	Status Optional[string] `json:"status,omitzero"`
}

// Member is a person in a tenant or, with the role owner or admin, in an account.
type Member struct {
	User      Person    `json:"user"`
	Role      string    `json:"role"`
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
}

// MemberPatch is the body of PATCH /api/v1/tenants/{tenant}/members/{user}.
type MemberPatch struct {
	// Role is admin, member or auditor.
	Role Optional[string] `json:"role,omitzero"`
	// Status is active or disabled.
	Status Optional[string] `json:"status,omitzero"`
}

// NewInvitation is the body of POST /api/v1/tenants/{tenant}/members.
type NewInvitation struct {
	Email string `json:"email"`
	// Role is admin, member or auditor.
	Role string `json:"role"`
}

// Invitation asks the holder of an e-mail address into a tenant.
type Invitation struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Role  string `json:"role"`
	// URL is shown once; whoever opens it is taken for the person invited.
	URL       *string   `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Acceptance is the body of POST /api/v1/invitations/{token}. A person who is known to the server already gives their own password.
type Acceptance struct {
	// Name may be empty where whoever made the invitation said what the person is called.
	Name     string `json:"name"`
	Password string `json:"password"`
}

// Setup is the body of POST /api/v1/setup.
type Setup struct {
	Token string `json:"token"`
	// Account is the new account's name.
	Account  string `json:"account"`
	Email    string `json:"email"`
	Name     string `json:"name"`
	Password string `json:"password"`
}

// NewApplication is the body of POST /api/v1/tenants/{tenant}/applications.
type NewApplication struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// ApplicationPatch is the body of PATCH /api/v1/tenants/{tenant}/applications/{application}.
type ApplicationPatch struct {
	Name        Optional[string] `json:"name,omitzero"`
	Description Optional[string] `json:"description,omitzero"`
	// Status is active or disabled.
	Status Optional[string] `json:"status,omitzero"`
}

// Scope is one entry of a tenant's catalogue.
type Scope struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	// Roles that may hold it.
	Roles   []string `json:"roles"`
	BuiltIn bool     `json:"built_in"`
}

// NewScope is one of the tenant's own scopes.
type NewScope struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Roles default to admin and member.
	Roles []string `json:"roles,omitempty"`
}

// NewScopes is the body of PUT /api/v1/tenants/{tenant}/scopes: all of the tenant's own.
type NewScopes struct {
	Items []NewScope `json:"items"`
}

// Event is one change, as the audit trail keeps it.
type Event struct {
	ID        string            `json:"id"`
	At        time.Time         `json:"at"`
	Actor     Actor             `json:"actor"`
	Action    string            `json:"action"`
	Target    Target            `json:"target"`
	IP        *string           `json:"ip"`
	RequestID *string           `json:"request_id"`
	Details   map[string]string `json:"details"`
}

// Actor is who made a change: a user, a key or the operator.
type Actor struct {
	Type  string  `json:"type"`
	ID    *string `json:"id"`
	Email *string `json:"email"`
}

// Target is what was changed.
type Target struct {
	Type string  `json:"type"`
	ID   *string `json:"id"`
	Name *string `json:"name"`
}
