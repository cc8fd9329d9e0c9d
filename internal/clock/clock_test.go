package clock_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/fault"
)

var begin = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// clockFixture is a machine and a database with clocks that a test can set.
type clockFixture struct {
	wall     time.Time
	elapsed  time.Duration
	boot     string
	database time.Time // zero for SQLite
	record   time.Time
	*clock.Clock
}

// newClockFixture returns a fixture in which all clocks agree.
func newClockFixture(database bool) *clockFixture {
	w := &clockFixture{wall: begin, elapsed: time.Hour, boot: "first"}
	if database {
		w.database = begin
	}
	w.start(clock.Mark{})
	return w
}

func (w *clockFixture) start(last clock.Mark) {
	w.Clock = clock.New(clock.Machine{
		Read: func() clock.Reading { return clock.Reading{Wall: w.wall, Elapsed: w.elapsed} }, Boot: w.boot,
	}, last)
	w.observe()
}

// pass lets time pass on all clocks.
func (w *clockFixture) pass(d time.Duration) {
	w.wall, w.elapsed = w.wall.Add(d), w.elapsed+d
	if !w.database.IsZero() {
		w.database = w.database.Add(d)
	}
}

func (w *clockFixture) step(d time.Duration) { w.wall = w.wall.Add(d) }

func (w *clockFixture) mark() clock.Mark {
	m, _ := w.Mark()
	return m
}

func (w *clockFixture) observe() bool {
	return w.Observe(clock.Evidence{Record: w.record, Database: w.database})
}

// agree lets the time pass on all clocks and observes them every second.
func (w *clockFixture) agree(d time.Duration) (trusted bool) {
	for range d / time.Second {
		w.pass(time.Second)
		trusted = w.observe()
	}
	return trusted
}

func TestAClockIsInDoubtWhereOneOfThemDiffers(t *testing.T) {
	for _, c := range []struct {
		what     string
		database bool
		change   func(*clockFixture)
		reason   string // "" if the time is trusted
	}{
		{"all agree", true, func(w *clockFixture) { w.pass(time.Hour) }, ""},
		{"all agree, without a second clock", false, func(w *clockFixture) { w.pass(time.Hour) }, ""},
		{"a minute forward", false, func(w *clockFixture) { w.step(time.Minute) }, ""},
		{"a minute back", false, func(w *clockFixture) { w.step(-time.Minute) }, ""},
		{
			"more than a minute forward", false, func(w *clockFixture) { w.step(time.Minute + time.Millisecond) },
			"stepped forward by 1m0s",
		},
		{
			"more than a minute back", false, func(w *clockFixture) { w.step(-time.Minute - time.Millisecond) },
			"stepped back by 1m0s",
		},
		{
			"a day forward beside a database", true, func(w *clockFixture) { w.step(24 * time.Hour) },
			"the database's clock says 2026-03-01T12:00:00Z",
		},
		{
			"the database's clock a day forward", true,
			func(w *clockFixture) { w.database = w.database.Add(24 * time.Hour) },
			"the database's clock says 2026-03-02T12:00:00Z",
		},
		{
			"the database's clock a day back", true,
			func(w *clockFixture) { w.database = w.database.Add(-24 * time.Hour) },
			"the database's clock says 2026-02-28T12:00:00Z",
		},
		{"a record a minute ahead", true, func(w *clockFixture) { w.record = w.wall.Add(time.Minute) }, ""},
		{
			"a record a year ahead", true, func(w *clockFixture) { w.record = w.wall.AddDate(1, 0, 0) },
			"the latest time on record is 2027-03-01T12:00:00Z",
		},
		{
			"a record a year ahead, without a second clock", false,
			func(w *clockFixture) { w.record = w.wall.AddDate(1, 0, 0) },
			"the latest time on record is 2027-03-01T12:00:00Z",
		},
		{"many small steps", false, func(w *clockFixture) {
			for range 2 {
				w.step(40 * time.Second)
				w.agree(10 * time.Second)
			}
		}, "stepped forward by 1m20s"},
		{"a step to the database's time", true, func(w *clockFixture) {
			w.step(time.Hour)
			w.database = w.wall
		}, "stepped forward by 1h0m0s"},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newClockFixture(c.database)
			if w.Reason() != "" {
				t.Fatalf("in doubt from the beginning: %s", w.Reason())
			}
			c.change(w)
			trusted := w.observe()
			if got := w.Reason(); !strings.Contains(got, c.reason) || trusted != (c.reason == "") ||
				(got == "") != trusted {
				t.Errorf("trusted: %t, reason %q, want %q", trusted, got, c.reason)
			}
			if err := w.Doubt(); (err == nil) != trusted || !trusted && fault.KindOf(err) != fault.Unavailable {
				t.Errorf("doubt is %v", err)
			}
		})
	}
}

func TestAStepIsNoticedByTheFirstReaderAndNeverTold(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 1000 * time.Hour} {
		w := newClockFixture(true)
		w.pass(time.Minute)
		w.step(step)
		if got, want := w.Now(), begin.Add(time.Minute); !got.Equal(want) {
			t.Errorf("after a step by %s it is %s, want %s", step, got, want)
		}
		if w.Doubt() == nil {
			t.Errorf("a step by %s is no doubt", step)
		}
	}
}

func TestADoubtEndsByItselfOnceAllClocksAgreedForTenSeconds(t *testing.T) {
	w := newClockFixture(true)
	w.step(time.Hour)
	w.observe()
	if w.agree(time.Hour) {
		t.Fatal("trusted while wall clock and database differ")
	}
	w.step(-time.Hour)
	if w.observe() || w.agree(9*time.Second) {
		t.Fatal("trusted before ten seconds were over")
	}
	w.step(5 * time.Second) // a step begins the ten seconds anew
	if w.agree(9 * time.Second) {
		t.Fatal("trusted although the clock stepped meanwhile")
	}
	if !w.agree(2 * time.Second) {
		t.Fatalf("still in doubt: %s", w.Reason())
	}
	if got := w.Now(); !got.Equal(w.wall) {
		t.Errorf("it is %s, want %s", got, w.wall)
	}
}

func TestADoubtDoesNotEndWhileABadTimeIsOnRecord(t *testing.T) {
	w := newClockFixture(true)
	w.Follow(w.wall.Add(2 * time.Hour)) // what another node recorded
	if w.Doubt() == nil || w.Now().After(w.wall) {
		t.Fatalf("a time of another node two hours ahead is followed: it is %s", w.Now())
	}
	w.record = w.wall.Add(2 * time.Hour)
	if w.agree(time.Hour) {
		t.Fatal("trusted while the record is ahead")
	}
	if !w.agree(time.Hour) {
		t.Fatalf("in doubt although time has caught up: %s", w.Reason())
	}
	w.Follow(w.wall.Add(30 * time.Second))
	if got := w.Now(); !got.Equal(w.wall.Add(30 * time.Second)) {
		t.Errorf("the time of another node that is a little ahead is not followed: %s", got)
	}
}

func TestWithoutASecondClockAStepIsDoubtUntilItIsUndoneOrVouchedFor(t *testing.T) {
	w := newClockFixture(false)
	w.step(2 * time.Hour)
	if w.agree(24 * time.Hour) {
		t.Fatal("a step is trusted after a day")
	}
	last := w.mark()
	w.start(last)
	if w.Doubt() == nil {
		t.Fatal("a step is trusted after a start within the same boot")
	}
	w.Accept(clock.Evidence{})
	if w.Doubt() != nil || !w.Now().Equal(w.wall) {
		t.Errorf("in doubt although it was vouched for: %v", w.Doubt())
	}
	w.step(time.Hour)
	w.boot, w.elapsed = "second", time.Minute // how long the machine was down, no clock but this one knows
	w.start(last)
	if w.Doubt() != nil {
		t.Errorf("in doubt after the machine was started: %v", w.Doubt())
	}
}

func TestASuspendedMachineIsNoDoubt(t *testing.T) {
	w := newClockFixture(false)
	w.pass(10 * time.Hour) // elapsed time continues while the machine is suspended
	if got := w.Now(); !got.Equal(w.wall) || w.Doubt() != nil {
		t.Errorf("it is %s, want %s; %v", got, w.wall, w.Doubt())
	}
}

func TestTimeNeverGoesBackWhateverTheClocksDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newClockFixture(rapid.Bool().Draw(t, "second clock"))
		duration := func(name string) time.Duration {
			return time.Duration(rapid.Int64Range(-1e11, 1e11).Draw(t, name))
		}
		last := w.Now()
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				w.step(duration("step"))
			case 1:
				w.pass(max(0, duration("pass")))
			case 2:
				w.Follow(w.wall.Add(duration("other")))
			case 3:
				w.record = w.wall.Add(duration("record"))
				w.observe()
			case 4:
				w.agree(15 * time.Second)
			}
			now := w.Now()
			if now.Before(last) {
				t.Fatalf("%v after %v", now, last)
			}
			if ahead := now.Sub(w.wall); w.Doubt() == nil && ahead > 2*clock.Tolerance+time.Millisecond {
				t.Fatalf("trusted although %s ahead of the wall clock", ahead)
			}
			if w.Horizon().After(now) {
				t.Fatalf("the horizon %v is ahead of %v", w.Horizon(), now)
			}
			last = now
		}
	})
}

func TestTheHorizonMovesAtMostTwiceAsFastAsTimePasses(t *testing.T) {
	w := newClockFixture(false)
	w.agree(time.Minute)
	if got := w.Horizon(); !got.Equal(w.Now()) {
		t.Fatalf("the horizon is %s, and now is %s", got, w.Now())
	}
	last := w.mark()
	w.boot, w.elapsed = "second", time.Minute
	w.step(10 * 365 * 24 * time.Hour) // a start with a clock that is ten years ahead
	w.start(last)
	if w.Doubt() != nil {
		t.Fatal(w.Doubt())
	}
	for range 3 { // however often it starts
		w.start(w.mark())
	}
	if got := w.Horizon().Sub(last.Horizon); got > time.Second {
		t.Errorf("with the start the horizon moved by %s", got)
	}
	w.agree(time.Hour)
	if got := w.Horizon().Sub(last.Horizon); got > 2*time.Hour || got < time.Hour {
		t.Errorf("in an hour the horizon moved by %s", got)
	}
	w = newClockFixture(false)
	last = w.mark()
	w.boot, w.elapsed = "second", time.Minute
	w.pass(24 * time.Hour) // a day in which nothing ran
	w.start(last)
	w.agree(25 * time.Hour)
	if got := w.Now().Sub(w.Horizon()); got > time.Second {
		t.Errorf("a day after a downtime of a day the horizon is %s behind", got)
	}
}

func TestAHorizonThatIsAheadOnRecordIsNotGoneBy(t *testing.T) {
	w := newClockFixture(false)
	last := w.mark()
	last.Horizon = w.wall.AddDate(1, 0, 0)
	w.boot = "second"
	w.start(last)
	if got := w.Horizon(); got.After(w.Now()) {
		t.Errorf("the horizon is %s, and now is %s", got, w.Now())
	}
}

// An operator may be repairing the record on another node.
func TestNothingIsPutOnRecordWhileATimeOnRecordIsAhead(t *testing.T) {
	w := newClockFixture(false)
	if _, told := w.Mark(); !told {
		t.Fatal("there is nothing to put on record")
	}
	w.record = w.wall.Add(time.Hour)
	w.observe()
	if m, told := w.Mark(); told {
		t.Errorf("%+v is to be put on record", m)
	}
}

func TestARepairPutsTimeBackOnlyWhereItWasFarAhead(t *testing.T) {
	w := newClockFixture(false)
	w.pass(time.Hour)
	told := w.Now()
	if w.Reset(told.Add(-time.Second)) || !w.Now().Equal(told) {
		t.Errorf("a good clock was put back to %s", w.Now())
	}
	w.step(-40 * time.Minute)
	w.observe()
	if w.Doubt() == nil {
		t.Fatal("no doubt")
	}
	if !w.Reset(w.wall) {
		t.Error("a clock that had told a later time was not put back")
	}
	w.Accept(clock.Evidence{Record: w.wall})
	if w.Doubt() != nil || !w.Now().Equal(w.wall) {
		t.Errorf("it is %s, want %s; %v", w.Now(), w.wall, w.Doubt())
	}
}

func TestTheSystemsClocksAgreeAndTheUptimeGoesOn(t *testing.T) {
	c := clock.New(clock.Machine{}, clock.Mark{})
	c.Observe(clock.Evidence{})
	before, up := c.Now(), clock.Uptime()
	if d := time.Since(before); d < 0 || d > time.Minute {
		t.Errorf("the clock says %s, which is %s ago", before, d)
	}
	if up <= 0 || clock.Uptime() < up {
		t.Errorf("the uptime is %s and then %s", up, clock.Uptime())
	}
	if c.Doubt() != nil {
		t.Error(c.Doubt())
	}
}

func TestReadingTheClockAllocatesNothing(t *testing.T) {
	c := clock.New(clock.Machine{}, clock.Mark{})
	c.Observe(clock.Evidence{})
	if n := testing.AllocsPerRun(1000, func() {
		c.Now()
		_ = c.Check()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
