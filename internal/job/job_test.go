package job_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claviger-dev/claviger/internal/job"
)

func TestAPassRunsAtEveryTurnAlsoAfterAFailureAndNeverOnceStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		passes := 0
		j := job.Start("count", time.Second, slog.New(slog.DiscardHandler), func(context.Context) error {
			passes++
			return errors.New("fails every time")
		})
		<-time.After(3500 * time.Millisecond)
		j.Stop()
		if passes != 3 {
			t.Errorf("%d passes in 3.5 s, want 3", passes)
		}
		<-time.After(time.Minute)
		if passes != 3 {
			t.Error("a pass ran after Stop")
		}
	})
}

func TestAJobKnowsHowOftenItFailedAndWhenItLastDidNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, passes := time.Now(), 0
		j := job.Start("count", time.Second, slog.New(slog.DiscardHandler), func(context.Context) error {
			if passes++; passes == 2 {
				return nil
			}
			return errors.New("fails every time but one")
		})
		defer j.Stop()
		for _, want := range []struct {
			runs, failures uint64
			success        time.Duration
		}{{0, 0, 0}, {1, 1, 0}, {2, 1, 2 * time.Second}, {3, 2, 2 * time.Second}} {
			<-time.After(time.Until(begun.Add(time.Duration(want.runs)*time.Second + time.Millisecond)))
			if runs, failures, last := j.Runs.Load(), j.Failures.Load(), j.LastSuccess().Sub(begun); runs != want.runs || failures != want.failures || last != want.success {
				t.Errorf("%d runs, %d failures, the last success after %s; want %+v", runs, failures, last, want)
			}
		}
	})
}

func TestAJobApartRunsAtOnceAndThenAtEveryTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		passes := 0
		j := job.StartApart("count", time.Second, slog.New(slog.DiscardHandler), func(context.Context) error { passes++; return nil })
		<-time.After(2500 * time.Millisecond)
		j.Stop()
		if passes != 3 || !j.Apart {
			t.Errorf("%d passes in 2.5 s, want 3", passes)
		}
	})
}

func TestStopWaitsForThePassUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finished := false
		j := job.Start("slow", time.Second, slog.New(slog.DiscardHandler), func(context.Context) error {
			<-time.After(time.Minute)
			finished = true
			return nil
		})
		<-time.After(1500 * time.Millisecond)
		j.Stop()
		if !finished {
			t.Error("Stop returned in the middle of a pass")
		}
	})
}

func TestAPassThatPanicsIsAFailureAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		passes := 0
		j := job.Start("count", time.Second, slog.New(slog.NewTextHandler(&log, nil)), func(context.Context) error {
			if passes++; passes == 1 {
				panic("the secret")
			}
			return nil
		})
		<-time.After(2500 * time.Millisecond)
		j.Stop()
		if j.Runs.Load() != 2 || j.Failures.Load() != 1 {
			t.Errorf("%d passes ended, %d of them failed; want 2 and 1", j.Runs.Load(), j.Failures.Load())
		}
		if text := log.String(); !strings.Contains(text, "job_test.go") || strings.Contains(text, "the secret") {
			t.Errorf("the log should hold the stack and not what panicked:\n%s", text)
		}
	})
}
