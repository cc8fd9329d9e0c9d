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
	// feedEvery is how often a node reads the change feed without an announcement. Announcements
	// only make it read sooner.
	feedEvery = 250 * time.Millisecond
	// feedTimeout bounds one read. The next one, on another connection, may succeed where this one
	// hangs.
	feedTimeout = 2 * time.Second
	// listenRetry is the pause before the connection for announcements is opened again.
	listenRetry = time.Second
)

// What a change ends stays ended for longer than the change can take (store.MaxChangeDuration),
// than another node may not see it (config.MaxStaleness), and than the nodes' clocks differ: each
// node records its time, and reads that of the others, once in watermarkEvery.
const _ = uint(policy.Overrun - store.MaxChangeDuration - config.MaxStaleness - 2*watermarkEvery)

// changeFeed applies the changes of other nodes to the memory of this one. Where no other process
// can open the database, follower is nil and the feed is always up to date.
type changeFeed struct {
	follower *store.ChangeFeed
	store    *store.Store
	log      *slog.Logger
	// maxStaleness is how old the last read may be before the node decides nothing.
	maxStaleness time.Duration

	stopListening context.CancelFunc
	listening     chan struct{} // closed when listening has ended
}

// openChangeFeed begins after the newest change. Nothing of the database may be cached before.
func openChangeFeed(ctx context.Context, s *store.Store, clock *nodeClock, maxStaleness time.Duration,
	log *slog.Logger,
) (*changeFeed, error) {
	f := &changeFeed{store: s, log: log, maxStaleness: maxStaleness}
	if !s.Shared() {
		return f, nil
	}
	var err error
	f.follower, err = s.OpenChangeFeed(ctx, clock.Follow)
	return f, err
}

// behind returns how long ago the node last knew of every change; 0 where no other node can make
// any.
func (f *changeFeed) behind() time.Duration {
	if f.follower == nil {
		return 0
	}
	return f.follower.Lag()
}

// changes returns how many changes the feed has read.
func (f *changeFeed) changes() uint64 {
	if f.follower == nil {
		return 0
	}
	return f.follower.Changes()
}

// upToDate reports whether the node knew of every change a moment ago.
func (f *changeFeed) upToDate() bool { return f.follower == nil || f.behind() < f.maxStaleness }

// ready returns an error where the feed is not up to date. It is a check of readyz.
func (f *changeFeed) ready(context.Context) error {
	if f.upToDate() {
		return nil
	}
	return fmt.Errorf("the change feed was last read %s ago", f.behind().Round(time.Millisecond))
}

// fresh returns why this node must not decide; nil where it knows of every change, understands all
// of them, and can trust its clock.
func (s *storage) fresh() error {
	if err := s.Store.Obsolete(); err != nil { // which ends the feed, too
		return err
	}
	if !s.feed.upToDate() {
		return errStale
	}
	return s.clock.Doubt() // Now has looked at the clock
}

var errStale = fault.New(fault.Unavailable, "This node cannot see what other nodes changed. Try again.")

// readFeed reads the change feed once. It is a job.
func (s *storage) readFeed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, feedTimeout)
	defer cancel()
	err := s.feed.follower.ReadChanges(ctx)
	if errors.Is(err, store.ErrRewritten) {
		s.failure.fail(err)
	}
	if err != nil {
		return err
	}
	return s.keyHeaders.refresh(ctx)
}

// listen calls wake at each announcement of a change, until stop.
func (f *changeFeed) listen(wake func()) {
	if f.follower == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.stopListening, f.listening = cancel, make(chan struct{})
	go func() {
		defer close(f.listening)
		f.keepListening(ctx, wake)
	}()
}

func (f *changeFeed) keepListening(ctx context.Context, wake func()) {
	for ctx.Err() == nil {
		err := job.Recovered(func() error { return f.store.Listen(ctx, wake) })
		if ctx.Err() == nil {
			f.log.Warn("announcements of changes do not arrive: changes of other nodes are read every "+
				feedEvery.String(), "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(listenRetry):
		}
	}
}

// stop ends the listening. The job that reads the feed ends with all others.
func (f *changeFeed) stop() {
	if f.stopListening != nil {
		f.stopListening()
		<-f.listening
	}
}
