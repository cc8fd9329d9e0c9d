package manageapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

type testInput struct {
	JSON   optionalBody[struct{}]
	Number int    `query:"number" minimum:"1"`
	Fault  string `query:"fault"`
}

type testOutput struct {
	Extra string `header:"X-Extra"`
	Body  api.Scope
}

// testAPI has one operation for anyone and one for a session, both on /api/v1/test.
func testAPI(t *testing.T) http.Handler {
	t.Helper()
	auth := &web.Authenticator{
		Verify: &verify.Authenticator{Engine: verify.New(verify.Options{Generations: verify.NewGenerations()})},
	}
	m := web.NewMiddleware(auth, slog.New(slog.DiscardHandler), web.Options{})
	router := web.NewRouter(m)
	a := &API{Errors: web.ProblemWriter{Authenticator: auth}, Middleware: m, BaseURL: "http://x"}
	a.Mount(router)
	handle := func(_ context.Context, in *testInput) (*testOutput, error) {
		switch in.Fault {
		case "":
			return &testOutput{Extra: "sent"}, nil
		case "panic":
			panic("a mistake")
		}
		return &testOutput{Extra: "lost"}, fault.Kind(in.Fault)
	}
	add(a, huma.Operation{OperationID: "a", Method: http.MethodPost, Path: "/api/v1/test"}, requirement{anyone: true},
		handle)
	add(a, huma.Operation{OperationID: "b", Method: http.MethodGet, Path: "/api/v1/test"}, requirement{session: true},
		handle)
	acceptQueries(a.surface, a.huma.OpenAPI())
	return router.Handler()
}

func TestEveryErrorOfAnOperationIsWrittenByTheSurface(t *testing.T) {
	h := testAPI(t)
	for name, c := range map[string]struct {
		method, query, body string
		status              int
		want                string
	}{
		"a success":                    {"POST", "", "", 200, `"name"`},
		"an error of the domain":       {"POST", "?fault=conflict", "", 409, "conflict"},
		"an error without a kind":      {"POST", "?fault=x", "", 500, "internal"},
		"a panic":                      {"POST", "?fault=panic", "", 500, "internal"},
		"a finding of huma":            {"POST", "?number=0", "", 422, "validation_failed"},
		"a parameter of another type":  {"POST", "?number=x", "", 422, "validation_failed"},
		"an unknown parameter":         {"POST", "?other=x", "", 422, "validation_failed"},
		"a body that is not JSON":      {"POST", "", "x", 400, "malformed_request"},
		"an unknown member":            {"POST", "", `{"x":1}`, 422, "validation_failed"},
		"a body that is too large":     {"POST", "", strings.Repeat(" ", web.AnonymousBody+1), 413, "too_large"},
		"no credential":                {"GET", "", "", 401, "api_key_invalid"},
		"a method that is not offered": {"PUT", "", "", 405, "method_not_allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "/api/v1/test"+c.query, strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, c.status, c.want)
			}
			if c.status < 400 {
				if w.Header().Get("X-Extra") == "" {
					t.Errorf("%s %v", w.Body, w.Header())
				}
				return
			}
			// huma's own errors have neither a code nor a request id.
			var p api.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || string(p.Code) != c.want ||
				p.RequestID == "" || p.RequestID != w.Header().Get("X-Request-Id") || w.Header().Get("X-Extra") != "" {
				t.Errorf("%s %v: %v", w.Body, w.Header(), err)
			}
		})
	}
}
