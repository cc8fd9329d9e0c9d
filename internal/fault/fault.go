// Package fault defines the kinds of failures of requests, for all layers.
//
// A [Kind] is the code in a response ("key_limit_reached"). It is itself an error, so that
// errors.Is(err, fault.NotFound) is true through any wrapping. An [Error] adds a message, which is
// safe to show to the caller, and a cause, which is not. An [Invalid] has an entry for each field
// with a fault. An error without a kind counts as [Internal]: the response is an opaque 500, and
// the error is logged once, where the response is written.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is a kind of failure. Its text is the `code` of a problem document.
type Kind string

// The kinds, in the order of the table of codes. Only the entry points know their HTTP statuses.
const (
	KeyInvalid           Kind = "api_key_invalid"
	KeyExpired           Kind = "api_key_expired"
	KeyRevoked           Kind = "api_key_revoked"
	KeyDisabled          Kind = "api_key_disabled"
	SessionEnded         Kind = "session_ended"
	TokenExpired         Kind = "token_expired"
	TokenInvalid         Kind = "token_invalid"
	SignInFailed         Kind = "sign_in_failed"
	SecondFactorRequired Kind = "second_factor_required"
	InsufficientScope    Kind = "insufficient_scope"
	ApplicationForbidden Kind = "application_forbidden"
	SessionRequired      Kind = "session_required"
	TransportForbidden   Kind = "transport_forbidden"
	AddressForbidden     Kind = "address_forbidden"
	RouteUnknown         Kind = "route_unknown"
	PathAmbiguous        Kind = "path_ambiguous"
	Forbidden            Kind = "forbidden"
	SignInAgain          Kind = "sign_in_again"
	CrossSite            Kind = "cross_site"
	Malformed            Kind = "malformed_request"
	CredentialAmbiguous  Kind = "credential_ambiguous"
	NotFound             Kind = "not_found"
	LinkInvalid          Kind = "link_invalid"
	MethodNotAllowed     Kind = "method_not_allowed"
	TooLarge             Kind = "too_large"
	UnsupportedMediaType Kind = "unsupported_media_type"
	Conflict             Kind = "conflict"
	KeyLimitReached      Kind = "key_limit_reached"
	TenantRequired       Kind = "tenant_required"
	NotRecoverable       Kind = "not_recoverable"
	ValidationFailed     Kind = "validation_failed"
	RateLimited          Kind = "rate_limited"
	LimitOfChanges       Kind = "limit_of_changes"
	Internal             Kind = "internal"
	Unavailable          Kind = "unavailable"
	BadGateway           Kind = "bad_gateway"
	GatewayTimeout       Kind = "gateway_timeout"
)

// Error returns the code. It makes a Kind an error and a target of errors.Is.
func (k Kind) Error() string { return string(k) }

// Error is a failure with a kind, a message and perhaps a cause.
type Error struct {
	kind    Kind
	message string
	cause   error
	after   time.Duration
}

// New returns an [Error] with a message, which is shown to the caller.
func New(kind Kind, message string) error {
	return &Error{kind: kind, message: message}
}

// Wrap returns an [Error] with a message, which is shown, and a cause, which is only logged.
func Wrap(kind Kind, cause error, message string) error {
	return &Error{kind: kind, message: message, cause: cause}
}

// Retry returns an [Error] with a message and the time after which another attempt may succeed.
func Retry(kind Kind, after time.Duration, message string) error {
	return &Error{kind: kind, message: message, after: after}
}

// WrapRetry returns an [Error] with a message, a cause and the time after which another attempt may
// succeed.
func WrapRetry(kind Kind, cause error, after time.Duration, message string) error {
	return &Error{kind: kind, message: message, cause: cause, after: after}
}

// Error returns kind, message and cause, for the log.
func (e *Error) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("%s: %s", e.kind, e.message)
	}
	return fmt.Sprintf("%s: %s: %v", e.kind, e.message, e.cause)
}

// Is reports whether the target is the kind of this error.
func (e *Error) Is(target error) bool { return target == e.kind }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Field is a field with a fault. It never holds the value that was sent.
type Field struct {
	// Name is dotted, with indexes: "application_ids.0".
	Name string
	// Code is a short word for programs: "required", "too_long", "unknown".
	Code string
	// Message says what would be valid.
	Message string
}

// Invalid is the error for input with invalid fields. Its kind is ValidationFailed.
type Invalid struct{ Fields []Field }

// Refuse returns an [Invalid] with the fields, or nil if there are none.
func Refuse(fields ...Field) error {
	if len(fields) == 0 {
		return nil
	}
	return &Invalid{Fields: fields}
}

// Error returns the names and codes of the fields, for the log.
func (i *Invalid) Error() string {
	parts := make([]string, len(i.Fields))
	for n, f := range i.Fields {
		parts[n] = f.Name + " (" + f.Code + ")"
	}
	return string(ValidationFailed) + ": " + strings.Join(parts, ", ")
}

// Is reports whether the target is ValidationFailed.
func (i *Invalid) Is(target error) bool { return target == ValidationFailed }

// KindOf returns the outermost kind of an error, or Internal if it has none.
func KindOf(err error) Kind {
	for ; err != nil; err = errors.Unwrap(err) {
		switch e := err.(type) {
		case Kind:
			return e
		case *Error:
			return e.kind
		case *Invalid:
			return ValidationFailed
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				if k := KindOf(inner); k != Internal {
					return k
				}
			}
		}
	}
	return Internal
}

// Message returns the message that may be shown to the caller; "" if there is none.
func Message(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.message
	}
	return ""
}

// RetryAfter returns the time after which another attempt may succeed; 0 if it is not known.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.after
	}
	return 0
}

// Fields returns the fields of an [Invalid] anywhere in the error; nil if there is none.
func Fields(err error) []Field {
	if e, ok := errors.AsType[*Invalid](err); ok {
		return e.Fields
	}
	return nil
}
