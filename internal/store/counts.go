package store

import (
	"database/sql"
	"errors"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/metric"
)

// Counts are what a store has written since it began.
type Counts struct {
	// Writes are those of the ledgers, from asked for to answered, with what was repeated in between.
	Writes metric.Histogram
	// Retries are the attempts that contention made necessary.
	Retries atomic.Uint64
	// Events were committed, each with its change.
	Events   atomic.Uint64
	outcomes [len(outcomes)]atomic.Uint64
}

// outcome is how a write ended.
type outcome int

const (
	done       outcome = iota // or found done already
	refused                   // by a rule
	contended                 // to the end
	inDoubt                   // a COMMIT that failed
	notStarted                // the node is stopping
	failed                    // in any other way
)

var outcomes = [...]string{done: "done", refused: "refused", contended: "contention", inDoubt: "in_doubt", notStarted: "stopping", failed: "failed"}

// EachOutcome gives how often writes ended in each way.
func (c *Counts) EachOutcome(give func(n uint64, result ...string)) {
	for o, name := range outcomes {
		give(c.outcomes[o].Load(), name)
	}
}

func (c *Counts) wrote(start time.Time, o outcome) {
	c.Writes.Since(start)
	c.outcomes[o].Add(1)
}

func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return done
	case errors.Is(err, errContention):
		return contended
	case errors.Is(err, errInDoubt):
		return inDoubt
	case errors.Is(err, errHalted):
		return notStarted
	case errors.Is(err, sql.ErrNoRows):
		return refused
	}
	switch fault.KindOf(err) {
	case fault.Internal, fault.Unavailable:
		return failed
	}
	return refused
}

// Counts of what the store has written.
func (s *Store) Counts() *Counts { return &s.counts }

// Pool is how much of a pool of connections is in use.
type Pool struct {
	// Name is what the pool is for: "read", "write", or "all".
	Name            string
	Max, Open, Busy int
	// Waits for a free connection so far, and how long all of them took.
	Waits  int64
	Waited time.Duration
}

// PoolOf reads the pool of database/sql.
func PoolOf(name string, db *sql.DB) Pool {
	s := db.Stats()
	return Pool{Name: name, Max: s.MaxOpenConnections, Open: s.OpenConnections, Busy: s.InUse, Waits: s.WaitCount, Waited: s.WaitDuration}
}

// Pools of the database.
func (s *Store) Pools() []Pool { return s.backend.Pools() }
