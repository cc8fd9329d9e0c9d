package verify

import "github.com/maypok86/otter/v2"

// Cache keeps facts by lookup. It may forget anything at any time; it never decides whether a fact still counts.
type Cache interface {
	Get(lookup string) (*Facts, bool)
	Put(lookup string, f *Facts)
	// Entries is about how many it keeps.
	Entries() int
}

type otterCache struct{ c *otter.Cache[string, *Facts] }

// NewCache keeps the facts of at most so many keys, the most used ones.
func NewCache(entries int) Cache {
	return otterCache{otter.Must(&otter.Options[string, *Facts]{MaximumSize: entries})}
}

func (o otterCache) Get(lookup string) (*Facts, bool) { return o.c.GetIfPresent(lookup) }
func (o otterCache) Put(lookup string, f *Facts)      { o.c.Set(lookup, f) }
func (o otterCache) Entries() int                     { return o.c.EstimatedSize() }
