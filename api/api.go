// Package api holds the wire types and codes of Claviger's HTTP APIs, for servers, clients and the
// tests of both.
//
// Bodies are JSON with names in snake_case. Times are RFC 3339 in microseconds. A request may use
// any offset, a response always uses Z. The server refuses a time that is more precise than
// microseconds, so truncate what time.Now returns. Ids are opaque.
package api

import (
	"encoding/json"
	"time"
)

// Code is the machine-readable cause of an error response or of a decision. It is an error itself,
// so that errors.Is(err, api.KeyLimitReached) reports whether a request failed for that cause.
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
	SessionEnded         Code = "session_ended"
	TokenExpired         Code = "token_expired"
	TokenInvalid         Code = "token_invalid"
	SignInFailed         Code = "sign_in_failed"
	SecondFactorRequired Code = "second_factor_required"
	InsufficientScope    Code = "insufficient_scope"
	ApplicationForbidden Code = "application_forbidden"
	SessionRequired      Code = "session_required"
	TransportForbidden   Code = "transport_forbidden"
	AddressForbidden     Code = "address_forbidden"
	RouteUnknown         Code = "route_unknown"
	PathAmbiguous        Code = "path_ambiguous"
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
	BadGateway           Code = "bad_gateway"
	GatewayTimeout       Code = "gateway_timeout"
)

// Problem is the body of an error response (RFC 9457).
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
	// Present is the object as it is, if an edit was refused because the object has another version
	// than If-Match expects. It is left out if the object does not exist.
	Present json.RawMessage `json:"present,omitempty"`
	// RetryAfter is how long to wait before repeating the request, from the response header
	// Retry-After; 0 if there is no such header.
	RetryAfter time.Duration `json:"-"`
}

// Error implements error.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// Is reports whether the target is the problem's code.
func (p *Problem) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code == p.Code
}

// FieldError is one invalid field of a request. It never repeats the value.
type FieldError struct {
	// Field is the path of the field, with dots and indexes, such as application_ids.0.
	Field   string `json:"field"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// List is a page of a list, newest first.
type List[T any] struct {
	Items []T `json:"items"`
	// NextCursor is the cursor of the next page; null on the last page.
	NextCursor *string `json:"next_cursor"`
	// Version is that of a scope catalogue; other lists have none. It changes with every change of
	// the tenant's own scopes. A replacement that sends it in If-Match is refused if somebody else
	// changed one meanwhile.
	Version string `json:"version,omitempty"`
}

// Person is a user as other people see them. A deleted user has no email and no name.
type Person struct {
	ID    string  `json:"id"`
	Email *string `json:"email"`
	Name  *string `json:"name"`
	// EmailProven reports whether the person has proven that the address is theirs. Only lists of
	// members have this.
	EmailProven *bool `json:"email_proven,omitempty"`
}

// Party is who a key belongs to, or who created an object. Members that do not apply to the type
// are null. A deleted party has only its type and id.
type Party struct {
	Type PartyType `json:"type"`
	ID   string    `json:"id"`
	Name *string   `json:"name"`
	// Email is that of a user.
	Email *string `json:"email"`
	// ExternalID is the id that the host application gave a subject.
	ExternalID *string `json:"external_id"`
}

// SignInRequest is the body of POST /api/v1/session.
type SignInRequest struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	// Code is what the user's authenticator app shows, or a recovery code, if the user has a second
	// factor.
	Code string `json:"code,omitempty"`
}

// Session describes a sign-in: who signed in, and what they belong to.
type Session struct {
	User        Person              `json:"user"`
	Accounts    []AccountMembership `json:"accounts"`
	Memberships []Membership        `json:"memberships"`
	// EndedAccounts are the ids of accounts in which the session has ended by the account's policy.
	// Nothing of them is listed. A request to them fails with session_ended: sign in again.
	EndedAccounts []string `json:"ended_accounts"`
	// ExpiresAt is when the session ends in the account whose policy lets it last longest.
	ExpiresAt time.Time `json:"expires_at"`
}

// AccountMembership is a person's role in an account.
type AccountMembership struct {
	AccountID string `json:"account_id"`
	// Role is owner or admin.
	Role Role `json:"role" values:"owner,admin"`
}

// Membership is a person's role in a tenant.
type Membership struct {
	TenantID  string `json:"tenant_id"`
	AccountID string `json:"account_id"`
	// Role is admin, member or auditor.
	Role Role `json:"role" values:"admin,member,auditor"`
}

// Application is a protected API.
type Application struct {
	ID          string    `json:"id"`
	Number      int64     `json:"number"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Status      Status    `json:"status"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	// Version changes with every edit. An edit that sends it in If-Match is refused if somebody
	// else edited the object meanwhile.
	Version string `json:"version"`
}
