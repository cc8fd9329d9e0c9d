package usage

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

const (
	// FlushEvery is the time between two flushes. A process that is killed loses at most the counts
	// of so long.
	FlushEvery = 30 * time.Second
	// maxBatch is how many counts one transaction writes.
	maxBatch = 400
	// decisionTime is longer than any decision takes. A flush says that an hour is complete only so
	// long after its end.
	decisionTime = 30 * time.Second
)

// KeyCount is what the requests of a key were in an hour, as far as it was not written before.
type KeyCount struct {
	Tenant ident.TenantID
	// Owner and Key are "" for keys that are counted together.
	Owner             ident.PartyID
	Key               ident.KeyID
	Hour              time.Time
	Accepted, Refused int64
}

// TenantCount is how many requests for a tenant had a code in an hour, as far as it was not written
// before.
type TenantCount struct {
	Tenant      ident.TenantID
	Hour        time.Time
	Code        fault.Kind // "" for acceptance
	Application string     // "" for none
	Transport   policy.Transport
	Requests    int64
}

// TransportUse says that a request of a key was accepted by a transport.
type TransportUse struct {
	Tenant    ident.TenantID
	Key       ident.KeyID
	Transport policy.Transport
	// On is the day of the use: its first moment in UTC.
	On time.Time
}

// Batch is what one transaction adds to the counts on record. A batch that is written twice is
// added once: Run and Number say which one it is.
type Batch struct {
	// Run names the run of the program, and Node the lease of its node. The batches of a run are
	// numbered from 1, and written in this order.
	Run, Node string
	Number    int64
	// Until is when everything before it was counted and is written, this batch included; zero if
	// more is to come.
	Until      time.Time
	Keys       []KeyCount
	Tenants    []TenantCount
	Transports []TransportUse
}

// CountStore keeps counts. It writes outside of the ledger, because counts are no change of
// anybody's data.
type CountStore interface {
	// AddCounts adds a batch, unless it was added before. What belongs to an hour that is complete
	// is added to the first hour that is not, and what belongs to an hour that lies ahead to the
	// present one.
	AddCounts(ctx context.Context, b Batch) error
	// CompleteHours sets until when hours are complete: every live node has written what it counted
	// before. It returns that time.
	CompleteHours(ctx context.Context, now time.Time) (time.Time, error)
	// DeleteOldCounts deletes, in small parts, the counts of keys and tenants that are from before
	// these times.
	DeleteOldCounts(ctx context.Context, old Retention) error
}

// flushState is what is drained and not written yet. Its lock is held during a flush.
type flushState struct {
	mu      sync.Mutex
	pending []Batch
	number  int64
	// reported is the hour until which this node said that it has written everything.
	reported int64
	// complete is the hour until which hours are complete.
	complete int64
}

// Flush writes what was counted. Batches that could not be written, or of which that is not known,
// are written again first, with the same numbers. It is a job.
func (c *Counters) Flush(ctx context.Context) error {
	f := &c.flush
	f.mu.Lock()
	defer f.mu.Unlock()
	c.init()
	if err := f.writePending(ctx, c.Store); err != nil {
		return err
	}
	now := c.Now()
	f.queue(c.drain(now), c.Run, c.Node(), now.Add(-decisionTime))
	if err := f.writePending(ctx, c.Store); err != nil {
		return err
	}
	if f.complete == f.reported {
		return nil
	}
	complete, err := c.Store.CompleteHours(ctx, now)
	if err == nil {
		f.complete = hourOf(complete)
	}
	return err
}

// writePending writes the batches that wait, in their order.
func (f *flushState) writePending(ctx context.Context, s CountStore) error {
	for len(f.pending) > 0 {
		b := f.pending[0]
		if err := s.AddCounts(ctx, b); err != nil {
			return err
		}
		if !b.Until.IsZero() {
			f.reported = hourOf(b.Until)
		}
		f.pending = f.pending[1:]
	}
	f.pending = nil
	return nil
}

// queue cuts what was drained into batches. Where nothing was drained, one batch without counts
// says that an hour is complete.
func (f *flushState) queue(all Batch, run, node string, until time.Time) {
	for !all.empty() || hourOf(until) != f.reported {
		f.number++
		b := all.cut(maxBatch)
		b.Run, b.Node = run, node
		b.Number = f.number
		if all.empty() {
			b.Until = until
		}
		f.pending = append(f.pending, b)
		if all.empty() {
			return
		}
	}
}

func (b *Batch) empty() bool { return len(b.Keys)+len(b.Tenants)+len(b.Transports) == 0 }

// cut takes at most n counts out of the batch.
func (b *Batch) cut(n int) (taken Batch) {
	taken.Keys, b.Keys = cutSlice(b.Keys, n)
	n -= len(taken.Keys)
	taken.Tenants, b.Tenants = cutSlice(b.Tenants, n)
	n -= len(taken.Tenants)
	taken.Transports, b.Transports = cutSlice(b.Transports, n)
	return taken
}

func cutSlice[T any](all []T, n int) (taken, rest []T) {
	n = min(n, len(all))
	return all[:n:n], all[n:]
}

// drain returns everything that was counted since the last drain. It closes the counts of hours
// that are over, and those of keys that were not used since. A count of an hour that lies ahead,
// from before the clock was set back, becomes one of this hour.
func (c *Counters) drain(now time.Time) (all Batch) {
	hour := hourOf(now)
	for i := range c.shards {
		c.shards[i].drain(&all, hour, &c.openKeys)
	}
	all.sort()
	return all
}

// sort orders the counts as the store keeps them, so that one batch changes few pages of it.
func (b *Batch) sort() {
	slices.SortFunc(b.Keys, func(x, y KeyCount) int {
		return cmp.Or(cmp.Compare(x.Tenant, y.Tenant), x.Hour.Compare(y.Hour), cmp.Compare(x.Owner, y.Owner),
			cmp.Compare(x.Key, y.Key))
	})
	slices.SortFunc(b.Transports, func(x, y TransportUse) int {
		return cmp.Or(cmp.Compare(x.Key, y.Key), cmp.Compare(x.Transport, y.Transport))
	})
}

func (s *shard) drain(all *Batch, hour int64, openKeys *atomic.Int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for of, k := range s.keys {
		n, via, open := k.drain(k.key == "" || k.hour != hour)
		if !open {
			delete(s.keys, of)
			if k.key != "" {
				openKeys.Add(-1)
			}
		}
		if n == 0 {
			continue
		}
		begin := beginOfHour(min(k.hour, hour))
		all.Keys = append(all.Keys, KeyCount{
			Tenant: k.tenant, Owner: k.owner, Key: k.key, Hour: begin,
			Accepted: n % oneRefused, Refused: n / oneRefused,
		})
		if k.key != "" {
			all.Transports = appendTransports(all.Transports, k, via, begin)
		}
	}
	for of, t := range s.tenants {
		last := t.hour != hour
		begin := beginOfHour(min(t.hour, hour))
		t.drain(last, func(application string, code, via int, n int64) {
			all.Tenants = append(all.Tenants, TenantCount{
				Tenant: t.tenant, Hour: begin, Code: codes[code], Application: application,
				Transport: transports[via], Requests: n,
			})
		})
		if last {
			delete(s.tenants, of)
		}
	}
}

func appendTransports(list []TransportUse, k *keyCount, via uint32, begin time.Time) []TransportUse {
	for i := range transports {
		if via&(1<<i) != 0 && i > 0 {
			list = append(list, TransportUse{
				Tenant: k.tenant, Key: k.key, Transport: transports[i], On: begin.Truncate(policy.Day),
			})
		}
	}
	return list
}
