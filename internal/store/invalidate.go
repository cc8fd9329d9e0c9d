package store

import (
	"context"
	"slices"

	"github.com/claviger-dev/claviger/internal/audit"
)

// invalidateCommitted invalidates what a committed change makes stale. The number of the change
// becomes the version of its key headers: numbers grow in the order of COMMITs on all nodes,
// whatever the clocks show.
func (s *Store) invalidateCommitted(change int64, stale audit.Invalidation) {
	stale.KeyHeaders = slices.Clone(stale.KeyHeaders)
	for i := range stale.KeyHeaders {
		stale.KeyHeaders[i].Version = change
	}
	s.Invalidate(stale)
}

// invalidateInDoubt invalidates what a change may have made stale if the change was not kept or its
// outcome is unknown. It drops key headers and a repair of the clock, which did not take effect.
func (s *Store) invalidateInDoubt(stale audit.Invalidation) {
	stale.KeyHeaders, stale.TimeRepaired = nil, nil
	s.Invalidate(stale)
}

// invalidateFound invalidates what a change found already done, because the write that did it may
// not have invalidated it yet. The change locks the tenants whose key headers it names, so the
// headers are those of the newest change.
func (s *Store) invalidateFound(ctx context.Context, tx *Tx, stale audit.Invalidation) {
	var newest int64
	if len(stale.KeyHeaders) == 0 || tx.row(ctx, selectLastChange).Scan(&newest) != nil {
		s.invalidateInDoubt(stale)
		return
	}
	s.invalidateCommitted(newest, stale)
}
