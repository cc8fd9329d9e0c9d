package store

import (
	"context"
	"fmt"

	"github.com/claviger-dev/claviger/internal/fault"
)

// Obsolete says that a newer version of Claviger works on the database, in a way that this one does not know. What it does
// not understand it could not invalidate, and what it wrote might break a newer rule.
type Obsolete struct {
	// Reason says what was found and what to do, for operators.
	Reason string
}

// Error implements error.
func (o *Obsolete) Error() string { return o.Reason }

func (o *Obsolete) fault() error { return fault.Wrap(fault.Unavailable, o, o.Reason) }

// newer returns nil where the schema is one that this program knows.
func (s *Store) newer(version int64) *Obsolete {
	if version <= s.backend.Version {
		return nil
	}
	return &Obsolete{fmt.Sprintf("the database is at version %d, this program knows %d: upgrade this node", version, s.backend.Version)}
}

// Obsolete returns why this program must leave the database alone, as fault.Unavailable; nil where it need not. The follower
// looks at each of its passes, and each change before it is committed.
func (s *Store) Obsolete() error {
	if o := s.obsolete.Load(); o != nil {
		return o.fault()
	}
	return nil
}

// refused returns why nothing may be written for as long as this process runs, whatever the clocks say.
func (s *Store) refused() error {
	if s.halted.Load() {
		return errHalted
	}
	return s.Obsolete()
}

// Current reports whether the database has the schema that it was opened with, and nothing in it is from a newer version
// of Claviger. That it does not answer is for Ready to say.
func (s *Store) Current(ctx context.Context) error {
	var version int64
	if err := s.control.row(ctx, selectVersion).Scan(&version); err != nil {
		return s.Obsolete()
	}
	if o := s.newer(version); o != nil {
		return o.fault()
	}
	if !s.Shared() {
		s.obsolete.Store(nil) // there is no follower to find out
	}
	if err := s.Obsolete(); err != nil {
		return err
	}
	if version != s.backend.Version {
		return fmt.Errorf("the database has version %d, and had %d when it was opened", version, s.backend.Version)
	}
	return nil
}
