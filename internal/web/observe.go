package web

import (
	"cmp"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/metric"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/telemetry"
)

// observe counts each request and writes a line to the access log, once it is answered. The line
// holds nothing that the client chose: no path, query string, header or body. The verification path
// has neither.
func (m *Middleware) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen, start := &responseRecorder{ResponseWriter: w}, time.Now()
		r, end := m.trace(r)
		defer func() {
			took := time.Since(start)
			m.Requests.count(r.Pattern, seen.outcome(), took)
			if !seen.skipLog {
				m.logAccess(seen, r, took)
			}
			_, route := splitPattern(r.Pattern)
			end(method(r), route, seen.outcome(), requestID(seen.Header()))
		}()
		next.ServeHTTP(seen, r)
	})
}

// trace starts the trace of a request to the API. Pages and health checks are not traced.
func (m *Middleware) trace(r *http.Request) (with *http.Request,
	end func(method, route string, status int, requestID string),
) {
	var tracing *telemetry.Tracing
	if strings.HasPrefix(r.URL.Path, "/api/") {
		tracing = m.Tracing
	}
	return tracing.StartRequest(r)
}

// logAccess writes the access log's line of a request.
func (m *Middleware) logAccess(w *responseRecorder, r *http.Request, took time.Duration) {
	kind, id := w.callerID()
	_, route := splitPattern(r.Pattern)
	m.Log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("request_id", requestID(w.Header())), slog.String("method", method(r)), slog.String("route", route),
		slog.Int("status", w.outcome()), slog.Duration("duration", took), slog.String("caller", string(kind)),
		slog.String("caller_id", id),
		slog.String("ip", m.Authenticator.clientAddress(r)), slog.Int64("bytes", w.bytes))
}

// method returns the method of the request if it is a standard one, since a client may send any
// word.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions:
		return r.Method
	}
	return "other"
}

// responseRecorder records how a request is answered, and to whom.
type responseRecorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	caller principal.Principal
	// skipLog keeps the request out of the access log.
	skipLog bool
	// abandoned is set if the request failed because the client had left.
	abandoned bool
}

// WriteHeader implements http.ResponseWriter.
func (w *responseRecorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK { // the others are not final
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *responseRecorder) Write(p []byte) (int, error) {
	w.status = w.answered()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *responseRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *responseRecorder) answered() int { return cmp.Or(w.status, http.StatusOK) }

// statusAbandoned is the status in log and metrics of a request whose client left before it was
// answered. It is nginx's number for that (client closed request), and is never sent.
const statusAbandoned = 499

// outcome returns the status to log and to count.
func (w *responseRecorder) outcome() int {
	if w.abandoned {
		return statusAbandoned
	}
	return w.answered()
}

// markAbandoned records that the client has left. Responses of the verification path are not
// recorded.
func markAbandoned(w http.ResponseWriter) {
	if seen, ok := w.(*responseRecorder); ok {
		seen.abandoned = true
	}
}

// callerID returns kind and id of the caller, never a name or an e-mail address.
func (w *responseRecorder) callerID() (kind principal.Kind, id string) {
	if k, ok := w.caller.Key(); ok {
		return w.caller.Kind(), string(k.ID)
	}
	if m, ok := w.caller.ManagementKey(); ok {
		return w.caller.Kind(), string(m.ID)
	}
	s, _ := w.caller.Session()
	return w.caller.Kind(), string(s.User.ID)
}

// recordCaller records the caller of a request. Responses of the verification path are not
// recorded.
func recordCaller(w http.ResponseWriter, caller principal.Principal) {
	if seen, ok := w.(*responseRecorder); ok {
		seen.caller = caller
	}
}

// skipAccessLog returns a handler whose requests are not in the access log.
func skipAccessLog(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen, ok := w.(*responseRecorder); ok {
			seen.skipLog = true
		}
		h.ServeHTTP(w, r)
	})
}

// Requests counts the requests to all routes but those of the verification path. The zero value is
// empty.
type Requests struct {
	byPattern sync.Map // string → *routeRequests
}

// routeRequests are the requests to one route.
type routeRequests struct {
	took    metric.Histogram
	classes [len(classes)]atomic.Uint64
}

// count adds a request. A pattern is a route's, so that clients cannot make more of them.
func (s *Requests) count(pattern string, status int, took time.Duration) {
	of, ok := s.byPattern.Load(pattern)
	if !ok {
		of, _ = s.byPattern.LoadOrStore(pattern, new(routeRequests))
	}
	of.(*routeRequests).took.Observe(took)
	of.(*routeRequests).classes[classOf(status)].Add(1)
}

// classes are the classes of a status, as the metrics name them.
var classes = [...]string{"1xx", "2xx", "3xx", "4xx", "5xx", "abandoned"}

// classOf returns the index of a status's class.
func classOf(status int) int {
	if status == statusAbandoned {
		return len(classes) - 1
	}
	return min(max(status/100, 1), 5) - 1
}

// Each calls emit with the number of requests to each route in each class of status. Method and
// route of requests to no route are "none".
func (s *Requests) Each(emit func(n uint64, methodRouteClass ...string)) {
	s.each(func(method, route string, of *routeRequests) {
		for i := 1; i < len(classes); i++ {
			emit(of.classes[i].Load(), method, route, classes[i])
		}
	})
}

// EachDuration calls emit with how long the requests to each route took.
func (s *Requests) EachDuration(emit func(d metric.Durations, methodAndRoute ...string)) {
	s.each(func(method, route string, of *routeRequests) { emit(of.took.Read(), method, route) })
}

func (s *Requests) each(emit func(method, route string, of *routeRequests)) {
	s.byPattern.Range(func(pattern, of any) bool {
		method, route := splitPattern(pattern.(string))
		emit(method, route, of.(*routeRequests))
		return true
	})
}

// splitPattern returns method and path of a pattern of http.ServeMux, and "none" for both if there
// is no route.
func splitPattern(pattern string) (method, route string) {
	method, route, ok := strings.Cut(pattern, " ")
	if !ok {
		return "none", "none"
	}
	return method, route
}
