package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/verify"
)

// How long an open response goes on after its credential has lost its authority, at most. Each look
// at a session reads the database, so that there are fewer.
const (
	keyInterval     = 500 * time.Millisecond
	sessionInterval = 10 * time.Second
)

// watch ends a response that goes on when the authority of its credential has ended: a WebSocket
// connection, or a body of unknown length. It looks again and again, as if the request came again.
type watch struct {
	gateway  *Gateway
	exchange *exchange

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

// start begins to watch.
func (w *watch) start() {
	if w.exchange.Public() {
		return // it has no credential
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.interval(), w.look)
}

func (w *watch) interval() time.Duration {
	if w.exchange.credential.Kind() == verify.SessionToken {
		return sessionInterval
	}
	return keyInterval
}

// look makes the decision again, and ends the response if it is refused now. A limit of the rate
// does not count: the response takes no further request.
func (w *watch) look() {
	x := w.exchange
	again := *x
	again.Needs.Repeated = true
	err := w.gateway.decide(context.Background(), &again)
	if err != nil && fault.KindOf(err) != fault.RateLimited {
		w.gateway.Counts.ended.Add(1)
		x.cancel()
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped {
		w.timer.Reset(w.interval())
	}
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
