package usage

import (
	"context"

	"github.com/claviger-dev/claviger/internal/ident"
)

// orphansPerRun is how many last uses one run of [Orphans.Remove] looks at. So a million keys are
// looked at in less than a day.
const orphansPerRun = 1_000

// OrphanPosition is how far [Orphans] has come in the last uses of keys, and in those of scopes.
type OrphanPosition struct{ Uses, ScopeUses ident.KeyID }

// OrphanStore deletes last uses of keys that no longer exist.
type OrphanStore interface {
	// DeleteUsesWithoutKey looks at up to most last uses after the position, and deletes those of
	// keys that do not exist. It returns the position that it reached, which is "" at the end.
	DeleteUsesWithoutKey(ctx context.Context, after OrphanPosition, most int) (OrphanPosition, error)
}

// Orphans removes last uses that were written after their key had been deleted. It looks at all
// last uses again and again, a few at a time.
type Orphans struct {
	Store OrphanStore
	at    OrphanPosition
}

// Remove looks at the next last uses. It is a job.
func (o *Orphans) Remove(ctx context.Context) (err error) {
	o.at, err = o.Store.DeleteUsesWithoutKey(ctx, o.at, orphansPerRun)
	return err
}
