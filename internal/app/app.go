// Package app builds everything from a Config, in order, and stops it in reverse.
package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/dataplane"
	"github.com/claviger-dev/claviger/internal/docs"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/job"
	"github.com/claviger-dev/claviger/internal/journal"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/manageapi"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/sample"
	"github.com/claviger-dev/claviger/internal/serverkey"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/postgres"
	"github.com/claviger-dev/claviger/internal/store/sqlite"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// Options of an App besides its Config.
type Options struct {
	Log     *slog.Logger
	Version string
	// Wall is the machine's clock; time.Now by default. For tests, as are the next three, which count beside it alone.
	Wall func() time.Time
	// Elapsed is how long the machine has been up; by default as long as Wall says.
	Elapsed func() time.Duration
	// Boot names what Elapsed counts from.
	Boot string
	// Uptime is how long the machine has been up, which freshness is measured by; clock.Uptime by default. For tests.
	Uptime func() time.Duration
	// DatabaseTime is PostgreSQL's own clock; by default it is not asked.
	DatabaseTime func() time.Time
	// Tracing by OpenTelemetry; its standard variables say where to.
	Tracing bool
	// PasswordCost of new password hashes; identity.ProductionCost by default. Tests lower it.
	PasswordCost identity.Cost
	// Patience is how long a job may fail before the node says that it is not ready; half a minute by default. For tests.
	Patience time.Duration
	// Space returns how many bytes of the disk of a directory are free, and how many it has; that of the machine by default. For
	// tests.
	Space func(directory string) (free, total int64, err error)
}

// App is a running Claviger.
type App struct {
	// URL that the API is reached by, without a slash at the end.
	URL string
	// Address and port that it listens at.
	Address string
	// AdminURL that operators reach the metrics by; "" where there is no listener for them.
	AdminURL string

	// Mail says where notices go.
	Mail string

	Identity *identity.Service
	Sessions *session.Service
	Tenancy  *tenancy.Service
	Keys     *key.Service
	Notices  *notice.Service
	// ServerKeys rotates the keys of the server itself.
	ServerKeys *serverkey.Service
	Engine     *verify.Engine
	Store      *store.Store

	options     Options
	certificate *certificate
	data        dataDir
	disk        *disk
	journal     *journal.File
	rootCheck   string
	clock       *clock.Clock
	// clockTurn counts the looks at the clock, doubted is set where the last one left it in doubt.
	clockTurn int
	doubted   bool
	keyring   *credential.Keyring
	door      *web.Door
	server    *http.Server
	admin     *http.Server
	operators *http.Server
	// socket goes with the app, also where it ends before it answered there.
	socket net.Listener
	// within is where operators come in that are of this process; nil where they come by the socket.
	within    *pipes
	tracing   *telemetry.Tracing
	jobs      []*job.Job
	following following
	failed    chan error
	// answering is closed once every entry point answers.
	answering chan struct{}
	// stopping is set when the end has begun.
	stopping atomic.Bool

	readiness readiness
}

// Start builds the app and begins to answer.
func Start(ctx context.Context, c config.Config, o Options) (*App, error) {
	return open(ctx, c, o, (*App).answer)
}

// open builds the app; begin opens its ways in.
func open(ctx context.Context, c config.Config, o Options, begin func(*App, context.Context, config.Config) error) (a *App, err error) {
	o.Patience = cmp.Or(o.Patience, defaultPatience)
	o.PasswordCost = cmp.Or(o.PasswordCost, identity.ProductionCost())
	if c, err = c.Resolve(); err != nil {
		return nil, err
	}
	a = &App{options: o, failed: make(chan error, 1), answering: make(chan struct{})}
	if a.certificate, err = openCertificate(c.Server.TLS, o.Log); err != nil {
		return nil, err
	}
	if a.data, err = openData(c.Data); err != nil {
		return nil, err
	}
	if o.Tracing {
		a.tracing, err = telemetry.StartTracing(ctx, o.Version, o.Log)
	}
	if err == nil {
		err = a.build(ctx, c)
	}
	if err == nil {
		err = begin(a, ctx, c)
	}
	if err != nil {
		return nil, errors.Join(err, a.Stop(ctx))
	}
	return a, nil
}

// build goes up the house: storage, keys, domain.
func (a *App) build(ctx context.Context, c config.Config) error {
	generations := verify.NewGenerations()
	var err error
	if a.disk, err = openDisk(a.data, a.options.Space); err != nil {
		return err
	}
	if err = a.openStore(ctx, c, generations); err != nil {
		return err
	}
	if a.journal, err = journal.Open(a.data.file(JournalFile), a.clock.Now); err != nil {
		return err
	}
	a.disk.writeFailed = a.Store.Full
	adopted, err := a.Store.Adopted(ctx)
	if err != nil {
		return err
	}
	root, err := a.data.root(c, adopted)
	if err != nil {
		return err
	}
	a.rootCheck = root.Check()
	versions, err := a.Store.AdoptRoot(ctx, root)
	if err != nil {
		return err
	}
	if err := a.catchUp(ctx); err != nil {
		return err
	}
	if err := a.follow(ctx, c.Database); err != nil {
		return err
	}
	if a.keyring, err = credential.NewKeyring(root, versions, rand.Reader, a.clock.Now); err != nil {
		return err
	}
	a.Engine = verify.New(verify.Options{
		Source: a.Store, Keyring: a.keyring, Generations: generations, Now: a.clock.Now, Fresh: a.fresh, Render: dataplane.Render,
	})
	a.buildDomain(c)
	a.Tenancy.LegacyBefore = c.LegacyPasswordBefore.Begin()
	a.buildNotices(time.Duration(c.Mail.Timeout))
	return nil
}

// answer begins the jobs and opens the ways in.
func (a *App) answer(ctx context.Context, c config.Config) error {
	listener, err := a.bind(ctx, c.Server)
	if err != nil {
		return err
	}
	if a.Notices.Carrier, err = a.carrier(c.Mail); err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := a.openDoor(ctx, c.Server, c.Limits); err != nil { // before the jobs, which tell it of key headers
		return errors.Join(err, listener.Close())
	}
	a.startJobs()
	a.listen(listener, c.Server)
	if err := a.listenForOperators(ctx, c.Server.MetricsListen); err != nil {
		return err
	}
	if err := a.listenOnSocket(ctx); err != nil {
		return err
	}
	close(a.answering)
	return nil
}

func (a *App) startJobs() {
	log := a.options.Log
	a.jobs = append(a.jobs,
		// Without these, decisions come to be wrong: the node is not ready where one of them fails for long.
		job.Start("watermark", clockEvery, log, a.keepTime),
		job.Start("server_keys", serverKeysEvery, log, a.learnServerKeys),
		job.Start("revocations", catchUpEvery, log, a.catchUp),
		// A node decides as well where any of these is late.
		job.StartApart("last_uses", usesEvery, log, a.whenSure(func(ctx context.Context) error { return a.Engine.FlushUses(ctx, a.Store) })),
		job.StartApart("rate_limits", sweepEvery, log, a.sweepLimits),
		job.StartApart("dead_sessions", sweepEvery, log, a.whenReady(a.Sessions.Sweep)),
		job.StartApart("idle_memory", restEvery, log, newMemory().pass),
		job.StartApart("journal_compaction", sweepEvery, log, a.journal.Compact),
		job.StartApart("rewrap", serverKeysEvery, log, a.whenSure(a.ServerKeys.Pass)),
		job.StartApart("unclaimed_keys", tendEvery, log, a.whenReady(a.Keys.DropUnclaimed)),
		job.StartApart("expired_keys", tendEvery, log, a.whenReady(a.Keys.ForgetExpired)),
		job.StartApart("idle_keys", tendEvery, log, a.whenReady(a.disableIdle)),
		job.StartApart("plan_notices", planEvery, log, a.whenSure(a.Notices.Plan)),
		job.StartApart("send_notices", sendEvery, log, a.whenSure(a.Notices.Send)),
	)
	a.jobs = append(a.jobs, job.StartApart("disk_reserve", spaceEvery, log, a.onceAnswering(a.disk.keepReserve)))
	if !a.Store.Analyzes() {
		a.jobs = append(a.jobs, job.StartApart("statistics", analyzeEvery, log, a.onceAnswering(a.Store.Analyze)))
	}
	a.startFollowing(log)
}

const (
	// usesEvery makes a use visible within two seconds, with time for the flush itself.
	usesEvery = 1500 * time.Millisecond
	// catchUpEvery bounds how long the journal may lack what was committed and could not be answered.
	catchUpEvery = 10 * time.Second
	// sweepEvery is only about room: of what is dead, and of what keys that were limited and are idle had left.
	sweepEvery = time.Minute
	// tendEvery bounds how late is done to keys what their age asks for.
	tendEvery = time.Minute
	restEvery = 5 * time.Second
	// planEvery bounds how late a notice of an expiry is planned, and so what "at once" means after a change of policy.
	planEvery = time.Minute
	sendEvery = 3 * time.Second
	// serverKeysEvery bounds how long another node's version of a server key is not known here; settleWithin, how long before its use it is on record.
	serverKeysEvery = 5 * time.Second
	settleWithin    = 2 * time.Minute
	// analyzeEvery bounds how long the planner's statistics can be of a table that was a tenth of its size. Where none has
	// changed that much, a pass costs next to nothing.
	analyzeEvery = time.Hour
	// watermarkEvery bounds how far a clock that went back while the process was down can bring a key back to life.
	watermarkEvery = 10 * time.Second
)

func (a *App) openStore(ctx context.Context, c config.Config, generations *verify.Generations) error {
	backend, err := openBackend(ctx, c)
	if err != nil {
		return err
	}
	outdate := func(s audit.Stale) {
		generations.Outdate(s)
		if a.door != nil {
			a.learnKeyHeaders(s.KeyHeaders)
		}
		if s.TimeRepaired != nil {
			a.timeRepaired(*s.TimeRepaired)
		}
	}
	a.Store = store.New(backend, store.Options{
		Now: func() time.Time { return a.clock.Now() }, Horizon: func() time.Time { return a.clock.Horizon() }, Doubt: func() error { return a.clock.Doubt() },
		Uptime: a.options.Uptime, Rand: rand.Reader, Outdate: outdate, Committed: a.note, Fatal: a.fail, Trace: a.tracing.Write,
	})
	return a.openClock(ctx)
}

// learnKeyHeaders tells the reader of credentials the key headers that tenants have now.
func (a *App) learnKeyHeaders(headers []audit.KeyHeader) {
	for _, h := range headers {
		a.door.KeyHeaders.Set(web.KeyHeader(h))
	}
}

// openBackend opens the database that the settings name, brought up to this version.
func openBackend(ctx context.Context, c config.Config) (store.Backend, error) {
	if c.Database.URL.IsZero() {
		return sqlite.Open(ctx, filepath.Join(c.Data, databaseFile))
	}
	return postgres.OpenSized(ctx, c.Database.URL, int(c.Database.MaxConnections))
}

func (a *App) buildDomain(c config.Config) {
	now, s := a.clock.Now, a.Store
	a.Identity = &identity.Service{
		Ledger: store.NewLedger(s, func(t *store.Tx) identity.Tx { return t }), Store: s, Now: now, Rand: rand.Reader,
		Passwords: identity.NewHasher(a.options.PasswordCost, runtime.GOMAXPROCS(0)),
	}
	a.Sessions = &session.Service{
		Ledger: store.NewLedger(s, func(t *store.Tx) session.Tx { return t }), Store: s, Now: now, Rand: rand.Reader, Keyring: a.keyring,
		Horizon: a.clock.Horizon, Doubt: a.clock.Check,
	}
	scans := admission.NewGate(scanLimits)
	a.Tenancy = &tenancy.Service{
		Ledger: store.NewLedger(s, func(t *store.Tx) tenancy.Tx { return t }), Store: s, People: a.Identity, Keyring: a.keyring, Now: now, Rand: rand.Reader,
		Scans: scans,
	}
	a.Keys = &key.Service{
		Ledger: store.NewLedger(s, func(t *store.Tx) key.Tx { return t }), Store: s, Keyring: a.keyring, Now: now, Rand: rand.Reader,
		Horizon: a.clock.Horizon, KeepExpired: c.Keys.ExpiredRetentionDays.Duration(), Scans: scans,
	}
	a.ServerKeys = &serverkey.Service{
		Ledger: store.NewLedger(s, func(t *store.Tx) serverkey.Tx { return t }), Store: s, Keyring: a.keyring, Now: now, Horizon: a.clock.Horizon, Settle: a.settle(),
	}
}

// scanLimits bound what reads all keys of a tenant or an account: two at a time, one of each.
var scanLimits = admission.Limits{Slots: 2, PerCaller: 1, Queue: 64, QueuePerCaller: 4, Wait: 10 * time.Second}

// settle is how long a version of a server key is on record before it is used, so that all nodes know it by then.
func (a *App) settle() time.Duration {
	if a.Store.Engine() == "sqlite" {
		return 0 // there are no others
	}
	return settleWithin
}

// routes lists every way in. The verification path stands before routers and middleware.
func (a *App) routes() http.Handler {
	router := web.NewRouter(a.door)
	plane := dataplane.New(a.door)
	m := &manageapi.API{
		Door: a.door, Identity: a.Identity, Sessions: a.Sessions, Tenancy: a.Tenancy, Keys: a.Keys, Keyring: a.keyring, Repeats: a.Store, BaseURL: a.URL,
	}
	m.Mount(router, a.options.Version)
	for _, r := range a.health() {
		router.Add(r)
	}
	routes := append(router.Routes(), plane.Routes()...)
	docs.Mount(router, func() []byte { return m.Document(routes) })
	rest := a.door.Observe(a.refuseInDoubt(a.door.Wrap(router)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !plane.Serve(w, r) {
			rest.ServeHTTP(w, r)
		}
	})
}

// learnServerKeys learns the versions on record, whatever of them is yet to be wrapped anew.
func (a *App) learnServerKeys(ctx context.Context) error {
	_, err := a.ServerKeys.Learn(ctx)
	return err
}

// disableIdle looks for idle keys once every use of this node is on record.
func (a *App) disableIdle(ctx context.Context) error {
	if err := a.Engine.FlushUses(ctx, a.Store); err != nil {
		return err
	}
	return a.Keys.DisableIdle(ctx)
}

// sweepLimits forgets callers that are limited and idle.
func (a *App) sweepLimits(context.Context) error {
	a.Engine.SweepAllowances()
	a.door.Changes.Sweep()
	return nil
}

// onceAnswering is a pass that waits until every entry point answers.
func (a *App) onceAnswering(pass func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-a.answering:
			return pass(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// File gives the path of a file in the data directory.
func (a *App) File(name string) string { return a.data.file(name) }

// SampleHouse gives what the sample data is made with.
func (a *App) SampleHouse() *sample.House {
	return &sample.House{
		Identity: a.Identity, Tenancy: a.Tenancy, Keys: a.Keys, Engine: a.Engine, Users: a.Store, Now: a.clock.Now, Log: a.options.Log, WriteFile: WriteFile,
	}
}
