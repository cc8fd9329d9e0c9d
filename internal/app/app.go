// Package app builds a whole Claviger from a Config, starts it, and stops it in reverse order.
//
// The parts, from the bottom up, and the files that build them:
//
//	data.go, datacheck.go   the data directory: its lock, its rights, the root secret
//	storage.go              the database, the clock, the journal of revocations, the keyring
//	services.go             the services of the domain
//	web.go                  the HTTP routes of all entry points
//	routes.go, routefile.go the entries and rules of forward-auth and the gateway
//	gateway.go              the gateway and the vendors' APIs
//	jobs.go                 what runs periodically: one table
//	listeners.go            the sockets that the node listens on
//	ready.go                the checks behind /readyz
//	stop.go                 the end
package app

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/gateway"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/sample"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/web"
)

// Options of an App besides its Config.
type Options struct {
	Log     *slog.Logger
	Version string
	// Machine is where the node reads the time; the system's clocks by default. Tests set it, and
	// Uptime and DatabaseTime with it.
	Machine clock.Machine
	// Uptime returns how long the machine has been up. Freshness is measured by it. The default is
	// clock.Uptime. For tests.
	Uptime func() time.Duration
	// DatabaseTime stands for PostgreSQL's own clock. Where Machine is set and this is nil, the
	// database is not asked for the time.
	DatabaseTime func() time.Time
	// Tracing switches OpenTelemetry on. Its standard environment variables say where traces go.
	Tracing bool
	// PasswordCost is the cost of new password hashes; identity.ProductionCost by default. Tests
	// lower it.
	PasswordCost identity.Cost
	// JobGrace is how long a job may fail before the node is not ready; 30 seconds by default. For
	// tests.
	JobGrace time.Duration
	// Space returns how many bytes are free on the disk of a directory, and its size. By default
	// the operating system is asked. For tests.
	Space func(directory string) (free, total int64, err error)
}

// App is a running Claviger.
type App struct {
	// URL is the base URL of the API, without a slash at the end.
	URL string
	// Address and port that the node listens on.
	Address string
	// GatewayURL is the base URL of the gateway; "" where it has no listener of its own.
	GatewayURL string
	// AdminURL is the base URL of the metrics; "" where there is no listener for them.
	AdminURL string
	// Mail says where notices go, in words for the log.
	Mail string

	*storage
	*services

	options Options
	web     *web.Middleware
	// gateway is nil where there is none.
	gateway       http.Handler
	gatewayCounts gateway.Counts
	jobs          *jobs
	listeners     listeners
	routes        routes
	tracing       *telemetry.Tracing
	readiness     readiness
	// stopping is set when Stop has begun.
	stopping atomic.Bool
}

// Start builds the app, starts its jobs and opens its listeners.
func Start(ctx context.Context, c config.Config, o Options) (*App, error) {
	return open(ctx, c, o, (*App).serve)
}

// open builds the storage of an app. The function begin builds the rest and starts what it needs.
func open(ctx context.Context, c config.Config, o Options,
	begin func(*App, context.Context, config.Config) error,
) (*App, error) {
	o.JobGrace = cmp.Or(o.JobGrace, defaultJobGrace)
	o.PasswordCost = cmp.Or(o.PasswordCost, identity.ProductionCost())
	c, err := c.Resolve()
	if err != nil {
		return nil, err
	}
	a := &App{options: o, listeners: newListeners(o.Log)}
	for _, file := range []string{c.Server.TLS.Cert, c.Server.TLS.Key, c.Mail.CA, c.Server.Routes, c.Gateway.CA} {
		if err := CheckFile(c.Data, file); file != "" && err != nil {
			return nil, err
		}
	}
	a.listeners.certificate, err = openCertificate(c.Server.TLS, o.Log)
	if err != nil {
		return nil, err
	}
	a.routes.file, err = openRouteFile(c.Server.Routes, o.Log)
	if err != nil {
		return nil, err
	}
	data, err := openData(c.Data)
	if err != nil {
		return nil, startCause(err)
	}
	if o.Tracing {
		a.tracing, err = telemetry.StartTracing(ctx, o.Version, o.Log)
	}
	if err == nil {
		a.storage, err = openStorage(ctx, data, c, o, a.tracing)
	}
	if err == nil {
		err = begin(a, ctx, c)
	}
	if err == nil {
		return a, nil
	}
	err = errors.Join(startCause(err), a.Stop(ctx))
	if a.storage == nil {
		err = errors.Join(err, data.close())
	}
	return nil, err
}

// serve builds the services, starts the jobs and opens all listeners.
func (a *App) serve(ctx context.Context, c config.Config) error {
	if err := a.warnOfPlaintext(c.Database); err != nil {
		return err
	}
	listener, err := a.bind(ctx, c.Server)
	if err != nil {
		return err
	}
	gatewayListener, err := a.bindGateway(ctx, c.Gateway)
	if err == nil {
		err = a.bindLocalSocket(ctx, c)
	}
	if err == nil {
		err = a.build(ctx, c)
	}
	if err != nil {
		if gatewayListener != nil {
			err = errors.Join(err, gatewayListener.Close())
		}
		return errors.Join(err, listener.Close())
	}
	a.jobs = startJobs(a.jobTable(), a.options.Log, a.jobConditions())
	a.feed.listen(a.jobs.wake("changes"))
	wakeCounts, wakeHealth := a.jobs.wake("console_counts"), a.jobs.wake("console_health")
	a.ConsoleNumbers.SetWake(func() {
		wakeCounts()
		wakeHealth()
	})
	a.listen(listener, c)
	a.listenLocally(c)
	a.listenForGateway(gatewayListener, c)
	if err := a.listenForOperators(ctx, c.Server); err != nil {
		return err
	}
	if err := a.listenOnSocket(ctx); err != nil {
		return err
	}
	close(a.listeners.answering)
	return nil
}

// build builds everything behind the listeners.
func (a *App) build(ctx context.Context, c config.Config) error {
	sender, err := a.newSender(c.Mail)
	if err == nil {
		err = a.buildServices(ctx, c, sender)
	}
	if err == nil {
		err = a.buildGateway(c)
	}
	return err
}

// buildServices builds the services and what the entry points share. URL is set by now.
func (a *App) buildServices(ctx context.Context, c config.Config, sender notice.Sender) error {
	a.services = newServices(a.storage, c, a.options, sender, a.URL)
	a.failure.whenFailed(a.Engine.Halt)
	a.routes.database, a.routes.tenantRoutes = a.entries.get, a.Engine.TenantRoutes
	var err error
	a.web, err = a.newMiddleware(c.Server, c.Limits)
	if err == nil {
		err = a.Tokens.Load(ctx)
	}
	if err != nil {
		return err
	}
	return a.keyHeaders.publishTo(ctx, a.web.Authenticator.KeyHeaders)
}

// File returns the path of a file in the data directory.
func (a *App) File(name string) string { return a.data.file(name) }

// SampleSeeder returns the seeder of the sample data.
func (a *App) SampleSeeder() *sample.Seeder {
	return &sample.Seeder{
		Identity: a.Identity, Accounts: a.Accounts, Tenancy: a.Tenancy, Applications: a.Applications,
		Keys: a.Keys, Engine: a.Engine, Users: a.Store, Now: a.clock.Now,
		Log: a.options.Log, WriteFile: WriteFile,
	}
}
