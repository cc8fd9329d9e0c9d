package app

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/principal"
)

// ClockStatus is what a node's clock says, and what it is compared with.
func (a *App) ClockStatus(ctx context.Context) (s clock.Status, err error) {
	s = clock.Status{Reason: a.clock.Reason(), Wall: a.clock.Wall(), Horizon: a.clock.Horizon()}
	s.Record, err = a.Store.Latest(ctx)
	if err == nil {
		s.Database, err = a.databaseTime(ctx)
	}
	return s, err
}

// RepairClock takes times later than the present from the record. A second clock must agree with the machine's: the database's, or
// one that the operator states the time of.
func (a *App) RepairClock(ctx context.Context, who principal.Principal, stated time.Time) (r clock.Repair, err error) {
	var e clock.Evidence
	if e.Record, err = a.Store.Latest(ctx); err != nil {
		return r, err
	}
	if e.Database, err = a.databaseTime(ctx); err != nil {
		return r, err
	}
	now, err := a.clock.Agreed(e, stated)
	if err != nil {
		return r, err
	}
	if r, err = a.Store.RepairClock(ctx, who, now, e.Record); err != nil {
		return r, err
	}
	a.clock.Accept(clock.Evidence{Record: now, Database: e.Database})
	a.options.Log.Warn("the time on record was put back by the operator", "from", r.From, "to", r.To)
	return r, a.markTime(ctx)
}

// timeRepaired forgets the times later than the present, which were taken from the record.
func (a *App) timeRepaired(now time.Time) {
	if a.clock.Reset(now) && a.Engine != nil {
		a.Engine.TimeSetBack(now)
	}
}
