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

// Observe counts the requests of a way in and writes a line to the log for each, once it is answered. The line holds nothing that the client chose:
// neither path nor query, neither headers nor bodies. The verification path has neither.
func (d *Door) Observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen, start := &witness{ResponseWriter: w}, time.Now()
		r, end := d.trace(r)
		defer func() {
			took := time.Since(start)
			d.Requests.count(r.Pattern, seen.outcome(), took)
			if !seen.quiet {
				d.access(seen, r, took)
			}
			_, route := split(r.Pattern)
			end(method(r), route, seen.outcome(), requestID(seen.Header()))
		}()
		next.ServeHTTP(seen, r)
	})
}

// trace begins a trace of what is of the API: pages and what looks after the process are not worth one.
func (d *Door) trace(r *http.Request) (with *http.Request, end func(method, route string, status int, requestID string)) {
	var tracing *telemetry.Tracing
	if strings.HasPrefix(r.URL.Path, "/api/") {
		tracing = d.Tracing
	}
	return tracing.Request(r)
}

func (d *Door) access(w *witness, r *http.Request, took time.Duration) {
	kind, id := w.caller()
	_, route := split(r.Pattern)
	d.Log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("request_id", requestID(w.Header())), slog.String("method", method(r)), slog.String("route", route),
		slog.Int("status", w.outcome()), slog.Duration("duration", took), slog.String("caller", string(kind)), slog.String("caller_id", id),
		slog.String("ip", d.Origin(w.Header(), r).IP), slog.Int64("bytes", w.bytes))
}

// method gives the request's if it is a usual one: a client may send any word.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// witness sees how a request is answered, and to whom.
type witness struct {
	http.ResponseWriter
	status int
	bytes  int64
	who    principal.Principal
	quiet  bool
	// abandoned is set where the request failed because the client had left.
	abandoned bool
}

// WriteHeader implements http.ResponseWriter.
func (w *witness) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK { // others are only in passing
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *witness) Write(p []byte) (int, error) {
	w.status = w.answered()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *witness) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *witness) answered() int { return cmp.Or(w.status, http.StatusOK) }

// statusAbandoned is what the log and the metrics say of a request whose client left before it was answered. It is
// nginx's number for it (client closed request), and is never sent.
const statusAbandoned = 499

// outcome returns the status to log and to count.
func (w *witness) outcome() int {
	if w.abandoned {
		return statusAbandoned
	}
	return w.answered()
}

// markAbandoned tells the witness, where there is one, that the client had left.
func markAbandoned(w http.ResponseWriter) {
	if seen, ok := w.(*witness); ok {
		seen.abandoned = true
	}
}

// caller gives kind and id, never a name or an e-mail address.
func (w *witness) caller() (kind principal.Kind, id string) {
	if k, ok := w.who.Key(); ok {
		return w.who.Kind(), string(k.ID)
	}
	s, _ := w.who.Session()
	return w.who.Kind(), string(s.User.ID)
}

// witnessed tells the witness, where there is one, who asks.
func witnessed(w http.ResponseWriter, who principal.Principal) {
	if seen, ok := w.(*witness); ok {
		seen.who = who
	}
}

// hush keeps a request out of the log.
func hush(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen, ok := w.(*witness); ok {
			seen.quiet = true
		}
		h.ServeHTTP(w, r)
	})
}

// Requests counts those of all ways in but the verification path. The zero value is empty.
type Requests struct {
	byPattern sync.Map // string → *requests
}

type requests struct {
	took    metric.Histogram
	classes [len(classes)]atomic.Uint64
}

// count adds a request. Patterns are those of our routes, so that no client can make more of them.
func (s *Requests) count(pattern string, status int, took time.Duration) {
	of, ok := s.byPattern.Load(pattern)
	if !ok {
		of, _ = s.byPattern.LoadOrStore(pattern, new(requests))
	}
	of.(*requests).took.Observe(took)
	of.(*requests).classes[classOf(status)].Add(1)
}

var classes = [...]string{"1xx", "2xx", "3xx", "4xx", "5xx", "abandoned"}

// classOf returns the index of a status's class.
func classOf(status int) int {
	if status == statusAbandoned {
		return len(classes) - 1
	}
	return min(max(status/100, 1), 5) - 1
}

// Each gives how many requests to each route there were by the class of their status. Those to no route have "none".
func (s *Requests) Each(give func(n uint64, methodRouteClass ...string)) {
	s.each(func(method, route string, of *requests) {
		for i := 1; i < len(classes); i++ {
			give(of.classes[i].Load(), method, route, classes[i])
		}
	})
}

// EachDuration gives how long requests to each route took.
func (s *Requests) EachDuration(give func(d metric.Durations, methodAndRoute ...string)) {
	s.each(func(method, route string, of *requests) { give(of.took.Read(), method, route) })
}

func (s *Requests) each(give func(method, route string, of *requests)) {
	s.byPattern.Range(func(pattern, of any) bool {
		method, route := split(pattern.(string))
		give(method, route, of.(*requests))
		return true
	})
}

// split gives the parts of a pattern of http.ServeMux, "none" for both where there is no route.
func split(pattern string) (method, route string) {
	method, route, ok := strings.Cut(pattern, " ")
	if !ok {
		return "none", "none"
	}
	return method, route
}
