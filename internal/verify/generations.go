package verify

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
)

// shards is how many counters tell cached facts apart. Two ids that share one only cost each other a read now and then.
const shards = 8192

// Generations counts changes, so that a cached fact can tell whether it is still one.
//
// A fact carries the counters of its lookup and of its tenant as they stood before it was read, and counts only while both stand there
// still. A change moves them after its COMMIT and before its answer, also when the COMMIT's outcome is unknown. "Drop the
// fact if the counter moved while reading, then keep it" would be a check and then an act, with a stale fact in between.
type Generations struct {
	seed    maphash.Seed
	tenants atomic.Uint64 // moves with every tenant's counter
	counter [shards]atomic.Uint64
}

// NewGenerations starts every counter.
func NewGenerations() *Generations { return &Generations{seed: maphash.MakeSeed()} }

func (g *Generations) ofLookup(lookup string) *atomic.Uint64 {
	return &g.counter[maphash.String(g.seed, lookup)%shards]
}

func (g *Generations) ofTenant(id ident.TenantID) *atomic.Uint64 {
	return g.ofLookup(string(id))
}

// Outdate moves the counters of everything the change made stale. The store calls it; nothing else may.
func (g *Generations) Outdate(s audit.Stale) {
	for _, lookup := range s.Lookups {
		g.ofLookup(lookup).Add(1)
	}
	for _, id := range s.Tenants {
		g.tenants.Add(1) // before the tenant's own: see facts.load
		g.ofTenant(id).Add(1)
	}
}
