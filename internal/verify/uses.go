package verify

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
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

// ScopeUse says that a decision asked a key for a scope that it has, on a day, which is its first moment in UTC.
type ScopeUse struct {
	Key   ident.KeyID
	Scope scope.Scope
	On    time.Time
}

// Uses is where last uses are kept. It is the one write that goes past the ledger: it records no change.
type Uses interface {
	// RecordUses takes at most one use of each key.
	RecordUses(ctx context.Context, batch []Use) error
	// RecordScopeUses takes at most one use of each scope of each key.
	RecordScopeUses(ctx context.Context, batch []ScopeUse) error
}

// useGap is how much later than the last noted use another must be to be noted.
const useGap = time.Second

// uses collects last uses between two flushes, so that a request writes nothing.
type uses struct {
	mu     sync.Mutex
	dirty  map[ident.KeyID]Use
	scopes map[scopeOfKey]int32
}

type scopeOfKey struct {
	key   ident.KeyID
	scope scope.Scope
}

const dayMicros = int64(policy.Day / time.Microsecond)

// noteScopes notes the scopes that a decision asked of the key and found there, each once a day. The use itself was noted before, which tells the day.
func (u *uses) noteScopes(f *Facts, asked []scope.Scope) {
	for _, name := range asked {
		i, found := f.Key.Scopes.Index(name)
		if !found {
			continue
		}
		noted, today := &f.scopesUsed[i], int32(max(f.lastUsed.Load(), f.previousUsed.Load())/dayMicros)
		if last := noted.Load(); last < today && noted.CompareAndSwap(last, today) {
			u.putScope(scopeOfKey{f.Key.ID, f.Key.Scopes[i]}, today) // not the name asked, which lies in a request
		}
	}
}

func (u *uses) putScope(s scopeOfKey, day int32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.scopes == nil {
		u.scopes = map[scopeOfKey]int32{}
	}
	u.scopes[s] = max(u.scopes[s], day)
}

// take gives what is collected and collects anew.
func (u *uses) take() (batch []Use, scopes []ScopeUse) {
	u.mu.Lock()
	dirty, used := u.dirty, u.scopes
	u.dirty, u.scopes = nil, nil
	u.mu.Unlock()
	for _, use := range dirty {
		batch = append(batch, use)
	}
	for s, day := range used {
		scopes = append(scopes, ScopeUse{s.key, s.scope, time.UnixMicro(int64(day) * dayMicros).UTC()})
	}
	return batch, scopes
}

func (u *uses) note(f *Facts, c *credentialFacts, now time.Time, ip string) {
	noted := &f.lastUsed
	if c.life.Previous { // for itself, lest it never show beside a busy current one
		noted = &f.previousUsed
	}
	last, at := noted.Load(), now.UnixMicro()
	if at-last < useGap.Microseconds() || !noted.CompareAndSwap(last, at) {
		return
	}
	use := Use{Key: f.Key.ID, At: now, IP: strings.Clone(ip)}
	if c.life.Previous {
		use.PreviousAt, use.PreviousSerial = now, c.serial
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

// FlushUses writes the collected uses in one go, and those of scopes in another; what cannot be written is collected again.
func (e *Engine) FlushUses(ctx context.Context, to Uses) error {
	batch, scopes := e.uses.take()
	return errors.Join(
		flush(ctx, e, batch, to.RecordUses, e.uses.put),
		flush(ctx, e, scopes, to.RecordScopeUses, func(s ScopeUse) { e.uses.putScope(scopeOfKey{s.Key, s.Scope}, int32(s.On.UnixMicro()/dayMicros)) }),
	)
}

// TimeSetBack gives uses that were noted at a later time than now, by a clock that was wrong, this one.
func (e *Engine) TimeSetBack(now time.Time) {
	e.uses.mu.Lock()
	defer e.uses.mu.Unlock()
	for id, use := range e.uses.dirty {
		if use.At.After(now) {
			use.At = now
		}
		if use.PreviousAt.After(now) {
			use.PreviousAt = now
		}
		e.uses.dirty[id] = use
	}
	today := int32(now.UnixMicro() / dayMicros)
	for s, day := range e.uses.scopes {
		e.uses.scopes[s] = min(day, today)
	}
}

func flush[T any](ctx context.Context, e *Engine, batch []T, write func(context.Context, []T) error, putBack func(T)) error {
	if len(batch) == 0 {
		return nil
	}
	start := time.Now()
	err := write(ctx, batch)
	e.counts.Flushes.Since(start)
	if err != nil {
		e.counts.FlushesFailed.Add(1)
		for _, use := range batch {
			putBack(use)
		}
		return err
	}
	e.counts.UsesWritten.Add(uint64(len(batch)))
	return nil
}
