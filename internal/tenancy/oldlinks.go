package tenancy

import (
	"context"
	"strconv"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// linkRetention is how long a link is kept after it has expired, used or not.
const linkRetention = 30 * policy.Day

// linkBatch bounds how many links one change removes.
const linkBatch = 1_000

// RemoveOldLinks removes the links that expired more than 30 days ago. Who opens one later gets the
// same answer as before: fault.LinkInvalid.
func (s *Service) RemoveOldLinks(ctx context.Context) error {
	for {
		removed, err := s.removeOldLinks(ctx)
		if err != nil || removed < linkBatch {
			return err
		}
	}
}

func (s *Service) removeOldLinks(ctx context.Context) (removed int64, err error) {
	system := principal.System()
	err = s.Ledgers.Openings.Write(ctx, system, func(ctx context.Context, tx OpenTx) (audit.Event, error) {
		removed, err = tx.DeleteOldLinks(ctx, s.Horizon().Add(-linkRetention), linkBatch)
		if err == nil && removed == 0 {
			err = audit.ErrNothing
		}
		e := audit.By(system, audit.ActionLinkSweep, audit.Target{Type: "link"})
		return e.With("links", strconv.FormatInt(removed, 10)), err
	})
	return removed, err
}
