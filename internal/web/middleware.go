package web

import (
	"net/http"
	"path"
	"runtime/debug"

	"github.com/claviger-dev/claviger/internal/fault"
)

// Wrap puts around a way in what each one but the verification path has: a request id, headers against sniffing and framing, protection from
// cross-site requests, and a recovery that answers.
func (d *Door) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		requestID(h)
		Private(h)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		defer d.Recover(w, r)
		if err := SameSite(r); err != nil {
			d.Refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var origins = http.NewCrossOriginProtection()

// SameSite refuses a request that changes something and that another site made a browser send. Requests outside of browsers pass.
func SameSite(r *http.Request) error {
	if err := origins.Check(r); err != nil {
		return fault.Wrap(fault.CrossSite, err, "")
	}
	return nil
}

// Recover answers for a handler that panicked. What panicked may hold a secret, so only the stack is logged.
func (d *Door) Recover(w http.ResponseWriter, r *http.Request) {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler {
			panic(p)
		}
		d.Log.Error("handler panicked", "request_id", requestID(w.Header()), "route", r.Pattern, "stack", string(debug.Stack()))
		d.Refuse(w, r, fault.Internal)
	}
}

// Catch gives the mux's own answers for unknown paths and methods the form of ours.
func (d *Door) Catch(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if clean := path.Clean(r.URL.Path); clean != r.URL.Path && clean+"/" != r.URL.Path {
			d.Refuse(w, r, fault.NotFound) // an ambiguous path is not tidied up
			return
		}
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		// No route: let the mux tell 404 from 405, and keep only that and its Allow header.
		probe := &statusOnly{header: http.Header{}}
		mux.ServeHTTP(probe, r)
		if probe.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", probe.header.Get("Allow"))
			d.Refuse(w, r, fault.MethodNotAllowed)
			return
		}
		d.Refuse(w, r, fault.NotFound)
	})
}

type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }
