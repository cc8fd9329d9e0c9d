package api

import "time"

// Opening is the body of POST /operator/v1/accounts.
type Opening struct {
	Name string `json:"name"`
	// OwnerEmail is whose account it will be.
	OwnerEmail string `json:"owner_email"`
	// OwnerName is what the owner is called where they do not say so themselves.
	OwnerName string `json:"owner_name,omitempty"`
	// Preset of the first tenant: standard, blazemeter, loadrunner, blazeauth or blancco.
	Preset string `json:"preset"`
	// Tenant is the name of the first tenant, by default the account's.
	Tenant string `json:"tenant,omitempty"`
}

// OpenedAccount is an account to which nobody belongs until its owner accepts the invitation.
type OpenedAccount struct {
	Account  Account `json:"account"`
	TenantID string  `json:"tenant_id"`
	// Invitation has the link, which is shown once.
	Invitation Invitation `json:"invitation"`
}

// OperatedTenant is what the operator alone sets of a tenant: body and answer of PUT /operator/v1/tenants/{tenant}.
type OperatedTenant struct {
	LegacyPassword bool `json:"legacy_password"`
}

// User is a person as the operator sees them.
type User struct {
	ID     string `json:"id"`
	Number int64  `json:"number"`
	Email  string `json:"email"`
	Name   string `json:"name"`
	// Status is active or disabled.
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// UserPatch is the body of PATCH /operator/v1/users/{user}.
type UserPatch struct {
	// Status is active or disabled.
	Status string `json:"status"`
}

// AuditFinding is what a look at the whole audit trail found.
type AuditFinding struct {
	// Whole is true where nothing was edited, deleted, moved or cut off.
	Whole bool `json:"whole"`
	// Chains and Records that were looked at.
	Chains  int64 `json:"chains"`
	Records int64 `json:"records"`
	// Damage is the first that was found; null where there is none.
	Damage *AuditDamage `json:"damage"`
}

// AuditDamage is where the audit trail is not as it was written.
type AuditDamage struct {
	// Chain is a tenant's id, an account's or "server"; null where records are missing and no chain tells from where.
	Chain *string `json:"chain"`
	// After is the last record of the chain that is as it was written; 0 for none.
	After   int64  `json:"after"`
	Message string `json:"message"`
}

// ServerKey is a live version of one of the server's own keys.
type ServerKey struct {
	// Key is copy, cursor, digest, session or tag.
	Key     string `json:"key"`
	Version int    `json:"version"`
	// Current is true of the version that is used for what is new.
	Current   bool      `json:"current"`
	CreatedAt time.Time `json:"created_at"`
	// UsedFrom is when it began to be used for what is new; null for ever since.
	UsedFrom *time.Time `json:"used_from"`
	// RewrappedAt is when all that it had sealed was under another version.
	RewrappedAt *time.Time `json:"rewrapped_at"`
	// Left is how many digests, copies of secrets, ids of keys, or sign-ins and links are under it. Cursors are not counted.
	Left int64 `json:"left"`
}

// Rotation is the body of POST /operator/v1/rootkey/rotate.
type Rotation struct {
	// Tag rotates the key of the tags alone; by default all others are rotated.
	Tag bool `json:"tag,omitempty"`
}

// Rotated is the version that a rotation added.
type Rotated struct {
	Version  int       `json:"version"`
	UsedFrom time.Time `json:"used_from"`
}

// Retirement is the body of POST /operator/v1/rootkey/retire.
type Retirement struct {
	Version int `json:"version"`
	// Tag retires a version of the key of the tags; by default one of all others.
	Tag bool `json:"tag,omitempty"`
}

// Notice is one message to one person, as the operator sees it.
type Notice struct {
	ID string `json:"id"`
	// Kind is key_expiring, key_expired, key_idle, key_created, key_refreshed, key_revealed, key_disabled, key_revoked or new_sign_in.
	Kind string `json:"kind"`
	// State is waiting, claimed, sending, sent, skipped, dead or in_doubt.
	State string `json:"state"`
	// Email is the recipient's address now; null for who is deleted.
	Email     *string   `json:"email"`
	KeyID     *string   `json:"key_id"`
	CreatedAt time.Time `json:"created_at"`
	// DueAt is when the next attempt is due, or when the last one ended.
	DueAt    time.Time `json:"due_at"`
	Attempts int       `json:"attempts"`
	// Reason it was not sent; null where it was, or was not tried.
	Reason *string `json:"reason"`
}

// NoticeRetry is the body of POST /operator/v1/notices/retry: one notice, or all that are dead.
type NoticeRetry struct {
	ID   string `json:"id,omitempty"`
	Dead bool   `json:"dead,omitempty"`
}

// NoticesRetried says how many notices will be sent anew.
type NoticesRetried struct {
	Retried int64 `json:"retried"`
}

// ClockStatus is what a node's clock says, and what it is compared with.
type ClockStatus struct {
	// Trusted is false while the clock is in doubt: nothing is decided or recorded then.
	Trusted bool `json:"trusted"`
	// Reason is why the clock is in doubt; null where it is not.
	Reason *string `json:"reason"`
	// Time by the machine's clock.
	Time time.Time `json:"time"`
	// DatabaseTime is the time by PostgreSQL's clock; null with SQLite.
	DatabaseTime *time.Time `json:"database_time"`
	// Record is the latest time on record; null where there is none.
	Record *time.Time `json:"record"`
	// Horizon is the time that work which cannot be undone goes by.
	Horizon *time.Time `json:"horizon"`
}

// RepairClockRequest is the body of POST /operator/v1/clock/repair.
type RepairClockRequest struct {
	// Time is the present time by a clock that the operator trusts. It may be left out where PostgreSQL's clock agrees with the
	// machine's.
	Time *time.Time `json:"time,omitempty"`
}

// RepairClockResponse says what putting the time on record back did.
type RepairClockResponse struct {
	// From was the latest time on record, To is the present time.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// MayReviveKeys counts keys that had expired by the time on record and have not by the present one.
	MayReviveKeys            int64 `json:"may_revive_keys"`
	MayRevivePreviousSecrets int64 `json:"may_revive_previous_secrets"`
	MayReviveSessions        int64 `json:"may_revive_sessions"`
	MayReviveLinks           int64 `json:"may_revive_links"`
	// SessionsEnded counts sessions that began later than the present.
	SessionsEnded int64 `json:"sessions_ended"`
	// KeysForgotten counts keys whose digests were removed later than the present. They stay expired.
	KeysForgotten int64 `json:"keys_forgotten"`
	// ChangesAhead counts changes that are recorded as made later than the present.
	ChangesAhead int64 `json:"changes_ahead"`
}
