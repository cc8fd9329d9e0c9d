package api

import "time"

// Policy is the security policy of an account. It applies to the keys and sessions of all its
// tenants.
type Policy struct {
	AutoExpiry AutoExpiry `json:"auto_expiry"`
	// MaxLifetimeDays is the longest lifetime of a key, from when its secret was set; null for no
	// limit.
	MaxLifetimeDays *int `json:"max_lifetime_days"`
	// SessionIdleMinutes is after how many minutes without use a session ends in this account. In
	// the person's other accounts it continues.
	SessionIdleMinutes int `json:"session_idle_minutes"`
	// SessionAbsoluteHours is after how many hours a session ends in this account.
	SessionAbsoluteHours int `json:"session_absolute_hours"`
	// RequireSecondFactor says who needs a second factor. Sessions of people who need one and have
	// none can only be used to set it up.
	RequireSecondFactor FactorRule `json:"require_second_factor"`
	// Version changes with every edit. An edit that sends it in If-Match is refused if somebody
	// else edited the object meanwhile.
	Version string `json:"version"`
}

// AutoExpiry is the automatic expiration of keys.
type AutoExpiry struct {
	Enabled bool `json:"enabled"`
	// Days is how many days after its secret was set a key expires; null while it is off.
	Days *int `json:"days"`
	// InForceSince is when the rule took effect; null while it is off. Secrets set before then
	// count from that time.
	InForceSince *time.Time `json:"in_force_since"`
}

// UpdatePolicyRequest is the body of PATCH /api/v1/accounts/{account}/policy. Absent members stay
// as they are.
type UpdatePolicyRequest struct {
	AutoExpiry *AutoExpiryPatch `json:"auto_expiry,omitempty"`
	// MaxLifetimeDays is 1 to 3650, or null for no limit. The console offers 30, 90, 180, 365 and
	// 3650.
	MaxLifetimeDays Optional[int] `json:"max_lifetime_days,omitzero"`
	// SessionIdleMinutes is 5 to 10080, or null for the default of 720.
	SessionIdleMinutes Optional[int] `json:"session_idle_minutes,omitzero"`
	// SessionAbsoluteHours is 1 to 720, or null for the default of 168.
	SessionAbsoluteHours Optional[int] `json:"session_absolute_hours,omitzero"`
	// RequireSecondFactor is off, admins or all.
	RequireSecondFactor Optional[FactorRule] `json:"require_second_factor,omitzero"`
	// AcknowledgeRisk must be true to switch off automatic expiration.
	AcknowledgeRisk bool `json:"acknowledge_risk,omitempty"`
	// DryRun true changes nothing. The response is what the change would do to the account's keys.
	DryRun bool `json:"dry_run,omitempty"`
}

// AutoExpiryPatch changes automatic expiration. Absent members stay as they are. Switched on
// without days, it uses 90.
type AutoExpiryPatch struct {
	Enabled Optional[bool] `json:"enabled,omitzero"`
	// Days is 90 to 360 in steps of 30.
	Days Optional[int] `json:"days,omitzero"`
}

// PolicyEffect is what a change of policy would do to the account's keys and people. Revoked and
// expired keys are not counted.
type PolicyEffect struct {
	// Affected is how many keys would end earlier than they do now.
	Affected int `json:"affected"`
	// FirstExpiresAt is when the first affected key would end; null if there is none.
	FirstExpiresAt *time.Time `json:"first_expires_at"`
	// ExpiredNow is how many affected keys would end at once. It is 0: the lifetime of an older
	// secret is counted from the day of the change.
	ExpiredNow int `json:"expired_now"`
	// ExpireLater is how many keys would end later than they do now, or never.
	ExpireLater int `json:"expire_later"`
	// WithoutSecondFactor is how many people must set up a second factor at their next request, if
	// the change makes another rule about it.
	WithoutSecondFactor int `json:"without_second_factor"`
}

// UpdatePolicyResponse is the new policy or, after a dry run, what the change would do.
type UpdatePolicyResponse struct {
	*Policy
	*PolicyEffect
}
