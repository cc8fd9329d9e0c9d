package console

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// background is a Background whose clock and job the test drives.
type background struct {
	*Background
	t        *testing.T
	now      time.Time
	computed int
	err      error
}

func newBackground(t *testing.T) *background {
	t.Helper()
	b := &background{t: t, now: time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)}
	b.Background = &Background{Now: func() time.Time { return b.now }}
	b.SetFirstWait(time.Nanosecond)
	return b
}

// ask returns the number of the computation whose result there is; 0 for none.
func (b *background) ask(of string) int {
	b.t.Helper()
	value, _, ok := b.Background.ask(b.t.Context(), resultName{countsKind, of, ""}, countsAge, true,
		func(context.Context) (any, error) {
			b.computed++
			return b.computed, b.err
		})
	if !ok {
		return 0
	}
	return value.(int)
}

func (b *background) run() {
	b.t.Helper()
	if err := b.RunCounts(b.t.Context()); (err == nil) != (b.err == nil) {
		b.t.Errorf("the job reports %v, want %v", err, b.err)
	}
}

func TestAResultIsComputedBesideThePageAndAgainOnceItIsOld(t *testing.T) {
	t.Parallel()
	b := newBackground(t)
	is := func(when string, want int) {
		t.Helper()
		if got := b.ask("ten_1"); got != want {
			t.Errorf("%s: %d, want %d", when, got, want)
		}
	}
	is("at first", 0)
	is("asked twice", 0)
	b.run()
	is("computed", 1)
	b.now = b.now.Add(countsAge - time.Second)
	is("young", 1)
	b.run()
	b.now = b.now.Add(2 * time.Second)
	is("old", 1)
	b.run()
	is("computed again", 2)
	b.forget("ten_2")
	is("another changed", 2)
	b.err = errors.New("the database is gone")
	b.now = b.now.Add(time.Hour)
	is("after an hour", 2)
	b.run()
	b.err = nil
	is("after an error", 2)
	b.run()
	if b.computed != 3 {
		t.Errorf("after an error it was computed without a pause: %d times", b.computed)
	}
	b.now = b.now.Add(retryAge)
	is("after a pause", 2)
	b.run()
	is("after the error", 4)
	b.forget("ten_1")
	is("changed", 0)
}

func TestResultsAreBounded(t *testing.T) {
	t.Parallel()
	b := newBackground(t)
	for i := range maxCounts + 100 {
		b.now = b.now.Add(time.Millisecond)
		b.ask(fmt.Sprint(i))
		b.run()
	}
	if n := len(b.results); n != maxCounts {
		t.Errorf("%d results are kept", n)
	}
	if b.ask(fmt.Sprint(maxCounts+99)) == 0 || b.ask("0") != 0 {
		t.Error("not the oldest result was dropped")
	}
	b.run()
	b.now = b.now.Add(keptFor + time.Second)
	b.ask("new")
	if n := len(b.results); n != 1 {
		t.Errorf("%d results are kept that nobody looks at", n)
	}
	full := newBackground(t)
	for i := range maxCounts + 5 {
		full.ask(fmt.Sprint(i)) // no job runs
	}
	if n := len(full.queues[countsKind]); n != maxCounts {
		t.Errorf("%d computations wait", n)
	}
}
