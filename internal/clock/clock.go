// Package clock tells a node the time, and when the time cannot be trusted.
//
// A [Clock] reads the machine's wall clock and compares it with whatever else knows the time:
//
//	wall clock  ── elapsed time of the machine   how far it should have come since it was last right
//	            ── the database's own clock      PostgreSQL's; SQLite has none
//	            ── the latest time on record     of the newest change, the last use and the watermark
//
// Where two of them differ by more than [Tolerance], the clock is in doubt: decisions are
// fault.Unavailable, nothing is recorded and no recorded time is followed. Doubt ends by itself once
// all of them have agreed for [AgreeFor]. A wrong time that is on record already does not go away by
// itself: the operator repairs it (see [Service]).
//
// Time that is told never goes back, so that an expired key does not come to life again. What
// cannot be undone goes by [Clock.Horizon], which a wrong clock moves forward by a bounded amount.
package clock

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
)

const (
	// Tolerance is how far two clocks may differ before neither is trusted.
	Tolerance = time.Minute
	// AgreeFor is how long all clocks must agree, without a step, before a doubt ends.
	AgreeFor = 10 * time.Second
	// slewPerStep is the share of elapsed time by which the trusted offset follows a wall clock that no
	// other clock vouches for: many small steps do not add up to a large one.
	slewPerStep = 100
)

// Clock tells the time. It is safe for concurrent use.
type Clock struct {
	machine Machine
	state   atomic.Pointer[state]
	// latest is the latest time that was told or followed, in microseconds since 1970.
	latest atomic.Int64

	mu      sync.Mutex // of changes of state, horizon and agreement
	horizon horizon
	agreed  agreement
	// observed is the elapsed time of the last observation.
	observed time.Duration
}

// state is what Now goes by. It is immutable.
type state struct {
	// offset is the wall clock minus the elapsed time when the wall clock was last trusted.
	offset time.Duration
	// known is set where there is such an offset.
	known bool
	// doubt says why the time is not trusted; nil where it is.
	doubt *Doubt
}

// agreement is since when all clocks have agreed while the clock is in doubt.
type agreement struct {
	begun  bool
	since  time.Duration // elapsed
	offset time.Duration
}

// Doubt says why the time cannot be trusted. It is an error of kind fault.Unavailable.
type Doubt struct {
	// Reason is for operators: what differs from what, and by how much.
	Reason string
	// Record is set where the latest time on record is ahead, which only a repair or time itself ends.
	Record bool
}

// Error implements error.
func (d *Doubt) Error() string { return d.Reason }

// errDoubt is what callers are told. It names no times: those are for operators.
func errDoubt(d *Doubt) error {
	return fault.Wrap(fault.Unavailable, d, "This node cannot trust its clock. Try again later or ask another node.")
}

// Mark is what a node puts on record about its clock.
type Mark struct {
	// Time is the latest time that was told.
	Time time.Time
	// Horizon is how far irreversible work has come; see [Clock.Horizon].
	Horizon time.Time
	// Boot names the boot of the machine that Elapsed counts from; "" where it has no name.
	Boot    string
	Elapsed time.Duration
	// Offset is the wall clock minus the elapsed time.
	Offset time.Duration
}

// New returns a clock that goes on from the mark on record; its zero value is that of a new database.
// It is in doubt until the first observation.
func New(m Machine, last Mark) *Clock {
	c := &Clock{machine: m.orSystem()}
	r := c.machine.read()
	s := state{doubt: &Doubt{Reason: "the clock was not compared with the record yet"}}
	if last.Boot != "" && last.Boot == c.machine.Boot && r.elapsed >= last.Elapsed {
		s.offset, s.known = last.Offset, true
		c.horizon = horizon{at: last.Horizon, since: last.Elapsed}
	} else {
		c.horizon = horizon{at: last.Horizon, since: r.elapsed}
	}
	c.state.Store(&s)
	return c
}

// Now returns the time in UTC, to the microsecond as it is stored. It never goes back and is never a
// time that a step of the wall clock made up: while the clock is in doubt, time stands still.
func (c *Clock) Now() time.Time {
	s := c.state.Load()
	if s.doubt == nil {
		r := c.machine.read()
		if within(r.offset()-s.offset, Tolerance) {
			return fromMicros(c.reach(r.wall.UnixMicro()))
		}
		c.stepped(r)
		return fromMicros(c.reach(r.expected(s.offset).UnixMicro()))
	}
	if latest := c.latest.Load(); latest != 0 {
		return fromMicros(latest)
	}
	return fromMicros(c.machine.read().wall.UnixMicro())
}

// reach returns the latest time that was told or is to be told. Many may call it at once, and none
// puts it back for another.
func (c *Clock) reach(to int64) (latest int64) {
	for {
		if latest = c.latest.Load(); to <= latest {
			return latest
		}
		if c.latest.CompareAndSwap(latest, to) {
			return to
		}
	}
}

// Doubt returns why no decision can be made and nothing recorded now; nil while the time is trusted.
func (c *Clock) Doubt() error {
	if s := c.state.Load(); s.doubt != nil {
		return errDoubt(s.doubt)
	}
	return nil
}

// Check is Doubt after a look at the wall clock, which may have stepped since it was last read.
func (c *Clock) Check() error {
	c.Now()
	return c.Doubt()
}

// Reason returns why the time is in doubt, for operators; "" while it is trusted.
func (c *Clock) Reason() string {
	if s := c.state.Load(); s.doubt != nil {
		return s.doubt.Reason
	}
	return ""
}

// stepped puts the clock in doubt since the wall clock and the elapsed time no longer agree.
func (c *Clock) stepped(r reading) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := *c.state.Load(); s.doubt == nil {
		c.doubt(s, &Doubt{Reason: stepReason(r.offset() - s.offset)})
	}
}

// doubt puts the clock in doubt, or says the new reason for one. The caller holds mu.
func (c *Clock) doubt(s state, why *Doubt) {
	c.agreed = agreement{}
	s.doubt = why
	c.state.Store(&s)
}

// Evidence is what the database says about the time.
type Evidence struct {
	// Record is the latest time on record; zero for none.
	Record time.Time
	// Database is the time by the database's own clock; zero where it has none.
	Database time.Time
}

// Observe compares all clocks, and puts the clock in doubt or ends its doubt. It returns whether the
// time is trusted afterwards.
func (c *Clock) Observe(e Evidence) (trusted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, s := c.machine.read(), *c.state.Load()
	starting := c.observed == 0 && c.latest.Load() == 0
	why := c.compare(r, s, e)
	switch {
	case why != nil:
		c.doubt(s, why)
	case s.doubt == nil || starting:
		c.trust(r, s, e)
	case !c.agreed.begun || !within(r.offset()-c.agreed.offset, time.Second):
		c.agreed = agreement{true, r.elapsed, r.offset()}
		s.doubt = &Doubt{Reason: "the clocks agree again, for less than " + AgreeFor.String() + " so far"}
		c.state.Store(&s)
	case r.elapsed-c.agreed.since >= AgreeFor:
		s.known = false // the agreement counts, whatever was trusted before
		c.trust(r, s, e)
	}
	c.observed = r.elapsed
	return c.state.Load().doubt == nil
}

// compare returns why the clocks do not agree; nil where they do.
func (c *Clock) compare(r reading, s state, e Evidence) *Doubt {
	second := !e.Database.IsZero()
	if ahead := r.wall.Sub(e.Database); second && !within(ahead, Tolerance) {
		return &Doubt{Reason: fmt.Sprintf("the machine's clock says %s and the database's clock says %s",
			stamp(r.wall), stamp(e.Database))}
	}
	// A step is doubt at first. Where the database's clock agrees with the wall clock, it was one to the right time.
	if step := r.offset() - s.offset; s.known && (!second || s.doubt == nil) && !within(step, Tolerance) {
		return &Doubt{Reason: stepReason(step)}
	}
	if ahead := e.Record.Sub(r.wall); ahead > Tolerance {
		return &Doubt{Record: true, Reason: fmt.Sprintf("the latest time on record is %s, which is %s ahead of the machine's clock",
			stamp(e.Record), ahead.Round(time.Second))}
	}
	told := fromMicros(c.latest.Load())
	if ahead := told.Sub(r.wall); ahead > Tolerance {
		return &Doubt{Record: true, Reason: fmt.Sprintf("this node went by %s before, which is %s ahead of the machine's clock",
			stamp(told), ahead.Round(time.Second))}
	}
	return nil
}

// trust goes by the wall clock from now on. The caller holds mu.
func (c *Clock) trust(r reading, s state, e Evidence) {
	offset := r.offset()
	if s.known && e.Database.IsZero() {
		most := (r.elapsed - c.observed) / slewPerStep
		offset = s.offset + min(max(offset-s.offset, -most), most)
	}
	c.agreed = agreement{}
	c.state.Store(&state{offset: offset, known: true})
	now := r.wall.UnixMicro()
	if !e.Record.IsZero() {
		now = max(now, e.Record.UnixMicro())
	}
	c.reach(now)
	if c.horizon.at.IsZero() { // a database of before horizons, or a new one
		c.horizon.at = e.Record
		if e.Record.IsZero() || e.Record.After(r.wall) {
			c.horizon.at = r.wall
		}
	}
	c.horizon = c.horizon.advance(r.elapsed, fromMicros(c.latest.Load()))
}

// Follow takes notice of the time of a change that another node recorded. A time that is too far
// ahead is not followed: the clock is in doubt until the record is repaired or time has caught up.
func (c *Clock) Follow(at time.Time) {
	r := c.machine.read()
	s := c.state.Load()
	if s.doubt != nil {
		return // the next observation sees what is on record
	}
	if ahead := at.Sub(r.expected(s.offset)); ahead > Tolerance {
		c.mu.Lock()
		defer c.mu.Unlock()
		if s := *c.state.Load(); s.doubt == nil {
			c.doubt(s, &Doubt{Record: true, Reason: fmt.Sprintf("another node recorded %s, which is %s ahead of the machine's clock",
				stamp(at), ahead.Round(time.Second))})
		}
		return
	}
	c.reach(at.UnixMicro())
}

// Advance makes sure that no time before the given one is told: that of a backup that is restored.
func (c *Clock) Advance(to time.Time) {
	if !to.IsZero() {
		c.reach(to.UnixMicro())
	}
}

// Mark returns what is to be put on record; told is false while the clock has not been trusted yet.
func (c *Clock) Mark() (m Mark, told bool) {
	now, r := c.Now(), c.machine.read()
	c.mu.Lock()
	defer c.mu.Unlock()
	return Mark{
		Time: now, Horizon: c.horizon.advance(r.elapsed, now).at,
		Boot: c.machine.Boot, Elapsed: r.elapsed, Offset: c.state.Load().offset,
	}, c.latest.Load() != 0
}

// Horizon returns the time that irreversible work goes by: deleting digests, sessions and whatever
// else cannot be had back. It is never ahead of Now, and moves at most [CatchUp] times as fast as the
// machine's elapsed time, so that a clock that is wrong once does not have everything deleted.
func (c *Clock) Horizon() time.Time {
	now, r := c.Now(), c.machine.read()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.horizon.advance(r.elapsed, now).at
}

// Reset goes back to a time at which the record was repaired. It reports whether this node had told
// a later one, so that what it remembers may be of the future.
func (c *Clock) Reset(to time.Time) (setBack bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.horizon.at.After(to) {
		c.horizon.at = to
	}
	if latest := c.latest.Load(); latest > to.Add(Tolerance).UnixMicro() {
		c.latest.Store(to.UnixMicro())
		setBack = true
	}
	return setBack
}

// Accept trusts the wall clock from now on, whatever was trusted before: the operator vouches for it.
func (c *Clock) Accept(e Evidence) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, s := c.machine.read(), *c.state.Load()
	s.known = false
	c.trust(r, s, e)
	c.observed = r.elapsed
}

func stepReason(step time.Duration) string {
	direction := "forward"
	if step < 0 {
		direction, step = "back", -step
	}
	return fmt.Sprintf("the machine's clock stepped %s by %s against the time that has passed", direction, step.Round(time.Second))
}

func within(d, most time.Duration) bool { return -most <= d && d <= most }

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
