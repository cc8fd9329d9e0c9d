// Package job runs periodic work: a Job calls one pass again and again until it is stopped.
package job

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// Job is periodic work that has been started.
type Job struct {
	// Name among all jobs, in snake case.
	Name string
	// Every is the time between two turns.
	Every time.Duration
	// Apart is set where a late pass is no reason to ask nothing of this node.
	Apart bool
	// Runs are the passes that ended, Failures those of them that failed.
	Runs, Failures atomic.Uint64

	begun     time.Time
	succeeded atomic.Int64 // nanoseconds after begun
	wake      chan struct{}
	stop      context.CancelFunc
	done      chan struct{}
}

// StartApart starts a job whose passes may be late, since they depend on others or take as long as there is work. The first comes at once: something may have waited
// for the process to start.
func StartApart(name string, every time.Duration, log *slog.Logger, pass func(context.Context) error) *Job {
	j, ctx := prepare(name, every)
	j.Apart = true
	go func() {
		defer close(j.done)
		j.run(ctx, log, pass)
		j.turns(ctx, log, pass)
	}()
	return j
}

// Start runs the pass every so often, one at a time. A pass that fails is logged and tried again at its next turn.
func Start(name string, every time.Duration, log *slog.Logger, pass func(context.Context) error) *Job {
	j, ctx := prepare(name, every)
	go func() {
		defer close(j.done)
		j.turns(ctx, log, pass)
	}()
	return j
}

func prepare(name string, every time.Duration) (*Job, context.Context) {
	ctx, cancel := context.WithCancel(context.Background())
	return &Job{Name: name, Every: every, begun: time.Now(), wake: make(chan struct{}, 1), stop: cancel, done: make(chan struct{})}, ctx
}

// turns runs the pass at every turn until the context ends.
func (j *Job) turns(ctx context.Context, log *slog.Logger, pass func(context.Context) error) {
	ticker := time.NewTicker(j.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-j.wake:
		}
		j.run(ctx, log, pass)
	}
}

func (j *Job) run(ctx context.Context, log *slog.Logger, pass func(context.Context) error) {
	if err := Recovered(func() error { return pass(ctx) }); ctx.Err() == nil {
		j.ran(err, log)
	}
}

// Recovered runs the function and returns its panic as an error, so that no work in the background ends the process. The
// error holds the stack and not the value: what panicked may hold a secret.
func Recovered(do func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("panicked: %s", debug.Stack())
		}
	}()
	return do()
}

func (j *Job) ran(err error, log *slog.Logger) {
	j.Runs.Add(1)
	if err != nil {
		j.Failures.Add(1)
		log.Error("job failed", "job", j.Name, "error", err)
		return
	}
	j.succeeded.Store(int64(time.Since(j.begun)))
}

// LastSuccess is when a pass last ended well; until one has, when the job was started. It does not follow the machine's clock where that is set anew.
func (j *Job) LastSuccess() time.Time { return j.begun.Add(time.Duration(j.succeeded.Load())) }

// Wake has a pass run now, or after the one under way.
func (j *Job) Wake() {
	select {
	case j.wake <- struct{}{}:
	default: // one is due already
	}
}

// Stop ends the job and waits for a pass under way.
func (j *Job) Stop() {
	j.stop()
	<-j.done
}
