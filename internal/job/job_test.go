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

func TestAPassRunsAtEveryTurnAndNeverOnceStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		passes := 0
		j := job.Start("count", time.Second, slog.New(slog.DiscardHandler), func(context.Context) error {
			passes++
			return nil
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

// failingJob starts a job whose passes fail until the time, and returns when each of them ran,
// after the job began.
func failingJob(start starter, every, until time.Duration, log *slog.Logger) (*job.Job, *[]time.Duration) {
	begun, ran := time.Now(), new([]time.Duration)
	return start("count", every, log, func(context.Context) error {
		at := time.Since(begun)
		*ran = append(*ran, at)
		if at < until {
			return errors.New("the database is away")
		}
		return nil
	}), ran
}

type starter = func(name string, every time.Duration, log *slog.Logger, pass func(context.Context) error) *job.Job

func TestAJobThatFailedSucceedsSoonAfterWhatFailedIsOverAndNotAtItsNextTurn(t *testing.T) {
	for _, outage := range []time.Duration{time.Millisecond, 3 * time.Second, 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			j, _ := failingJob(job.Start, time.Minute, time.Minute+outage, slog.New(slog.DiscardHandler))
			defer j.Stop()
			<-time.After(time.Minute + outage + 2*time.Second)
			synctest.Wait()
			if since := j.LastSuccess().Sub(begun); since < time.Minute+outage {
				t.Errorf("2 s after an outage of %s no pass has succeeded", outage)
			}
		})
	}
}

func TestAJobThatGoesOnFailingIsTriedAgainWithPausesThatGrowUpToItsTurn(t *testing.T) {
	for name, c := range map[string]struct {
		start starter
		want  []time.Duration // the most between two passes
	}{
		"that decisions need": {
			job.Start,
			[]time.Duration{time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second},
		},
		"apart": {job.StartNonCritical, []time.Duration{
			time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second,
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			j, ran := failingJob(c.start, 10*time.Second, time.Hour, slog.New(slog.DiscardHandler))
			<-time.After(time.Minute)
			j.Stop()
			for i, most := range c.want {
				pause := (*ran)[i+1] - (*ran)[i]
				if pause > most || i < 3 && pause < most*3/4 {
					t.Errorf("%s: failure %d was followed by a pause of %s, want at most %s and little less", name, i+1,
						pause, most)
				}
			}
		})
	}
}

func TestAJobThatGoesOnFailingIsLoggedEverMoreSeldomAndOnceWhenItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		j, ran := failingJob(job.Start, 250*time.Millisecond, time.Minute, slog.New(slog.NewTextHandler(&log, nil)))
		<-time.After(2 * time.Minute)
		j.Stop()
		if failed := strings.Count(log.String(), "job failed"); failed < 3 || failed > 9 || len(*ran) < 400 {
			t.Errorf("%d lines of failures in a minute, %d passes in two", failed, len(*ran))
		}
		if n := strings.Count(log.String(), "job succeeds again"); n != 1 {
			t.Errorf("%d lines say that it succeeds again", n)
		}
	})
}

func TestAPassThatHangsIsCutOffAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		passes := 0
		j := job.Start("hang", time.Second, slog.New(slog.NewTextHandler(&log, nil)), func(ctx context.Context) error {
			passes++
			if passes == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		defer j.Stop()
		<-time.After(2 * time.Minute)
		if j.Failures.Load() != 1 || j.Runs.Load() < 10 || !strings.Contains(log.String(), "cut off after 1m0s") {
			t.Errorf("%d failures in %d passes:\n%s", j.Failures.Load(), j.Runs.Load(), &log)
		}
	})
}

func TestAJobKnowsHowOftenItFailedAndWhenItLastDidNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		j, ran := failingJob(job.Start, time.Minute, time.Minute+1, slog.New(slog.DiscardHandler))
		defer j.Stop()
		<-time.After(30 * time.Second)
		if j.Runs.Load() != 0 || !j.LastSuccess().Equal(begun) {
			t.Errorf("before any pass: %d runs, the last success at %s", j.Runs.Load(), j.LastSuccess().Sub(begun))
		}
		<-time.After(time.Minute)
		if last := j.LastSuccess().Sub(begun); j.Runs.Load() != 2 || j.Failures.Load() != 1 || last != (*ran)[1] {
			t.Errorf("%d runs, %d failures, the last success after %s; ran at %v", j.Runs.Load(), j.Failures.Load(),
				last, *ran)
		}
	})
}

func TestAJobApartRunsAtOnceAndThenAtEveryTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		passes := 0
		j := job.StartNonCritical("count", time.Second, slog.New(slog.DiscardHandler),
			func(context.Context) error { passes++; return nil })
		<-time.After(2500 * time.Millisecond)
		j.Stop()
		if passes != 3 || !j.NonCritical {
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
			passes++
			if passes == 1 {
				panic("the secret")
			}
			return nil
		})
		<-time.After(2500 * time.Millisecond)
		j.Stop()
		if j.Runs.Load() < 2 || j.Failures.Load() != 1 {
			t.Errorf("%d passes ended, %d of them failed; want more after the one that failed", j.Runs.Load(),
				j.Failures.Load())
		}
		if text := log.String(); !strings.Contains(text, "job_test.go") || strings.Contains(text, "the secret") {
			t.Errorf("the log should hold the stack and not what panicked:\n%s", text)
		}
	})
}
