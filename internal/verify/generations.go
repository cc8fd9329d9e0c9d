package verify

import (
	"hash/maphash"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
)

const (
	// shards is the number of counters of lookups and tenants. Ids with the same counter invalidate
	// each other's cache entries, which costs a read now and then.
	shards = 8192
	// userShards is the number of counters of users, for the same price.
	userShards = 4096
	// planShards is the number of counters of plans. Tenants with the same counter read their plans
	// again when one of them changes a plan.
	planShards = 1024
)

// Generations counts changes, so that a cache entry can tell whether it is still current.
//
// An entry keeps the values that the counters of its lookup, its tenant and its owner had before it
// was read. It is current while all of them have these values. A change increments them after its
// COMMIT and before its response, also if the outcome of the COMMIT is unknown. Checking the
// counters after the read and then filling the cache would not be enough: a change between the two
// would leave a stale entry.
//
// The counters of lookups, tenants and users are shared by many ids. Any other owner has a counter
// of its own, because a host application may change its subjects all the time, and an owner may
// have thousands of keys. That counter lives as long as an entry refers to it.
type Generations struct {
	seed          maphash.Seed
	tenantChanges atomic.Uint64 // is incremented with the counter of any tenant
	counters      [shards]atomic.Uint64
	planCounters  [planShards]atomic.Uint64
	ownerChanges  atomic.Uint64 // is incremented with the counter of any owner, users included
	userCounters  [userShards]atomic.Uint64
	owners        sync.Map // ident.PartyID → weak.Pointer[ownerCell], of those who are no users
}

// ownerCell belongs to one owner of keys who is no user. Every cache entry of the owner's keys
// refers to it.
type ownerCell struct {
	changes atomic.Uint64
	// facts are those of the owner, shared by the owner's entries; nil for none yet.
	facts atomic.Pointer[ownerFacts]
}

// NewGenerations returns counters of zero.
func NewGenerations() *Generations { return &Generations{seed: maphash.MakeSeed()} }

func (g *Generations) lookupCounter(lookup string) *atomic.Uint64 {
	return &g.counters[maphash.String(g.seed, lookup)%shards]
}

func (g *Generations) tenantCounter(id ident.TenantID) *atomic.Uint64 {
	return g.lookupCounter(string(id))
}

func (g *Generations) planCounter(id ident.TenantID) *atomic.Uint64 {
	return &g.planCounters[maphash.String(g.seed, string(id))%planShards]
}

func (g *Generations) userCounter(id ident.PartyID) *atomic.Uint64 {
	return &g.userCounters[maphash.String(g.seed, string(id))%userShards]
}

// ownerCounter returns the counter of an owner, and the cell that it is in; nil for a user.
func (g *Generations) ownerCounter(id ident.PartyID) (*atomic.Uint64, *ownerCell) {
	if id.Type() == ident.UserParty {
		return g.userCounter(id), nil
	}
	cell := g.ownerCell(id)
	return &cell.changes, cell
}

// ownerCell returns the cell of an owner, which is the same for all callers that hold it.
func (g *Generations) ownerCell(id ident.PartyID) *ownerCell {
	id = ident.PartyID(strings.Clone(string(id)))
	for {
		if kept, ok := g.owners.Load(id); ok {
			if cell := kept.(weak.Pointer[ownerCell]).Value(); cell != nil {
				return cell
			}
			g.owners.CompareAndDelete(id, kept) // no entry refers to it any more
		}
		cell := &ownerCell{}
		pointer := weak.Make(cell)
		if _, other := g.owners.LoadOrStore(id, pointer); other {
			continue
		}
		runtime.AddCleanup(cell, func(id ident.PartyID) { g.owners.CompareAndDelete(id, pointer) }, id)
		return cell
	}
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
	for _, id := range s.Owners {
		g.ownerChanges.Add(1) // before the counter of the owner: see Engine.read
		if id.Type() == ident.UserParty {
			g.userCounter(id).Add(1)
			continue
		}
		if kept, ok := g.owners.Load(id); ok {
			if cell := kept.(weak.Pointer[ownerCell]).Value(); cell != nil {
				cell.changes.Add(1)
			}
		}
	}
	for _, id := range s.Plans {
		g.planCounter(id).Add(1)
	}
}
