package app

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	// clockEvery is how often a node looks at its clock. While the clock is in doubt, each look
	// compares it with all others.
	clockEvery = time.Second
	// compareLooks is after how many looks a trusted clock is compared with all others.
	compareLooks = 5
	// markLooks is after how many looks the time is recorded.
	markLooks = int(watermarkEvery / clockEvery)
	// watermarkEvery bounds how far a clock that went back while the process was down can bring a
	// key back to life.
	watermarkEvery = 10 * time.Second
)

// nodeClock is the clock of a node, and what compares it with the database's clock and with the
// times on record.
type nodeClock struct {
	*clock.Clock
	store *store.Store
	log   *slog.Logger
	// databaseTime returns the time by the database's own clock; zero where it has none.
	databaseTime func(context.Context) (time.Time, error)

	// Only the job and openStore use these.
	looks   int  // at the clock, so far
	doubted bool // after the last comparison
}

// newClock returns a clock that continues from the time on record. It is in doubt until compare.
func newClock(s *store.Store, last clock.Mark, o Options) *nodeClock {
	return &nodeClock{Clock: clock.New(o.Machine, last), store: s, log: o.Log, databaseTime: databaseTime(s, o)}
}

// databaseTime returns a function that asks the database for the time.
func databaseTime(s *store.Store, o Options) func(context.Context) (time.Time, error) {
	return func(ctx context.Context) (time.Time, error) {
		switch {
		case o.DatabaseTime != nil && s.Shared():
			return o.DatabaseTime(), nil
		case o.Machine.Read == nil:
			return s.DatabaseTime(ctx)
		}
		return time.Time{}, nil
	}
}

// compare checks whether this node's clock, the database's clock and the times on record agree.
func (c *nodeClock) compare(ctx context.Context) error {
	e, err := c.evidence(ctx)
	if err != nil {
		return err
	}
	before := c.Reason()
	switch trusted := c.Observe(e); {
	case !trusted && before != c.Reason():
		c.log.Warn("the clock is in doubt: this node decides nothing and records nothing", "reason", c.Reason())
	case trusted && c.doubted:
		c.log.Info("the clock is trusted again")
	}
	c.doubted = c.Reason() != ""
	return nil
}

// evidence returns what the database says about the time.
func (c *nodeClock) evidence(ctx context.Context) (e clock.Evidence, err error) {
	latest := c.store.LatestChange
	if c.Doubt() != nil {
		latest = c.store.Latest
	}
	e.Record, err = latest(ctx)
	if err != nil {
		return e, err
	}
	e.Database, err = c.databaseTime(ctx)
	return e, err
}

// sync compares the clock with all others after every compareLooks calls, and records the time
// after every markLooks. It records nothing in doubt. It is a job.
func (c *nodeClock) sync(ctx context.Context) error {
	c.looks++
	if c.Check() == nil && c.looks%compareLooks != 0 {
		return nil
	}
	if err := c.compare(ctx); err != nil {
		return err
	}
	if c.Check() != nil || c.looks%markLooks != 0 {
		return nil
	}
	return c.record(ctx)
}

// record writes the latest time that this node went by into the database. In doubt that is the last
// trusted time.
func (c *nodeClock) record(ctx context.Context) error {
	if m, told := c.Mark(); told {
		return c.store.SetMark(ctx, m)
	}
	return nil
}

// refuseInDoubt answers every request to the management API with the clock's doubt while there is
// one: what the API shows and decides depends on the time.
func (a *App) refuseInDoubt(router *web.Router) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/api/") {
				if err := a.clock.Check(); err != nil {
					router.Refuse(w, r, err)
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}
