package verify

import "github.com/maypok86/otter/v2"

// Cache keeps entries by lookup. It may forget anything at any time; it never decides whether an entry still counts.
type Cache interface {
	Get(lookup string) (*Entry, bool)
	Put(lookup string, e *Entry)
	// Entries is about how many it keeps.
	Entries() int
}

type otterCache struct{ c *otter.Cache[string, *Entry] }

// NewCache keeps the facts of at most so many keys, the most used ones.
func NewCache(entries int) Cache {
	return otterCache{otter.Must(&otter.Options[string, *Entry]{MaximumSize: entries})}
}

func (o otterCache) Get(lookup string) (*Entry, bool) { return o.c.GetIfPresent(lookup) }
func (o otterCache) Put(lookup string, e *Entry)      { o.c.Set(lookup, e) }
func (o otterCache) Entries() int                     { return o.c.EstimatedSize() }
