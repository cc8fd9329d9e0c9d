package api

import "time"

// CreateAccountRequest is the body of POST /operator/v1/accounts.
type CreateAccountRequest struct {
	Name string `json:"name"`
	// OwnerEmail is the e-mail address of the account's owner.
	OwnerEmail string `json:"owner_email"`
	// OwnerName is the owner's name, unless they enter one themselves.
	OwnerName string `json:"owner_name,omitempty"`
	// Preset is that of the first tenant.
	Preset Preset `json:"preset"`
	// Tenant is the name of the first tenant, by default the account's.
	Tenant string `json:"tenant,omitempty"`
}

// CreateAccountResponse is a new account. It has no owner until the invitation is accepted.
type CreateAccountResponse struct {
	Account  Account `json:"account"`
	TenantID string  `json:"tenant_id"`
	// Invitation has the link, which is shown once.
	Invitation Invitation `json:"invitation"`
}

// TenantOperatorSettings are the tenant settings that only the operator changes. They are the body
// and the response of PUT /operator/v1/tenants/{tenant}.
type TenantOperatorSettings struct {
	LegacyPassword bool `json:"legacy_password"`
}

// User is a user as the operator sees them.
type User struct {
	ID     string `json:"id"`
	Number int64  `json:"number"`
	Email  string `json:"email"`
	// EmailProven reports whether the address is proven to be the user's.
	EmailProven bool   `json:"email_proven"`
	Name        string `json:"name"`

	Status    Status    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// UpdateUserRequest is the body of PATCH /operator/v1/users/{user}.
type UpdateUserRequest struct {
	Status Status `json:"status"`
}

// PasswordResetLink is the response to POST /operator/v1/users/{user}/password-resets.
type PasswordResetLink struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	// URL is shown once. Anyone who has it can set the user's password.
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

// AuditFinding is the result of verifying the audit trail.
type AuditFinding struct {
	// Whole is true if no record was edited, deleted, moved or cut off.
	Whole bool `json:"whole"`
	// Chains and Records are how many of each were verified.
	Chains  int64 `json:"chains"`
	Records int64 `json:"records"`
	// Damage is the first fault that was found; null if there is none.
	Damage *AuditFault `json:"damage"`
	// Head is the state of the whole trail; null if there is damage. Keep it outside of the
	// database and send it as `since` when you verify the trail again.
	Head *string `json:"head"`
}

// AuditFault is a place where the audit trail differs from what was written.
type AuditFault struct {
	// Chain is the id of a tenant or an account, or "server"; null if records are missing and their
	// chain is not known.
	Chain *string `json:"chain"`
	// After is the number of the last intact record of the chain; 0 for none.
	After   int64  `json:"after"`
	Message string `json:"message"`
}

// ServerKey is a live version of one of the server's own keys.
type ServerKey struct {
	// Key is the name of the server key: copy, cursor, digest, session or tag.
	Key     string `json:"key"`
	Version int    `json:"version"`
	// Current is true for the version that new data is written with.
	Current   bool      `json:"current"`
	CreatedAt time.Time `json:"created_at"`
	// UsedFrom is since when new data is written with it; null for the first version.
	UsedFrom *time.Time `json:"used_from"`
	// RewrappedAt is when all data of this version had been re-encrypted under another version.
	RewrappedAt *time.Time `json:"rewrapped_at"`
	// Left is how many digests, copies of secrets, key ids, or sessions and links still use this
	// version. Cursors are not counted.
	Left int64 `json:"left"`
}

// RotateKeysRequest is the body of POST /operator/v1/rootkey/rotate.
type RotateKeysRequest struct {
	// Tag true rotates only the tag key. By default all keys except the tag key are rotated.
	Tag bool `json:"tag,omitempty"`
}

// RotateKeysResponse is the new version of the rotated keys.
type RotateKeysResponse struct {
	Version  int       `json:"version"`
	UsedFrom time.Time `json:"used_from"`
}

// RetireKeysRequest is the body of POST /operator/v1/rootkey/retire.
type RetireKeysRequest struct {
	Version int `json:"version"`
	// Tag true retires a version of the tag key. By default the version of all other keys is
	// retired.
	Tag bool `json:"tag,omitempty"`
}

// Notice is one message to one person, as the operator sees it.
type Notice struct {
	ID string `json:"id"`
	// Kind is key_expiring, key_expired, key_idle, key_created, key_refreshed, key_revealed,
	// key_disabled, key_revoked, new_sign_in, failed_sign_ins, password_reset, invitation or
	// key_claim.
	Kind string `json:"kind"`
	// State is waiting, claimed, sending, sent, skipped, dead or in_doubt.
	State string `json:"state"`
	// Email is the recipient's present address; null for a deleted user.
	Email     *string   `json:"email"`
	KeyID     *string   `json:"key_id"`
	CreatedAt time.Time `json:"created_at"`
	// DueAt is when the next attempt is due or, if there is none, when the last attempt ended.
	DueAt    time.Time `json:"due_at"`
	Attempts int       `json:"attempts"`
	// Reason is why it was not sent; null if it was sent or was not tried yet.
	Reason *string `json:"reason"`
}

// RetryNoticesRequest is the body of POST /operator/v1/notices/retry. It names one notice, or all
// dead notices.
type RetryNoticesRequest struct {
	ID   string `json:"id,omitempty"`
	Dead bool   `json:"dead,omitempty"`
}

// RetryNoticesResponse is how many notices will be sent again.
type RetryNoticesResponse struct {
	Retried int64 `json:"retried"`
}

// ClockStatus is the state of a node's clock, and the times that it is compared with.
type ClockStatus struct {
	// Trusted is false while the clock is in doubt. Until it is trusted again the node answers 503.
	Trusted bool `json:"trusted"`
	// Reason is why the clock is in doubt; null if it is trusted.
	Reason *string `json:"reason"`
	// Time is the time by the machine's clock.
	Time time.Time `json:"time"`
	// DatabaseTime is the time by PostgreSQL's clock; null with SQLite.
	DatabaseTime *time.Time `json:"database_time"`
	// Record is the latest time on record; null if there is none.
	Record *time.Time `json:"record"`
	// Horizon is the time that irreversible jobs use. A wrong clock moves it only slowly.
	Horizon *time.Time `json:"horizon"`
}

// RepairClockRequest is the body of POST /operator/v1/clock/repair.
type RepairClockRequest struct {
	// Time is the present time by a clock that the operator trusts. It may be left out if
	// PostgreSQL's clock agrees with the machine's.
	Time *time.Time `json:"time,omitempty"`
}

// RepairClockResponse is the result of setting the recorded time back.
type RepairClockResponse struct {
	// From was the latest time on record, To is the present time.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// MayReviveKeys counts keys that were expired by the recorded time and are not by the present
	// time.
	MayReviveKeys            int64 `json:"may_revive_keys"`
	MayRevivePreviousSecrets int64 `json:"may_revive_previous_secrets"`
	MayReviveSessions        int64 `json:"may_revive_sessions"`
	MayReviveLinks           int64 `json:"may_revive_links"`
	// SessionsEnded counts sessions that began later than the present.
	SessionsEnded int64 `json:"sessions_ended"`
	// KeysForgotten counts keys whose digests were removed later than the present. They stay
	// expired.
	KeysForgotten int64 `json:"keys_forgotten"`
	// ChangesAhead counts changes that are recorded as made later than the present.
	ChangesAhead int64 `json:"changes_ahead"`
}

// SetEmailRequest is the body of PUT /operator/v1/users/{user}/email. The operator vouches for the
// address.
type SetEmailRequest struct {
	Email string `json:"email"`
}
