package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/store"
)

// check is a condition without which this node should get no requests.
type check struct {
	name string
	// failure says to clients what is wrong where the check fails.
	failure string
	run     func(context.Context) error
}

func (a *App) checks() []check {
	return []check{
		{"node", "it is stopping", a.running},
		{"database", "it does not answer", a.Store.Ready},
		{"writes", "no change can be made: another one holds the database, or it takes none", a.Store.Writable},
		{"schema", "the database is not of the version of this program", a.Store.Current},
		{"changes", "it cannot see what other nodes changed", a.feed.ready},
		{"clock", "it is in doubt", func(context.Context) error { return a.clock.Check() }},
		{"revocations", "the journal cannot take what a newer version changed, or is not on disk", a.journal.Ready},
		{"disk", "it is nearly full, and only changes that take authority away are made", a.disk.ready},
		{"jobs", "some that decisions need have not succeeded for too long", a.requiredJobs},
	}
}

func (a *App) running(context.Context) error {
	if a.stopping.Load() || a.Engine.Halted() || a.Store.Halted() {
		return errors.New("halted or about to end")
	}
	return nil
}

// defaultJobGrace is how long a required job may fail, in addition to the time between two runs.
const defaultJobGrace = 30 * time.Second

func (a *App) requiredJobs(context.Context) error { return a.jobs.late(a.options.JobGrace) }

const (
	// readyTTL is how long the results of the checks are cached. More frequent requests cost the
	// database nothing.
	readyTTL = time.Second
	// checksTimeout bounds all checks together.
	checksTimeout = 2 * time.Second
)

// readiness caches the results of the checks.
type readiness struct {
	mu      sync.Mutex
	at      time.Duration // by the uptime, which counts while the machine is suspended
	results []checkResult
}

// checkResult is the result of a check; err is nil where it passed.
type checkResult struct {
	check
	err error
}

// checkReadiness returns the results of all checks.
func (a *App) checkReadiness(ctx context.Context) []checkResult {
	return a.readiness.run(ctx, a.checks())
}

func (r *readiness) run(ctx context.Context, checks []check) []checkResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.results != nil && clock.Uptime()-r.at < readyTTL {
		return r.results
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checksTimeout)
	defer cancel()
	r.results = make([]checkResult, len(checks))
	for i, c := range checks {
		r.results[i] = checkResult{c, c.run(ctx)}
	}
	r.at = clock.Uptime()
	return r.results
}

// reason says to clients what is wrong.
func (r checkResult) reason() string {
	if o, ok := errors.AsType[*store.Obsolete](r.err); ok {
		return o.Reason
	}
	if d, ok := errors.AsType[*clock.Doubt](r.err); ok { // its reason at the time of the check
		return r.failure + ": " + d.Reason
	}
	return r.failure
}

// notReady returns an error that names the checks that failed; nil where none did.
func notReady(results []checkResult) error {
	var names []string
	var causes []error
	for _, r := range results {
		if r.err != nil {
			names = append(names, r.name+" ("+r.reason()+")")
			causes = append(causes, fmt.Errorf("%s: %w", r.name, r.err))
		}
	}
	if names == nil {
		return nil
	}
	return fault.Wrap(fault.Unavailable, errors.Join(causes...), "Not ready: "+strings.Join(names, ", ")+".")
}
