package usage

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/metric"
	"github.com/claviger-dev/claviger/internal/scope"
)

const (
	// WriteEvery is the time between two runs of [Recorder.WriteDue].
	WriteEvery = 1500 * time.Millisecond
	// keyEvery is the least time between two rows about one key.
	keyEvery = time.Minute
	// maxBatchOfUses is how many uses one transaction writes.
	maxBatchOfUses = 5_000
	// firstBatchOfFlush is how many uses the first transaction of a Flush writes. Each next one
	// writes twice as many. A stop gives Flush little time, and a disk may be slow: what is oldest
	// must not depend on a big batch that is too late.
	firstBatchOfFlush = 250
)

// Recorder knows the last uses of keys that are not on record yet, and writes them. The zero value
// is ready for use. It is safe for concurrent use.
//
// A use is in memory when its request is decided, and [Recorder.LastUse] returns it from then on.
// What is written is bounded: one row in a minute for each key, and RowsPerSecond for all. The
// first use since a minute is due at once, and so is the use of a secret from before a refresh,
// since somebody waits for it to stop.
type Recorder struct {
	// RowsPerSecond bounds what WriteDue writes; 0 for no limit. It is set before the first use.
	RowsPerSecond int

	mu     sync.Mutex
	uses   map[ident.KeyID]*lastUse
	queue  queue
	scopes map[scopeOfKey]int32 // the last day of use
	// writing makes batches follow each other.
	writing sync.Mutex
	counts  Counts
}

type scopeOfKey struct {
	key   ident.KeyID
	scope scope.Scope
}

// Counts are what a Recorder has done since it was made.
type Counts struct {
	// Flushes are the batches, failed ones included, with how long each took.
	Flushes metric.Histogram
	// FlushesFailed are the batches that were not written. Their uses are written later.
	FlushesFailed atomic.Uint64
	// Written are the uses that were written, those of scopes included.
	Written atomic.Uint64
}

// Counts returns what the Recorder has done.
func (r *Recorder) Counts() *Counts { return &r.counts }

// Record records a use of a key for which there is no [Tracker].
func (r *Recorder) Record(use Use) {
	var t Tracker
	t.Record(r, use)
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

// LastUse returns the last use of a key, if it may be later than the one on record.
func (r *Recorder) LastUse(key ident.KeyID) (use Use, ok bool) {
	r.mu.Lock()
	u := r.uses[key]
	r.mu.Unlock()
	if u == nil {
		return Use{}, false
	}
	return u.use()
}

// Open returns the number of keys whose last use is in memory.
func (r *Recorder) Open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.uses)
}

// Overdue returns how long the last use that waits longest is due.
func (r *Recorder) Overdue(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return 0
	}
	return max(0, time.Duration(now.UnixMicro()-r.queue[0].due)*time.Microsecond)
}

// open returns the last use of the key of a use. onRecord is what is known to be on record, in
// microseconds.
func (r *Recorder) open(use *Use, onRecord int64) *lastUse {
	r.mu.Lock()
	defer r.mu.Unlock()
	if u := r.uses[use.Key]; u != nil {
		return u
	}
	if r.uses == nil {
		r.uses = map[ident.KeyID]*lastUse{}
	}
	u := &lastUse{key: use.Key, tenant: use.Tenant, due: max(use.At.UnixMicro(), onRecord+keyEvery.Microseconds())}
	r.uses[use.Key] = u
	heap.Push(&r.queue, u)
	return u
}

// hurry makes the use of a secret from before a refresh due at once.
func (r *Recorder) hurry(u *lastUse, at int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if u.index >= 0 && u.due > at {
		u.due = at
		heap.Fix(&r.queue, u.index)
	}
}

// Flush writes all uses of keys and scopes that are not on record, whether they are due or not, the
// oldest first. A batch that cannot be written is kept, and its error returned.
func (r *Recorder) Flush(ctx context.Context, s Store) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	return errors.Join(
		r.writeUses(ctx, s, r.takeAll(), 0, firstBatchOfFlush),
		r.writeScopes(ctx, s, r.takeScopes(math.MaxInt)),
	)
}

// Unwritten returns how many uses of keys and scopes are not on record.
func (r *Recorder) Unwritten() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.scopes)
	for _, u := range r.uses {
		if u.unwritten() {
			n++
		}
	}
	return n
}

// WriteDue writes the rows that are due, the oldest first, but only those of [WriteEvery] that
// RowsPerSecond allows. Uses of scopes get at most a quarter of these, so that neither keeps the
// other from being written. A batch that cannot be written is kept, and its error returned. It is a
// job.
func (r *Recorder) WriteDue(ctx context.Context, s Store, now time.Time) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	at, rows := now.UnixMicro(), math.MaxInt
	if r.RowsPerSecond > 0 {
		rows = int(int64(r.RowsPerSecond) * int64(WriteEvery) / int64(time.Second))
	}
	scopes := r.takeScopes(max(1, rows/4))
	uses := r.take(at, max(1, rows-len(scopes)))
	return errors.Join(r.writeUses(ctx, s, uses, at, maxBatchOfUses), r.writeScopes(ctx, s, scopes))
}

// take takes at most n last uses out of the queue that are due and not on record. It forgets those
// that are due and on record: nobody used the key for a minute.
func (r *Recorder) take(until int64, n int) (batch []*lastUse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(batch) < n && len(r.queue) > 0 && r.queue[0].due <= until {
		u := heap.Pop(&r.queue).(*lastUse)
		if u.forget() {
			delete(r.uses, u.key)
		} else {
			batch = append(batch, u)
		}
	}
	return batch
}

// takeAll takes all last uses out of the queue that are not on record, due or not, the oldest
// first.
func (r *Recorder) takeAll() (batch []*lastUse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := r.queue[:0]
	for _, u := range r.queue {
		if u.unwritten() {
			u.index = -1
			batch = append(batch, u)
		} else {
			rest = append(rest, u)
		}
	}
	clear(r.queue[len(rest):])
	r.queue = rest
	for i, u := range r.queue {
		u.index = i
	}
	heap.Init(&r.queue)
	slices.SortFunc(batch, func(a, b *lastUse) int { return cmp.Compare(a.due, b.due) })
	return batch
}

// writeUses writes what was taken and puts it back into the queue. at is the time, or 0. The first
// transaction writes size uses, and each next one twice as many.
func (r *Recorder) writeUses(ctx context.Context, s Store, all []*lastUse, at int64, size int) error {
	for ; len(all) > 0; size = min(2*size, maxBatchOfUses) {
		batch := all[:min(len(all), size)]
		uses := make([]Use, 0, len(batch))
		for _, u := range batch {
			use, _ := u.use() // what was taken is not forgotten
			uses = append(uses, use)
		}
		err := r.counts.measure(len(uses), func() error { return s.RecordUses(ctx, slices.Clone(uses)) })
		if err != nil {
			r.putBack(all)
			return err
		}
		r.wrote(batch, uses, at)
		all = all[len(batch):]
	}
	return nil
}

// wrote puts last uses that were written back into the queue.
func (r *Recorder) wrote(batch []*lastUse, uses []Use, at int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, u := range batch {
		u.wrote(&uses[i], at)
		heap.Push(&r.queue, u)
	}
}

// putBack puts last uses that were not written back into the queue.
func (r *Recorder) putBack(all []*lastUse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range all {
		r.queue.Push(u)
	}
	heap.Init(&r.queue)
}

// takeScopes takes at most n uses of scopes.
func (r *Recorder) takeScopes(n int) (all []ScopeUse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s, day := range r.scopes {
		if len(all) == n {
			break
		}
		all = append(all, ScopeUse{Key: s.key, Scope: s.scope, On: firstMoment(day)})
		delete(r.scopes, s)
	}
	return all
}

// writeScopes writes what was taken, or collects it again.
func (r *Recorder) writeScopes(ctx context.Context, s Store, all []ScopeUse) error {
	var failed error
	for batch := range slices.Chunk(all, maxBatchOfUses) {
		if failed == nil {
			failed = r.counts.measure(len(batch), func() error { return s.RecordScopeUses(ctx, slices.Clone(batch)) })
		}
		if failed != nil {
			for _, use := range batch {
				r.RecordScope(use)
			}
		}
	}
	return failed
}

// measure counts a batch of n uses.
func (c *Counts) measure(n int, write func() error) error {
	start := time.Now()
	err := write()
	c.Flushes.Since(start)
	if err != nil {
		c.FlushesFailed.Add(1)
		return err
	}
	c.Written.Add(uint64(n))
	return nil
}

// ClampTo moves every use that is later than now to now. It is for a clock that was wrong and has
// been set back.
func (r *Recorder) ClampTo(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := now.UnixMicro()
	for _, u := range r.uses {
		u.clamp(at)
	}
	heap.Init(&r.queue)
	today := dayOf(now)
	for s, day := range r.scopes {
		r.scopes[s] = min(day, today)
	}
}
