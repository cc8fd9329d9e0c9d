// Package api holds the wire types and codes of Claviger's HTTP APIs, for servers, clients and the tests of both.
//
// Bodies are JSON in snake_case. Times are RFC 3339, any offset in, Z out. Ids are opaque.
package api

import "time"

// Code is the machine-readable cause of a refusal, and of a decision that is not "ok". It is an error, so that errors.Is(err, api.KeyLimitReached)
// asks for the cause of a refusal.
type Code string

// Error implements error.
func (c Code) Error() string { return string(c) }

// The codes.
const (
	OK                   Code = "ok"
	APIKeyInvalid        Code = "api_key_invalid"
	APIKeyExpired        Code = "api_key_expired"
	APIKeyRevoked        Code = "api_key_revoked"
	APIKeyDisabled       Code = "api_key_disabled"
	TokenExpired         Code = "token_expired"
	TokenInvalid         Code = "token_invalid"
	SignInFailed         Code = "sign_in_failed"
	SecondFactorRequired Code = "second_factor_required"
	InsufficientScope    Code = "insufficient_scope"
	ApplicationForbidden Code = "application_forbidden"
	SessionRequired      Code = "session_required"
	TransportForbidden   Code = "transport_forbidden"
	Forbidden            Code = "forbidden"
	SignInAgain          Code = "sign_in_again"
	CrossSite            Code = "cross_site"
	MalformedRequest     Code = "malformed_request"
	CredentialAmbiguous  Code = "credential_ambiguous"
	NotFound             Code = "not_found"
	LinkInvalid          Code = "link_invalid"
	MethodNotAllowed     Code = "method_not_allowed"
	TooLarge             Code = "too_large"
	UnsupportedMediaType Code = "unsupported_media_type"
	Conflict             Code = "conflict"
	KeyLimitReached      Code = "key_limit_reached"
	TenantRequired       Code = "tenant_required"
	NotRecoverable       Code = "not_recoverable"
	ValidationFailed     Code = "validation_failed"
	RateLimited          Code = "rate_limited"
	LimitOfChanges       Code = "limit_of_changes"
	Internal             Code = "internal"
	Unavailable          Code = "unavailable"
)

// Problem is a refusal (RFC 9457).
type Problem struct {
	// Type is the path of a page that explains the code.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Code   Code   `json:"code"`
	// RequestID is also in the header X-Request-Id.
	RequestID string       `json:"request_id"`
	Errors    []FieldError `json:"errors,omitempty"`
	// RetryAfter is how long to wait before the request is repeated, as the header of the answer said; 0 where it said nothing.
	RetryAfter time.Duration `json:"-"`
}

// Error makes a problem usable as an error.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// Is reports whether the target is the problem's code.
func (p *Problem) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code == p.Code
}

// FieldError is one field at fault; it never repeats the value.
type FieldError struct {
	// Field is dotted, with indexes: application_ids.0
	Field   string `json:"field"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// List is a page of a list, newest first.
type List[T any] struct {
	Items []T `json:"items"`
	// NextCursor asks for the page after this one; null on the last.
	NextCursor *string `json:"next_cursor"`
}

// Person is a user as others see them. A deleted one has no email and no name.
type Person struct {
	ID    string  `json:"id"`
	Email *string `json:"email"`
	Name  *string `json:"name"`
}

// SignIn is the body of POST /api/v1/session.
type SignIn struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	// Code of the second factor, where the user has one.
	Code string `json:"code,omitempty"`
}

// Session is a sign-in.
type Session struct {
	User        Person       `json:"user"`
	Accounts    []Standing   `json:"accounts"`
	Memberships []Membership `json:"memberships"`
	ExpiresAt   time.Time    `json:"expires_at"`
}

// Standing is a person's role in an account.
type Standing struct {
	AccountID string `json:"account_id"`
	// Role is owner or admin.
	Role string `json:"role"`
}

// Membership is a person's role in a tenant.
type Membership struct {
	TenantID  string `json:"tenant_id"`
	AccountID string `json:"account_id"`
	// Role is admin, member or auditor.
	Role string `json:"role"`
}

// Application is a protected API.
type Application struct {
	ID          string `json:"id"`
	Number      int64  `json:"number"`
	Name        string `json:"name"`
	Description string `json:"description"`
	// Status is active or disabled.
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}
