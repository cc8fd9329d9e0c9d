package api

import "time"

// Me is the signed-in person's own record.
type Me struct {
	ID     string `json:"id"`
	Number int64  `json:"number"`
	// Email as it was written when the person was made; any case signs in.
	Email string `json:"email"`
	Name  string `json:"name"`
	// Status is active or disabled.
	Status string `json:"status"`
	// Notices says which the person gets by mail.
	Notices   Notices   `json:"notices"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// MeChange is the body of PATCH /api/v1/me.
type MeChange struct {
	Name    Optional[string] `json:"name,omitzero"`
	Notices *NoticesPatch    `json:"notices,omitempty"`
}

// Notices says of each kind whether it is sent.
type Notices struct {
	// KeyExpiring is sent 30, 7 and 1 days before a key expires. It is always true, and so are KeyExpired, KeyIdle and KeyRevealed.
	KeyExpiring bool `json:"key_expiring"`
	KeyExpired  bool `json:"key_expired"`
	// KeyIdle is sent 7 days before a key is disabled because nobody uses it.
	KeyIdle bool `json:"key_idle"`
	// KeyCreated is sent when somebody else makes a key for the person.
	KeyCreated   bool `json:"key_created"`
	KeyRefreshed bool `json:"key_refreshed"`
	// KeyRevealed is sent when a key's secret is shown again.
	KeyRevealed bool `json:"key_revealed"`
	// KeyDisabled is sent when somebody else disables a key of the person, or Claviger does because nobody used it.
	KeyDisabled bool `json:"key_disabled"`
	// KeyRevoked is sent of deleted keys too.
	KeyRevoked bool `json:"key_revoked"`
	// NewSignIn is sent of a sign-in from an address or a device that was not seen for 90 days.
	NewSignIn bool `json:"new_sign_in"`
}

// NoticesPatch chooses notices: absent keeps, null restores the default, which is true.
type NoticesPatch struct {
	// KeyExpiring, KeyExpired, KeyIdle and KeyRevealed cannot be turned off.
	KeyExpiring  Optional[bool] `json:"key_expiring,omitzero"`
	KeyExpired   Optional[bool] `json:"key_expired,omitzero"`
	KeyIdle      Optional[bool] `json:"key_idle,omitzero"`
	KeyCreated   Optional[bool] `json:"key_created,omitzero"`
	KeyRefreshed Optional[bool] `json:"key_refreshed,omitzero"`
	KeyRevealed  Optional[bool] `json:"key_revealed,omitzero"`
	KeyDisabled  Optional[bool] `json:"key_disabled,omitzero"`
	KeyRevoked   Optional[bool] `json:"key_revoked,omitzero"`
	NewSignIn    Optional[bool] `json:"new_sign_in,omitzero"`
}

// NewPassword is the body of POST /api/v1/me/password.
type NewPassword struct {
	CurrentPassword string `json:"current_password"`
	// NewPassword has 15 to 256 characters, and is neither common nor made of the person's own words.
	NewPassword string `json:"new_password"`
}

// SessionInfo is one of a person's sign-ins, as the list of them shows it.
type SessionInfo struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	// SignedInAt is when the password was last given; sensitive actions ask for a recent one.
	SignedInAt time.Time `json:"signed_in_at"`
	LastSeenAt time.Time `json:"last_seen_at"`
	// ExpiresAt is the absolute end; left unused for long, a session ends before.
	ExpiresAt time.Time `json:"expires_at"`
	IP        string    `json:"ip"`
	UserAgent string    `json:"user_agent"`
	// Current is true for the session that asks.
	Current bool `json:"current"`
}
