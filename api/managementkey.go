package api

import "time"

// Permission is something that a management key may do.
type Permission string

// The values of Permission.
const (
	// PermissionKeysRead lists and shows keys and their health.
	PermissionKeysRead   Permission = "keys:read"
	PermissionKeysCreate Permission = "keys:create"
	PermissionKeysUpdate Permission = "keys:update"
	// PermissionKeysRefresh replaces secrets.
	PermissionKeysRefresh Permission = "keys:refresh"
	// PermissionKeysDisable disables keys, and enables what a management key disabled.
	PermissionKeysDisable Permission = "keys:disable"
	// PermissionKeysRevoke revokes and deletes keys, and ends previous secrets.
	PermissionKeysRevoke Permission = "keys:revoke"
	// PermissionSubjectsRead lists and shows subjects and plans.
	PermissionSubjectsRead Permission = "subjects:read"
	// PermissionSubjectsWrite creates, changes, disables, enables and deletes subjects.
	PermissionSubjectsWrite Permission = "subjects:write"
	// PermissionApplicationsRead, PermissionScopesRead, PermissionAuditRead and PermissionUsageRead
	// are about the whole tenant. The role of the service account must include them: that of an
	// auditor or admin for the last two.
	PermissionApplicationsRead Permission = "applications:read"
	PermissionScopesRead       Permission = "scopes:read"
	PermissionAuditRead        Permission = "audit:read"
	PermissionUsageRead        Permission = "usage:read"
)

// Values implements the enum.
func (Permission) Values() []Permission {
	return []Permission{
		PermissionKeysRead, PermissionKeysCreate, PermissionKeysUpdate, PermissionKeysRefresh, PermissionKeysDisable,
		PermissionKeysRevoke, PermissionSubjectsRead, PermissionSubjectsWrite, PermissionApplicationsRead,
		PermissionScopesRead, PermissionAuditRead, PermissionUsageRead,
	}
}

// ManagementKey is the credential by which a program manages keys, without its secret. It is no API
// key: it works on the management API only, and only people create it.
type ManagementKey struct {
	ID       string `json:"id"`
	TenantID string `json:"tenant_id"`
	Name     string `json:"name"`
	// PublicID is the part of the value that is not secret.
	PublicID       string       `json:"public_id"`
	Last4          string       `json:"last4"`
	ServiceAccount Party        `json:"service_account"`
	Permissions    []Permission `json:"permissions"`
	// Owners are the types of owners for whose keys it may act. For users only keys:read,
	// keys:disable and keys:revoke count.
	Owners []PartyType `json:"owners"`
	// Ceilings are what the keys that it creates, changes or refreshes may have at most.
	Ceilings ManagementCeilings `json:"ceilings"`
	// AllowedCIDRs are the networks from which it may be used; null if from every address.
	AllowedCIDRs []string  `json:"allowed_cidrs" nullable:"true"`
	Status       KeyStatus `json:"status"`
	ExpiresAt    time.Time `json:"expires_at"`
	// EffectiveExpiresAt is the earlier of its own expiry and that of the account's policy.
	EffectiveExpiresAt time.Time       `json:"effective_expires_at"`
	CreatedBy          Party           `json:"created_by"`
	CreatedAt          time.Time       `json:"created_at"`
	UpdatedAt          time.Time       `json:"updated_at"`
	SecretSetAt        time.Time       `json:"secret_set_at"`
	LastUsedAt         *time.Time      `json:"last_used_at"`
	LastUsedIP         *string         `json:"last_used_ip"`
	RevokedAt          *time.Time      `json:"revoked_at"`
	RevokedReason      *string         `json:"revoked_reason"`
	Previous           *PreviousSecret `json:"previous"`
	// Version changes with every edit. An edit that sends it in If-Match is refused if somebody
	// else edited the object meanwhile.
	Version string `json:"version"`
}

// ManagementCeilings are what the keys of a management key may have at most.
type ManagementCeilings struct {
	// Scopes that its keys may have; ["*"] for all.
	Scopes []string `json:"scopes"`
	// AllApplications is true, or ApplicationIDs lists the applications that its keys may reach.
	AllApplications bool     `json:"all_applications"`
	ApplicationIDs  []string `json:"application_ids"`
	// Plans that it may give to subjects; null in the list is no plan.
	Plans []*string `json:"plans"`
	// MaxLifetimeDays bounds the lifetime of secrets; null for no bound. A key that is created
	// without an expiry gets this one.
	MaxLifetimeDays *int `json:"max_lifetime_days"`
	// CreatesPerHour bounds the keys that it creates, the secrets that it refreshes and the
	// subjects that it creates, together. The default is 1000.
	CreatesPerHour int `json:"creates_per_hour"`
	// AllowedCIDRs are the widest networks that its keys may have; null for every address.
	AllowedCIDRs []string `json:"allowed_cidrs" nullable:"true"`
}

// IssuedManagementKey is a management key with its secret, which is shown once.
type IssuedManagementKey struct {
	ManagementKey
	// Value is the whole management key: send it in the header "Authorization: Bearer". It is null
	// in the response to a repeated request.
	Value *string `json:"value"`
}

// CreateManagementKeyRequest is the body of POST
// /api/v1/tenants/{tenant}/service-accounts/{service_account}/management-keys.
type CreateManagementKeyRequest struct {
	Name        string       `json:"name"`
	Permissions []Permission `json:"permissions"`
	// Owners are the types of owners for whose keys it may act.
	Owners []PartyType `json:"owners" values:"user,service_account,subject"`
	// Ceilings are what its keys may have at most; by default nothing.
	Ceilings ManagementCeilingsRequest `json:"ceilings,omitzero"`
	// AllowedCIDRs are the networks from which it may be used: 1 to 64. null, the default, allows
	// every address.
	AllowedCIDRs []string `json:"allowed_cidrs,omitzero" nullable:"true"`
	// ExpiresAt is at most 365 days from now, by default 90 days.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// ManagementCeilingsRequest are the ceilings of a new management key.
type ManagementCeilingsRequest struct {
	Scopes          []string `json:"scopes,omitempty"`
	AllApplications bool     `json:"all_applications,omitempty"`
	ApplicationIDs  []string `json:"application_ids,omitempty"`
	// Plans that it may give to subjects; null in the list is no plan. By default none.
	Plans []*string `json:"plans,omitempty"`
	// MaxLifetimeDays is 1 to 3650 days; null, the default, is no bound.
	MaxLifetimeDays *int `json:"max_lifetime_days,omitempty"`
	// CreatesPerHour is 1 to 100000, by default 1000.
	CreatesPerHour int `json:"creates_per_hour,omitempty"`
	// AllowedCIDRs are the widest networks that its keys may have: 1 to 64. null, the default,
	// allows every address.
	AllowedCIDRs []string `json:"allowed_cidrs,omitzero" nullable:"true"`
}

// UpdateManagementKeyRequest is the body of PATCH
// /api/v1/tenants/{tenant}/service-accounts/{service_account}/management-keys/{management_key}. It
// only narrows: every value must be within the present one (`widened`). Absent members stay as they
// are.
type UpdateManagementKeyRequest struct {
	Name        Optional[string]       `json:"name,omitzero"`
	Permissions Optional[[]Permission] `json:"permissions,omitzero"`
	Owners      Optional[[]PartyType]  `json:"owners,omitzero"`
	// Ceilings replace all present ceilings.
	Ceilings     *ManagementCeilingsRequest `json:"ceilings,omitempty"`
	AllowedCIDRs Optional[[]string]         `json:"allowed_cidrs,omitzero"`
	// ExpiresAt must not be later than the present one.
	ExpiresAt Optional[time.Time] `json:"expires_at,omitzero"`
}

// RefreshManagementKeyRequest is the body of POST …/refresh; it may be empty.
type RefreshManagementKeyRequest struct {
	// ExpiresAt is the new expiry, at most 365 days from now. By default the new secret lasts as
	// long as the old one was to last.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	// OverlapSeconds is how long the old secret stays valid beside the new one: 0 to 604800
	// seconds, by default 0.
	OverlapSeconds int `json:"overlap_seconds,omitempty"`
}

// RevokeManagementKeyRequest is the body of POST …/revoke; it may be empty.
type RevokeManagementKeyRequest struct {
	Reason string `json:"reason,omitempty"`
}
