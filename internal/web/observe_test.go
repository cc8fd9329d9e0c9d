package web_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// log collects what was logged.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// observed serves a handler behind the whole middleware. ended receives a value after each request
// that was counted.
func observed(t *testing.T,
	serve web.Handler,
) (server *httptest.Server, middleware *web.Middleware, logged *log, ended chan struct{}) {
	t.Helper()
	logged, ended = &log{}, make(chan struct{}, 1)
	engine := verify.New(verify.Options{Generations: verify.NewGenerations()})
	a := &web.Authenticator{Verify: &verify.Authenticator{Engine: engine}}
	middleware = web.NewMiddleware(a, telemetry.NewLogger(logged, slog.LevelDebug), web.Options{})
	router := web.NewRouter(middleware)
	router.Mount("/list", web.ProblemWriter{Authenticator: a},
		web.Route{Method: http.MethodGet, Path: "/list", Serve: serve})
	all := router.Handler()
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { ended <- struct{}{} }()
		all.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	t.Cleanup(server.Close)
	return server, middleware, logged, ended
}

// classOf returns the class that the only request was counted under.
func classOf(t *testing.T, m *web.Middleware) (class string) {
	t.Helper()
	m.Requests.Each(func(n uint64, labels ...string) {
		if n > 0 {
			class += labels[2]
		}
	})
	return class
}

func TestARequestWhoseClientLeftIsNoFailure(t *testing.T) {
	lost := errors.New("the database did not answer")
	for name, c := range map[string]struct {
		// failure of the handler once the client has left.
		failure func(ctx context.Context) error
		class   string
		status  string
	}{
		"the work broke off": {context.Context.Err, "abandoned", "status=499"},
		"the work broke off below": {func(ctx context.Context) error {
			return fault.Wrap(fault.Unavailable, ctx.Err(), "")
		}, "abandoned", "status=499"},
		"the work failed": {
			func(context.Context) error { return fault.Wrap(fault.Unavailable, lost, "") },
			"5xx", "status=503",
		},
		"the work took too long": {func(context.Context) error {
			return fault.Wrap(fault.Unavailable, context.DeadlineExceeded, "")
		}, "5xx", "status=503"},
		"the work was refused": {func(context.Context) error { return fault.NotFound }, "4xx", "status=404"},
	} {
		t.Run(name, func(t *testing.T) {
			began := make(chan struct{})
			server, middleware, logged, ended := observed(t, func(_ http.ResponseWriter, r *http.Request) error {
				close(began)
				<-r.Context().Done()
				return c.failure(r.Context())
			})
			ctx, leave := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/list", nil)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				<-began
				leave()
			}()
			if answer, err := http.DefaultClient.Do(r); err == nil {
				answer.Body.Close()
				t.Fatal("the client was answered")
			}
			<-ended
			if got := classOf(t, middleware); got != c.class {
				t.Errorf("counted as %q, want %q", got, c.class)
			}
			if !strings.Contains(logged.String(), c.status) {
				t.Errorf("the log has no line with %s:\n%s", c.status, logged)
			}
			if failed := strings.Contains(logged.String(), "request failed"); failed != (c.class == "5xx") {
				t.Errorf("logged as a failure: %t\n%s", failed, logged)
			}
		})
	}
}

func TestAPanicIsLoggedOnceAndCountedAsAFailure(t *testing.T) {
	for name, c := range map[string]struct {
		before func(w http.ResponseWriter)
		whole  bool
	}{
		"before an answer":        {func(http.ResponseWriter) {}, true},
		"in the middle of answer": {func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"items":[`) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			server, middleware, logged, ended := observed(t, func(w http.ResponseWriter, _ *http.Request) error {
				c.before(w)
				panic("what panicked")
			})
			answer, err := http.Get(server.URL + "/list")
			if err == nil {
				_, err = io.ReadAll(answer.Body)
				answer.Body.Close()
			}
			switch {
			case c.whole && (err != nil || answer.StatusCode != http.StatusInternalServerError):
				t.Errorf("answered %+v, %v; want 500", answer, err)
			case !c.whole && err == nil:
				t.Error("the client takes half an answer for a whole one")
			}
			<-ended
			if got := classOf(t, middleware); got != "5xx" {
				t.Errorf("counted as %q, want 5xx", got)
			}
			if n := strings.Count(logged.String(), "level=ERROR"); n != 1 || strings.Contains(logged.String(),
				"what panicked") {
				t.Errorf("%d errors in the log, want one without what panicked:\n%s", n, logged)
			}
		})
	}
}
