// Package job runs periodic work: a Job calls one pass again and again until it is stopped.
package job

import (
	"context"
	"log/slog"
	"time"
)

// Job is periodic work that has been started.
type Job struct {
	stop context.CancelFunc
	done chan struct{}
}

// Start runs the pass every so often, one at a time. A pass that fails is logged and tried again at its next turn.
func Start(name string, every time.Duration, log *slog.Logger, pass func(context.Context) error) *Job {
	ctx, cancel := context.WithCancel(context.Background())
	j := &Job{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(j.done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if err := pass(ctx); err != nil && ctx.Err() == nil {
					log.Error("job failed", "job", name, "error", err)
				}
			}
		}
	}()
	return j
}

// Stop ends the job and waits for a pass under way.
func (j *Job) Stop() {
	j.stop()
	<-j.done
}
