package app

import (
	"net/http"

	"github.com/claviger-dev/claviger/internal/web"
)

// health lists the routes by which whoever runs the process looks after it.
func (a *App) health() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/healthz", Quiet: true, Serve: healthy, Operation: web.Operation{
			ID: "healthz", Tag: "Health", Summary: "Say that the process answers", Anyone: true, Answers: []any{health{}},
		}},
		{Method: http.MethodGet, Path: "/readyz", Quiet: true, Serve: a.ready, Operation: web.Operation{
			ID: "readyz", Tag: "Health", Summary: "Say that decisions can be made", Anyone: true, Answers: []any{health{}},
			Description: "The database answers and takes changes, is of this version, what other nodes changed is known, the clock can be trusted, no job is late and nothing ends the node; else `unavailable`, with what is wrong.",
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
	return web.Answer(w, http.StatusOK, health{Status: "ok"})
}

// ready says that decisions can be made: every check passed within the last second.
func (a *App) ready(w http.ResponseWriter, r *http.Request) error {
	if err := unready(a.readiness.look(r.Context(), a.checks())); err != nil {
		return err
	}
	return healthy(w, r)
}
