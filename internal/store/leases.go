package store

import (
	"context"
	"time"
)

// A lease is taken by one conditional upsert, so that of many at once one has it.
const upsertLease query = `INSERT INTO leases (name, holder, until) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
	WHERE leases.holder = excluded.holder OR leases.until <= $4`

// Lease takes or renews the lease of that name; held is false where it is another's. Who works is no change of anything, so this goes past the ledger.
func (s *Store) Lease(ctx context.Context, name, holder string, now, until time.Time) (held bool, err error) {
	n, err := s.aside(ctx, upsertLease, name, holder, micros(until), micros(now))
	return n == 1, err
}
