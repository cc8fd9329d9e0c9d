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
	if version <= s.backend.Version {
		return nil
	}
	return &Obsolete{fmt.Sprintf("the database is at version %d, this program knows %d: upgrade this node", version,
		s.backend.Version)}
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
// and holds nothing from a newer version of Claviger. It does not check whether the database
// answers: Ready does.
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
	if version != s.backend.Version {
		return fmt.Errorf("the database has version %d, and had %d when it was opened", version, s.backend.Version)
	}
	return nil
}
