package app

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// healthy says that the process answers.
func healthy(w http.ResponseWriter, _ *http.Request) error {
	web.PrivateJSON(w.Header())
	_, err := w.Write([]byte(`{"status":"ok"}` + "\n"))
	return err
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
