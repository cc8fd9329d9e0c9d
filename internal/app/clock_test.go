package app

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTimeNeverGoesBackWhateverTheMachinesClockDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		c := &clock{wall: func() time.Time { return at }}
		recorded := at.Add(time.Duration(rapid.Int64Range(-1e12, 1e12).Draw(t, "recorded")))
		c.advance(recorded)
		last := recorded.Truncate(time.Microsecond)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			at = at.Add(time.Duration(rapid.Int64Range(-1e12, 1e12).Draw(t, "step")))
			now := c.Now()
			if now.Before(last) {
				t.Fatalf("%v after %v", now, last)
			}
			last = now
		}
	})
}

func TestAClockThatStepsBackAMinuteMakesTheNodeNotReady(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &clock{wall: func() time.Time { return at }}
	c.Now()
	at = at.Add(-time.Minute)
	if err := c.ready(); err != nil {
		t.Errorf("a minute back: %v", err)
	}
	at = at.Add(-time.Millisecond)
	if err := c.ready(); err == nil {
		t.Error("more than a minute back, and still ready")
	}
}
