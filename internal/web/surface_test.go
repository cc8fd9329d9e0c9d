package web_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// envelope is an ErrorWriter of another form than ours.
type envelope struct{}

func (envelope) WriteError(w http.ResponseWriter, _ *http.Request, f web.Failure) {
	w.Header().Set("Content-Type", "text/x-envelope")
	w.WriteHeader(f.Status)
	fmt.Fprintf(w, "<%s>", f.Kind)
}

const pagePolicy = "default-src 'none'; style-src 'self'"

// surfaces is a server with three surfaces: /api/v1 has problem documents, /vendor envelopes, and
// /docs problem documents and a policy of its own. /vendor/direct is served before the middleware.
func surfaces(t *testing.T) (*web.Router, http.Handler) {
	t.Helper()
	a := &web.Authenticator{
		Verify: &verify.Authenticator{Engine: verify.New(verify.Options{Generations: verify.NewGenerations()})},
	}
	router := web.NewRouter(web.NewMiddleware(a, slog.New(slog.DiscardHandler), web.Options{}))
	routes := func(prefix string) []web.Route {
		return []web.Route{
			{
				Method: http.MethodPost, Path: prefix + "/read",
				Serve: func(_ http.ResponseWriter, r *http.Request) error {
					return web.Decode(r, &struct{}{})
				},
			},
			{Method: http.MethodGet, Path: prefix + "/panic", Serve: func(http.ResponseWriter, *http.Request) error {
				panic("a mistake")
			}},
			{Method: http.MethodGet, Path: prefix + "/refuse", Serve: func(http.ResponseWriter, *http.Request) error {
				return fault.Conflict
			}},
		}
	}
	problems := web.ProblemWriter{Authenticator: a}
	router.Mount("/vendor/inner", problems, routes("/vendor/inner")...)
	router.Mount("/vendor", envelope{}, routes("/vendor")...)
	router.Mount("/api/v1", problems, routes("/api/v1")...)
	router.Mount("/docs", problems, routes("/docs")...).ContentPolicy = pagePolicy
	router.MountDirect(envelope{}, web.Route{
		Method: http.MethodPost, Path: "/vendor/direct",
		Serve: func(_ http.ResponseWriter, r *http.Request) error {
			if r.Header.Get("X-Panic") != "" {
				panic("a mistake")
			}
			return web.Decode(r, &struct{}{})
		},
	})
	return router, router.Handler()
}

// exchange answers a request of a browser of this site.
func exchange(h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if method == http.MethodDelete {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestASurfaceRefusesEverythingInItsOwnForm(t *testing.T) {
	_, h := surfaces(t)
	tooLong := `{"a":"` + strings.Repeat("x", web.MaxBody) + `"}`
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		code               string
	}{
		"an error of a handler":         {"GET", "/refuse", "", 409, "conflict"},
		"an unknown path":               {"GET", "/nothing", "", 404, "not_found"},
		"the prefix itself":             {"GET", "", "", 404, "not_found"},
		"another method":                {"PUT", "/refuse", "", 405, "method_not_allowed"},
		"a panic":                       {"GET", "/panic", "", 500, "internal"},
		"a body that is too long":       {"POST", "/read", tooLong, 413, "too_large"},
		"a body that is not JSON":       {"POST", "/read", "x", 400, "malformed_request"},
		"a path with an empty segment":  {"GET", "//refuse", "", 404, "not_found"},
		"a path with a slash at an end": {"GET", "/refuse/", "", 404, "not_found"},
		"a path percent-encoded":        {"GET", "/%72efuse", "", 404, "not_found"},
		"a query string":                {"GET", "/refuse?a=b", "", 422, "validation_failed"},
		"a bad query string":            {"GET", "/refuse?%", "", 400, "malformed_request"},
		"a request of another site":     {"DELETE", "/refuse", "", 403, "cross_site"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, prefix := range []string{"/vendor", "/api/v1", "/docs", "/vendor/inner", "/elsewhere"} {
				if prefix == "/elsewhere" && c.code != "not_found" {
					continue // it has no routes
				}
				check(t, exchange(h, c.method, prefix+c.path, c.body), prefix == "/vendor", c.status, c.code)
			}
		})
	}
}

// check looks at the response to a request that is refused.
func check(t *testing.T, w *httptest.ResponseRecorder, enveloped bool, status int, code string) {
	t.Helper()
	var p struct {
		Code string `json:"code"`
	}
	got, form := strings.Trim(w.Body.String(), "<>"), "text/x-envelope"
	if !enveloped {
		form = "application/problem+json"
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Errorf("%s: %v", w.Body, err)
		}
		got = p.Code
	}
	if w.Code != status || got != code || w.Header().Get("Content-Type") != form {
		t.Errorf("%d %s %v, want %d %s as %s", w.Code, w.Body, w.Header(), status, code, form)
	}
	if w.Header().Get("X-Request-Id") == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("the common headers are missing: %v", w.Header())
	}
}

func TestADirectRouteRefusesInItsOwnForm(t *testing.T) {
	_, h := surfaces(t)
	check(t, exchange(h, "GET", "/vendor/direct", ""), true, 405, "method_not_allowed")
	check(t, exchange(h, "POST", "/vendor/direct?a=b", "{}"), true, 422, "validation_failed")
	check(t, exchange(h, "POST", "/vendor/direct", "x"), true, 400, "malformed_request")
	r := httptest.NewRequest(http.MethodPost, "/vendor/direct", nil)
	r.Header.Set("X-Panic", "1")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	check(t, w, true, 500, "internal")
	if got := exchange(h, "POST", "/vendor/direct", "{}"); got.Code != 200 || got.Header().Get("X-Request-Id") != "" {
		t.Errorf("%d %v: it went through the middleware", got.Code, got.Header())
	}
}

func TestEachSurfaceHasItsOwnContentPolicy(t *testing.T) {
	_, h := surfaces(t)
	const strict = "default-src 'none'; frame-ancestors 'none'"
	for path, want := range map[string]string{
		"/docs/refuse": pagePolicy, "/docs": pagePolicy, "/docs/panic": pagePolicy, "/docs/nothing": pagePolicy,
		"/api/v1/refuse": strict, "/api/v1/panic": strict, "/vendor/refuse": strict, "/docsx": strict, "/": strict,
		"/nothing": strict, "/api/v1/nothing": strict,
	} {
		if got := exchange(h, "GET", path, "").Header().Get("Content-Security-Policy"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// What the caller adds answers inside the middleware, and the verification path sets the headers of
// its refusals itself.
func TestEveryRefusalHasTheHeadersOfTheMiddleware(t *testing.T) {
	router, h := surfaces(t)
	before := router.Handler(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/docs/panic" {
				panic("a mistake")
			}
			router.Refuse(w, r, fault.Unavailable)
		})
	})
	for name, got := range map[string]*httptest.ResponseRecorder{
		"a refusal":         exchange(h, "GET", "/vendor/refuse", ""),
		"before it":         exchange(before, "GET", "/vendor/refuse", ""),
		"a panic before it": exchange(before, "GET", "/docs/panic", ""),
		"a direct refusal":  exchange(h, "GET", "/vendor/direct", ""),
	} {
		want := "default-src 'none'; frame-ancestors 'none'"
		if strings.Contains(name, "panic") {
			want = pagePolicy
		}
		header := got.Header()
		if header.Get("Content-Security-Policy") != want || header.Get("Referrer-Policy") != "no-referrer" ||
			header.Get("X-Content-Type-Options") != "nosniff" || header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %d, %v", name, got.Code, header)
		}
	}
}

func TestOnlyTheNamesOfAListenerAreAccepted(t *testing.T) {
	router, h := surfaces(t)
	router.Hosts = []string{"keys.example"}
	for host, status := range map[string]int{
		"keys.example": 409, "KEYS.example:80": 409, "127.0.0.1": 409, "[::1]:80": 409, "localhost": 409, "": 409,
		"other.example": 403, "keys.example.evil.example": 403,
	} {
		r := httptest.NewRequest(http.MethodGet, "/vendor/refuse", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != status || w.Header().Get("Content-Type") != "text/x-envelope" {
			t.Errorf("%q: %d %s, want %d in the form of the surface", host, w.Code, w.Body, status)
		}
	}
}

func TestARouterRefusesAMistakeInItsSurfaces(t *testing.T) {
	for name, mount := range map[string]func(*web.Router){
		"a prefix twice": func(r *web.Router) {
			r.Mount("/a", envelope{})
			r.Mount("/a", envelope{})
		},
		"a route of another prefix": func(r *web.Router) {
			r.Mount("/a", envelope{}, web.Route{Method: http.MethodGet, Path: "/ab"})
		},
		"a route that the document lacks": func(r *web.Router) {
			r.Routes()
			r.Mount("/a", envelope{}, web.Route{Method: http.MethodGet, Path: "/a"})
		},
		"a route of huma's that the document lacks": func(r *web.Router) {
			s := r.Mount("/a", envelope{})
			r.Routes()
			s.HandleFunc("GET /a", func(http.ResponseWriter, *http.Request) {})
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it was accepted")
				}
			}()
			mount(web.NewRouter(web.NewMiddleware(&web.Authenticator{}, slog.New(slog.DiscardHandler), web.Options{})))
		})
	}
}

func TestTheRouterListsTheRoutesOfTheAPI(t *testing.T) {
	router := web.NewRouter(web.NewMiddleware(&web.Authenticator{}, slog.New(slog.DiscardHandler), web.Options{}))
	s := router.Mount("/a", envelope{}, web.Route{Method: http.MethodGet, Path: "/a"},
		web.Route{Method: http.MethodGet, Path: "/a/page", Page: true})
	s.HandleFunc("POST /a", func(http.ResponseWriter, *http.Request) {})
	router.MountDirect(envelope{}, web.Route{Method: http.MethodPost, Path: "/direct"})
	var listed []string
	for _, r := range router.Routes() {
		listed = append(listed, r.Method+" "+r.Path)
	}
	if diff := cmp.Diff([]string{"GET /a", "POST /a", "POST /direct"}, listed); diff != "" {
		t.Error(diff)
	}
}
