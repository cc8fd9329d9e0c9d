package web

import (
	"net/http"
	"strings"

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
// is a surface of its own and has no parameters. It has one method, unless Route.Any is set.
func (t *Router) MountDirect(errors ErrorWriter, routes ...Route) {
	for _, r := range routes {
		t.list(r)
		allow := r.Method
		if r.Method == http.MethodGet {
			allow = "GET, HEAD" // RFC 9110 section 9.3.2
		}
		surface := t.newSurface(r.Path, errors)
		surface.relayed = r.Any
		t.direct = append(t.direct, directRoute{r, surface, r.Method + " " + r.Path, allow})
	}
}

// directRoute returns the direct route of a path that is spelled exactly like it; nil for none. A
// route with Route.Any also has every path below its own, in any spelling.
func (t *Router) directRoute(r *http.Request) *directRoute {
	for i := range t.direct {
		d := &t.direct[i]
		if d.Any {
			if _, ok := BelowRoute(r, d.Path); ok {
				return d
			}
			continue
		}
		if d.Path == r.URL.Path && IsCanonicalPath(r.URL) {
			return d
		}
	}
	return nil
}

// BelowRoute returns what follows the path of a route in the URI of a request, as it was sent, with
// the query string. It is "" or begins with a slash or a question mark. ok is false if the URI does
// not begin with the path. Every URI is below "", in any form.
func BelowRoute(r *http.Request, path string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(r.RequestURI, path)
	return rest, ok && (path == "" || rest == "" || rest[0] == '/' || rest[0] == '?')
}

func (d *directRoute) serve(w http.ResponseWriter, r *http.Request) {
	r.Pattern = d.pattern
	defer d.surface.router.middleware.recoverPanic(d.surface, w, r)
	if d.Any {
		if err := d.Serve(w, r); err != nil {
			d.surface.Refuse(w, r, err)
		}
		return
	}
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
