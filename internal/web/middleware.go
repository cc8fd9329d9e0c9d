package web

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/telemetry"
)

// Middleware is what all listeners put around their routes, except around those of the verification
// path.
type Middleware struct {
	Options
	Authenticator *Authenticator
	Log           *slog.Logger
	// Requests counts the requests by route and status.
	Requests Requests

	failures failureLog
}

// Options configure a Middleware. The zero value sets no limit.
type Options struct {
	// Now is the clock of the Date header, from which clients count durations; nil for the
	// machine's clock.
	Now func() time.Time
	// Tracing of requests to the API; nil for none.
	Tracing *telemetry.Tracing
	// Admit refuses a change for which there is no room on the disk; reduces is set if the change
	// only takes authority away. nil admits all.
	Admit func(reduces bool) error
	// Changes limits the changes of one person; nil for no limit.
	Changes *ChangeLimit
	// Anonymous limits the requests of one client address without a credential; nil for no limit.
	Anonymous *AddressLimit
	// AnonymousTime is how long the body of a request without a credential may take; 0 for no
	// limit.
	AnonymousTime time.Duration
}

// NewMiddleware returns a middleware.
func NewMiddleware(a *Authenticator, log *slog.Logger, o Options) *Middleware {
	return &Middleware{Options: o, Authenticator: a, Log: log, failures: newFailureLog()}
}

// secure sets the headers of every response, refuses cross-site requests, and answers after a
// panic.
func (m *Middleware) secure(router *Router, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		surface := router.surface(r)
		m.setHeaders(surface, w.Header())
		defer m.recoverPanic(surface, w, r)
		if err := m.Authenticator.checkSameSite(r); err != nil {
			surface.refuseUnread(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// setHeaders sets the headers of every response, except for decisions of the verification path: a
// request id, the time, and headers against sniffing, framing and a later visit without TLS.
func (m *Middleware) setHeaders(s *Surface, h http.Header) {
	requestID(h)
	SetPrivate(h)
	if m.Now != nil {
		h.Set("Date", m.Now().UTC().Format(http.TimeFormat)) // net/http keeps it
	}
	h.Set("Referrer-Policy", s.ReferrerPolicy)
	h.Set("Content-Security-Policy", s.ContentPolicy)
	if m.Authenticator.Secure && !s.relayed { // it would be a promise for another host
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// recoverPanic answers for a handler that panicked. The value of the panic may hold a secret, so
// only the stack is logged, once. If a part of the response was sent already, the connection is
// cut, so that the client does not take it for a whole response.
func (m *Middleware) recoverPanic(s *Surface, w http.ResponseWriter, r *http.Request) {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler {
			panic(p)
		}
		id := requestID(w.Header())
		m.Log.Error("handler panicked", "request_id", id, "route", r.Pattern, "stack", string(debug.Stack()))
		seen, observed := w.(*responseRecorder)
		switch {
		case !observed: // the verification path, which writes a response at once
			m.Authenticator.outcomes().Count(fault.Internal, "")
		case seen.status != 0:
			seen.status = http.StatusInternalServerError
			panic(http.ErrAbortHandler)
		}
		m.setHeaders(s, w.Header())
		s.errors.WriteError(w, r, NewFailure(fault.Internal, id))
	}
}

const requestIDHeader = "X-Request-Id"

var (
	requestPrefix = func() string {
		var b [5]byte
		_, _ = rand.Read(b[:]) // never fails
		return "req_" + base32.HexEncoding.EncodeToString(b[:])
	}()
	requestCount atomic.Uint64
)

// requestID returns the request id of the response and sets one if there is none. It is a random
// prefix, the same for the whole process, and a number that counts up.
func requestID(response http.Header) string {
	if id := response.Get(requestIDHeader); id != "" {
		return id
	}
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], requestCount.Add(1))
	id := requestPrefix + base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(n[3:])
	response.Set(requestIDHeader, id)
	return id
}
