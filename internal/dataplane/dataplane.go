// Package dataplane answers for protected APIs: verify and whoami, the routes that every request of theirs may cost.
//
// Nothing here logs, traces or allocates more than it must: an accepted answer is rendered once, when the facts of its key are read, and
// from then on written as it stands. Refusals are problem documents as everywhere.
package dataplane

import (
	"net/http"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// Plane serves the verification path.
type Plane struct{ door *web.Door }

// New makes the plane behind a door. The engine behind that door must render with Render.
func New(door *web.Door) *Plane { return &Plane{door: door} }

// Serve answers if the path is the plane's. It stands before every router and middleware.
func (p *Plane) Serve(w http.ResponseWriter, r *http.Request) bool {
	switch r.URL.Path {
	case "/api/v1/verify":
		p.run(w, r, http.MethodPost, p.verify)
	case "/api/v1/whoami":
		p.run(w, r, http.MethodGet, p.whoami)
	default:
		return false
	}
	return true
}

func (p *Plane) run(w http.ResponseWriter, r *http.Request, method string, h web.Handler) {
	defer p.door.Recover(w, r)
	if r.Method != method && !(method == http.MethodGet && r.Method == http.MethodHead) {
		w.Header().Set("Allow", method)
		p.door.Refuse(w, r, fault.MethodNotAllowed)
		return
	}
	if err := h(w, r); err != nil {
		p.door.Refuse(w, r, err)
	}
}
