package api

import "time"

// TwoFactor says whether the signed-in person has a second factor.
type TwoFactor struct {
	Enabled bool `json:"enabled"`
	// EnabledAt is when it was set up, or null.
	EnabledAt *time.Time `json:"enabled_at"`
	// RecoveryCodesLeft is how many recovery codes were not used yet.
	RecoveryCodesLeft int `json:"recovery_codes_left"`
}

// SetTwoFactorRequest is the body of PUT /api/v1/me/two-factor. Without members it begins to set up
// a second factor, or another one in the place of the present one. With both it finishes.
type SetTwoFactorRequest struct {
	// Setup is that of the first response.
	Setup string `json:"setup,omitempty"`
	// Code is what the app shows.
	Code string `json:"code,omitempty"`
}

// SetTwoFactorResponse is the response to PUT /api/v1/me/two-factor. The first response has secret,
// otpauth_uri, setup and expires_at; nothing has changed yet. The second one has the recovery
// codes.
type SetTwoFactorResponse struct {
	Enabled bool `json:"enabled"`
	// Secret is what a person types into an authenticator app, in base32. It is shown once.
	Secret *string `json:"secret"`
	// OTPAuthURI is what a QR code shows to an app.
	OTPAuthURI *string `json:"otpauth_uri"`
	// Setup goes into the second request, within ten minutes.
	Setup     *string    `json:"setup"`
	ExpiresAt *time.Time `json:"expires_at"`
	// RecoveryCodes let the person sign in without the app, each once. They are shown once.
	RecoveryCodes []string `json:"recovery_codes"`
}

// RecoveryCodes are new recovery codes. They are shown once.
type RecoveryCodes struct {
	RecoveryCodes []string `json:"recovery_codes"`
}

// FactorRule says who needs a second factor in an account.
type FactorRule string

// The rules.
const (
	FactorOff FactorRule = "off"
	// FactorAdmins binds owners and admins of the account, and admins of its tenants.
	FactorAdmins FactorRule = "admins"
	FactorAll    FactorRule = "all"
)

// Values returns all rules.
func (FactorRule) Values() []FactorRule { return []FactorRule{FactorOff, FactorAdmins, FactorAll} }
