package session

import (
	"sync"

	"github.com/claviger-dev/claviger/internal/credential"
)

// deadTokens remembers tokens that no session has any more, so that a client which goes on sending one costs no read. It can end no session: only what the
// database did not know is remembered, and a token is random and given out once, after its session was committed, so that it never comes back to life.
// The zero value is empty.
type deadTokens struct {
	mu sync.Mutex
	// older are the tokens that were remembered before the newer ones; they are dropped when there are too many newer ones.
	newer, older map[credential.TicketHash]struct{}
}

// maxDeadTokens is how many of either age are remembered.
const maxDeadTokens = 4096

func (d *deadTokens) has(token credential.TicketHash) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.newer[token]; ok {
		return true
	}
	_, ok := d.older[token]
	if ok {
		d.put(token) // it is still sent
	}
	return ok
}

func (d *deadTokens) add(token credential.TicketHash) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.put(token)
}

func (d *deadTokens) put(token credential.TicketHash) {
	if d.newer == nil || len(d.newer) >= maxDeadTokens {
		d.older, d.newer = d.newer, map[credential.TicketHash]struct{}{}
	}
	d.newer[token] = struct{}{}
}
