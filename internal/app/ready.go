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

// check is something without which no decision should be asked of this node.
type check struct {
	name string
	// otherwise says what is wrong, to whoever asks.
	otherwise string
	look      func(context.Context) error
}

func (a *App) checks() []check {
	return []check{
		{"node", "it is stopping", a.running},
		{"database", "it does not answer", a.Store.Ready},
		{"writes", "no change can be made: another one holds the database, or it takes none", a.Store.Writable},
		{"schema", "the database is not of the version of this program", a.Store.Current},
		{"changes", "it cannot see what other nodes changed", a.following.ready},
		{"clock", "it is in doubt", func(context.Context) error { return a.clock.Check() }},
		{"revocations", "the journal cannot take what a newer version changed, or is not on disk", a.journal.Ready},
		{"disk", "it is nearly full, and only changes that take authority away are made", a.disk.ready},
		{"jobs", "some that decisions need have not succeeded for too long", a.jobsSucceed},
	}
}

func (a *App) running(context.Context) error {
	if a.stopping.Load() || a.Engine.Halted() || a.Store.Halted() {
		return errors.New("halted or about to end")
	}
	return nil
}

// defaultPatience is how long a job may fail, beside the time between two of its turns.
const defaultPatience = 30 * time.Second

func (a *App) jobsSucceed(context.Context) error {
	var late []error
	for _, j := range a.jobs {
		if j.Apart {
			continue
		}
		if since := time.Since(j.LastSuccess()); since > j.Every+a.options.Patience {
			late = append(late, fmt.Errorf("%s has not succeeded for %s", j.Name, since.Round(time.Second)))
		}
	}
	return errors.Join(late...)
}

const (
	// readyFor is how long an answer counts: whoever asks more often costs the database nothing.
	readyFor = time.Second
	// askWithin bounds all checks together.
	askWithin = 2 * time.Second
)

// readiness remembers how the checks went.
type readiness struct {
	mu   sync.Mutex
	at   time.Duration // uptime, which goes on while the machine is suspended
	last []finding
}

// finding is how a check went; err is nil where all is well.
type finding struct {
	check
	err error
}

func (r *readiness) look(ctx context.Context, checks []check) []finding {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last != nil && clock.Uptime()-r.at < readyFor {
		return r.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWithin)
	defer cancel()
	r.last = make([]finding, len(checks))
	for i, c := range checks {
		r.last[i] = finding{c, c.look(ctx)}
	}
	r.at = clock.Uptime()
	return r.last
}

// reason says what is wrong, to whoever asks.
func (f finding) reason() string {
	if o, ok := errors.AsType[*store.Obsolete](f.err); ok {
		return o.Reason
	}
	if d, ok := errors.AsType[*clock.Doubt](f.err); ok { // its reason at the time of the look
		return f.otherwise + ": " + d.Reason
	}
	return f.otherwise
}

// unready names the checks that failed; nil where none did.
func unready(all []finding) error {
	var names []string
	var causes []error
	for _, f := range all {
		if f.err != nil {
			names = append(names, f.name+" ("+f.reason()+")")
			causes = append(causes, fmt.Errorf("%s: %w", f.name, f.err))
		}
	}
	if names == nil {
		return nil
	}
	return fault.Wrap(fault.Unavailable, errors.Join(causes...), "Not ready: "+strings.Join(names, ", ")+".")
}
