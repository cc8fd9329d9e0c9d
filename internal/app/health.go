package app

import (
	"net/http"

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
	if err := a.Store.Ready(r.Context()); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The database is not ready.")
	}
	if err := a.clock.ready(); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The clock is behind the latest time on record.")
	}
	return healthy(w, r)
}
