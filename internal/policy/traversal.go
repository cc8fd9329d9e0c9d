package policy

import (
	"slices"
	"sync"

	"github.com/claviger-dev/claviger/internal/ident"
)

// TraversalPageSize is how many keys are read at a time.
const TraversalPageSize = 1_000

// A pass of a traversal visits keysPerPass keys. Each tenant counts as minKeysPerTenant keys in
// addition, because a tenant costs time even if it has no keys.
const (
	keysPerPass      = 20_000
	minKeysPerTenant = 50
)

// Traversal visits all keys of many tenants in passes of bounded length. Each pass continues where
// the one before it ended. A pass ends after the last tenant at the latest. P is a position among
// the keys of a tenant; its zero value is before the first key. The zero Traversal begins with the
// first tenant.
type Traversal[P any] struct {
	mu     sync.Mutex
	tenant ident.TenantID
	after  P
}

// RunPass calls visit for the keys of one tenant after the other, at most [TraversalPageSize] at a
// time, with the position after which to begin. visit returns the position of the last key that it
// visited, or nil at the end of the tenant. tenants must be in the order of their ids.
func (r *Traversal[P]) RunPass(tenants []ident.TenantID, visit func(tenant ident.TenantID, after P) (*P, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, _ := slices.BinarySearch(tenants, r.tenant)
	left := keysPerPass
	for _, tenant := range tenants[first:] {
		if tenant != r.tenant {
			r.start(tenant)
		}
		left -= minKeysPerTenant
		for more := true; more; {
			if left < 0 {
				return nil
			}
			next, err := visit(tenant, r.after)
			if err != nil {
				return err
			}
			more = next != nil
			if more {
				r.after = *next
				left -= TraversalPageSize
			}
		}
	}
	r.start("")
	return nil
}

// start sets the position to the beginning of a tenant.
func (r *Traversal[P]) start(tenant ident.TenantID) {
	var before P
	r.tenant, r.after = tenant, before
}
