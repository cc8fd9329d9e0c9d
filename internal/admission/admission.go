// Package admission decides who may use a scarce resource next, so that no caller keeps the others
// from it.
//
// A [Gate] admits a limited number of requests at once. Each holds a [Permit]. A caller holds at
// most Limits.PerCaller permits and waits for the next one in a queue of its own. Queues are served
// in turn, one permit each, in the order in which they began to wait. So a caller with a thousand
// requests delays another caller's one request by one turn. The parts of a caller, such as the
// sessions of a person, take turns within the caller's queue.
//
// Queues and waits are limited, and the room to wait is shared as permits are. If all of it is
// used, the newest request of the caller with the longest queue is refused in favour of a caller
// with a shorter one. So a few callers cannot cause the refusal of another caller's first request,
// however many requests they send. A refusal is fault.Unavailable with the time to wait before
// another attempt.
package admission

import (
	"container/list"
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Caller is on whose behalf a resource is used. The zero value is Claviger itself.
type Caller string

// partSeparator separates a caller and the name of a part. No id or address contains it.
const partSeparator = "\x00"

// Part returns a part of the caller. The parts share the caller's permits and queue fairly.
func (c Caller) Part(name string) Caller { return c + partSeparator + Caller(name) }

// split returns the caller without the part, and the name of the part, "" for none.
func (c Caller) split() (caller Caller, part string) {
	before, after, _ := strings.Cut(string(c), partSeparator)
	return Caller(before), after
}

// ForPrincipal returns the caller of a principal: the key, or the signed-in person, each of whose
// sessions is a part. Other principals, except the operator and the system, are callers by address.
func ForPrincipal(who principal.Principal) Caller {
	if s, ok := who.Session(); ok {
		return Caller("user " + string(s.User.ID)).Part(string(s.ID))
	}
	if k, ok := who.Key(); ok {
		return Caller("key " + string(k.ID))
	}
	if m, ok := who.ManagementKey(); ok {
		return Caller("service account " + string(m.ServiceAccount.ID)).Part(string(m.ID))
	}
	switch who.Kind() {
	case principal.KindOperator:
		return "operator"
	case principal.KindSystem:
		return ""
	}
	return ForAddress(who.Origin().IP)
}

// networkBits is the length of the IPv6 prefix that counts as one client. A household gets at least
// such a network (RIPE-690).
const networkBits = 56

// ForAddress returns the caller at a client address: the address itself, or for IPv6 its network of
// 56 bits.
func ForAddress(ip string) Caller {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return "nobody"
	}
	a = a.Unmap()
	if a.Is6() {
		p, _ := a.WithZone("").Prefix(networkBits) // cannot fail for an address of 128 bits
		return Caller("address " + p.String())
	}
	return Caller("address " + a.String())
}

type callerKey struct{}

// WithCaller returns a context with the caller, on whose behalf resources are used in it.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns the caller of a context that [WithCaller] returned; the zero value for any
// other.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Limits are the limits of a gate.
type Limits struct {
	// Concurrency is how many permits may be held at once, and PerCaller how many by one caller.
	Concurrency, PerCaller int
	// Queue is how many requests may wait, and QueuePerCaller how many of one caller.
	Queue, QueuePerCaller int
	// Wait is how long a request waits at most.
	Wait time.Duration
}

// Gate admits callers in turn. The work under its lock does not grow with the number of callers: at
// most it looks at the parts of one caller, of which there are no more than Limits.QueuePerCaller.
type Gate struct {
	limits Limits

	mu      sync.Mutex
	free    int
	waiting int
	refused uint64
	queues  map[Caller]*queue
	// turns are the queues that wait and may have another permit, in the order in which they are
	// served.
	turns list.List
	// byLength has the queues by their length, and longest is the greatest length; 0 if nobody
	// waits.
	byLength []list.List
	longest  int
}

// queue is the state of a caller that holds or waits for a permit.
type queue struct {
	caller Caller
	held   int
	// waiting is how many requests wait, in all parts.
	waiting int
	// parts are the parts that wait, by name; order is the order in which they are served.
	parts map[string]*part
	order list.List
	// turn is the element of Gate.turns, and length that of Gate.byLength; nil for none.
	turn, length *list.Element
}

// part is the queue of a part of a caller.
type part struct {
	name    string
	waiters list.List
	// turn is the element of queue.order.
	turn *list.Element
}

// waiter is a request that waits.
type waiter struct {
	queue   *queue
	part    *part
	element *list.Element
	// done is closed when the waiter has a permit or is dropped.
	done    chan struct{}
	dropped bool
}

// NewGate returns a gate that nobody uses yet.
func NewGate(l Limits) *Gate {
	return &Gate{
		limits: l, free: l.Concurrency, queues: map[Caller]*queue{},
		byLength: make([]list.List, l.QueuePerCaller+1),
	}
}

var errBusy = fault.Retry(fault.Unavailable, time.Second,
	"There are too many requests at once. Wait a second and try again.")

// Permit is the right to use the resource until it is released. Releasing the zero value does
// nothing.
type Permit struct {
	gate  *Gate
	queue *queue
}

// Acquire waits for a permit. A nil gate admits everyone at once. It returns fault.Unavailable if
// there is no room to wait or the wait takes too long, and the context's error if the context ends
// before. The caller must release the permit.
func (g *Gate) Acquire(ctx context.Context, c Caller) (Permit, error) {
	if g == nil {
		return Permit{}, nil
	}
	caller, name := c.split()
	g.mu.Lock()
	q := g.queues[caller]
	if q == nil {
		q = &queue{caller: caller}
		g.queues[caller] = q
	}
	if g.free > 0 && q.held < g.limits.PerCaller && q.waiting == 0 { // nobody else may have this permit
		g.free--
		q.held++
		g.mu.Unlock()
		return Permit{g, q}, nil
	}
	if !g.makeQueueRoom(q, name) {
		g.refused++
		g.forget(q)
		g.mu.Unlock()
		return Permit{}, errBusy
	}
	w := g.add(q, name)
	g.enqueue(q)
	g.mu.Unlock()
	return g.wait(ctx, w)
}

// wait waits for the waiter's permit. It fails if that takes too long, if the context ends, or if
// the waiter is dropped.
func (g *Gate) wait(ctx context.Context, w *waiter) (Permit, error) {
	timer := time.NewTimer(g.limits.Wait)
	defer timer.Stop()
	err := errBusy
	select {
	case <-w.done:
		return g.admitted(w)
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.done: // at the same moment
		if !w.dropped {
			g.release(w.queue)
		}
		return Permit{}, err
	default:
	}
	g.remove(w)
	g.refused++
	g.forget(w.queue)
	return Permit{}, err
}

// admitted returns the result of a waiter that is done. Nobody changes the waiter any more.
func (g *Gate) admitted(w *waiter) (Permit, error) {
	if w.dropped {
		return Permit{}, errBusy
	}
	return Permit{g, w.queue}, nil
}

// makeQueueRoom reports whether one more request of the part may wait. If there is no room, it
// drops another waiter if that is fair: the newest one of the longest queue, or else of the
// caller's longest part. That queue or part must be longer than the other one with the new request
// in it. So nobody gains by sending more requests, and the only request of a caller is never
// dropped.
func (g *Gate) makeQueueRoom(q *queue, name string) bool {
	own := q.waiting < g.limits.QueuePerCaller
	if own && g.waiting < g.limits.Queue {
		return true
	}
	if own && g.longest > q.waiting+1 {
		g.drop(g.byLength[g.longest].Back().Value.(*queue).longestPart())
		return true
	}
	if p := q.longestPart(); p != nil && p.waiters.Len() > q.waitingOf(name)+1 {
		g.drop(p)
		return true
	}
	return false
}

// longestPart returns the part with the most waiters; nil if nobody waits.
func (q *queue) longestPart() (longest *part) {
	for _, p := range q.parts {
		if longest == nil || p.waiters.Len() > longest.waiters.Len() {
			longest = p
		}
	}
	return longest
}

// waitingOf returns how many requests of a part wait.
func (q *queue) waitingOf(name string) int {
	if p := q.parts[name]; p != nil {
		return p.waiters.Len()
	}
	return 0
}

// drop refuses the newest waiter of a part.
func (g *Gate) drop(p *part) {
	w := p.waiters.Back().Value.(*waiter)
	g.remove(w)
	g.refused++
	w.dropped = true
	close(w.done)
}

// add adds a waiter to the part.
func (g *Gate) add(q *queue, name string) *waiter {
	if q.parts == nil {
		q.parts = map[string]*part{}
	}
	p := q.parts[name]
	if p == nil {
		p = &part{name: name}
		p.turn = q.order.PushBack(p)
		q.parts[name] = p
	}
	w := &waiter{queue: q, part: p, done: make(chan struct{})}
	w.element = p.waiters.PushBack(w)
	g.count(q, +1)
	return w
}

// remove removes a waiter. It also removes the part if that is empty, and the queue's turn if
// nobody waits in it.
func (g *Gate) remove(w *waiter) {
	q, p := w.queue, w.part
	p.waiters.Remove(w.element)
	if p.waiters.Len() == 0 {
		q.order.Remove(p.turn)
		delete(q.parts, p.name)
	}
	g.count(q, -1)
	if q.waiting == 0 && q.turn != nil {
		g.turns.Remove(q.turn)
		q.turn = nil
	}
}

// count changes the length of the queue by one. The greatest length changes by at most one then.
func (g *Gate) count(q *queue, by int) {
	if q.waiting > 0 {
		g.byLength[q.waiting].Remove(q.length)
		q.length = nil
	}
	q.waiting += by
	g.waiting += by
	if q.waiting > 0 {
		q.length = g.byLength[q.waiting].PushBack(q)
	}
	if q.waiting > g.longest || g.byLength[g.longest].Len() == 0 {
		g.longest += by
	}
}

// Release returns the permit to the gate.
func (p Permit) Release() {
	if p.gate == nil {
		return
	}
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	p.gate.release(p.queue)
}

// release takes back one permit of the queue and serves the next ones. The caller holds mu.
func (g *Gate) release(q *queue) {
	q.held--
	g.free++
	g.enqueue(q)
	g.forget(q)
	for g.free > 0 && g.turns.Len() > 0 {
		g.serve(g.turns.Remove(g.turns.Front()).(*queue))
	}
}

// serve hands a permit to the first waiter of the queue's next part. Then part and queue are the
// last in their order.
func (g *Gate) serve(q *queue) {
	q.turn = nil
	p := q.order.Front().Value.(*part)
	q.order.MoveToBack(p.turn)
	w := p.waiters.Front().Value.(*waiter)
	g.remove(w)
	g.free--
	q.held++
	close(w.done)
	g.enqueue(q)
}

// enqueue adds the queue to the end of the turns, unless it is there already, has no waiter or may
// not have another permit.
func (g *Gate) enqueue(q *queue) {
	if q.turn == nil && q.waiting > 0 && q.held < g.limits.PerCaller {
		q.turn = g.turns.PushBack(q)
	}
}

// forget removes a queue without permits and waiters.
func (g *Gate) forget(q *queue) {
	if q.held == 0 && q.waiting == 0 {
		delete(g.queues, q.caller)
	}
}

// Stats say how busy a gate is.
type Stats struct {
	// Held is how many permits are held, Waiting how many requests wait.
	Held, Waiting int
	// Refused is how many requests were not admitted since the gate was made.
	Refused uint64
}

// Stats returns the present numbers.
func (g *Gate) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Stats{Held: g.limits.Concurrency - g.free, Waiting: g.waiting, Refused: g.refused}
}
