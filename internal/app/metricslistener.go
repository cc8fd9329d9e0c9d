package app

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/web"
)

// listenForOperators serves metrics and health checks on a listener of their own, where the
// settings name one. It asks nobody for a credential, so it belongs on loopback or on a network of
// operators.
func (a *App) listenForOperators(ctx context.Context, c config.Server) error {
	if c.MetricsListen == "" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", string(c.MetricsListen))
	if err != nil {
		return err
	}
	router := web.NewRouter(a.web)
	router.Hosts = metricsHosts(c)
	router.Mount("/", web.ProblemWriter{Authenticator: a.web.Authenticator}, append(a.health(), a.scrape())...)
	a.listeners.metrics = &http.Server{
		DisableGeneralOptionsHandler: true, // OPTIONS * is no route here

		Handler:     router.Handler(),
		ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(a.options.Log.Handler(), slog.LevelDebug),
	}
	a.AdminURL = "http://" + listener.Addr().String()
	a.serveUntilStop(a.listeners.metrics.Serve, listener)
	a.options.Log.Info("metrics for operators", "url", a.AdminURL+"/metrics")
	return nil
}

// metricsHosts returns the host names, in lower case, that requests to the metrics may have.
func metricsHosts(c config.Server) []string {
	names := slices.Clone(c.MetricsHosts)
	if bound, _, err := net.SplitHostPort(string(c.MetricsListen)); err == nil {
		names = append(names, strings.ToLower(bound))
	}
	if machine, err := os.Hostname(); err == nil {
		names = append(names, strings.ToLower(machine))
	}
	return names
}

// scrape returns the route of the metrics.
func (a *App) scrape() web.Route {
	metrics := telemetry.Metrics(a.metrics())
	return web.Route{
		Method: http.MethodGet, Path: "/metrics", SkipAccessLog: true,
		Serve: func(w http.ResponseWriter, r *http.Request) error {
			metrics.ServeHTTP(w, r)
			return nil
		},
	}
}
