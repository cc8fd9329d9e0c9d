package app

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// A graceful stop takes at most ten seconds: drainTimeout for requests in progress, flushTimeout
// for what is still to be written, traceTimeout for traces. Last uses get at most usesTimeout of
// flushTimeout, because there may be a million of them.
const (
	drainTimeout = 6 * time.Second
	flushTimeout = 3 * time.Second
	usesTimeout  = 1500 * time.Millisecond
	traceTimeout = 500 * time.Millisecond
)

// failure is the state of a node that cannot go on. It stops decisions and writes at once; the
// command that started the node then ends the process.
type failure struct {
	// reason gets the first reason.
	reason chan error

	mu     sync.Mutex
	failed bool
	halt   []func()
}

func newFailure() *failure { return &failure{reason: make(chan error, 1)} }

// whenFailed has halt called when the node fails; at once where it has failed already.
func (f *failure) whenFailed(halt func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.halt = append(f.halt, halt)
	if f.failed {
		halt()
	}
}

// fail says that the node cannot go on.
func (f *failure) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = true
	for _, halt := range f.halt {
		halt()
	}
	select {
	case f.reason <- err:
	default:
	}
}

// Failed returns a channel that gets the reason why the app cannot go on, if that happens.
func (a *App) Failed() <-chan error { return a.failure.reason }

// Stop ends the app in reverse order of its start: it accepts no new requests, finishes those in
// progress, writes last uses, and closes the database and the data directory.
func (a *App) Stop(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	a.stopping.Store(true)
	a.listeners.close(ctx)
	var errs []error
	if a.storage != nil {
		a.feed.stop()
		a.jobs.stop()
		errs = append(errs, a.flushOnStop(ctx), a.storage.close(ctx))
	}
	a.flushTraces(ctx)
	if a.storage != nil {
		errs = append(errs, a.data.close())
	}
	return errors.Join(errs...)
}

// close closes all listeners. Requests in progress may finish, of one server after the other; those
// that do not are cut off.
func (l *listeners) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	for _, s := range []*http.Server{l.public, l.local, l.gateway, l.metrics, l.operators} {
		if s == nil {
			continue
		}
		if err := s.Shutdown(ctx); err != nil {
			l.log.Warn("requests in progress were cut off", "error", err)
			_ = s.Close()
		}
	}
	if l.localSocket != nil {
		_ = l.localSocket.Close() // as below
	}
	if l.socket != nil {
		_ = l.socket.Close() // the server has closed it already, unless it never served
	}
}

// flushOnStop writes what is still to be written. An app without jobs has nothing to write.
func (a *App) flushOnStop(ctx context.Context) error {
	if a.jobs == nil {
		return nil
	}
	if err := a.Store.Obsolete(); err != nil {
		a.options.Log.Warn("the last uses of keys and the last counts of requests were not written", "error", err)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	err := errors.Join(a.clock.record(ctx), a.journal.catchUp(ctx))
	if a.clock.Check() != nil {
		a.options.Log.Warn("last uses and counts that were not written are lost, since the clock is in doubt", "reason",
			a.clock.Reason())
		return err
	}
	return errors.Join(err, a.Counters.Flush(ctx), a.flushUses(ctx)) // last, because there may be a million of them
}

// flushUses writes last uses, the oldest first, and logs how many there was no time for.
func (a *App) flushUses(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, usesTimeout)
	defer cancel()
	err := a.Usage.Flush(ctx, a.Store)
	if ctx.Err() == nil {
		return err
	}
	if n := a.Usage.Unwritten(); n > 0 {
		a.options.Log.Warn("there was no time to write all last uses of keys", "unwritten", n)
	}
	return nil
}

// flushTraces sends the last traces. It does not wait long for a collector that does not answer,
// and that is no failure.
func (a *App) flushTraces(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, traceTimeout)
	defer cancel()
	if err := a.tracing.Stop(ctx); err != nil {
		a.options.Log.Warn("the last traces were not sent", "error", err)
	}
}
