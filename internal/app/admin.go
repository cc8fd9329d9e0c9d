package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/web"
)

// listenForOperators opens the listener of those who look after the process, where one is wanted. Nothing there asks who they are, so it belongs on
// loopback or into a network of their own.
func (a *App) listenForOperators(ctx context.Context, address config.Address) error {
	if address == "" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", string(address))
	if err != nil {
		return err
	}
	router := web.NewRouter(a.door)
	for _, r := range append(a.health(), a.scrape()) {
		router.Add(r)
	}
	a.admin = &http.Server{
		Handler: a.door.Observe(a.door.Wrap(router)), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(a.options.Log.Handler(), slog.LevelDebug),
	}
	a.AdminURL = "http://" + listener.Addr().String()
	go func() {
		if err := a.admin.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.fail(err)
		}
	}()
	a.options.Log.Info("metrics for operators", "url", a.AdminURL+"/metrics")
	return nil
}

// scrape is the route of the metrics.
func (a *App) scrape() web.Route {
	metrics := telemetry.Metrics(a.metrics())
	return web.Route{Method: http.MethodGet, Path: "/metrics", Quiet: true, Serve: func(w http.ResponseWriter, r *http.Request) error {
		metrics.ServeHTTP(w, r)
		return nil
	}}
}
