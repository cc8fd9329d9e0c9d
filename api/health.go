package api

import "time"

// KeyHealth is what is to be said of a key that can be used, now or once it is enabled.
type KeyHealth struct {
	Key KeySummary `json:"key"`
	// AgeDays of the secret: whole days since it was set.
	AgeDays int `json:"age_days"`
	// DaysToExpiry are the whole days that are left, by the key's own expiry or the account's policies; null where nothing ends it.
	DaysToExpiry *int       `json:"days_to_expiry"`
	LastUsedAt   *time.Time `json:"last_used_at"`
	// IdleAt is when the key will be disabled if it stays unused, or later if its owner was not told 7 days before; null for never.
	IdleAt *time.Time `json:"idle_at"`
	// Findings are never_used, unused_90_days, older_than_90_days, older_than_12_months, never_expires, unused_scopes and overlap_open, as far as they hold.
	Findings []string `json:"findings"`
	// UnusedScopes are those of the key's own that nothing asked it for in the last 30 days, of a key older than that.
	UnusedScopes []string `json:"unused_scopes"`
}

// KeyHealthList is a page of a list, newest first.
type KeyHealthList struct {
	Items []KeyHealth `json:"items"`
	// NextCursor asks for the page after this one; null on the last.
	NextCursor *string `json:"next_cursor"`
	// Summary of the whole list, on its first page; null on the others.
	Summary *KeyHealthSummary `json:"summary"`
}

// KeyHealthSummary counts keys, of all pages together.
type KeyHealthSummary struct {
	Keys     int            `json:"keys"`
	Findings []FindingCount `json:"findings"`
}

// FindingCount says how many keys have a finding, none too, and what to do about it.
type FindingCount struct {
	Finding  string `json:"finding"`
	Keys     int    `json:"keys"`
	Guidance string `json:"guidance"`
}
