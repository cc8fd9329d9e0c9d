package store

import (
	"context"
	"fmt"

	"github.com/claviger-dev/claviger/internal/fault"
)

// Obsolete says that a newer version of Claviger uses the database in a way that this version does
// not know. This version could not invalidate what it does not understand, and its writes might
// break a newer rule.
type Obsolete struct {
	// Reason tells operators what was found and what to do.
	Reason string
}

// Error implements error.
func (o *Obsolete) Error() string { return o.Reason }

func (o *Obsolete) fault() error { return fault.Wrap(fault.Unavailable, o, o.Reason) }

// newerSchema returns nil if this program knows the schema.
func (s *Store) newerSchema(version int64) *Obsolete {
	if version <= s.backend.Known {
		return nil
	}
	return &Obsolete{fmt.Sprintf("the database is at version %d, this program knows %d: upgrade this node", version,
		s.backend.Known)}
}

// Obsolete returns a fault.Unavailable with the reason why this program must no longer use the
// database; nil if it may. Each pass of the change feed updates it, and so does each change before
// it is committed.
func (s *Store) Obsolete() error {
	if o := s.obsolete.Load(); o != nil {
		return o.fault()
	}
	return nil
}

// writesRefused returns why this process may no longer write, whatever the clocks show; nil if it
// may.
func (s *Store) writesRefused() error {
	if s.halted.Load() {
		return errHalted
	}
	return s.Obsolete()
}

// Current returns an error unless the database still has the schema that it had when it was opened,
// or one that this program knows and that the upgrade was finished to since then, and holds nothing
// from a newer version of Claviger. It does not check whether the database answers: Ready does.
func (s *Store) Current(ctx context.Context) error {
	var version int64
	if err := s.control.row(ctx, selectVersion).Scan(&version); err != nil {
		return s.Obsolete()
	}
	if o := s.newerSchema(version); o != nil {
		return o.fault()
	}
	if !s.Shared() {
		s.obsolete.Store(nil) // no change feed would clear it
	}
	if err := s.Obsolete(); err != nil {
		return err
	}
	if version < s.backend.Version {
		return fmt.Errorf("the database has version %d, and had %d when it was opened", version, s.backend.Version)
	}
	return nil
}

// errUpgrade is the answer to what a node of the version before could not understand.
var errUpgrade = fault.New(fault.Conflict,
	"The upgrade of the database is not finished. Ask the operator to run `claviger migrate finish`.")

// Upgraded reports whether the upgrade of the database is finished: it has every contraction that
// this program knows, and no node of an older version uses it.
func (s *Store) Upgraded(ctx context.Context) (bool, error) {
	upgraded, err := s.isUpgraded(ctx, s.control)
	return upgraded, s.fault(err)
}

// RequireUpgrade returns a fault.Conflict until the upgrade of the database is finished. Whatever
// writes something that a node of the version before does not understand calls it in its
// transaction.
func (t *Tx) RequireUpgrade(ctx context.Context) error {
	upgraded, err := t.store.isUpgraded(ctx, t)
	if err == nil && !upgraded {
		err = errUpgrade
	}
	return err
}

// isUpgraded reads the version unless it is known that the upgrade is finished: that never changes.
func (s *Store) isUpgraded(ctx context.Context, from querier) (bool, error) {
	if s.upgraded.Load() {
		return true, nil
	}
	var version int64
	if err := from.row(ctx, selectVersion).Scan(&version); err != nil {
		return false, err
	}
	if version < s.backend.Known {
		return false, nil
	}
	s.upgraded.Store(true)
	return true, nil
}
