package verify

import "github.com/maypok86/otter/v2"

// Cache keeps entries by lookup. It may remove any entry at any time. It does not decide whether an
// entry is current.
type Cache interface {
	Get(lookup string) (*Entry, bool)
	Put(lookup string, e *Entry)
	// Entries returns the approximate number of entries.
	Entries() int
}

type otterCache struct{ c *otter.Cache[string, *Entry] }

// NewCache returns a cache of at most that many entries. It keeps the most used ones.
func NewCache(entries int) Cache {
	return otterCache{otter.Must(&otter.Options[string, *Entry]{MaximumSize: entries})}
}

func (o otterCache) Get(lookup string) (*Entry, bool) { return o.c.GetIfPresent(lookup) }
func (o otterCache) Put(lookup string, e *Entry)      { o.c.Set(lookup, e) }
func (o otterCache) Entries() int                     { return o.c.EstimatedSize() }
