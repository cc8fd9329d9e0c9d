package identity

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/claviger-dev/claviger/internal/fault"
)

func TestTheQueueSaysWhoHashesWhoWaitsAndHowManyGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(Cost{Memory: 8, Time: 1, Threads: 1}, 1)
		demand := func(running, waiting int64, gaveUp uint64) {
			t.Helper()
			q := h.Queue()
			if r, w, g := q.Running.Load(), q.Waiting.Load(), q.GivenUp.Load(); r != running || w != waiting || g != gaveUp {
				t.Errorf("running %d, waiting %d, given up %d; want %d, %d, %d", r, w, g, running, waiting, gaveUp)
			}
		}
		err := h.inTurn(t.Context(), "", func(turn) error {
			second := make(chan error)
			go func() { second <- h.inTurn(t.Context(), "", func(turn) error { return nil }) }()
			synctest.Wait()
			demand(1, 1, 0)
			if err := <-second; !errors.Is(err, fault.Unavailable) {
				t.Errorf("the second had its turn: %v", err)
			}
			demand(1, 0, 1)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		demand(0, 0, 1)
	})
}
