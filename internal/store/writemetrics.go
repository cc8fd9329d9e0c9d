package store

import (
	"database/sql"
	"errors"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/metric"
)

// WriteMetrics counts the writes of a store since it was created.
type WriteMetrics struct {
	// Writes measures the ledger's writes from call to return, including retries.
	Writes metric.Histogram
	// Retries counts the additional attempts after contention.
	Retries atomic.Uint64
	// Events counts the committed events, one for each change.
	Events   atomic.Uint64
	outcomes [len(outcomeNames)]atomic.Uint64
}

// outcome is how a write ended.
type outcome int

const (
	doneOutcome       outcome = iota // also if it was done already
	refusedOutcome                   // by a rule
	contentionOutcome                // until the last attempt
	inDoubtOutcome                   // a COMMIT whose outcome stayed unknown
	stoppingOutcome                  // the node is stopping
	failedOutcome                    // in any other way
)

var outcomeNames = [...]string{
	doneOutcome: "done", refusedOutcome: "refused", contentionOutcome: "contention", inDoubtOutcome: "in_doubt",
	stoppingOutcome: "stopping", failedOutcome: "failed",
}

// EachOutcome calls emit with the number of writes for each outcome.
func (c *WriteMetrics) EachOutcome(emit func(n uint64, result ...string)) {
	for o, name := range outcomeNames {
		emit(c.outcomes[o].Load(), name)
	}
}

func (c *WriteMetrics) record(start time.Time, o outcome) {
	c.Writes.Since(start)
	c.outcomes[o].Add(1)
}

func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return doneOutcome
	case errors.Is(err, errContention):
		return contentionOutcome
	case errors.Is(err, errInDoubt):
		return inDoubtOutcome
	case errors.Is(err, errHalted):
		return stoppingOutcome
	case errors.Is(err, sql.ErrNoRows):
		return refusedOutcome
	}
	switch fault.KindOf(err) {
	case fault.Internal, fault.Unavailable:
		return failedOutcome
	}
	return refusedOutcome
}

// WriteMetrics returns the counters of the store's writes.
func (s *Store) WriteMetrics() *WriteMetrics { return &s.counts }

// Pool is the usage of a pool of connections.
type Pool struct {
	// Name of the pool's purpose: "read", "write" or "all".
	Name            string
	Max, Open, Busy int
	// Waits counts the waits for a free connection; Waited is their total time.
	Waits  int64
	Waited time.Duration
}

// PoolOf returns the usage of a database/sql pool.
func PoolOf(name string, db *sql.DB) Pool {
	s := db.Stats()
	return Pool{
		Name: name, Max: s.MaxOpenConnections, Open: s.OpenConnections, Busy: s.InUse, Waits: s.WaitCount,
		Waited: s.WaitDuration,
	}
}

// Pools returns the usage of the database's pools.
func (s *Store) Pools() []Pool { return s.backend.Pools() }
