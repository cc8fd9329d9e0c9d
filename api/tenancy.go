package api

import "time"

// Account is a customer organisation.
type Account struct {
	ID     string `json:"id"`
	Number int64  `json:"number"`
	Name   string `json:"name"`
	Status Status `json:"status"`
	// Role is the caller's role in the account; null for a person who is only a member of tenants.
	Role      *Role     `json:"role" values:"owner,admin"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// Version changes with every edit. An edit that sends it in If-Match is refused if somebody
	// else edited the object meanwhile.
	Version string `json:"version"`
}

// UpdateAccountRequest is the body of PATCH /api/v1/accounts/{account}.
type UpdateAccountRequest struct {
	Name Optional[string] `json:"name,omitzero"`
}

// SetAccountMemberRequest is the body of PUT /api/v1/accounts/{account}/members/{user}.
type SetAccountMemberRequest struct {
	// Role is owner or admin.
	Role Role `json:"role" values:"owner,admin"`
}

// Tenant is a workspace of an account.
type Tenant struct {
	ID        string    `json:"id"`
	Number    int64     `json:"number"`
	AccountID string    `json:"account_id"`
	Name      string    `json:"name"`
	Preset    Preset    `json:"preset"`
	Status    Status    `json:"status"`
	Settings  Settings  `json:"settings"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// Version changes with every edit. An edit that sends it in If-Match is refused if somebody
	// else edited the object meanwhile.
	Version string `json:"version"`
}

// Settings are the settings of a tenant.
type Settings struct {
	// Style is the format of new keys.
	Style  Style   `json:"style"`
	Prefix *string `json:"prefix"`
	Label  *string `json:"label"`
	// ClientDomain is the part after the @ in keys of style client. LoadRunner Cloud's plugin for
	// Jenkins works with keys of the domain microfocus.com alone.
	ClientDomain *string `json:"client_domain"`
	// KeyHeader is the tenant's own request header for keys: X-…-Key or X-…-Token. Names that other
	// systems use for their secrets, such as X-CSRF-Token, are refused. The tenants of an account
	// may use 8 different names besides those of the presets.
	KeyHeader *string `json:"key_header"`
	// Transports are the transports that keys may use. session is not one of them.
	Transports []Transport `json:"transports" values:"bearer,basic,header,oauth"`
	// SessionTransport true accepts sessions on forward-auth, gateway and vendor paths.
	SessionTransport bool `json:"session_transport"`
	// KeysPerUser is how many keys a user may hold; null for no limit.
	KeysPerUser *int `json:"keys_per_user"`
	// KeysPerServiceAccount and KeysPerSubject are the same for the other types of owners. Whatever
	// the settings say, an owner holds at most 10,000 keys.
	KeysPerServiceAccount *int `json:"keys_per_service_account"`
	KeysPerSubject        *int `json:"keys_per_subject"`
	// Owners are the types of owners that may get new keys.
	Owners []PartyType `json:"owners" values:"user,service_account,subject"`
	// Creators are who may create keys for people. Keys of service accounts and subjects are
	// created by admins of the tenant.
	Creators []Creator `json:"creators"`
	// Visibility is which keys members see.
	Visibility Visibility `json:"visibility"`
	// DefaultScopes are the scopes of a key that is created without any. If empty, the creator must
	// choose scopes.
	DefaultScopes []string   `json:"default_scopes"`
	RevokeMode    RevokeMode `json:"revoke_mode"`
	Disclosure    Disclosure `json:"disclosure"`
	Dialect       Dialect    `json:"dialect"`
	// AdminRefresh true lets an admin refresh other people's keys, except the keys of account
	// owners and account admins.
	AdminRefresh bool `json:"admin_refresh"`
	// TokenSeconds is the lifetime of an OAuth access token in seconds: 60 to 86,400, for JWTs at
	// most 300.
	TokenSeconds int `json:"token_seconds"`
	// TokenFormat is the format of new OAuth access tokens. An opaque token is checked here on
	// every use, so a change counts at once. Who verifies a JWT by its signature learns of a
	// change, for example that the key was revoked, only at the next token. Keys with
	// `allowed_cidrs` always get opaque tokens. Setting `jwt` alone also cuts `token_seconds` to
	// 300.
	TokenFormat TokenFormat `json:"token_format"`
	// TokenAudience is the `aud` of JWTs; null for the URL of this server.
	TokenAudience *string `json:"token_audience"`
	// TokenAlgorithm signs JWTs. Most verifiers know RS256.
	TokenAlgorithm TokenAlgorithm `json:"token_algorithm"`
	// IdleDays is after how many days without use a key is disabled; null for never. The owner gets
	// a notice 7 days before, so no key is disabled in its first 8 days.
	IdleDays *int `json:"idle_days"`
	// RequestsPerMinute limits each key: the requests that it makes here, and those for which it is
	// verified. Null for no limit.
	RequestsPerMinute *int `json:"requests_per_minute"`
	// VerifyRequestsPerMinute limits how often each key of the tenant may verify others; null for
	// no limit. These requests do not count in RequestsPerMinute of the key that makes them.
	VerifyRequestsPerMinute *int `json:"verify_requests_per_minute"`
	// VerifyRequires lists the members that a request to verify must have. A request without one of
	// them is refused with 422. The rule applies to keys of this tenant when they verify, and to
	// every other verifier that verifies keys of this tenant.
	VerifyRequires []VerifyMember `json:"verify_requires"`
	// LegacyPassword true lets people use the API of an old tenant with e-mail address and
	// password, too. Only the operator of the server changes it.
	LegacyPassword bool `json:"legacy_password"`
}

// SettingsPatch changes settings. Absent members stay as they are, null clears, lists replace.
type SettingsPatch struct {
	Style            Optional[Style]       `json:"style,omitzero"`
	Prefix           Optional[string]      `json:"prefix,omitzero"`
	Label            Optional[string]      `json:"label,omitzero"`
	ClientDomain     Optional[string]      `json:"client_domain,omitzero"`
	KeyHeader        Optional[string]      `json:"key_header,omitzero"`
	Transports       Optional[[]Transport] `json:"transports,omitzero" values:"bearer,basic,header,oauth"`
	SessionTransport Optional[bool]        `json:"session_transport,omitzero"`
	KeysPerUser      Optional[int]         `json:"keys_per_user,omitzero"`
	Creators         Optional[[]Creator]   `json:"creators,omitzero"`
	Visibility       Optional[Visibility]  `json:"visibility,omitzero"`
	DefaultScopes    Optional[[]string]    `json:"default_scopes,omitzero"`
	RevokeMode       Optional[RevokeMode]  `json:"revoke_mode,omitzero"`
	Disclosure       Optional[Disclosure]  `json:"disclosure,omitzero"`
	Dialect          Optional[Dialect]     `json:"dialect,omitzero"`
	AdminRefresh     Optional[bool]        `json:"admin_refresh,omitzero"`
	TokenSeconds     Optional[int]         `json:"token_seconds,omitzero"`
	TokenFormat      Optional[TokenFormat] `json:"token_format,omitzero"`

	TokenAudience  Optional[string]         `json:"token_audience,omitzero"`
	TokenAlgorithm Optional[TokenAlgorithm] `json:"token_algorithm,omitzero"`

	IdleDays          Optional[int] `json:"idle_days,omitzero"`
	RequestsPerMinute Optional[int] `json:"requests_per_minute,omitzero"`

	KeysPerServiceAccount Optional[int] `json:"keys_per_service_account,omitzero"`
	KeysPerSubject        Optional[int] `json:"keys_per_subject,omitzero"`
	// Owners null is all types, or only users where the dialect is a vendor's. Another dialect does
	// not change the types of a tenant for which nobody chose them.
	Owners Optional[[]PartyType] `json:"owners,omitzero" values:"user,service_account,subject"`

	VerifyRequestsPerMinute Optional[int]            `json:"verify_requests_per_minute,omitzero"`
	VerifyRequires          Optional[[]VerifyMember] `json:"verify_requires,omitzero"`
}

// CreateTenantRequest is the body of POST /api/v1/tenants.
type CreateTenantRequest struct {
	// AccountID may be left out by a caller who is owner or admin of only one account.
	AccountID string `json:"account_id,omitempty"`
	Name      string `json:"name"`
	// Preset is needed unless CopySettingsFrom is sent.
	Preset Preset `json:"preset,omitempty"`
	// CopySettingsFrom is the id of another tenant of the account. The new tenant gets its settings
	// and the scopes that it added; it gets none of its members, applications and keys.
	CopySettingsFrom string `json:"copy_settings_from,omitempty"`
}

// UpdateTenantRequest is the body of PATCH /api/v1/tenants/{tenant}.
type UpdateTenantRequest struct {
	Name     Optional[string] `json:"name,omitzero"`
	Settings *SettingsPatch   `json:"settings,omitempty"`
	Status   Optional[Status] `json:"status,omitzero"`
}

// Member is a person in a tenant or, with the role owner or admin, in an account.
type Member struct {
	User      Person    `json:"user"`
	Role      Role      `json:"role"`
	Status    Status    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
	// SecondFactor reports whether the person has a second factor; without one, the password alone
	// signs in. It and LastSeenAt are null to everybody but the sessions of admins.
	SecondFactor *bool `json:"second_factor"`
	// LastSeenAt is when the person last used a session, anywhere on the server. It is null for
	// never.
	LastSeenAt *time.Time `json:"last_seen_at"`
	// Version changes with every edit. An edit that sends it in If-Match is refused if somebody
	// else edited the object meanwhile.
	Version string `json:"version"`
}

// UpdateMemberRequest is the body of PATCH /api/v1/tenants/{tenant}/members/{user}.
type UpdateMemberRequest struct {
	// Role is admin, member or auditor.
	Role   Optional[Role]   `json:"role,omitzero" values:"admin,member,auditor"`
	Status Optional[Status] `json:"status,omitzero"`
}

// CreateInvitationRequest is the body of POST /api/v1/tenants/{tenant}/members.
type CreateInvitationRequest struct {
	Email string `json:"email"`
	// Role is admin, member or auditor.
	Role Role `json:"role" values:"admin,member,auditor"`
}

// Invitation invites the holder of an e-mail address into a tenant.
type Invitation struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Role  Role   `json:"role" values:"admin,member,auditor"`
	// URL is shown once. Anyone who has it can accept the invitation. It is null if the link is
	// mailed to the person, and in the response to a repeated request.
	URL       *string   `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

// PendingInvitation is an invitation in a list that can still be accepted.
type PendingInvitation struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Role  Role   `json:"role" values:"admin,member,auditor"`
	// CreatedBy is the person who invites; null if the operator does.
	CreatedBy *Person   `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// AcceptInvitationRequest is the body of POST /api/v1/invitations/{token}. A person who already has
// a user gives their own password.
type AcceptInvitationRequest struct {
	// Name may be empty if the invitation already has the person's name.
	Name     string `json:"name"`
	Password string `json:"password"`
	// Code is that of the second factor, if the person has one.
	Code string `json:"code,omitempty"`
}

// SetUpRequest is the body of POST /api/v1/setup.
type SetUpRequest struct {
	Token string `json:"token"`
	// Account is the new account's name.
	Account  string `json:"account"`
	Email    string `json:"email"`
	Name     string `json:"name"`
	Password string `json:"password"`
}

// CreateApplicationRequest is the body of POST /api/v1/tenants/{tenant}/applications.
type CreateApplicationRequest struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// UpdateApplicationRequest is the body of PATCH
// /api/v1/tenants/{tenant}/applications/{application}.
type UpdateApplicationRequest struct {
	Name        Optional[string] `json:"name,omitzero"`
	Description Optional[string] `json:"description,omitzero"`
	Status      Optional[Status] `json:"status,omitzero"`
}

// Scope is one entry of a tenant's catalogue.
type Scope struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	// Roles are the roles that may have the scope.
	Roles   []Role `json:"roles" values:"admin,member,auditor"`
	BuiltIn bool   `json:"built_in"`
	// Version changes with every edit. An edit that sends it in If-Match is refused if somebody
	// else edited the object meanwhile.
	Version string `json:"version"`
}

// NewScope is one of the tenant's own scopes.
type NewScope struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Roles are by default admin and member.
	Roles []Role `json:"roles,omitempty" values:"admin,member,auditor"`
}

// ReplaceScopesRequest is the body of PUT /api/v1/tenants/{tenant}/scopes. It has all of the
// tenant's own scopes.
type ReplaceScopesRequest struct {
	Items []NewScope `json:"items"`
}

// PutScopeRequest is the body of PUT /api/v1/tenants/{tenant}/scopes/{name}.
type PutScopeRequest struct {
	Description string `json:"description,omitempty"`
	// Roles are by default admin and member.
	Roles []Role `json:"roles,omitempty" values:"admin,member,auditor"`
}

// Event is one change in the audit trail.
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

// Actor is who made a change: a user, a key, the operator or Claviger itself.
type Actor struct {
	Type  string  `json:"type"`
	ID    *string `json:"id"`
	Email *string `json:"email"`
	// Name is that of a management key; null for every other actor.
	Name *string `json:"name"`
}

// Target is what was changed.
type Target struct {
	Type string  `json:"type"`
	ID   *string `json:"id"`
	Name *string `json:"name"`
}
