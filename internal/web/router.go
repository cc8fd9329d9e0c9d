package web

import (
	"cmp"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Handler serves a request or returns why it was refused.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Route is one method on one path.
type Route struct {
	Method string
	// Path has its parameters in braces, as http.ServeMux has them.
	Path  string
	Serve Handler
	// Query lists the parameters that are accepted in the query string. All others are refused.
	Query []string
	// Page is set for a document to read, which is not part of the API: it accepts any query
	// string, since mail programs and search engines add parameters to links, and ignores it.
	Page bool
	// Any is set for a direct route that accepts every method and query string, and that also has
	// every path below its own, in any spelling. The document of the API shows Method.
	Any bool
	// SkipAccessLog keeps the requests out of the log, for a route that is polled.
	SkipAccessLog bool
	Operation
}

// Operation is what the OpenAPI document says about a route (OpenAPI 3.1, Operation Object).
type Operation struct {
	// ID is unique among all operations.
	ID, Tag, Summary, Description string
	// Anyone is set where no credential is needed.
	Anyone bool
	// Scope that a key needs.
	Scope scope.Scope
	// Body is a value of the type whose JSON is sent; nil for none.
	Body any
	// Answers are values of the types whose JSON is the body of a response with status 200.
	Answers []any
	// Form lists the parameters of a body that is a form; nil for none.
	Form []FormParameter
	// Errors is a value of the type whose JSON is the body of every error; nil for problem
	// documents.
	Errors any
	// Refusals are the kinds that follow neither from the requirement nor from path and body.
	Refusals []fault.Kind
}

// FormParameter is a parameter of a form that a client sends.
type FormParameter struct {
	Name, Description string
	Required          bool
}

// dataPolicy is the Content-Security-Policy of responses that are no pages: nothing is loaded.
const dataPolicy = "default-src 'none'; frame-ancestors 'none'"

// Surface is what one entry point serves under one path prefix.
type Surface struct {
	// ContentPolicy is the Content-Security-Policy of every response. By default nothing may be
	// loaded.
	ContentPolicy string
	// ReferrerPolicy is the Referrer-Policy of every response; by default no URL is sent.
	ReferrerPolicy string
	// FreeText is set where parameters in paths hold text that people chose, such as e-mail
	// addresses. Otherwise a path with anything percent-encoded is no route.
	FreeText bool
	// Hosts are the names, in lower case, that a request may be sent to, if it is not nil. It is
	// for what a page of another site must not reach by a name that somebody pointed at this
	// server. Addresses and names without a dot are accepted as Router.Hosts says.
	Hosts []string

	router *Router
	prefix string
	errors ErrorWriter
	// relayed is set where proxies copy responses to clients of other servers.
	relayed bool
}

// Refuse writes the response to a request that failed, in the form of the surface. Nothing else
// writes refusals. A failure of the server itself is logged, or counted as one of many.
func (s *Surface) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.router.middleware.refuse(s, w, r, err)
}

// refuseUnread is Refuse for a request whose body was not read.
func (s *Surface) refuseUnread(w http.ResponseWriter, r *http.Request, err error) {
	DiscardBody(w, r)
	s.Refuse(w, r, err)
}

// HandleFunc adds a route whose operation huma describes. The pattern is that of http.ServeMux,
// with a method. The route accepts no parameters in the query string until AcceptQuery names them.
func (s *Surface) HandleFunc(pattern string, serve func(http.ResponseWriter, *http.Request)) {
	method, path, _ := strings.Cut(pattern, " ")
	s.router.list(Route{Method: method, Path: s.checked(path)})
	s.router.mux.HandleFunc(pattern, serve)
}

// AcceptQuery sets the parameters that a route accepts in the query string.
func (s *Surface) AcceptQuery(method, path string, names ...string) {
	s.router.query[method+" "+path] = names
}

// ServeHTTP implements http.Handler, which huma wants of a router.
func (s *Surface) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.router.ServeHTTP(w, r) }

// add adds a route.
func (s *Surface) add(r Route) {
	pattern := r.Method + " " + s.checked(r.Path)
	if r.Page {
		s.router.pages[pattern] = true
	} else {
		s.router.list(r)
		s.AcceptQuery(r.Method, r.Path, r.Query...)
	}
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := r.Serve(w, req); err != nil {
			s.Refuse(w, req, err)
		}
	})
	if r.SkipAccessLog {
		h = skipAccessLog(h)
	}
	s.router.mux.Handle(pattern, h)
}

// checked returns the path, which must be under the surface's prefix.
func (s *Surface) checked(path string) string {
	if !s.has(path) {
		panic("web: " + path + " is not under " + s.prefix)
	}
	return path
}

// has reports whether the path is under the surface's prefix.
func (s *Surface) has(path string) bool {
	rest, found := strings.CutPrefix(path, strings.TrimSuffix(s.prefix, "/"))
	return found && (rest == "" || rest[0] == '/')
}

// Router sends each request to its route. It is the one list of what a listener serves: the OpenAPI
// document is made from it, so that no route can be left out.
//
// The entry points mount their surfaces before the first request. The router checks path and query
// string of every request ([CheckQuery]) before the route is served, and answers requests to no
// route in the form of the surface that has the path.
type Router struct {
	// Hosts lists the names, in lower case, that a request may be sent to, if it is not nil. It
	// protects a listener without authentication from DNS rebinding: a page of the web whose name
	// somebody pointed at this listener. IP addresses, localhost and names without a dot are always
	// accepted, and so is a request without a Host, since no browser sends one.
	Hosts []string

	middleware *Middleware
	mux        *http.ServeMux
	// surfaces are sorted by the length of their prefixes, the longest first.
	surfaces []*Surface
	// direct are the routes that are served before the middleware.
	direct []directRoute
	routes []Route
	// query lists the accepted parameters by the pattern of the route. pages accept any.
	query  map[string][]string
	pages  map[string]bool
	listed bool
}

// NewRouter returns a router without routes. A path under no prefix is answered with a problem
// document.
func NewRouter(m *Middleware) *Router {
	t := &Router{middleware: m, mux: http.NewServeMux(), query: map[string][]string{}, pages: map[string]bool{}}
	fallback := t.newSurface("", ProblemWriter{m.Authenticator})
	t.surfaces = []*Surface{fallback}
	return t
}

func (t *Router) newSurface(prefix string, errors ErrorWriter) *Surface {
	return &Surface{ContentPolicy: dataPolicy, ReferrerPolicy: "no-referrer", router: t, prefix: prefix, errors: errors}
}

// Mount adds a surface and its routes. Every path that begins with the prefix, and with no longer
// one of another surface, is the surface's: also unknown paths, other methods and panics are
// answered by its ErrorWriter. The prefix is a path without a slash at the end, or "/".
func (t *Router) Mount(prefix string, errors ErrorWriter, routes ...Route) *Surface {
	if slices.ContainsFunc(t.surfaces, func(s *Surface) bool { return s.prefix == prefix }) {
		panic("web: two surfaces at " + prefix)
	}
	s := t.newSurface(prefix, errors)
	t.surfaces = append(t.surfaces, s)
	slices.SortStableFunc(t.surfaces, func(a, b *Surface) int { return cmp.Compare(len(b.prefix), len(a.prefix)) })
	for _, r := range routes {
		s.add(r)
	}
	return s
}

// surface returns the surface that has the path of the request.
func (t *Router) surface(r *http.Request) *Surface {
	for _, s := range t.surfaces {
		if s.has(r.URL.Path) {
			return s
		}
	}
	return t.surfaces[len(t.surfaces)-1] // a path without a slash in front, as of OPTIONS *
}

// Refuse writes the response to a request that failed before its body was read, in the form
// of the surface that has its path.
func (t *Router) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	t.surface(r).refuseUnread(w, r, err)
}

func (t *Router) list(r Route) {
	if t.listed {
		panic("web: " + r.Path + " came after the API's document was made")
	}
	t.routes = append(t.routes, r)
}

// Routes lists the routes of the API for its document. None can be added from then on.
func (t *Router) Routes() []Route {
	t.listed = true
	return slices.Clone(t.routes)
}

// Handler returns what a listener serves. A request passes, from the outside to the inside:
//
//	closeUnclear   ends connections on which the beginning of the next request is uncertain
//	direct routes  the verification path, which ends here; routes with Any check path and query
//	               themselves
//	observe        the access log, metrics and tracing
//	secure         headers, cross-site requests, panics
//	inside         what the caller adds
//	ServeHTTP      Host, path, query string, and the route
func (t *Router) Handler(inside ...func(http.Handler) http.Handler) http.Handler {
	var h http.Handler = t
	for _, wrap := range slices.Backward(inside) {
		h = wrap(h)
	}
	h = t.middleware.observe(t.middleware.secure(t, h))
	return closeUnclear(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d := t.directRoute(r); d != nil {
			d.serve(w, r)
			return
		}
		h.ServeHTTP(w, r)
	}))
}

// ServeHTTP implements http.Handler.
func (t *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := t.surface(r)
	if t.Hosts != nil && !ownHost(r.Host, t.Hosts) {
		s.refuseUnread(w, r, errForeignHost)
		return
	}
	if s.Hosts != nil && !ownHost(r.Host, s.Hosts) {
		s.refuseUnread(w, r, errUnknownHost)
		return
	}
	if !IsCanonicalPath(r.URL) && !(s.FreeText && isClean(r.URL)) {
		s.refuseUnread(w, r, fault.NotFound)
		return
	}
	if _, pattern := t.mux.Handler(r); pattern != "" {
		if err := t.checkQuery(r, pattern); err != nil {
			r.Pattern = pattern // as the mux would set it, for the log and the metrics
			s.refuseUnread(w, r, err)
			return
		}
		t.mux.ServeHTTP(w, r)
		return
	}
	// There is no route: the mux knows whether it is 404 or 405. Only that and its Allow header are
	// used.
	probe := &statusOnly{header: http.Header{}}
	t.mux.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", probe.header.Get("Allow"))
		s.refuseUnread(w, r, fault.MethodNotAllowed)
		return
	}
	s.refuseUnread(w, r, fault.NotFound)
}

func (t *Router) checkQuery(r *http.Request, pattern string) error {
	if t.pages[pattern] {
		return nil
	}
	return CheckQuery(r.URL.RawQuery, t.query[pattern])
}

// IsCanonicalPath reports whether a path is spelled as the paths of routes are: with nothing
// percent-encoded, no empty segment, no dot segment and no slash at the end. No route and no id
// needs any of those. Every other spelling is no route's, since a proxy in front may have taken it
// for another path when it let the request through.
func IsCanonicalPath(u *url.URL) bool { return isClean(u) && u.EscapedPath() == u.Path }

// isClean reports whether a path is in its only canonical spelling: percent-encoded only where it
// must be, which a slash and a dot never need.
func isClean(u *url.URL) bool { return u.RawPath == "" && path.Clean(u.Path) == u.Path }

// statusOnly is a response of which only status and headers are kept.
type statusOnly struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (s *statusOnly) Header() http.Header { return s.header }

// Write implements http.ResponseWriter.
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (s *statusOnly) WriteHeader(status int) { s.status = status }
