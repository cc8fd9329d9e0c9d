// Package fault names the ways a request can fail, so that every layer agrees on them.
//
// A [Kind] is the wire code of product language ("key_limit_reached") and is itself an error:
// errors.Is(err, fault.NotFound) holds through any wrapping. An [Error] adds a message that is safe to
// show to whoever asked and a cause that is not; [Invalid] carries one entry for each field at fault.
// What has no kind is [Internal]: an opaque 500 outside, logged once at the edge.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is one way to fail. Its text is the `code` of a problem document.
type Kind string

// The kinds, in the order of the table of codes. Their HTTP status is known to the ways in alone.
const (
	KeyInvalid           Kind = "api_key_invalid"
	KeyExpired           Kind = "api_key_expired"
	KeyRevoked           Kind = "api_key_revoked"
	KeyDisabled          Kind = "api_key_disabled"
	TokenExpired         Kind = "token_expired"
	TokenInvalid         Kind = "token_invalid"
	SignInFailed         Kind = "sign_in_failed"
	SecondFactorRequired Kind = "second_factor_required"
	InsufficientScope    Kind = "insufficient_scope"
	ApplicationForbidden Kind = "application_forbidden"
	SessionRequired      Kind = "session_required"
	TransportForbidden   Kind = "transport_forbidden"
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
)

// Error makes a kind usable as an error and as a target of errors.Is.
func (k Kind) Error() string { return string(k) }

// Error is a failure of a known kind.
type Error struct {
	kind    Kind
	message string
	cause   error
	after   time.Duration
}

// New makes a failure whose message is shown to whoever asked.
func New(kind Kind, message string) error {
	return &Error{kind: kind, message: message}
}

// Wrap makes a failure with a message to show and a cause to log.
func Wrap(kind Kind, cause error, message string) error {
	return &Error{kind: kind, message: message, cause: cause}
}

// Retry makes a failure whose message is shown and that is over after the delay.
func Retry(kind Kind, after time.Duration, message string) error {
	return &Error{kind: kind, message: message, after: after}
}

// WrapRetry makes a failure with a message to show, a cause to log and the delay after which it is over.
func WrapRetry(kind Kind, cause error, after time.Duration, message string) error {
	return &Error{kind: kind, message: message, cause: cause, after: after}
}

// Error gives message and cause, for the log.
func (e *Error) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("%s: %s", e.kind, e.message)
	}
	return fmt.Sprintf("%s: %s: %v", e.kind, e.message, e.cause)
}

// Is reports whether the target is this failure's kind.
func (e *Error) Is(target error) bool { return target == e.kind }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// Field is one field at fault. It never holds the offending value.
type Field struct {
	// Name is dotted, with indexes: "application_ids.0".
	Name string
	// Code is a short word for programs: "required", "too_long", "unknown".
	Code string
	// Message says what would be right.
	Message string
}

// Invalid is input that breaks rules, field by field. Its kind is ValidationFailed.
type Invalid struct{ Fields []Field }

// Refuse gives an Invalid of the fields, or nil where there are none.
func Refuse(fields ...Field) error {
	if len(fields) == 0 {
		return nil
	}
	return &Invalid{Fields: fields}
}

// Error names the fields, for the log.
func (i *Invalid) Error() string {
	parts := make([]string, len(i.Fields))
	for n, f := range i.Fields {
		parts[n] = f.Name + " (" + f.Code + ")"
	}
	return string(ValidationFailed) + ": " + strings.Join(parts, ", ")
}

// Is reports whether the target is ValidationFailed.
func (i *Invalid) Is(target error) bool { return target == ValidationFailed }

// KindOf gives the outermost kind an error carries, and Internal where it carries none.
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

// Message gives what may be shown to whoever asked; "" where nothing may.
func Message(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.message
	}
	return ""
}

// RetryAfter gives the delay after which the failure is over; 0 where it names none.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.after
	}
	return 0
}

// Fields gives the fields at fault of an Invalid anywhere in the error.
func Fields(err error) []Field {
	if e, ok := errors.AsType[*Invalid](err); ok {
		return e.Fields
	}
	return nil
}
