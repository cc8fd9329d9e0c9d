package api

import "time"

// Policy is what an account asks of the keys and sessions of all its tenants.
type Policy struct {
	AutoExpiry AutoExpiry `json:"auto_expiry"`
	// MaxLifetimeDays bounds every key, counted from when its secret was set; null for no bound.
	MaxLifetimeDays *int `json:"max_lifetime_days"`
	// SessionIdleMinutes ends a session that was not used for so long.
	SessionIdleMinutes int `json:"session_idle_minutes"`
	// SessionAbsoluteHours ends a session that began so long ago.
	SessionAbsoluteHours int `json:"session_absolute_hours"`
}

// AutoExpiry is the automatic expiration of keys.
type AutoExpiry struct {
	Enabled bool `json:"enabled"`
	// Days after its secret was set in which a key expires; null while it is off.
	Days *int `json:"days"`
	// InForceSince is from when older secrets count; null while it is off.
	InForceSince *time.Time `json:"in_force_since"`
}

// PolicyPatch is the body of PATCH /api/v1/accounts/{account}/policy. What is absent stays.
type PolicyPatch struct {
	AutoExpiry *AutoExpiryPatch `json:"auto_expiry,omitempty"`
	// MaxLifetimeDays is 1 to 3650, or null for no bound. The named choices are 30, 90, 180, 365 and 3650.
	MaxLifetimeDays Optional[int] `json:"max_lifetime_days,omitzero"`
	// SessionIdleMinutes is 5 to 10080, or null for the default of 720.
	SessionIdleMinutes Optional[int] `json:"session_idle_minutes,omitzero"`
	// SessionAbsoluteHours is 1 to 720, or null for the default of 168.
	SessionAbsoluteHours Optional[int] `json:"session_absolute_hours,omitzero"`
	// AcknowledgeRisk must be true to switch automatic expiration off.
	AcknowledgeRisk bool `json:"acknowledge_risk,omitempty"`
	// DryRun true changes nothing and answers what the change would do to the account's keys.
	DryRun bool `json:"dry_run,omitempty"`
}

// AutoExpiryPatch changes automatic expiration. What is absent stays; without days it is switched on at 90.
type AutoExpiryPatch struct {
	Enabled Optional[bool] `json:"enabled,omitzero"`
	// Days are 90 to 360 in steps of 30.
	Days Optional[int] `json:"days,omitzero"`
}

// PolicyEffect is what a change of policy would do to the account's keys, of those that are neither revoked nor expired.
type PolicyEffect struct {
	// Affected keys would end earlier than they do now.
	Affected int `json:"affected"`
	// FirstExpiresAt is when the first of the affected keys would end; null where there is none.
	FirstExpiresAt *time.Time `json:"first_expires_at"`
	// ExpiredNow counts those of the affected keys that would end at once. Secrets older than the change count from the day of the change, so it is 0.
	ExpiredNow int `json:"expired_now"`
}

// PolicyAnswer is the policy as it is now or, of a dry run, what the change would do.
type PolicyAnswer struct {
	*Policy
	*PolicyEffect
}
