package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/verify"
)

// How long a request goes on after its credential has lost its authority, at most. Each look at a
// session reads the database, so that there are fewer.
const (
	keyInterval     = 500 * time.Millisecond
	sessionInterval = 10 * time.Second
	// maxDoubt is how long a request may go on while no decision can be made.
	maxDoubt = 10 * time.Second
)

// watch ends a request that is being forwarded when the authority of its credential has ended, such
// as an open WebSocket. It looks again and again, as if the request came again.
type watch struct {
	gateway *Gateway
	// again is the request, as it was when it was forwarded.
	again exchange
	end   func()

	mu    sync.Mutex
	timer *time.Timer
	// doubt is since when no decision can be made; zero for none.
	doubt   time.Time
	stopped bool
	reason  error
}

// newWatch begins to watch a request. It calls end when the authority has ended.
func (g *Gateway) newWatch(x *exchange, end func()) *watch {
	w := &watch{gateway: g, again: *x, end: end}
	w.again.Needs.Repeated = true
	if !x.Public() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.timer = time.AfterFunc(w.interval(), w.look)
	}
	return w
}

func (w *watch) interval() time.Duration {
	if w.again.credential.Kind() == verify.SessionToken {
		return sessionInterval
	}
	return keyInterval
}

// look makes the decision again, and ends the request if it is refused now. A limit of the rate
// does not count: the request is no further one.
func (w *watch) look() {
	err := w.gateway.decide(context.Background(), &w.again)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.stopped:
		return
	case w.ends(err):
		w.reason = err
		w.gateway.Counts.ended.Add(1)
		w.end()
		return
	}
	w.timer.Reset(w.interval())
}

// ends reports whether the request ends after a decision.
func (w *watch) ends(err error) bool {
	if err == nil {
		w.doubt = time.Time{}
		return false
	}
	switch fault.KindOf(err) {
	case fault.RateLimited:
		return false
	case fault.Unavailable, fault.Internal:
		if w.doubt.IsZero() {
			w.doubt = time.Now()
		}
		return time.Since(w.doubt) >= maxDoubt
	}
	return true
}

// lost returns why the authority has ended; nil if it has not.
func (w *watch) lost() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reason
}

// stop ends the watch.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}
