package app

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAFloodOfQuestionsWhetherTheNodeIsReadyCostsOneCheckASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r readiness
		looked, down := 0, errors.New("down")
		checks := []check{{"database", "it does not answer", func(context.Context) error { looked++; return down }}}
		begun := time.Now()
		for time.Since(begun) < 10*time.Second {
			for range 1000 {
				if err := unready(r.look(t.Context(), checks)); !errors.Is(err, down) {
					t.Fatal(err)
				}
			}
			<-time.After(100 * time.Millisecond)
		}
		if looked != 10 {
			t.Errorf("looked %d times in ten seconds", looked)
		}
	})
}

func TestAnswersOfSilentChecksAreNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r readiness
		silent := func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		begun := time.Now()
		if err := unready(r.look(t.Context(), []check{{"a", "silent", silent}, {"b", "silent", silent}})); err == nil {
			t.Error("silence passed for an answer")
		}
		if took := time.Since(begun); took > askWithin {
			t.Errorf("it took %s", took)
		}
	})
}
