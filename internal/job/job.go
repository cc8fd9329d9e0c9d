// Package job runs periodic work: a Job calls a pass again and again until it is stopped.
//
// A pass that fails is tried again soon, with growing pauses, before its next turn. A panic counts
// as a failure. The context of a pass has a deadline, so that a pass which hangs does not stop its
// job forever.
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

// Job is periodic work that was started.
type Job struct {
	// Name is unique among all jobs, in snake case.
	Name string
	// Every is the time between two turns.
	Every time.Duration
	// NonCritical is set if a late pass does not make this node unready.
	NonCritical bool
	// Runs counts the passes that ended; Failures counts those that failed.
	Runs, Failures atomic.Uint64

	startedAt     time.Time
	succeeded     atomic.Int64 // nanoseconds after startedAt
	failuresInRow int          // failed passes since the last success
	limit         time.Duration
	wake          chan struct{}
	stop          context.CancelFunc
	done          chan struct{}
}

const (
	// firstRetry is about how long after a failure the next pass begins. Each further failure
	// doubles the pause.
	firstRetry = time.Second
	// maxRetry bounds the pause of critical jobs. A node is ready again within this time after the
	// cause of the failures is gone.
	maxRetry = 2 * time.Second
	// passLimit bounds a pass of a critical job, nonCriticalLimit any other.
	passLimit        = time.Minute
	nonCriticalLimit = 15 * time.Minute
)

// StartNonCritical starts a job whose passes may be late, because they depend on other systems or
// take as long as there is work. The first pass runs at once, because work may have waited for the
// process to start.
func StartNonCritical(name string, every time.Duration, log *slog.Logger, pass func(context.Context) error) *Job {
	j, ctx := prepare(name, every, nonCriticalLimit)
	j.NonCritical = true
	go func() {
		defer close(j.done)
		j.run(ctx, log, pass)
		j.loop(ctx, log, pass)
	}()
	return j
}

// Start starts a job that runs a pass at a fixed interval, one at a time. A failed pass is logged
// and tried again soon.
func Start(name string, every time.Duration, log *slog.Logger, pass func(context.Context) error) *Job {
	j, ctx := prepare(name, every, passLimit)
	go func() {
		defer close(j.done)
		j.loop(ctx, log, pass)
	}()
	return j
}

func prepare(name string, every, limit time.Duration) (*Job, context.Context) {
	ctx, cancel := context.WithCancel(context.Background())
	return &Job{
		Name: name, Every: every, startedAt: time.Now(), limit: limit, wake: make(chan struct{}, 1), stop: cancel,
		done: make(chan struct{}),
	}, ctx
}

// loop runs the pass at every turn, and soon after it failed, until the context ends.
func (j *Job) loop(ctx context.Context, log *slog.Logger, pass func(context.Context) error) {
	ticker := time.NewTicker(j.Every)
	defer ticker.Stop()
	for {
		var retry <-chan time.Time
		if j.failuresInRow > 0 {
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

// pause returns how long to wait after a failure, unless the next turn comes first. It varies by a
// quarter, so that the nodes of a database do not all retry at once.
func (j *Job) pause() time.Duration {
	most := maxRetry
	if j.NonCritical {
		most = max(maxRetry, j.Every)
	}
	pause := min(firstRetry<<min(j.failuresInRow-1, 16), most)
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
	j.recordResult(err, log)
}

// Recovered runs the function and returns a panic as an error, so that no background work ends the
// process. The error contains the stack but not the value, which may be a secret.
func Recovered(do func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("panicked: %s", debug.Stack())
		}
	}()
	return do()
}

// recordResult counts a pass. Of failures in a row it logs the first, second, fourth, eighth and so
// on.
func (j *Job) recordResult(err error, log *slog.Logger) {
	j.Runs.Add(1)
	if err != nil {
		j.Failures.Add(1)
		j.failuresInRow++
		if j.failuresInRow&(j.failuresInRow-1) == 0 {
			log.Error("job failed", "job", j.Name, "in_a_row", j.failuresInRow, "error", err)
		}
		return
	}
	if j.failuresInRow > 0 {
		log.Info("job succeeds again", "job", j.Name, "failed", j.failuresInRow)
	}
	j.failuresInRow = 0
	j.succeeded.Store(int64(time.Since(j.startedAt)))
}

// LastSuccess returns when a pass last succeeded, or when the job was started if none has. It is
// independent of changes to the machine's clock.
func (j *Job) LastSuccess() time.Time { return j.startedAt.Add(time.Duration(j.succeeded.Load())) }

// Wake runs a pass now, or after the running one.
func (j *Job) Wake() {
	select {
	case j.wake <- struct{}{}:
	default: // one is already due
	}
}

// Stop ends the job and waits for the running pass.
func (j *Job) Stop() {
	j.stop()
	<-j.done
}
