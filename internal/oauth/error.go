package oauth

import (
	"errors"
	"net/http"
	"strings"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// protocolError is an error of the protocol, which no other surface has.
type protocolError struct{ code, description string }

// Error implements error.
func (e *protocolError) Error() string { return e.code + ": " + e.description }

// ErrorWriter writes errors in the form of RFC 6749 section 5.2.
type ErrorWriter struct{}

// WriteError implements web.ErrorWriter.
func (ErrorWriter) WriteError(w http.ResponseWriter, _ *http.Request, f web.Failure) {
	code, status := errorCode(f)
	w.Header().Set(codeHeader, string(f.Kind))
	writeError(w, status, api.OAuthError{Error: code, Description: description(detail(f))})
}

// detail returns what to do about a failure. The form has no place for fields of their own.
func detail(f web.Failure) string {
	if len(f.Fields) == 0 {
		return f.Detail
	}
	parts := make([]string, len(f.Fields))
	for i, field := range f.Fields {
		parts[i] = field.Name + ": " + field.Message
	}
	return strings.Join(parts, " ")
}

// codeHeader says in Claviger's own codes why a request was refused.
const codeHeader = "X-Claviger-Code"

func writeError(w http.ResponseWriter, status int, e api.OAuthError) {
	w.Header().Set("Pragma", "no-cache")
	if status == http.StatusUnauthorized {
		web.SetClientChallenge(w.Header())
	}
	_ = web.WriteJSON(w, status, e) // plain strings always marshal
}

// errorCode returns the error code and the status of a failure. Everything that is wrong with the
// client's key is invalid_client, and the description says what.
func errorCode(f web.Failure) (code string, status int) {
	switch f.Kind {
	case fault.KeyInvalid, fault.KeyExpired, fault.KeyRevoked, fault.KeyDisabled, fault.TokenInvalid,
		fault.TokenExpired, fault.SessionEnded:
		return "invalid_client", http.StatusUnauthorized
	case fault.TransportForbidden:
		return "unauthorized_client", http.StatusBadRequest
	case fault.AddressForbidden:
		return "unauthorized_client", f.Status
	case fault.Malformed, fault.CredentialAmbiguous, fault.ValidationFailed, fault.UnsupportedMediaType:
		return "invalid_request", http.StatusBadRequest
	case fault.Unavailable:
		return "temporarily_unavailable", f.Status
	case fault.Internal:
		return "server_error", f.Status
	}
	return string(f.Kind), f.Status // rate_limited, too_large, insufficient_scope, …
}

// description returns a text with the characters that RFC 6749 section 5.2 allows.
func description(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < ' ', r > '~', r == '\\':
			return -1
		}
		return r
	}, text)
}

// endpoint returns a handler that also answers errors of the protocol.
func endpoint(serve web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := serve(w, r)
		if protocol, ok := errors.AsType[*protocolError](err); ok {
			web.SetPrivate(w.Header())
			writeError(w, http.StatusBadRequest, api.OAuthError{
				Error: protocol.code, Description: description(protocol.description),
			})
			return nil
		}
		return err
	}
}
