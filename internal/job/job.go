// Package job runs periodic work: a Job calls one pass again and again until it is stopped.
//
// A pass that fails is tried again soon, with growing pauses, and not only at its next turn. A pass that panics has failed.
// A pass that takes too long is cut off by its context, so that one frozen part does not hold its job up for ever.
package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
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
	failing   int          // passes that failed since one succeeded
	limit     time.Duration
	wake      chan struct{}
	stop      context.CancelFunc
	done      chan struct{}
}

const (
	// firstRetry is about how long after a failure the next pass begins; each further failure doubles it.
	firstRetry = time.Second
	// maxRetry bounds it for jobs that decisions need: once what failed is over, the node is ready within this time.
	maxRetry = 2 * time.Second
	// passLimit bounds a pass that decisions need, apartLimit any other.
	passLimit  = time.Minute
	apartLimit = 15 * time.Minute
)

// StartApart starts a job whose passes may be late, since they depend on others or take as long as there is work. The first comes at once: something may have waited
// for the process to start.
func StartApart(name string, every time.Duration, log *slog.Logger, pass func(context.Context) error) *Job {
	j, ctx := prepare(name, every, apartLimit)
	j.Apart = true
	go func() {
		defer close(j.done)
		j.run(ctx, log, pass)
		j.turns(ctx, log, pass)
	}()
	return j
}

// Start runs the pass every so often, one at a time. A pass that fails is logged and tried again soon.
func Start(name string, every time.Duration, log *slog.Logger, pass func(context.Context) error) *Job {
	j, ctx := prepare(name, every, passLimit)
	go func() {
		defer close(j.done)
		j.turns(ctx, log, pass)
	}()
	return j
}

func prepare(name string, every, limit time.Duration) (*Job, context.Context) {
	ctx, cancel := context.WithCancel(context.Background())
	return &Job{
		Name: name, Every: every, begun: time.Now(), limit: limit, wake: make(chan struct{}, 1), stop: cancel, done: make(chan struct{}),
	}, ctx
}

// turns runs the pass at every turn, and soon after it failed, until the context ends.
func (j *Job) turns(ctx context.Context, log *slog.Logger, pass func(context.Context) error) {
	ticker := time.NewTicker(j.Every)
	defer ticker.Stop()
	for {
		var retry <-chan time.Time
		if j.failing > 0 {
			retry = time.After(j.pause())
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-retry:
		case <-j.wake:
		}
		j.run(ctx, log, pass)
	}
}

// pause returns how long to wait after a failure, unless the next turn comes first. It varies by a quarter, so that the
// nodes of one database do not all come back at once.
func (j *Job) pause() time.Duration {
	most := maxRetry
	if j.Apart {
		most = max(maxRetry, j.Every)
	}
	pause := min(firstRetry<<min(j.failing-1, 16), most)
	return pause - rand.N(pause/4)
}

func (j *Job) run(ctx context.Context, log *slog.Logger, pass func(context.Context) error) {
	limited, cancel := context.WithTimeout(ctx, j.limit)
	defer cancel()
	err := Recovered(func() error { return pass(limited) })
	if ctx.Err() != nil {
		return
	}
	if err != nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("cut off after %s: %w", j.limit, err)
	}
	j.ran(err, log)
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

// ran counts a pass. Of many failures in a row the first, second, fourth, eighth and so on are logged.
func (j *Job) ran(err error, log *slog.Logger) {
	j.Runs.Add(1)
	if err != nil {
		j.Failures.Add(1)
		if j.failing++; j.failing&(j.failing-1) == 0 {
			log.Error("job failed", "job", j.Name, "in_a_row", j.failing, "error", err)
		}
		return
	}
	if j.failing > 0 {
		log.Info("job succeeds again", "job", j.Name, "failed", j.failing)
	}
	j.failing = 0
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
