package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/job"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/store"
)

const (
	// followEvery is how often a node looks for changes that it was not told of. Announcements only make it look sooner.
	followEvery = 250 * time.Millisecond
	// followWithin bounds one look. Another one, on another connection, may succeed where this one hangs.
	followWithin = 2 * time.Second
	// listenAgain is the pause before the connection for announcements is made anew.
	listenAgain = time.Second
)

// What a change ends goes on for longer than the change can take, than another node may not see it, and than the nodes' clocks differ: each of them records its
// time, and learns of that of others, once in watermarkEvery.
const _ = uint(policy.Overrun - store.Settled - config.MaxStaleness - 2*watermarkEvery)

// following keeps this node's memory in step with what other nodes change. The zero value is of a database that no other process has open.
type following struct {
	changes *store.Follower
	within  time.Duration
	end     context.CancelFunc
	ended   chan struct{}
}

// follow begins after the newest change. Nothing of the database may be remembered before.
func (a *App) follow(ctx context.Context, c config.Database) (err error) {
	if !a.Store.Shared() {
		return nil
	}
	a.following.within = time.Duration(c.MaxStaleness)
	a.following.changes, err = a.Store.Follow(ctx, a.clock.Follow)
	return err
}

// fresh reports whether the node knew of every change a moment ago.
func (f *following) fresh() bool { return f.changes == nil || f.changes.Behind() < f.within }

// fresh returns why this node decides nothing; nil where it knows of every change, understands them all, and
// knows what time it is.
func (a *App) fresh() error {
	if err := a.Store.Obsolete(); err != nil { // which ends the following, too
		return err
	}
	if !a.following.fresh() {
		return errStale
	}
	return a.clock.Doubt() // Now has looked at the clock
}

var errStale = fault.New(fault.Unavailable, "This node cannot see what other nodes changed. Try again.")

// behind is how long ago the node last knew of every change.
func (f *following) behind() time.Duration {
	if f.changes == nil {
		return 0
	}
	return f.changes.Behind()
}

func (f *following) followed() uint64 {
	if f.changes == nil {
		return 0
	}
	return f.changes.Changes()
}

func (f *following) ready(context.Context) error {
	if f.fresh() {
		return nil
	}
	return fmt.Errorf("the last look that succeeded was %s ago", f.behind().Round(time.Millisecond))
}

// startFollowing reads what was changed, soon after it was announced and now and then in any case.
func (a *App) startFollowing(log *slog.Logger) {
	f := &a.following
	if f.changes == nil {
		return
	}
	j := job.Start("changes", followEvery, log, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, followWithin)
		defer cancel()
		err := f.changes.Pass(ctx)
		if errors.Is(err, store.ErrRewritten) {
			a.fail(err)
		}
		return err
	})
	a.jobs = append(a.jobs, j)
	var ctx context.Context
	ctx, f.end = context.WithCancel(context.Background())
	f.ended = make(chan struct{})
	go func() {
		defer close(f.ended)
		a.listenForChanges(ctx, j.Wake)
	}()
}

func (a *App) listenForChanges(ctx context.Context, woken func()) {
	for ctx.Err() == nil {
		err := job.Recovered(func() error { return a.Store.Listen(ctx, woken) })
		if ctx.Err() == nil {
			a.options.Log.Warn("changes of other nodes are seen only every "+followEvery.String(), "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
}

// stop ends the listening; the job ends with all others.
func (f *following) stop() {
	if f.end != nil {
		f.end()
		<-f.ended
	}
}
