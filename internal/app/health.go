package app

import (
	"net/http"

	"github.com/claviger-dev/claviger/internal/web"
)

// healthAPI is the entry point of the health checks.
type healthAPI struct {
	errors web.ErrorWriter
	app    *App
}

// Mount implements entryPoint.
func (h *healthAPI) Mount(router *web.Router) {
	for _, r := range h.app.health() {
		router.Mount(r.Path, h.errors, r)
	}
}

// health returns the routes of the health checks.
func (a *App) health() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/healthz", SkipAccessLog: true, Serve: healthy, Operation: web.Operation{
			ID: "healthz", Tag: "Health", Summary: "Check that the process is alive", Anyone: true,
			Answers: []any{health{Status: "ok"}},
		}},
		{Method: http.MethodGet, Path: "/readyz", SkipAccessLog: true, Serve: a.ready, Operation: web.Operation{
			ID: "readyz", Tag: "Health", Summary: "Check that the node can decide", Anyone: true,
			Answers: []any{health{Status: "ok"}},
			Description: "Ready means: the database answers, takes changes and has the schema of this version; the " +
				"changes of other nodes are known; the clock can be trusted; no job is late; and the node is not " +
				"stopping. Otherwise the answer is `unavailable`, and its detail names what is wrong.",
		}},
	}
}

// health is the response of a check that passed.
type health struct {
	// Status is always "ok".
	Status string `json:"status"`
}

// healthy responds that the process is alive.
func healthy(w http.ResponseWriter, _ *http.Request) error {
	return web.WriteJSON(w, http.StatusOK, health{Status: "ok"})
}

// ready answers that the node is ready: every check passed within the last second.
func (a *App) ready(w http.ResponseWriter, r *http.Request) error {
	if err := notReady(a.checkReadiness(r.Context())); err != nil {
		return err
	}
	return healthy(w, r)
}
