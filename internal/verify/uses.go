package verify

import (
	"context"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
)

// Use is the last use of a key.
type Use struct {
	Key ident.KeyID
	// Previous is set where the secret of before a refresh was used.
	Previous bool
	At       time.Time
	// IP is "" where it is not known; the address on file then stays.
	IP string
}

// Uses is where last uses are kept. It is the one write that goes past the ledger: it records no change.
type Uses interface {
	RecordUses(ctx context.Context, batch []Use) error
}

// useGap is how much later than the last noted use another must be to be noted.
const useGap = time.Second

type useID struct {
	key      ident.KeyID
	previous bool
}

// uses collects last uses between two flushes, so that a request writes nothing.
type uses struct {
	mu    sync.Mutex
	dirty map[useID]Use
}

func (u *uses) note(f *Facts, secret *secretFacts, now time.Time, ip string) {
	last, at := f.lastUsed.Load(), now.UnixMicro()
	if at-last < useGap.Microseconds() || !f.lastUsed.CompareAndSwap(last, at) {
		return
	}
	u.put(Use{Key: f.Key.ID, Previous: secret.previous, At: now, IP: clone(ip)})
}

func (u *uses) put(use Use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.dirty == nil {
		u.dirty = map[useID]Use{}
	}
	id := useID{use.Key, use.Previous}
	if noted, ok := u.dirty[id]; ok {
		if noted.At.After(use.At) {
			return
		}
		if use.IP == "" {
			use.IP = noted.IP
		}
	}
	u.dirty[id] = use
}

// FlushUses writes the collected uses in one go; what cannot be written is collected again.
func (e *Engine) FlushUses(ctx context.Context, to Uses) error {
	e.uses.mu.Lock()
	dirty := e.uses.dirty
	e.uses.dirty = nil
	e.uses.mu.Unlock()
	if len(dirty) == 0 {
		return nil
	}
	batch := make([]Use, 0, len(dirty))
	for _, use := range dirty {
		batch = append(batch, use)
	}
	err := to.RecordUses(ctx, batch)
	if err != nil {
		for _, use := range batch {
			e.uses.put(use)
		}
	}
	return err
}
