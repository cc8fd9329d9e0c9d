// Package admission decides who may use a scarce resource next, so that no caller keeps the others from it.
//
// A [Gate] has a number of slots. A caller holds at most Limits.PerCaller of them at a time, and waits in a queue of its own for the next. Callers that
// wait are served in turn, one slot each, in the order in which they came; so a caller with a thousand requests delays another's one request by
// one turn. Queues and waits are bounded: what does not fit is fault.Unavailable with the time to wait before another attempt.
package admission

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Caller is on whose behalf something is done. The zero value is Claviger itself.
type Caller string

// Of returns the caller of a principal: the person who is signed in, whatever the number of their sessions, or the key. A principal that
// is neither is known by its address alone.
func Of(who principal.Principal) Caller {
	if s, ok := who.Session(); ok {
		return Caller("user " + string(s.User.ID))
	}
	if k, ok := who.Key(); ok {
		return Caller("key " + string(k.ID))
	}
	switch who.Kind() {
	case principal.ByOS:
		return "operator"
	case principal.ByItself:
		return ""
	}
	return At(who.Origin().IP)
}

// At returns the caller at a client address: the address, or the network of 64 bits that one client has in IPv6.
func At(ip string) Caller {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return "nobody"
	}
	a = a.Unmap()
	if a.Is6() {
		p, _ := a.WithZone("").Prefix(64) // which an address of 128 bits has
		return Caller("address " + p.String())
	}
	return Caller("address " + a.String())
}

type callerKey struct{}

// With returns a context in which everything is done on behalf of the caller.
func With(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// From returns the caller that With put into the context.
func From(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Limits of a gate.
type Limits struct {
	// Slots that may be held at once, and by one caller.
	Slots, PerCaller int
	// Queue is how many may wait, and QueuePerCaller how many of one caller.
	Queue, QueuePerCaller int
	// Wait is the longest that one waits.
	Wait time.Duration
}

// Gate admits callers in turn.
type Gate struct {
	limits Limits

	mu      sync.Mutex
	free    int
	waiting int
	refused uint64
	queues  map[Caller]*queue
	// turns are the queues that wait and may have another slot, in the order in which they are served.
	turns list.List
}

// queue is what a gate knows of a caller that holds or waits for a slot.
type queue struct {
	caller Caller
	held   int
	// waiting holds a chan struct{} for each that waits, which is closed with their turn.
	waiting list.List
	// turn is the place in Gate.turns; nil for none.
	turn *list.Element
}

// NewGate returns a gate with every slot free.
func NewGate(l Limits) *Gate {
	return &Gate{limits: l, free: l.Slots, queues: map[Caller]*queue{}}
}

var errBusy = fault.Retry(fault.Unavailable, time.Second, "There are too many requests at once. Wait a second and try again.")

// Pass is a slot that is held. The zero value holds none.
type Pass struct {
	gate  *Gate
	queue *queue
}

// Enter waits for a slot; a nil gate admits everyone at once. It fails with fault.Unavailable where too many wait already or the wait would be too long, and with the context's error
// where that ends first. Whoever enters must call Leave.
func (g *Gate) Enter(ctx context.Context, c Caller) (Pass, error) {
	if g == nil {
		return Pass{}, nil
	}
	g.mu.Lock()
	q := g.queues[c]
	if q == nil {
		q = &queue{caller: c}
		g.queues[c] = q
	}
	if g.free > 0 && q.held < g.limits.PerCaller && q.waiting.Len() == 0 { // with a slot free, nobody waits who may have it
		g.free--
		q.held++
		g.mu.Unlock()
		return Pass{g, q}, nil
	}
	if g.waiting >= g.limits.Queue || q.waiting.Len() >= g.limits.QueuePerCaller {
		g.refused++
		g.forget(q)
		g.mu.Unlock()
		return Pass{}, errBusy
	}
	turn := make(chan struct{})
	place := q.waiting.PushBack(turn)
	g.waiting++
	g.line(q)
	g.mu.Unlock()
	return g.wait(ctx, q, place, turn)
}

// wait returns with the caller's turn, or without it once it took too long.
func (g *Gate) wait(ctx context.Context, q *queue, place *list.Element, turn chan struct{}) (Pass, error) {
	timer := time.NewTimer(g.limits.Wait)
	defer timer.Stop()
	err := errBusy
	select {
	case <-turn:
		return Pass{g, q}, nil
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-turn: // which came at the same moment
		g.leave(q)
		return Pass{}, err
	default:
	}
	q.waiting.Remove(place)
	g.waiting--
	g.refused++
	if q.waiting.Len() == 0 && q.turn != nil {
		g.turns.Remove(q.turn)
		q.turn = nil
	}
	g.forget(q)
	return Pass{}, err
}

// Leave frees the slot.
func (p Pass) Leave() {
	if p.gate == nil {
		return
	}
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	p.gate.leave(p.queue)
}

func (g *Gate) leave(q *queue) {
	q.held--
	g.free++
	g.line(q)
	g.forget(q)
	for g.free > 0 && g.turns.Len() > 0 {
		g.serve(g.turns.Remove(g.turns.Front()).(*queue))
	}
}

// serve gives the first of the queue a slot, and the queue another turn behind all others.
func (g *Gate) serve(q *queue) {
	q.turn = nil
	turn := q.waiting.Remove(q.waiting.Front()).(chan struct{})
	g.waiting--
	g.free--
	q.held++
	close(turn)
	g.line(q)
}

// line puts a queue behind those that wait for a slot, if it waits, may have one and is not there.
func (g *Gate) line(q *queue) {
	if q.turn == nil && q.waiting.Len() > 0 && q.held < g.limits.PerCaller {
		q.turn = g.turns.PushBack(q)
	}
}

// forget drops a queue that holds nothing and waits for nothing.
func (g *Gate) forget(q *queue) {
	if q.held == 0 && q.waiting.Len() == 0 {
		delete(g.queues, q.caller)
	}
}

// Stats are how busy a gate is.
type Stats struct {
	// Held are the slots in use, Waiting those who wait for one.
	Held, Waiting int
	// Refused counts those who were not admitted.
	Refused uint64
}

// Stats of this moment.
func (g *Gate) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Stats{Held: g.limits.Slots - g.free, Waiting: g.waiting, Refused: g.refused}
}
