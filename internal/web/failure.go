package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
)

// Failure is what an [ErrorWriter] tells the client about an error. It holds nothing but the
// error's kind and the messages that are meant to be shown, never the cause.
type Failure struct {
	// Kind is the code on the wire. An error without a kind is fault.Internal.
	Kind fault.Kind
	// Status is the HTTP status of the kind, and Title says in a few words what it means.
	Status int
	Title  string
	// Detail says what to do.
	Detail string
	// Fields are the members of the request that break a rule.
	Fields []fault.Field
	// RetryAfter is how long the client must wait before it tries again; 0 for no limit.
	RetryAfter time.Duration
	RequestID  string
	// Present is the wire form of the object as it is, if an edit was refused because the object
	// has another version than expected; nil for none.
	Present any
	// Dialect is the one that the error names ([InDialect]); "" for that of the surface.
	Dialect string
	// ClientLeft is set where the client ended the request, so that nobody reads the response.
	ClientLeft bool
}

// NewFailure returns what there is to say about an error.
func NewFailure(err error, requestID string) Failure {
	kind := fault.KindOf(err)
	known, ok := statuses[kind]
	if !ok {
		kind, known = fault.Internal, statuses[fault.Internal]
	}
	f := Failure{
		Kind: kind, Status: known.status, Title: known.title, Detail: fault.Message(err),
		Fields: fault.Fields(err), RetryAfter: fault.RetryAfter(err), RequestID: requestID,
	}
	if named, ok := errors.AsType[dialectError](err); ok {
		f.Dialect = named.dialect
	}
	if changed, ok := errors.AsType[changedError](err); ok {
		f.Present = changed.present
	}
	if f.Detail == "" || kind == fault.Internal {
		f.Detail = details[kind]
	}
	return f
}

// changedError is the error about an edit of an object that has changed, with the object.
type changedError struct {
	error
	present any
}

// Unwrap is for package errors.
func (e changedError) Unwrap() error { return e.error }

// WithPresent returns an error about an edit with the wire form of the object as it is. Only the
// caller who may edit the object may get such an error.
func WithPresent(err error, present any) error { return changedError{err, present} }

// dialectError is an error with the name of the dialect in which it is written.
type dialectError struct {
	error
	dialect string
}

// Unwrap is for package errors.
func (e dialectError) Unwrap() error { return e.error }

// InDialect returns an error that is written in the dialect.
func InDialect(err error, dialect string) error {
	if dialect == "" {
		return err
	}
	return dialectError{err, dialect}
}

// Problem returns the failure as a problem document (RFC 9457). The present object is an extension
// member.
func (f Failure) Problem() *api.Problem {
	p := &api.Problem{
		Type: "/docs/errors/" + string(f.Kind), Title: f.Title, Status: f.Status, Detail: f.Detail,
		Code: api.Code(f.Kind), RequestID: f.RequestID,
	}
	for _, field := range f.Fields {
		p.Errors = append(p.Errors, api.FieldError{Field: field.Name, Code: field.Code, Message: field.Message})
	}
	if f.Present != nil {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false) // as in the response that shows the object
		if encoder.Encode(f.Present) == nil {
			p.Present = text.Bytes()
		}
	}
	return p
}

// statuses maps each kind to its HTTP status and title. It is the only such table.
var statuses = map[fault.Kind]struct {
	status int
	title  string
}{
	fault.KeyInvalid:           {http.StatusUnauthorized, "The API key is missing or invalid"},
	fault.KeyExpired:           {http.StatusUnauthorized, "The API key has expired"},
	fault.KeyRevoked:           {http.StatusUnauthorized, "The API key was revoked"},
	fault.KeyDisabled:          {http.StatusUnauthorized, "The API key is disabled"},
	fault.SessionEnded:         {http.StatusUnauthorized, "The session has ended"},
	fault.TokenExpired:         {http.StatusUnauthorized, "The access token has expired"},
	fault.TokenInvalid:         {http.StatusUnauthorized, "The access token is invalid"},
	fault.SignInFailed:         {http.StatusUnauthorized, "Sign-in failed"},
	fault.SecondFactorRequired: {http.StatusUnauthorized, "A second factor is required"},
	fault.InsufficientScope:    {http.StatusForbidden, "The API key lacks a scope"},
	fault.ApplicationForbidden: {http.StatusForbidden, "The API key may not access this application"},
	fault.SessionRequired:      {http.StatusForbidden, "A session is required"},
	fault.TransportForbidden:   {http.StatusForbidden, "The transport is not allowed"},
	fault.AddressForbidden:     {http.StatusForbidden, "The API key may not be used from this address"},
	fault.RouteUnknown:         {http.StatusForbidden, "No rule allows this request"},
	fault.PathAmbiguous:        {http.StatusForbidden, "The path can be read in more than one form"},
	fault.Forbidden:            {http.StatusForbidden, "Not allowed"},
	fault.SignInAgain:          {http.StatusForbidden, "Sign in again"},
	fault.CrossSite:            {http.StatusForbidden, "Cross-site request rejected"},
	fault.Malformed:            {http.StatusBadRequest, "Malformed request"},
	fault.CredentialAmbiguous:  {http.StatusBadRequest, "More than one credential"},
	fault.NotFound:             {http.StatusNotFound, "Not found"},
	fault.LinkInvalid:          {http.StatusNotFound, "The link is not valid"},
	fault.MethodNotAllowed:     {http.StatusMethodNotAllowed, "Method not allowed"},
	fault.TooLarge:             {http.StatusRequestEntityTooLarge, "The request is too large"},
	fault.UnsupportedMediaType: {http.StatusUnsupportedMediaType, "Unsupported media type"},
	fault.Conflict:             {http.StatusConflict, "Conflict"},
	fault.KeyLimitReached:      {http.StatusConflict, "Key limit reached"},
	fault.TenantRequired:       {http.StatusConflict, "A tenant is required"},
	fault.NotRecoverable:       {http.StatusConflict, "The secret cannot be shown again"},
	fault.ValidationFailed:     {http.StatusUnprocessableEntity, "Validation failed"},
	fault.RateLimited:          {http.StatusTooManyRequests, "Too many requests"},
	fault.LimitOfChanges:       {http.StatusTooManyRequests, "Too many changes"},
	fault.Internal:             {http.StatusInternalServerError, "Internal error"},
	fault.Unavailable:          {http.StatusServiceUnavailable, "Temporarily unavailable"},
	fault.BadGateway:           {http.StatusBadGateway, "The API did not answer"},
	fault.GatewayTimeout:       {http.StatusGatewayTimeout, "The API did not answer in time"},
}

// details are the texts for failures that have no message of their own.
var details = map[fault.Kind]string{
	fault.KeyInvalid:           "Send one valid API key, for example as a bearer token in the Authorization header.",
	fault.KeyExpired:           "Refresh the key, or create another one.",
	fault.KeyRevoked:           "Create another key.",
	fault.KeyDisabled:          "The key, its owner, the tenant or the account is disabled. Ask an admin to enable it.",
	fault.SessionEnded:         "Sign in again.",
	fault.TokenExpired:         "Request another access token.",
	fault.TokenInvalid:         "Request another access token, and send it unchanged.",
	fault.SignInFailed:         "Check the e-mail address and the password.",
	fault.SecondFactorRequired: "Send the code of the second factor as well.",
	fault.InsufficientScope:    "Use a key whose effective scopes include the required scopes.",
	fault.ApplicationForbidden: "Use a key that may access this application.",
	fault.SessionRequired:      "Sign in with e-mail address and password. A key cannot do this.",
	fault.TransportForbidden:   "Send the key by a transport that its tenant allows.",
	fault.AddressForbidden:     "Use the key from an address in its `allowed_cidrs`, or ask its owner to add yours.",
	fault.RouteUnknown:         "Check method and path. If they are correct, ask the operator for a rule about them.",
	fault.PathAmbiguous:        "Send a path without `//`, `.` and `..` segments, and without encoded slashes.",
	fault.Forbidden:            "Your role does not allow this. Ask somebody whose role does.",
	fault.SignInAgain:          "Sign in again. This requires a sign-in within the last five minutes.",
	fault.CrossSite:            "Send the request from the same site.",
	fault.Malformed:            "Send one JSON value. Send each member and each query parameter once.",
	fault.CredentialAmbiguous:  "Send exactly one credential in exactly one header.",
	fault.NotFound:             "Not found, or you do not have access to it.",
	fault.LinkInvalid:          "The link was used, has expired, or was made for another person. Ask for another link.",
	fault.MethodNotAllowed:     "Use one of the methods in the Allow header.",
	fault.TooLarge:             "Send at most 64 KiB.",
	fault.UnsupportedMediaType: "Send Content-Type: application/json.",
	fault.Conflict:             "The current state does not allow this change. Read the object again.",
	fault.KeyLimitReached:      "Revoke or delete a key, or ask an admin to raise `keys_per_user`.",
	fault.TenantRequired:       "You belong to more than one tenant. Name the tenant.",
	fault.NotRecoverable:       "The secret was not stored. Refresh the key to get a new one.",
	fault.ValidationFailed:     "Fix the fields listed in `errors`.",
	fault.RateLimited:          "Wait for the number of seconds in the Retry-After header.",
	fault.LimitOfChanges:       "Wait for the number of seconds in the Retry-After header.",
	fault.Internal:             "Claviger failed to handle the request. Report this with the `request_id`.",
	fault.Unavailable:          "Try again in a few seconds.",
	fault.BadGateway: "The gateway could not reach the API, or the API ended the connection. The request may have " +
		"reached it. Tell the operator if this lasts.",
	fault.GatewayTimeout: "The gateway waited for the API as long as it may. The request may have reached it.",
}

// Kinds lists every kind that is answered, by status and then by name.
func Kinds() []fault.Kind {
	return slices.SortedFunc(maps.Keys(statuses), func(a, b fault.Kind) int {
		return cmp.Or(cmp.Compare(statuses[a].status, statuses[b].status), cmp.Compare(a, b))
	})
}
