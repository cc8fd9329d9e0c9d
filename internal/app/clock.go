package app

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/clock"
)

const (
	// clockEvery is how often a node looks at its clock; while it is in doubt, it compares it with all others each time.
	clockEvery = time.Second
	// compareTurns is after how many of these looks a clock that is trusted is compared with all others.
	compareTurns = 5
	// markTurns is after how many of them the time is recorded; see watermarkEvery.
	markTurns = int(watermarkEvery / clockEvery)
)

// openClock makes the clock go on from what is on record, and compares it with all others.
func (a *App) openClock(ctx context.Context) error {
	last, err := a.Store.Mark(ctx)
	if err != nil {
		return err
	}
	a.clock = clock.New(clock.Machine{Wall: a.options.Wall, Elapsed: a.options.Elapsed, Boot: a.options.Boot}, last)
	return a.compareClocks(ctx)
}

// compareClocks looks whether this node's clock, the database's and the times on record agree.
func (a *App) compareClocks(ctx context.Context) error {
	e, err := a.evidence(ctx)
	if err != nil {
		return err
	}
	before := a.clock.Reason()
	switch trusted := a.clock.Observe(e); {
	case !trusted && before != a.clock.Reason():
		a.options.Log.Warn("the clock is in doubt: no decision is made and nothing is recorded", "reason", a.clock.Reason())
	case trusted && a.doubted:
		a.options.Log.Info("the clock is trusted again")
	}
	a.doubted = a.clock.Reason() != ""
	return nil
}

// evidence is what the database says about the time.
func (a *App) evidence(ctx context.Context) (e clock.Evidence, err error) {
	latest := a.Store.LatestChange
	if a.clock.Doubt() != nil {
		latest = a.Store.Latest
	}
	if e.Record, err = latest(ctx); err != nil {
		return e, err
	}
	e.Database, err = a.databaseTime(ctx)
	return e, err
}

// databaseTime is the time by the database's own clock; zero where it has none.
func (a *App) databaseTime(ctx context.Context) (time.Time, error) {
	switch {
	case a.options.DatabaseTime != nil && a.Store.Shared():
		return a.options.DatabaseTime(), nil
	case a.options.Wall == nil:
		return a.Store.DatabaseTime(ctx)
	}
	return time.Time{}, nil
}

// keepTime compares the clock with all others and records how late it is, each every so many turns. Nothing is
// recorded in doubt.
func (a *App) keepTime(ctx context.Context) error {
	a.clockTurn++
	if a.clock.Check() == nil && a.clockTurn%compareTurns != 0 {
		return nil
	}
	if err := a.compareClocks(ctx); err != nil {
		return err
	}
	if a.clock.Check() != nil || a.clockTurn%markTurns != 0 {
		return nil
	}
	return a.markTime(ctx)
}

// markTime records the latest time that this node went by. In doubt that is the last one that was trusted.
func (a *App) markTime(ctx context.Context) error {
	if m, told := a.clock.Mark(); told {
		return a.Store.SetMark(ctx, m)
	}
	return nil
}

// whenSure makes a pass that records something one that is left out while the clock is in doubt.
func (a *App) whenSure(pass func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if a.clock.Check() != nil {
			return nil
		}
		return pass(ctx)
	}
}

// whenReady makes a pass that cannot be undone one that is left out while any readiness check fails.
func (a *App) whenReady(pass func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-a.answering: // until then the list of jobs is being made
		case <-ctx.Done():
			return nil
		}
		if unready(a.readiness.look(ctx, a.checks())) != nil {
			return nil
		}
		return pass(ctx)
	}
}

// refuseInDoubt answers every request to the management API with the clock's doubt while there is one: what
// it shows and decides depends on the time.
func (a *App) refuseInDoubt(next http.Handler) http.Handler {
	refuse := a.door.Handle(func(http.ResponseWriter, *http.Request) error { return a.clock.Doubt() })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") && a.clock.Check() != nil {
			refuse.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
