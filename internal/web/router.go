package web

import (
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Route is one method on one path of the API.
type Route struct {
	Method string
	// Path with its parameters in braces, as http.ServeMux has them.
	Path  string
	Serve Handler
	// Quiet keeps its requests out of the log: something asks again and again.
	Quiet bool
	Operation
}

// Operation is what the API's document says of a route (OpenAPI 3.1, Operation Object).
type Operation struct {
	// ID is unique among all operations.
	ID, Tag, Summary, Description string
	// Anyone may ask, without a credential.
	Anyone bool
	// Scope that a key needs.
	Scope scope.Scope
	// Body is a value of the type whose JSON is sent; nil for none.
	Body any
	// Answers are values of the types one of whose JSON is answered with 200.
	Answers []any
	// Refusals are those that follow neither from what is needed nor from path and body.
	Refusals []fault.Kind
}

// Router gives each request to its route, and the answers for unknown paths and methods the form of ours.
//
// It is the one list of what is served: the API's document is made from it, so that no route can be left out.
type Router struct {
	door   *Door
	mux    *http.ServeMux
	routes []Route
	listed bool
}

// NewRouter makes a router without routes.
func NewRouter(d *Door) *Router { return &Router{door: d, mux: http.NewServeMux()} }

// Add serves a route of the API.
func (t *Router) Add(r Route) {
	t.list(r)
	h := t.door.Handle(r.Serve)
	if r.Quiet {
		h = hush(h)
	}
	t.mux.Handle(r.Method+" "+r.Path, h)
}

// HandleFunc serves a route whose operation huma describes. The pattern is that of http.ServeMux, with a method.
func (t *Router) HandleFunc(pattern string, serve func(http.ResponseWriter, *http.Request)) {
	method, path, _ := strings.Cut(pattern, " ")
	t.list(Route{Method: method, Path: path})
	t.mux.HandleFunc(pattern, serve)
}

// Page serves something to read, with GET and HEAD, that is not of the API.
func (t *Router) Page(path string, serve Handler) {
	t.mux.Handle("GET "+path, t.door.Handle(serve))
}

func (t *Router) list(r Route) {
	if t.listed {
		panic("web: " + r.Path + " came after the API's document was made")
	}
	t.routes = append(t.routes, r)
}

// Routes lists the API's routes for its document. None can be added from then on.
func (t *Router) Routes() []Route {
	t.listed = true
	return slices.Clone(t.routes)
}

// ServeHTTP implements http.Handler.
func (t *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if clean := path.Clean(r.URL.Path); clean != r.URL.Path && clean+"/" != r.URL.Path {
		t.door.Refuse(w, r, fault.NotFound) // an ambiguous path is not tidied up
		return
	}
	if _, pattern := t.mux.Handler(r); pattern != "" {
		t.mux.ServeHTTP(w, r)
		return
	}
	// No route: let the mux tell 404 from 405, and keep only that and its Allow header.
	probe := &statusOnly{header: http.Header{}}
	t.mux.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", probe.header.Get("Allow"))
		t.door.Refuse(w, r, fault.MethodNotAllowed)
		return
	}
	t.door.Refuse(w, r, fault.NotFound)
}

type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }
