package identity

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
)

const (
	// maxWait bounds how long anyone waits for a turn.
	maxWait = 5 * time.Second
	// maxWaiting bounds how many wait at once, and the two below how many of them come from one source
	// and how many ask for one person. Whoever comes beyond that is refused at once.
	maxWaiting          = 1000
	maxWaitingOfSource  = 32
	maxWaitingForPerson = 8
)

// errBusy refuses whoever cannot wait, or has waited in vain.
var errBusy = fault.Retry(fault.Unavailable, maxWait, "Too many sign-ins at once. Try again.")

// fairQueue hands out a few turns among those who wait. Sources take turns in rotation, so that a source with
// many waiters delays another by one turn at most, and no person is served twice at a time, so that guesses
// at one password are not judged side by side.
type fairQueue struct {
	mu   sync.Mutex
	free int // turns that nobody has
	// lines of waiters, one for each source that has any; the first is next.
	lines []*line
	// waiting counts the waiters, in all and by person; running is the persons who are being served.
	waiting         int
	waitingByPerson map[string]int
	running         map[string]bool
}

// line is the waiters of one source, in the order in which they came.
type line struct {
	source  string
	waiters []*waiter
}

type waiter struct {
	person  string
	granted chan struct{} // closed with the turn
}

func newFairQueue(turns int) *fairQueue {
	return &fairQueue{free: turns, waitingByPerson: map[string]int{}, running: map[string]bool{}}
}

// enter waits for a turn; leave must be called at its end. It fails with errBusy where there is no room to
// wait, or no turn within maxWait. A person of "" is none in particular.
func (q *fairQueue) enter(ctx context.Context, source, person string) (leave func(), err error) {
	w, err := q.wait(source, person)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	select {
	case <-w.granted:
	case <-ctx.Done():
		if q.giveUp(source, w) {
			return nil, errBusy
		}
		// The turn came at the same moment.
	}
	return func() { q.release(w) }, nil
}

func (q *fairQueue) wait(source, person string) (*waiter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.lines, func(l *line) bool { return l.source == source })
	switch {
	case q.waiting >= maxWaiting,
		person != "" && q.waitingByPerson[person] >= maxWaitingForPerson,
		i >= 0 && len(q.lines[i].waiters) >= maxWaitingOfSource:
		return nil, errBusy
	case i < 0:
		i = len(q.lines)
		q.lines = append(q.lines, &line{source: source})
	}
	w := &waiter{person: person, granted: make(chan struct{})}
	q.lines[i].waiters = append(q.lines[i].waiters, w)
	q.waiting++
	q.waitingByPerson[person]++
	q.grant()
	return w, nil
}

// grant gives the free turns to the waiters who are next. The queue is locked.
func (q *fairQueue) grant() {
	for q.free > 0 {
		w := q.next()
		if w == nil {
			return
		}
		q.free--
		if w.person != "" {
			q.running[w.person] = true
		}
		close(w.granted)
	}
}

// next removes and returns the first waiter whose person is not being served; nil where there is none. The
// source of the waiter becomes the last in the rotation.
func (q *fairQueue) next() *waiter {
	for i, l := range q.lines {
		for j, w := range l.waiters {
			if q.running[w.person] {
				continue
			}
			q.lines = append(slices.Delete(q.lines, i, i+1), l)
			q.remove(l, j)
			return w
		}
	}
	return nil
}

// remove takes a waiter out of its line, and the line out of the rotation where it was the last.
func (q *fairQueue) remove(l *line, j int) {
	w := l.waiters[j]
	l.waiters = slices.Delete(l.waiters, j, j+1)
	if len(l.waiters) == 0 {
		q.lines = slices.DeleteFunc(q.lines, func(other *line) bool { return other == l })
	}
	q.waiting--
	if q.waitingByPerson[w.person]--; q.waitingByPerson[w.person] == 0 {
		delete(q.waitingByPerson, w.person)
	}
}

// giveUp takes a waiter out of the queue, and reports whether it had no turn yet.
func (q *fairQueue) giveUp(source string, w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lines {
		if l.source != source {
			continue
		}
		if j := slices.Index(l.waiters, w); j >= 0 {
			q.remove(l, j)
			return true
		}
	}
	return false
}

func (q *fairQueue) release(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free++
	delete(q.running, w.person)
	q.grant()
}

// sourceOf names who a principal's turns count for: a signed-in person by themselves, others by their address.
func sourceOf(who principal.Principal) string {
	if s, ok := who.Session(); ok {
		return "user " + string(s.User.ID)
	}
	if who.Kind() == principal.ByOS || who.Kind() == principal.ByItself {
		return string(who.Kind())
	}
	return sourceAt(who.Origin())
}

// sourceAt names the network that a request came from. Of IPv6, a subscriber has a whole /64.
func sourceAt(from principal.Origin) string {
	ip, err := netip.ParseAddr(from.IP)
	if err != nil {
		return from.IP
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		network, _ := ip.Prefix(64) // cannot fail: 64 is less than 128
		return network.String()
	}
	return ip.String()
}
