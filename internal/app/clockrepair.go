package app

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/principal"
)

// ClockStatus returns what the node's clock says, and what it is compared with.
func (c *nodeClock) ClockStatus(ctx context.Context) (s clock.Status, err error) {
	s = clock.Status{Reason: c.Reason(), Wall: c.Wall(), Horizon: c.Horizon()}
	s.Record, err = c.store.Latest(ctx)
	if err == nil {
		s.Database, err = c.databaseTime(ctx)
	}
	return s, err
}

// RepairClock removes times later than the present from the record. A second clock must agree with
// the machine's: the database's, or a clock that the operator reads and states.
func (c *nodeClock) RepairClock(ctx context.Context, who principal.Principal,
	stated time.Time,
) (r clock.Repair, err error) {
	var e clock.Evidence
	e.Record, err = c.store.Latest(ctx)
	if err != nil {
		return r, err
	}
	e.Database, err = c.databaseTime(ctx)
	if err != nil {
		return r, err
	}
	now, err := c.TimeForRepair(e, stated)
	if err != nil {
		return r, err
	}
	r, err = c.store.RepairClock(ctx, who, now, e.Record)
	if err != nil {
		return r, err
	}
	c.Accept(clock.Evidence{Record: now, Database: e.Database})
	c.log.Warn("the operator repaired the clock: the time on record was put back", "from", r.From, "to", r.To)
	return r, c.record(ctx)
}
