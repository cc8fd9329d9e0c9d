// Package clock tells a node the time, and whether that time can be trusted.
//
// A [Clock] reads the machine's wall clock and compares it with everything else that knows the
// time:
//
//	wall clock ── elapsed time of the machine   how far the wall clock should have moved
//	           ── the database's own clock      PostgreSQL's; SQLite has none
//	           ── the latest time on record     the newest change, the latest use, the watermark
//
// If two of them differ by more than [Tolerance], the clock is in doubt: decisions fail with
// fault.Unavailable, nothing is recorded and no recorded time is followed. The doubt ends by itself
// once all of them have agreed for [AgreementPeriod]. A wrong time that is already on record does
// not go away by itself: the operator repairs it (see [Repair]).
//
// The time that Now returns never goes back, so that an expired key does not become valid again.
// Work that cannot be undone uses [Clock.Horizon], which a wrong clock moves forward only by a
// limited amount.
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
	// AgreementPeriod is how long all clocks must agree, without a step, before a doubt ends.
	AgreementPeriod = 10 * time.Second
	// slewPerStep limits how fast the trusted offset follows a wall clock that no other clock
	// confirms: by one part in slewPerStep of the elapsed time. So many small steps do not add up
	// to a large one.
	slewPerStep = 100
)

// Clock tells the time. It is safe for concurrent use.
type Clock struct {
	machine Machine
	state   atomic.Pointer[state]
	// latest is the latest time that was returned or followed, in microseconds since 1970.
	latest atomic.Int64

	mu      sync.Mutex // guards changes of state, horizon, agreed and observed
	horizon horizon
	agreed  agreement
	// observed is the elapsed time of the last observation.
	observed time.Duration
}

// state is what Now uses. It does not change.
type state struct {
	// offset is the wall clock minus the elapsed time when the wall clock was last trusted.
	offset time.Duration
	// known is set if there is such an offset.
	known bool
	// doubt says why the time is not trusted; nil if it is.
	doubt *Doubt
}

// agreement says since when all clocks have agreed, while the clock is in doubt.
type agreement struct {
	begun  bool
	since  time.Duration // elapsed
	offset time.Duration
}

// Doubt says why the time cannot be trusted. It is an error of kind fault.Unavailable.
type Doubt struct {
	// Reason is for operators: what differs from what, and by how much.
	Reason string
	// RecordAhead is set if the latest time on record is in the future. Only a repair, or the
	// passing of time, ends that.
	RecordAhead bool
}

// Error implements error.
func (d *Doubt) Error() string { return d.Reason }

// errDoubt returns the error for callers. It names no times: those are for operators.
func errDoubt(d *Doubt) error {
	return fault.Wrap(fault.Unavailable, d, "This node cannot trust its clock. Try again later or ask another node.")
}

// Mark is what a node stores about its clock.
type Mark struct {
	// Time is the latest time that was returned.
	Time time.Time
	// Horizon is how far irreversible work has come; see [Clock.Horizon].
	Horizon time.Time
	// Boot identifies the start of the machine from which Elapsed counts; "" if it is not known.
	Boot    string
	Elapsed time.Duration
	// Offset is the wall clock minus the elapsed time.
	Offset time.Duration
}

// New returns a clock that continues from the stored mark; the zero mark is for a new database. The
// clock is in doubt until the first call of Observe.
func New(m Machine, last Mark) *Clock {
	c := &Clock{machine: m.orSystem()}
	r := c.machine.Read()
	s := state{doubt: &Doubt{Reason: "the clock was not compared with the record yet"}}
	if last.Boot != "" && last.Boot == c.machine.Boot && r.Elapsed >= last.Elapsed {
		s.offset, s.known = last.Offset, true
		c.horizon = horizon{at: last.Horizon, since: last.Elapsed}
	} else {
		c.horizon = horizon{at: last.Horizon, since: r.Elapsed}
	}
	c.state.Store(&s)
	return c
}

// Now returns the time in UTC, in whole microseconds, as it is stored. It never goes back, and it
// does not follow a step of the wall clock: while the clock is in doubt, the time stands still.
func (c *Clock) Now() time.Time {
	s := c.state.Load()
	if s.doubt == nil {
		r := c.machine.Read()
		if within(r.offset()-s.offset, Tolerance) {
			return fromMicros(c.advanceTo(r.Wall.UnixMicro()))
		}
		c.detectStep(r)
		return fromMicros(c.advanceTo(r.expected(s.offset).UnixMicro()))
	}
	if latest := c.latest.Load(); latest != 0 {
		return fromMicros(latest)
	}
	return fromMicros(c.machine.Read().Wall.UnixMicro())
}

// advanceTo sets the latest time unless it is later already, and returns it. It is safe for
// concurrent use.
func (c *Clock) advanceTo(to int64) (latest int64) {
	for {
		latest = c.latest.Load()
		if to <= latest {
			return latest
		}
		if c.latest.CompareAndSwap(latest, to) {
			return to
		}
	}
}

// Doubt returns nil while the time is trusted, or the error with which decisions and changes fail.
func (c *Clock) Doubt() error {
	if s := c.state.Load(); s.doubt != nil {
		return errDoubt(s.doubt)
	}
	return nil
}

// Check reads the wall clock, which may have stepped, and then returns Doubt.
func (c *Clock) Check() error {
	c.Now()
	return c.Doubt()
}

// Reason returns why the clock is in doubt, for operators; "" while it is trusted.
func (c *Clock) Reason() string {
	if s := c.state.Load(); s.doubt != nil {
		return s.doubt.Reason
	}
	return ""
}

// detectStep puts the clock in doubt, because the wall clock and the elapsed time no longer agree.
func (c *Clock) detectStep(r Reading) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := *c.state.Load(); s.doubt == nil {
		c.doubt(s, &Doubt{Reason: stepReason(r.offset() - s.offset)})
	}
}

// doubt puts the clock in doubt, or replaces the reason of a doubt. The caller holds mu.
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

// Observe compares all clocks. It puts the clock in doubt or ends its doubt, and reports whether
// the time is trusted afterwards.
func (c *Clock) Observe(e Evidence) (trusted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, s := c.machine.Read(), *c.state.Load()
	starting := c.observed == 0 && c.latest.Load() == 0
	why := c.compare(r, s, e)
	switch {
	case why != nil:
		c.doubt(s, why)
	case s.doubt == nil || starting:
		c.trust(r, s, e)
	case !c.agreed.begun || !within(r.offset()-c.agreed.offset, time.Second):
		c.agreed = agreement{true, r.Elapsed, r.offset()}
		s.doubt = &Doubt{Reason: "the clocks agree again, for less than " + AgreementPeriod.String() + " so far"}
		c.state.Store(&s)
	case r.Elapsed-c.agreed.since >= AgreementPeriod:
		s.known = false // the agreement replaces what was trusted before
		c.trust(r, s, e)
	}
	c.observed = r.Elapsed
	return c.state.Load().doubt == nil
}

// compare returns nil if the clocks agree, or how they differ.
func (c *Clock) compare(r Reading, s state, e Evidence) *Doubt {
	hasDatabase := !e.Database.IsZero()
	if ahead := r.Wall.Sub(e.Database); hasDatabase && !within(ahead, Tolerance) {
		return &Doubt{Reason: fmt.Sprintf("the machine's clock says %s and the database's clock says %s",
			formatTime(r.Wall), formatTime(e.Database))}
	}
	// A step puts the clock in doubt. If the database's clock agrees with the wall clock
	// afterwards, the step was to the right time and the doubt ends.
	if step := r.offset() - s.offset; s.known && (!hasDatabase || s.doubt == nil) && !within(step, Tolerance) {
		return &Doubt{Reason: stepReason(step)}
	}
	if ahead := e.Record.Sub(r.Wall); ahead > Tolerance {
		return &Doubt{
			RecordAhead: true,
			Reason: fmt.Sprintf("the latest time on record is %s, which is %s ahead of the machine's clock",
				formatTime(e.Record), ahead.Round(time.Second)),
		}
	}
	latest := fromMicros(c.latest.Load())
	if ahead := latest.Sub(r.Wall); ahead > Tolerance {
		return &Doubt{
			RecordAhead: true,
			Reason: fmt.Sprintf("this node used the time %s before, which is %s ahead of the machine's clock",
				formatTime(latest), ahead.Round(time.Second)),
		}
	}
	return nil
}

// trust makes the wall clock the trusted time from now on. The caller holds mu.
func (c *Clock) trust(r Reading, s state, e Evidence) {
	offset := r.offset()
	if s.known && e.Database.IsZero() {
		most := (r.Elapsed - c.observed) / slewPerStep
		offset = s.offset + min(max(offset-s.offset, -most), most)
	}
	c.agreed = agreement{}
	c.state.Store(&state{offset: offset, known: true})
	now := r.Wall.UnixMicro()
	if !e.Record.IsZero() {
		now = max(now, e.Record.UnixMicro())
	}
	c.advanceTo(now)
	if c.horizon.at.IsZero() { // a new database, or one from before there were horizons
		c.horizon.at = e.Record
		if e.Record.IsZero() || e.Record.After(r.Wall) {
			c.horizon.at = r.Wall
		}
	}
	c.horizon = c.horizon.advance(r.Elapsed, fromMicros(c.latest.Load()))
}

// Follow makes sure that Now is not before the time of a change that another node recorded. It does
// not follow a time that is too far ahead: then the clock is in doubt until the record is repaired
// or that time has come.
func (c *Clock) Follow(at time.Time) {
	r := c.machine.Read()
	s := c.state.Load()
	if s.doubt != nil {
		return // the next Observe sees the record
	}
	if ahead := at.Sub(r.expected(s.offset)); ahead > Tolerance {
		c.mu.Lock()
		defer c.mu.Unlock()
		if s := *c.state.Load(); s.doubt == nil {
			c.doubt(s, &Doubt{
				RecordAhead: true,
				Reason: fmt.Sprintf("another node recorded %s, which is %s ahead of the machine's clock",
					formatTime(at), ahead.Round(time.Second)),
			})
		}
		return
	}
	c.advanceTo(at.UnixMicro())
}

// Advance makes sure that Now is not before the given time, that of a restored backup.
func (c *Clock) Advance(to time.Time) {
	if !to.IsZero() {
		c.advanceTo(to.UnixMicro())
	}
}

// Mark returns the mark to store. ok is false, and nothing must be stored, while the clock has not
// been trusted yet. It is also false while the time on record is ahead: an operator may be
// repairing it on another node, and the wrong time of this node must not be recorded again.
func (c *Clock) Mark() (m Mark, ok bool) {
	now, r := c.Now(), c.machine.Read()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state.Load()
	return Mark{
		Time: now, Horizon: c.horizon.advance(r.Elapsed, now).at,
		Boot: c.machine.Boot, Elapsed: r.Elapsed, Offset: s.offset,
	}, c.latest.Load() != 0 && (s.doubt == nil || !s.doubt.RecordAhead)
}

// Horizon returns the time for irreversible work, such as deleting digests and sessions. It is
// never ahead of Now, and it moves at most [CatchUpFactor] times as fast as the machine's elapsed
// time. So a clock that is wrong once does not cause everything to be deleted.
func (c *Clock) Horizon() time.Time {
	now, r := c.Now(), c.machine.Read()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.horizon.advance(r.Elapsed, now).at
}

// Reset sets the time back to the time at which the record was repaired. It reports whether this
// node had returned a later one, so that times in its memory may be in the future.
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

// Accept makes the wall clock the trusted time from now on, because the operator confirmed it.
func (c *Clock) Accept(e Evidence) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, s := c.machine.Read(), *c.state.Load()
	s.known = false
	c.trust(r, s, e)
	c.observed = r.Elapsed
}

func stepReason(step time.Duration) string {
	direction := "forward"
	if step < 0 {
		direction, step = "back", -step
	}
	return fmt.Sprintf("the machine's clock stepped %s by %s against the time that has passed", direction,
		step.Round(time.Second))
}

// within reports whether d is at most that far from 0.
func within(d, most time.Duration) bool { return -most <= d && d <= most }

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }
