package web

import (
	"net/http"

	"github.com/claviger-dev/claviger/internal/fault"
)

// directRoute is a route that is served before the middleware.
type directRoute struct {
	Route
	surface *Surface
	// pattern is the route as http.ServeMux would have it, and allow lists the methods of the path.
	pattern, allow string
}

// MountDirect adds the routes of the verification path, which every request to a protected API may
// cost. They are served before the middleware: without access log, tracing and the mux. Each path
// is a surface of its own, has one method, and no parameters.
func (t *Router) MountDirect(errors ErrorWriter, routes ...Route) {
	for _, r := range routes {
		t.list(r)
		allow := r.Method
		if r.Method == http.MethodGet {
			allow = "GET, HEAD" // RFC 9110 section 9.3.2
		}
		t.direct = append(t.direct, directRoute{r, t.newSurface(r.Path, errors), r.Method + " " + r.Path, allow})
	}
}

// directRoute returns the direct route of a path that is spelled exactly like it; nil for none.
func (t *Router) directRoute(r *http.Request) *directRoute {
	for i := range t.direct {
		if t.direct[i].Path == r.URL.Path && IsCanonicalPath(r.URL) {
			return &t.direct[i]
		}
	}
	return nil
}

func (d *directRoute) serve(w http.ResponseWriter, r *http.Request) {
	r.Pattern = d.pattern
	defer d.surface.router.middleware.recoverPanic(d.surface, w, r)
	if r.Method != d.Method && !(d.Method == http.MethodGet && r.Method == http.MethodHead) {
		w.Header().Set("Allow", d.allow)
		d.surface.refuseUnread(w, r, fault.MethodNotAllowed)
		return
	}
	if err := CheckQuery(r.URL.RawQuery, d.Query); err != nil {
		d.surface.refuseUnread(w, r, err)
		return
	}
	if err := d.Serve(w, r); err != nil {
		d.surface.Refuse(w, r, err)
	}
}
