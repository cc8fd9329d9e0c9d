package console

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
)

const (
	// countsAge is how old counts on a page may be, and healthAge the health of keys.
	countsAge = time.Minute
	healthAge = 5 * time.Minute
	// maxCounts and maxHealth are how many results of each kind are kept at most, and keptFor how
	// long one is kept that nobody looks at. A health has hundreds of keys.
	maxCounts = 500
	maxHealth = 20
	keptFor   = 15 * time.Minute
	// defaultFirstWait is less than what a person notices.
	defaultFirstWait = 20 * time.Millisecond
	// computeLimit bounds one computation, and restFactor how much of the time they run: after one
	// of a second, the same is not computed again for restFactor seconds.
	computeLimit = 5 * time.Minute
	restFactor   = 20
	// retryAge is how long a computation that failed rests at least.
	retryAge = 5 * time.Second
)

// Background computes what pages show of whole tenants, so that no page waits for it. A job runs
// it: one computation at a time.
type Background struct {
	// Now returns the time.
	Now func() time.Time

	mu sync.Mutex
	// firstWait is how long a page waits for its first result; the default if it is 0.
	firstWait time.Duration
	// wake makes the job run at once; nil before it started.
	wake    func()
	results map[resultName]*computed
	// queues has what waits to be computed, by kind.
	queues map[string][]*computed
}

// resultName names a result: of what kind it is, of which tenant or person, and for whom.
type resultName struct{ kind, of, who string }

// kinds of results.
const (
	countsKind = "counts"
	healthKind = "health"
)

// computed is a result, or one that is asked for.
type computed struct {
	compute func(context.Context) (any, error)
	queued  bool
	// done is closed when the next computation ends.
	done chan struct{}
	// value was computed at that time; nil for never.
	value any
	at    time.Time
	// triedAt is when the last computation ended, also one that failed, and took how long it took.
	triedAt time.Time
	took    time.Duration
	// seenAt is when somebody last asked for it.
	seenAt time.Time
}

// SetFirstWait sets how long a page waits for its first result. For tests.
func (b *Background) SetFirstWait(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.firstWait = d
}

// SetWake sets what makes the job run at once.
func (b *Background) SetWake(wake func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wake = wake
}

// ask returns the latest result with the name and when it was computed, and makes the job compute
// it again once it is older than age. ok is false where there is none yet. The first time it waits
// a moment if waits is set.
func (b *Background) ask(ctx context.Context, name resultName, age time.Duration, waits bool,
	compute func(context.Context) (any, error),
) (value any, at time.Time, ok bool) {
	if b == nil {
		return nil, at, false
	}
	now := b.Now()
	b.mu.Lock()
	r := b.result(name, now)
	if r == nil {
		b.mu.Unlock()
		return nil, at, false
	}
	r.seenAt = now
	if !r.queued && (r.triedAt.IsZero() || now.Sub(r.triedAt) >= r.rest(age)) {
		r.compute, r.queued = compute, true
		r.done = make(chan struct{})
		if b.queues == nil {
			b.queues = map[string][]*computed{}
		}
		b.queues[name.kind] = append(b.queues[name.kind], r)
	}
	value, at = r.value, r.at
	done := r.done
	queued := r.queued
	wake, wait := b.wake, cmp.Or(b.firstWait, defaultFirstWait)
	b.mu.Unlock()
	if queued && wake != nil {
		wake()
	}
	if value != nil || !queued || !waits {
		return value, at, value != nil
	}
	select {
	case <-done:
	case <-ctx.Done():
	case <-time.After(wait):
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return r.value, r.at, r.value != nil
}

// rest returns how long after a computation the next one may begin. One that failed is repeated
// sooner than the age, but rests as well: a database that is slow is not asked without a pause.
func (r *computed) rest(age time.Duration) time.Duration {
	if r.at.Before(r.triedAt) {
		age = retryAge
	}
	return max(age, restFactor*r.took)
}

// result returns the result with the name; nil if there is no room for another.
func (b *Background) result(name resultName, now time.Time) *computed {
	if r, known := b.results[name]; known {
		return r
	}
	most := maxCounts
	if name.kind == healthKind {
		most = maxHealth
	}
	var oldest resultName
	n := 0
	for other, r := range b.results {
		switch {
		case !r.queued && now.Sub(r.seenAt) > keptFor:
			delete(b.results, other)
			continue
		case other.kind != name.kind:
			continue
		case !r.queued && (oldest == resultName{} || r.seenAt.Before(b.results[oldest].seenAt)):
			oldest = other
		}
		n++
	}
	if n >= most && oldest == (resultName{}) {
		return nil
	}
	if n >= most {
		delete(b.results, oldest)
	}
	if b.results == nil {
		b.results = map[resultName]*computed{}
	}
	r := &computed{}
	b.results[name] = r
	return r
}

// forget drops the results about tenants or people of which something was changed.
func (b *Background) forget(of ...string) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, r := range b.results {
		if !r.queued && slices.Contains(of, name.of) {
			delete(b.results, name)
		}
	}
}

// RunCounts computes the counts that are asked for, and RunHealth the health of keys, which takes
// longer.
func (b *Background) RunCounts(ctx context.Context) error { return b.runAll(ctx, countsKind) }

// RunHealth is described at RunCounts.
func (b *Background) RunHealth(ctx context.Context) error { return b.runAll(ctx, healthKind) }

func (b *Background) runAll(ctx context.Context, kind string) (err error) {
	for {
		b.mu.Lock()
		if len(b.queues[kind]) == 0 || ctx.Err() != nil {
			b.mu.Unlock()
			return errors.Join(err, ctx.Err())
		}
		r := b.queues[kind][0]
		b.queues[kind] = b.queues[kind][1:]
		b.mu.Unlock()
		if failed := b.run(ctx, r); failed != nil {
			err = failed // the last one speaks for all
		}
	}
}

// run computes one result. One that cannot be computed stays as it was. The error is a failure of
// the server: that somebody may no longer see a tenant is none.
func (b *Background) run(ctx context.Context, r *computed) error {
	ctx, cancel := context.WithTimeout(ctx, computeLimit)
	defer cancel()
	from := time.Now()
	var value any
	err := error(fault.Internal)
	defer func() { // also after a panic, which the job reports
		b.mu.Lock()
		defer b.mu.Unlock()
		r.triedAt, r.took = b.Now(), time.Since(from)
		if err == nil {
			r.value, r.at = value, r.triedAt
		}
		r.queued, r.compute = false, nil
		close(r.done)
	}()
	value, err = r.compute(ctx)
	switch fault.KindOf(err) {
	case fault.NotFound, fault.Forbidden, fault.SessionEnded:
		return nil
	}
	return err
}
