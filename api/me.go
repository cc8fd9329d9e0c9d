package api

import "time"

// Me is the signed-in user.
type Me struct {
	ID     string `json:"id"`
	Number int64  `json:"number"`
	// Email is the address as it was written. Sign-in ignores case.
	Email string `json:"email"`
	// EmailProven reports whether the address is proven to be the user's: they used a link that was
	// mailed to it, or the operator vouches for it. No notices go to an address that is not proven.
	EmailProven bool   `json:"email_proven"`
	Name        string `json:"name"`
	Status      Status `json:"status"`
	// Notices says which notices the user gets by mail.
	Notices   Notices   `json:"notices"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// Version changes with every edit. An edit that sends it in If-Match is refused if somebody
	// else edited the object meanwhile.
	Version string `json:"version"`
}

// UpdateMeRequest is the body of PATCH /api/v1/me.
type UpdateMeRequest struct {
	Name    Optional[string] `json:"name,omitzero"`
	Notices *NoticesPatch    `json:"notices,omitempty"`
}

// Notices says which kinds of notice are sent. A notice about many failed sign-ins is always sent.
type Notices struct {
	// KeyExpiring is sent 30, 7 and 1 days before a key expires. KeyExpiring, KeyExpired, KeyIdle
	// and KeyRevealed are always true.
	KeyExpiring bool `json:"key_expiring"`
	KeyExpired  bool `json:"key_expired"`
	// KeyIdle is sent 7 days before a key is disabled because it was not used.
	KeyIdle bool `json:"key_idle"`
	// KeyCreated is sent when somebody else creates a key for the user.
	KeyCreated   bool `json:"key_created"`
	KeyRefreshed bool `json:"key_refreshed"`
	// KeyRevealed is sent when a key's secret is shown again.
	KeyRevealed bool `json:"key_revealed"`
	// KeyDisabled is sent when somebody else disables a key of the user, or Claviger disables it
	// because it was not used.
	KeyDisabled bool `json:"key_disabled"`
	// KeyRevoked is also sent when a key is deleted.
	KeyRevoked bool `json:"key_revoked"`
	// NewSignIn is sent after a sign-in from an address or a device that was not seen for 90 days.
	NewSignIn bool `json:"new_sign_in"`
}

// NoticesPatch chooses notices. Absent members stay as they are; null restores the default, true.
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

// ChangePasswordRequest is the body of POST /api/v1/me/password.
type ChangePasswordRequest struct {
	CurrentPassword string `json:"current_password"`
	// NewPassword has 15 to 256 characters, or at least 8 for a user with a second factor. It must
	// not be a common password, nor consist of the user's name or address.
	NewPassword string `json:"new_password"`
}

// ChangeEmailRequest is the body of POST /api/v1/me/email.
type ChangeEmailRequest struct {
	// Email is the new address.
	Email string `json:"email"`
}

// EmailChange is a change of an e-mail address that waits for its confirmations.
type EmailChange struct {
	// Email is the new address, to which a link was mailed.
	Email string `json:"email"`
	// ConfirmPresent is set if a link was mailed to the present address, too, which must be used as
	// well. An address that was never proven is not asked.
	ConfirmPresent bool `json:"confirm_present"`
	// ExpiresAt is when the links expire.
	ExpiresAt time.Time `json:"expires_at"`
}

// EmailConfirmation is the response to POST /api/v1/email-changes/{token}.
type EmailConfirmation struct {
	// Changed is false as long as the link to the other address was not used.
	Changed bool `json:"changed"`
}

// RequestPasswordResetRequest is the body of POST /api/v1/password-resets.
type RequestPasswordResetRequest struct {
	Email string `json:"email"`
}

// ResetPasswordRequest is the body of POST /api/v1/password-resets/{token}.
type ResetPasswordRequest struct {
	// Password has 15 to 256 characters. It must not be a common password, nor consist of the
	// user's name or address.
	Password string `json:"password"`
}

// SessionInfo is one of the user's sessions in a list.
type SessionInfo struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	// SignedInAt is when the user last entered the password. Sensitive actions need a recent time.
	SignedInAt time.Time `json:"signed_in_at"`
	LastSeenAt time.Time `json:"last_seen_at"`
	// ExpiresAt is when the session ends at the latest. An unused session ends earlier.
	ExpiresAt time.Time `json:"expires_at"`
	IP        string    `json:"ip"`
	UserAgent string    `json:"user_agent"`
	// Kind says where the session is valid.
	Kind SessionKind `json:"kind"`
	// TenantID is the only tenant for which the session is valid. It is null for every tenant.
	TenantID *string `json:"tenant_id"`
	// Current is true for the session of this request.
	Current bool `json:"current"`
}

// PersonalData is everything that is stored about the signed-in person.
type PersonalData struct {
	User Me `json:"user"`
	// Avatar reports whether there is a picture: GET /api/v1/users/me/avatar.
	Avatar      bool                `json:"avatar"`
	Accounts    []AccountMembership `json:"accounts"`
	Memberships []Membership        `json:"memberships"`
	// LastSeenAt is when the person last used a session. It is null for never.
	LastSeenAt *time.Time    `json:"last_seen_at"`
	Sessions   []SessionInfo `json:"sessions"`
	// Keys are the person's keys, without secrets.
	Keys []OwnKey `json:"keys"`
	// Events are what the person did, newest first.
	Events []Event `json:"events"`
	// Error says why the data is incomplete. It is null if it is complete.
	Error *string `json:"error"`
	// Complete is the last member, and true if nothing is missing.
	Complete bool `json:"complete"`
}
