package usage

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

const (
	// WatchPeriod is how long a key is watched after its secret was shown.
	WatchPeriod = 10 * time.Minute
	// MaxWatches is how many keys a node watches at most: those whose secrets were shown last.
	MaxWatches = 1000
	// MaxTenantWatches is how many of them are of one tenant.
	MaxTenantWatches = 100
	// RepeatPeriod is how often a node writes at most that watched keys are refused as before.
	RepeatPeriod = 5 * time.Second
	// maxRefusals is how many different refusals of a key are written at once.
	maxRefusals = 8
)

// Watch says that the secret of a key was shown.
type Watch struct {
	Key     ident.KeyID
	ShownAt time.Time
}

// Seen is what became of a request with a watched key. It never holds what the request presented.
type Seen struct {
	// At is when the request was decided; zero for no request.
	At time.Time
	// Code is why it was refused; "" if it was allowed. It is fault.KeyInvalid if the request had
	// the id of the key and a wrong secret.
	Code fault.Kind
	// Missing is the scope or the application that the key does not have; "" if nothing is missing
	// or its name is not known.
	Missing   string
	IP        string
	Transport policy.Transport
}

// refusal is why a request was refused.
type refusal struct {
	code    fault.Kind
	missing string
}

// Sighting is what a watched key did since its secret was shown: the first request that was
// allowed, and the last that was refused. A request with the right secret counts before one with a
// wrong secret, which says less about the key.
type Sighting struct {
	Watch
	Used, Refused Seen
}

// WatchStore keeps watches for all nodes. Its methods write outside of the ledger, because they
// record no change of anybody's data.
type WatchStore interface {
	// InsertWatch begins a watch, which replaces an earlier one of the key. Beyond most watches of
	// the tenant it removes the oldest.
	InsertWatch(ctx context.Context, w Watch, tenant ident.TenantID, most int) error
	// Watches returns the watches that began after a time: the latest, and at most n.
	Watches(ctx context.Context, after time.Time, n int) ([]Watch, error)
	// RecordSightings adds to watches what their keys did. What belongs to a watch that was
	// replaced is left out. A refusal with the code fault.KeyInvalid replaces none with another.
	RecordSightings(ctx context.Context, batch []Sighting) error
	// Sighting returns what a key did since its secret was shown; fault.NotFound if it is not
	// watched.
	Sighting(ctx context.Context, id ident.KeyID) (Sighting, error)
	// RemoveWatches removes the watches that began until a time.
	RemoveWatches(ctx context.Context, until time.Time) error
}

// Watches are the keys whose secrets were shown a moment ago. The people who see a secret are told
// what becomes of the first requests with it, on whichever node these arrive. Store and Now are
// required for everything but Any and Of. It is safe for concurrent use.
type Watches struct {
	Store WatchStore
	Now   func() time.Time
	// Shared is set if other nodes begin watches, too.
	Shared bool

	// watched is nil while no key is watched, so that a decision reads one pointer then.
	watched atomic.Pointer[keyWatches]
	// publishing orders the writers of watched. Nobody holds it during a query.
	publishing sync.Mutex
	// syncing is held by the one Sync that runs. It guards the fields below.
	syncing sync.Mutex
	loaded  bool
	// written is when sightings were written last.
	written time.Time
}

// keyWatches are the watches of keys. It does not change once it is published.
type keyWatches map[ident.KeyID]*Watched

// urgent reports whether there is something to write that must not wait.
func (k keyWatches) urgent() bool {
	for _, one := range k {
		if one.isUrgent() {
			return true
		}
	}
	return false
}

// oldest returns the key whose secret was shown first.
func (k keyWatches) oldest() (id ident.KeyID) {
	for other, one := range k {
		if id == "" || one.watch.ShownAt.Before(k[id].watch.ShownAt) {
			id = other
		}
	}
	return id
}

// Watched is a key that is watched on this node.
type Watched struct {
	watch Watch

	mu sync.Mutex
	// seen is what is not written yet.
	seen Sighting
	used bool
	// urgent is set if seen has something that must not wait: the first use, or another refusal
	// than those before. refusals are the latter.
	urgent   bool
	refusals []refusal
}

// Any reports whether any key is watched.
func (w *Watches) Any() bool { return w.watched.Load() != nil }

// Of returns the watch of a key; nil if it is not watched.
func (w *Watches) Of(id ident.KeyID) *Watched {
	return w.published()[id]
}

// Saw collects what became of a request with the key.
func (w *Watched) Saw(s Seen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case s.Code != "":
		w.sawRefusal(s)
	case !w.used:
		w.used, w.urgent = true, true
		w.seen.Used = s
	}
}

func (w *Watched) sawRefusal(s Seen) {
	rightSecret := func(r refusal) bool { return r.code != fault.KeyInvalid }
	if s.Code == fault.KeyInvalid && slices.ContainsFunc(w.refusals, rightSecret) {
		return
	}
	w.seen.Refused = s
	this := refusal{s.Code, s.Missing}
	if len(w.refusals) < maxRefusals && !slices.Contains(w.refusals, this) {
		w.refusals = append(w.refusals, this)
		w.urgent = true
	}
}

// isUrgent reports whether there is something to write that must not wait.
func (w *Watched) isUrgent() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.urgent
}

// drain returns what is not written yet.
func (w *Watched) drain() (s Sighting, any bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, w.seen = w.seen, Sighting{}
	w.urgent = false
	s.Watch = w.watch
	return s, !s.Used.At.IsZero() || !s.Refused.At.IsZero()
}

// restore collects again what could not be written, so that the next flush writes it.
func (w *Watched) restore(s Sighting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.urgent = true
	if w.seen.Used.At.IsZero() {
		w.seen.Used = s.Used
	}
	if w.seen.Refused.At.IsZero() {
		w.seen.Refused = s.Refused
	}
}

// Begin watches a key whose secret is shown now. Other nodes know of it after their next Sync. It
// waits for no Sync: somebody waits for the page with the secret.
func (w *Watches) Begin(ctx context.Context, id ident.KeyID, tenant ident.TenantID) error {
	watch := Watch{Key: id, ShownAt: w.Now().UTC().Truncate(time.Microsecond)} // as the store keeps it
	if err := w.Store.InsertWatch(ctx, watch, tenant, MaxTenantWatches); err != nil {
		return err
	}
	w.publish(func(published keyWatches) keyWatches {
		more := make(keyWatches, len(published)+1)
		maps.Copy(more, published)
		more[id] = &Watched{watch: watch}
		if len(more) > MaxWatches {
			delete(more, more.oldest())
		}
		return more
	})
	return nil
}

// publish replaces the keys that are watched on this node. Decisions read them without a lock.
func (w *Watches) publish(next func(published keyWatches) keyWatches) {
	w.publishing.Lock()
	defer w.publishing.Unlock()
	watched := next(w.published())
	if len(watched) == 0 {
		w.watched.Store(nil)
		return
	}
	w.watched.Store(&watched)
}

// published returns the keys that are watched on this node.
func (w *Watches) published() keyWatches {
	watched := w.watched.Load()
	if watched == nil {
		return nil
	}
	return *watched
}

// Sighting returns what a key did since its secret was shown. watched is false if that is too long
// ago to be known.
func (w *Watches) Sighting(ctx context.Context, id ident.KeyID) (s Sighting, watched bool, err error) {
	s, err = w.Store.Sighting(ctx, id)
	if errors.Is(err, fault.NotFound) {
		return s, false, nil
	}
	return s, err == nil && w.Now().Sub(s.ShownAt) < WatchPeriod, err
}

// Sync writes what watched keys did, and reads which keys are watched. It is a job.
func (w *Watches) Sync(ctx context.Context) error {
	w.syncing.Lock()
	defer w.syncing.Unlock()
	if err := w.flush(ctx); err != nil {
		return err
	}
	if w.loaded && !w.Shared && !w.Any() {
		return nil
	}
	return w.load(ctx)
}

// flush writes what watched keys did. A client that is refused again and again does not cost a
// transaction each time.
func (w *Watches) flush(ctx context.Context) error {
	watched := w.published()
	now := w.Now()
	if now.Sub(w.written) < RepeatPeriod && !watched.urgent() {
		return nil
	}
	var batch []Sighting
	for _, one := range watched {
		if s, any := one.drain(); any {
			batch = append(batch, s)
		}
	}
	if len(batch) == 0 {
		return nil
	}
	w.written = now
	err := w.Store.RecordSightings(ctx, batch)
	if err != nil {
		for _, s := range batch {
			watched[s.Key].restore(s)
		}
	}
	return err
}

// load reads which keys are watched, and removes the watches that are over.
func (w *Watches) load(ctx context.Context) error {
	over := w.Now().Add(-WatchPeriod)
	before := w.published()
	list, err := w.Store.Watches(ctx, over, MaxWatches)
	if err != nil {
		return err
	}
	kept := 0
	w.publish(func(published keyWatches) keyWatches {
		now := make(keyWatches, len(list))
		for _, watch := range list {
			one, known := before[watch.Key]
			if known && one.watch.ShownAt.Equal(watch.ShownAt) {
				kept++
			} else {
				one = &Watched{watch: watch}
			}
			now[watch.Key] = one
		}
		for id, one := range published {
			if one != before[id] { // begun after the list was read
				now[id] = one
			}
		}
		return now
	})
	first := !w.loaded
	w.loaded = true
	if first || kept < len(before) {
		return w.Store.RemoveWatches(ctx, over)
	}
	return nil
}
