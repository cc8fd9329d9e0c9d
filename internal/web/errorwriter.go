package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/telemetry"
)

// ErrorWriter writes the response to a request that failed, in the form of one surface: a problem
// document, an OAuth error (RFC 6749 section 5.2), an HTML page, or the envelope of a vendor's API.
//
// The response already has the headers that are the same in every form: those of every response
// (Middleware.setHeaders) and, where they apply, Retry-After, Allow and Accept-Encoding. WriteError
// sets those of its form, such as Content-Type and WWW-Authenticate, and writes status and body.
// The status is that of the failure unless the form prescribes another one.
type ErrorWriter interface {
	WriteError(w http.ResponseWriter, r *http.Request, f Failure)
}

// refuse answers a request that failed with err. All forms share what it does: it turns the error
// into a Failure, logs a sample of the server's own failures, and sets the common headers. Then the
// surface's writer writes the response.
func (m *Middleware) refuse(s *Surface, w http.ResponseWriter, r *http.Request, err error) {
	h := w.Header()
	f := NewFailure(err, requestID(h))
	f.ClientLeft = fault.Abandoned(r.Context(), err)
	if f.ClientLeft {
		markAbandoned(w) // nobody reads the response, and the server has not failed
	} else if f.Status >= http.StatusInternalServerError && m.failures.sample(f.Kind) {
		m.Log.Error("request failed", "request_id", f.RequestID, "method", method(r), "code", string(f.Kind),
			"route", r.Pattern, "error", err) // never the path: it may hold a key
	}
	m.setHeaders(s, h)
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(CeilSeconds(f.RetryAfter)))
	}
	if f.Kind == fault.UnsupportedMediaType && r.Header.Get("Content-Encoding") != "" {
		h.Set("Accept-Encoding", "identity") // RFC 9110 section 15.5.16
	}
	s.errors.WriteError(w, r, f)
}

// CeilSeconds returns a wait in seconds, rounded up.
func CeilSeconds(wait time.Duration) int { return int((wait + time.Second - 1) / time.Second) }

// failureLog decides which of the server's own failures are logged. While the node cannot tell the
// time or reach its database, every request fails, and the log would grow as fast as requests come.
// The metrics count all of them. Each kind has its own sample, so that neither hides the other.
type failureLog struct{ unavailable, internal *telemetry.Sampler }

const (
	// unavailableLogged is how many responses with status 503 are logged a second, each with its
	// cause.
	unavailableLogged = 3
	// internalLogged is the same for status 500. Each of these deserves a look: clients are told to
	// report the request id.
	internalLogged = 30
)

func newFailureLog() failureLog {
	return failureLog{telemetry.NewSampler(unavailableLogged), telemetry.NewSampler(internalLogged)}
}

// sample reports whether a failure of this kind is logged now.
func (l failureLog) sample(kind fault.Kind) bool {
	if kind == fault.Unavailable {
		return l.unavailable.Allow()
	}
	return l.internal.Allow()
}
