package app

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// health lists the routes by which whoever runs the process looks after it.
func (a *App) health() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/healthz", Serve: healthy, Operation: web.Operation{
			ID: "healthz", Tag: "Health", Summary: "Say that the process answers", Anyone: true, Answers: []any{health{}},
		}},
		{Method: http.MethodGet, Path: "/readyz", Serve: a.ready, Operation: web.Operation{
			ID: "readyz", Tag: "Health", Summary: "Say that decisions can be made", Anyone: true, Answers: []any{health{}},
			Description: "The database answers and the clock can be trusted; else `unavailable`.",
		}},
	}
}

// health is the answer when all is well.
type health struct {
	// Status is always "ok".
	Status string `json:"status"`
}

// healthy says that the process answers.
func healthy(w http.ResponseWriter, _ *http.Request) error {
	web.PrivateJSON(w.Header())
	return json.NewEncoder(w).Encode(health{Status: "ok"})
}

// ready says that decisions can be made: the database answers and the clock can be trusted.
func (a *App) ready(w http.ResponseWriter, r *http.Request) error {
	if err := a.readiness.look(r.Context(), a.Store.Ready); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The database is not ready.")
	}
	if err := a.clock.ready(); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The clock is behind the latest time on record.")
	}
	return healthy(w, r)
}

// readiness remembers for a second what the database answered: whoever asks more often does not reach it.
type readiness struct {
	mu   sync.Mutex
	at   time.Time
	last error
}

func (r *readiness) look(ctx context.Context, ask func(context.Context) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.at) < time.Second {
		return r.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	r.last = ask(ctx)
	r.at = time.Now()
	return r.last
}
