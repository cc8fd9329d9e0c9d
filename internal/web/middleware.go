package web

import (
	"net/http"
	"runtime/debug"

	"github.com/claviger-dev/claviger/internal/fault"
)

// Wrap puts around a way in what each one but the verification path has: a request id, headers against sniffing, framing and a later visit without TLS,
// protection from cross-site requests, and a recovery that answers.
func (d *Door) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		requestID(h)
		Private(h)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if d.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		defer d.Recover(w, r)
		if err := sameSite(r); err != nil {
			d.Refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var origins = http.NewCrossOriginProtection()

// sameSite refuses a request that changes something and that another site made a browser send. Requests outside of browsers pass.
func sameSite(r *http.Request) error {
	if err := origins.Check(r); err != nil {
		return fault.Wrap(fault.CrossSite, err, "")
	}
	return nil
}

// Recover answers for a handler that panicked. What panicked may hold a secret, so only the stack is logged, once. Where
// part of the answer is sent already, the connection is cut, so that the client does not take it for a whole one.
func (d *Door) Recover(w http.ResponseWriter, r *http.Request) {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler {
			panic(p)
		}
		d.Log.Error("handler panicked", "request_id", requestID(w.Header()), "route", r.Pattern, "stack", string(debug.Stack()))
		seen, observed := w.(*witness)
		switch {
		case !observed: // the verification path, which writes an answer in one piece
			d.counts().Count(fault.Internal, "")
		case seen.status != 0:
			seen.status = http.StatusInternalServerError
			panic(http.ErrAbortHandler)
		}
		Private(w.Header())
		d.refuse(w, NewProblem(fault.Internal, requestID(w.Header())))
	}
}
