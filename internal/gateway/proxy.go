package gateway

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
)

// exchangeKey is the key of the exchange in the context of a request.
type exchangeKey struct{}

// exchangeOf returns the exchange of a request that is forwarded.
func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// newProxy returns the handler that forwards requests. It expects the exchange in their context.
func (g *Gateway) newProxy() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: g.rewrite, Transport: g.Transport, BufferPool: &buffers,
		ModifyResponse: modifyResponse,
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) {
			exchangeOf(r.Context()).failure = err
		},
		ErrorLog: log.New(io.Discard, "", 0), // failures are answered, counted and sampled
	}
}

// buffers are those with which bodies are copied.
var buffers = bufferPool{sync.Pool{New: func() any { return new([32 << 10]byte) }}}

type bufferPool struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (p *bufferPool) Get() []byte { return p.pool.Get().(*[32 << 10]byte)[:] }

// Put implements httputil.BufferPool.
func (p *bufferPool) Put(b []byte) { p.pool.Put((*[32 << 10]byte)(b)) }

// send forwards a request that is allowed.
func (g *Gateway) send(w http.ResponseWriter, r *http.Request, x *exchange) (err error) {
	x.upstream = g.Upstreams.find(x.Needs.Application, x.host)
	if x.upstream == nil {
		return fault.New(fault.RouteUnknown, "There is no API behind this request. Ask the operator for an upstream.")
	}
	if r.ContentLength > g.MaxBody {
		return errTooLarge(g.MaxBody)
	}
	x.ruleHeaders, err = g.Routes.HeaderNames(r.Context(), x.Entry)
	if err != nil {
		return err
	}
	leave, err := g.callers.enter(callerOf(x), g.MaxConcurrent)
	if err != nil {
		return err
	}
	defer leave()
	return g.sendWatched(w, r, x)
}

// sendWatched forwards a request, and ends it when its credential loses its authority.
func (g *Gateway) sendWatched(w http.ResponseWriter, r *http.Request, x *exchange) error {
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), exchangeKey{}, x))
	defer cancel()
	client := newClient(w, g.StallTimeout)
	watch := g.newWatch(x, func() {
		cancel()
		client.end()
	})
	defer watch.stop()
	outgoing := r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		outgoing.Body = client.readBody(r, g.MaxBody)
		defer client.abandonBody()
	}
	g.Counts.inProgress.Add(1)
	defer g.Counts.inProgress.Add(-1)
	g.proxy.ServeHTTP(client, outgoing)
	if x.failure == nil {
		g.Counts.answered.Add(1)
		return nil
	}
	client.beforeRefusal()
	if lost := watch.lost(); lost != nil {
		return lost
	}
	return g.failed(r.Context(), cmp.Or(client.bodyFailure(), x.failure))
}

func errTooLarge(most int64) error {
	return fault.New(fault.TooLarge, "The body is larger than the gateway forwards: "+
		strconv.FormatInt(most, 10)+" bytes (`gateway.body_bytes`).")
}

// failed returns the refusal for a request to which the API gave no response.
func (g *Gateway) failed(ctx context.Context, err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errTooLarge(tooLarge.Limit)
	}
	if _, ok := errors.AsType[*bodyError](err); ok {
		return fault.Wrap(fault.Malformed, err, "The body was cut short.")
	}
	if fault.Abandoned(ctx, err) {
		return err
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		g.Counts.timeout.Add(1)
		return fault.Wrap(fault.GatewayTimeout, err, "")
	}
	g.Counts.unreachable.Add(1)
	return fault.Wrap(fault.BadGateway, err, "")
}

// concurrency counts the requests of each caller that are in progress.
type concurrency struct {
	mu     sync.Mutex
	counts map[string]int
}

// concurrencyWait is after what time a caller with too many requests may try again.
const concurrencyWait = time.Second

// enter counts a request of the caller, until leave is called. It refuses one more than most.
func (c *concurrency) enter(caller string, most int) (leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	if c.counts[caller] >= most {
		return nil, fault.Retry(fault.RateLimited, concurrencyWait, "You have "+strconv.Itoa(most)+
			" requests in progress (`gateway.concurrent_requests`). Wait until one has ended.")
	}
	c.counts[caller]++
	return func() { c.leave(caller) }, nil
}

func (c *concurrency) leave(caller string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[caller]--
	if c.counts[caller] == 0 {
		delete(c.counts, caller)
	}
}

// callerOf returns whose request it is: the key, the person, or the address of the client.
func callerOf(x *exchange) string {
	switch {
	case x.decision.Facts != nil:
		return string(x.decision.Facts.Key.ID)
	case x.decision.Session != nil:
		return string(x.decision.Session.User.ID)
	}
	return "address " + x.from.IP
}
