package verify

import (
	"sync"
	"sync/atomic"

	"github.com/maypok86/otter/v2"

	"github.com/claviger-dev/claviger/internal/ident"
)

// Cache keeps entries by lookup. It may remove any entry at any time. It does not decide whether an
// entry is current.
type Cache interface {
	Get(lookup string) (*Entry, bool)
	Put(lookup string, e *Entry)
	// Entries returns the approximate number of entries.
	Entries() int
}

// defaultCacheBytes is the size of the cache if none is given: about a million keys.
const defaultCacheBytes = 1 << 30

// sharesOfCache is how many tenants can each have their share of the cache.
const sharesOfCache = 4

// boundedCache is bounded by bytes. It keeps the most used entries. A tenant whose entries are
// larger than its share adds more only while there is room, so that it does not push out the
// entries of others.
type boundedCache struct {
	entries *otter.Cache[string, *Entry]
	bytes   int64
	used    atomic.Int64
	tenants sync.Map // ident.TenantID → *atomic.Int64: the bytes of the tenant's entries
}

// NewCache returns a cache of about that many bytes.
func NewCache(bytes int64) Cache {
	c := &boundedCache{bytes: bytes}
	c.entries = otter.Must(&otter.Options[string, *Entry]{
		MaximumWeight: uint64(bytes),
		Weigher:       func(lookup string, e *Entry) uint32 { return uint32(e.size(lookup)) },
		OnAtomicDeletion: func(d otter.DeletionEvent[string, *Entry]) {
			c.count(d.Value.tenant, -d.Value.size(d.Key))
		},
	})
	return c
}

// Get implements [Cache].
func (c *boundedCache) Get(lookup string) (*Entry, bool) { return c.entries.GetIfPresent(lookup) }

// Put implements [Cache].
func (c *boundedCache) Put(lookup string, e *Entry) {
	size := e.size(lookup)
	if c.used.Load()+size > c.bytes && c.usedBy(e.tenant).Load()+size > c.bytes/sharesOfCache {
		c.entries.Invalidate(lookup) // an older entry must not be found instead
		return
	}
	c.count(e.tenant, size)
	c.entries.Set(lookup, e)
}

// Entries implements [Cache].
func (c *boundedCache) Entries() int { return c.entries.EstimatedSize() }

// usedBy returns the number of bytes of a tenant's entries. Entries without a key have no tenant
// and share a number.
func (c *boundedCache) usedBy(tenant ident.TenantID) *atomic.Int64 {
	if n, ok := c.tenants.Load(tenant); ok {
		return n.(*atomic.Int64)
	}
	n, _ := c.tenants.LoadOrStore(tenant, &atomic.Int64{})
	return n.(*atomic.Int64)
}

func (c *boundedCache) count(tenant ident.TenantID, bytes int64) {
	c.used.Add(bytes)
	c.usedBy(tenant).Add(bytes)
}
