package store

import (
	"context"
	"time"
)

// One conditional upsert takes a lease, so that only one of several holders gets it.
const upsertLease query = `INSERT INTO leases (name, holder, until) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE
	SET holder = excluded.holder, until = excluded.until
	WHERE leases.holder = excluded.holder OR leases.until <= $4`

// AcquireLease takes or renews the lease with a name. held is false if another holder has it.
// Leases are not audited: they only say which node works.
func (s *Store) AcquireLease(ctx context.Context, name, holder string, now, until time.Time) (held bool, err error) {
	n, err := s.execUnaudited(ctx, upsertLease, name, holder, micros(until), micros(now))
	return n == 1, err
}
