package api

import "time"

// KeyHealth is the health of a key that can be used now, or after it is enabled.
type KeyHealth struct {
	Key KeySummary `json:"key"`
	// AgeDays is the age of the secret: whole days since it was set.
	AgeDays int `json:"age_days"`
	// DaysToExpiry is how many whole days are left until the key's own expiry or the account's
	// policy ends it; null if nothing ends it.
	DaysToExpiry *int       `json:"days_to_expiry"`
	LastUsedAt   *time.Time `json:"last_used_at"`
	// IdleAt is when the key is disabled if it stays unused; null for never. The owner gets a
	// notice 7 days before; if that is late, so is the end.
	IdleAt *time.Time `json:"idle_at"`
	// Findings is what can be improved about the key.
	Findings []Finding `json:"findings"`
	// UnusedScopes are the key's own scopes that no request needed in the last 30 days. It is empty
	// for a key younger than that.
	UnusedScopes []string `json:"unused_scopes"`
}

// KeyHealthList is a page of a list, newest first.
type KeyHealthList struct {
	Items []KeyHealth `json:"items"`
	// NextCursor is the cursor of the next page; null on the last page.
	NextCursor *string `json:"next_cursor"`
	// Summary counts the whole list. It is on the first page; null on the others, and for
	// management keys.
	Summary *KeyHealthSummary `json:"summary"`
	// ManagementKeys is the health of the management keys of the tenant. It is on the first page
	// for admins and auditors; null otherwise.
	ManagementKeys *ManagementKeyHealthList `json:"management_keys"`
}

// KeyHealthSummary counts the keys of all pages together.
type KeyHealthSummary struct {
	Keys     int            `json:"keys"`
	Findings []FindingCount `json:"findings"`
}

// FindingCount is how many keys, or management keys, have a finding, and what to do about it.
// Findings of no key are listed too, with 0.
type FindingCount struct {
	Finding  Finding `json:"finding"`
	Keys     int     `json:"keys"`
	Guidance string  `json:"guidance"`
}

// ManagementKeyHealthList is the health of all management keys of a tenant that are neither revoked
// nor expired, newest first: at most 5 of each service account.
type ManagementKeyHealthList struct {
	Items []ManagementKeyHealth `json:"items"`
	// Findings counts the management keys with each finding, the most urgent finding first.
	Findings []FindingCount `json:"findings"`
}

// ManagementKeyHealth is the health of a management key that can be used now, or after its service
// account is enabled.
type ManagementKeyHealth struct {
	ManagementKey ManagementKeySummary `json:"management_key"`
	// AgeDays is the age of the secret: whole days since it was set.
	AgeDays int `json:"age_days"`
	// DaysToExpiry is how many whole days are left until its own expiry or the account's policy
	// ends it.
	DaysToExpiry int        `json:"days_to_expiry"`
	LastUsedAt   *time.Time `json:"last_used_at"`
	// Findings is what can be improved about the management key, the most urgent first.
	Findings []Finding `json:"findings"`
}

// ManagementKeySummary is the part of a management key by which people recognise it.
type ManagementKeySummary struct {
	ID             string    `json:"id"`
	PublicID       string    `json:"public_id"`
	Name           string    `json:"name"`
	ServiceAccount Party     `json:"service_account"`
	CreatedAt      time.Time `json:"created_at"`
}
