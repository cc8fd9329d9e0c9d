package app

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// A graceful stop takes at most ten seconds: the first for requests under way, the second for what is still to be written, the third for traces.
const (
	drainWithin = 6 * time.Second
	flushWithin = 3 * time.Second
	traceWithin = 500 * time.Millisecond
)

// fail says that the app cannot go on, and ends decisions and writes at once. The first reason counts.
func (a *App) fail(err error) {
	if a.Engine != nil {
		a.Engine.Halt()
	}
	if a.Store != nil {
		a.Store.Halt()
	}
	select {
	case a.failed <- err:
	default:
	}
}

// Failed gives the reason for which the app cannot go on, should there be one.
func (a *App) Failed() <-chan error { return a.failed }

// Stop ends the app in reverse: no new requests, those under way finished, last uses written, database closed.
func (a *App) Stop(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	a.stopping.Store(true)
	a.drain(ctx, a.server, a.admin, a.operators)
	if a.socket != nil {
		_ = a.socket.Close() // by the server already, mostly
	}
	a.following.stop()
	for _, j := range a.jobs {
		j.Stop()
	}
	var errs []error
	if a.Store != nil {
		errs = append(errs, a.lastWords(ctx), a.Store.Close())
	}
	a.lastTraces(ctx)
	return errors.Join(append(errs, a.journal.close(), a.data.close())...)
}

// drain lets the requests under way finish, of one server after the other; those that do not are cut off.
func (a *App) drain(ctx context.Context, servers ...*http.Server) {
	ctx, cancel := context.WithTimeout(ctx, drainWithin)
	defer cancel()
	for _, s := range servers {
		if s == nil {
			continue
		}
		if err := s.Shutdown(ctx); err != nil {
			a.options.Log.Warn("requests under way were cut off", "error", err)
			_ = s.Close()
		}
	}
}

// lastWords writes what is still to be written.
func (a *App) lastWords(ctx context.Context) error {
	if a.Engine == nil || len(a.jobs) == 0 {
		return nil
	}
	if err := a.Store.Obsolete(); err != nil {
		a.options.Log.Warn("the last uses of keys were not written", "error", err)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, flushWithin)
	defer cancel()
	uses := func() error { return a.Engine.FlushUses(ctx, a.Store) }
	if a.clock.Check() != nil {
		uses = func() error { return nil }
		a.options.Log.Warn("last uses that were not written are lost, since the clock is in doubt", "reason", a.clock.Reason())
	}
	return errors.Join(uses(), a.markTime(ctx), a.journal.catchUp(ctx, a.Store))
}

// lastTraces sends what was traced last. A collector that does not answer is not waited for long, and is no failure.
func (a *App) lastTraces(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, traceWithin)
	defer cancel()
	if err := a.tracing.Stop(ctx); err != nil {
		a.options.Log.Warn("the last traces were not sent", "error", err)
	}
}
