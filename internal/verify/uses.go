package verify

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
)

// Use is the last use of a key.
type Use struct {
	Key ident.KeyID
	At  time.Time
	// PreviousAt is when the secret of before a refresh was last used; zero where it was not. PreviousSerial says which secret that was.
	PreviousAt     time.Time
	PreviousSerial int
	// IP is "" where it is not known; the address on file then stays.
	IP string
}

// Uses is where last uses are kept. It is the one write that goes past the ledger: it records no change.
type Uses interface {
	// RecordUses takes at most one use of each key.
	RecordUses(ctx context.Context, batch []Use) error
}

// useGap is how much later than the last noted use another must be to be noted.
const useGap = time.Second

// uses collects last uses between two flushes, so that a request writes nothing.
type uses struct {
	mu    sync.Mutex
	dirty map[ident.KeyID]Use
}

func (u *uses) note(f *Facts, secret *secretFacts, now time.Time, ip string) {
	noted := &f.lastUsed
	if secret.previous { // for itself, lest it never show beside a busy current one
		noted = &f.previousUsed
	}
	last, at := noted.Load(), now.UnixMicro()
	if at-last < useGap.Microseconds() || !noted.CompareAndSwap(last, at) {
		return
	}
	use := Use{Key: f.Key.ID, At: now, IP: strings.Clone(ip)}
	if secret.previous {
		use.PreviousAt, use.PreviousSerial = now, secret.serial
	}
	u.put(use)
}

// put adds a use to what is collected already.
func (u *uses) put(use Use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.dirty == nil {
		u.dirty = map[ident.KeyID]Use{}
	}
	u.dirty[use.Key] = latest(u.dirty[use.Key], use)
}

// latest folds two uses of a key into one: the later time, with the last address that was known.
func latest(a, b Use) Use {
	if a.At.After(b.At) {
		a, b = b, a
	}
	if b.IP == "" {
		b.IP = a.IP
	}
	if a.PreviousAt.After(b.PreviousAt) {
		b.PreviousAt, b.PreviousSerial = a.PreviousAt, a.PreviousSerial
	}
	return b
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
	start := time.Now()
	err := to.RecordUses(ctx, batch)
	e.counts.Flushes.Since(start)
	if err != nil {
		e.counts.FlushesFailed.Add(1)
		for _, use := range batch {
			e.uses.put(use)
		}
		return err
	}
	e.counts.UsesWritten.Add(uint64(len(batch)))
	return nil
}
