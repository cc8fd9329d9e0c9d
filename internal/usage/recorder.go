package usage

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/metric"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Recorder collects uses in memory between two flushes. The zero value is ready for use. It is safe
// for concurrent use.
type Recorder struct {
	mu     sync.Mutex
	uses   map[ident.KeyID]Use
	scopes map[scopeOfKey]int32 // the last day of use
	counts Counts
}

type scopeOfKey struct {
	key   ident.KeyID
	scope scope.Scope
}

// Counts are what a Recorder has done since it was made.
type Counts struct {
	// Flushes are the batches, failed ones included, with how long each took.
	Flushes metric.Histogram
	// FlushesFailed are the batches that were not written. Their uses are collected again.
	FlushesFailed atomic.Uint64
	// Written are the uses that were written, those of scopes included.
	Written atomic.Uint64
}

// Counts returns what the Recorder has done.
func (r *Recorder) Counts() *Counts { return &r.counts }

// Record collects a use of a key.
func (r *Recorder) Record(u Use) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.uses == nil {
		r.uses = map[ident.KeyID]Use{}
	}
	r.uses[u.Key] = merge(r.uses[u.Key], u)
}

// RecordScope collects a use of a scope.
func (r *Recorder) RecordScope(u ScopeUse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.scopes == nil {
		r.scopes = map[scopeOfKey]int32{}
	}
	s := scopeOfKey{u.Key, u.Scope}
	r.scopes[s] = max(r.scopes[s], dayOf(u.On))
}

// merge makes one use of two uses of a key: the later times, with the last known address.
func merge(a, b Use) Use {
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

// Flush writes the collected uses of keys in one batch and those of scopes in another. A batch that
// cannot be written is collected again, and its error returned.
func (r *Recorder) Flush(ctx context.Context, s Store) error {
	uses, scopes := r.drain()
	return errors.Join(
		flush(ctx, r, uses, s.RecordUses, r.Record),
		flush(ctx, r, scopes, s.RecordScopeUses, r.RecordScope),
	)
}

// drain returns what is collected and begins with nothing again.
func (r *Recorder) drain() (uses []Use, scopes []ScopeUse) {
	r.mu.Lock()
	byKey, byScope := r.uses, r.scopes
	r.uses, r.scopes = nil, nil
	r.mu.Unlock()
	for _, u := range byKey {
		uses = append(uses, u)
	}
	for s, day := range byScope {
		scopes = append(scopes, ScopeUse{Key: s.key, Scope: s.scope, On: firstMoment(day)})
	}
	return uses, scopes
}

// flush writes one batch, or collects it again.
func flush[T any](ctx context.Context, r *Recorder, batch []T, write func(context.Context, []T) error,
	record func(T),
) error {
	if len(batch) == 0 {
		return nil
	}
	start := time.Now()
	err := write(ctx, batch)
	r.counts.Flushes.Since(start)
	if err != nil {
		r.counts.FlushesFailed.Add(1)
		for _, use := range batch {
			record(use)
		}
		return err
	}
	r.counts.Written.Add(uint64(len(batch)))
	return nil
}

// ClampTo moves every collected use that is later than now to now. It is for a clock that was wrong
// and has been set back.
func (r *Recorder) ClampTo(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, u := range r.uses {
		if u.At.After(now) {
			u.At = now
		}
		if u.PreviousAt.After(now) {
			u.PreviousAt = now
		}
		r.uses[id] = u
	}
	today := dayOf(now)
	for s, day := range r.scopes {
		r.scopes[s] = min(day, today)
	}
}
