package verify

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
)

// shards is the number of counters. Ids with the same counter invalidate each other's cache
// entries, which costs a read now and then.
const shards = 8192

// Generations counts changes, so that a cache entry can tell whether it is still current.
//
// An entry keeps the values that the counters of its lookup and its tenant had before it was read.
// It is current while both counters have these values. A change increments them after its COMMIT
// and before its response, also if the outcome of the COMMIT is unknown. Checking the counters
// after the read and then filling the cache would not be enough: a change between the two would
// leave a stale entry.
type Generations struct {
	seed          maphash.Seed
	tenantChanges atomic.Uint64 // is incremented with the counter of any tenant
	counters      [shards]atomic.Uint64
}

// NewGenerations returns counters of zero.
func NewGenerations() *Generations { return &Generations{seed: maphash.MakeSeed()} }

func (g *Generations) lookupCounter(lookup string) *atomic.Uint64 {
	return &g.counters[maphash.String(g.seed, lookup)%shards]
}

func (g *Generations) tenantCounter(id ident.TenantID) *atomic.Uint64 {
	return g.lookupCounter(string(id))
}

// Invalidate increments the counters of everything that a change made stale. Only the store may
// call it.
func (g *Generations) Invalidate(s audit.Invalidation) {
	for _, lookup := range s.Lookups {
		g.lookupCounter(lookup).Add(1)
	}
	for _, id := range s.Tenants {
		g.tenantChanges.Add(1) // before the counter of the tenant: see Engine.read
		g.tenantCounter(id).Add(1)
	}
}
