package ratelimit_test

import (
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/ratelimit"
)

func TestEachCallerHasABurstAndThenAnEvenFlow(t *testing.T) {
	const perMinute = 6
	var callers ratelimit.Limiters[string]
	now := int64(0)
	for i := range perMinute {
		if wait := callers.Consume("one", now, perMinute); wait != 0 {
			t.Fatalf("request %d of the burst waits for %s", i+1, wait)
		}
	}
	if wait := callers.Consume("one", now, perMinute); wait != 10*time.Second {
		t.Errorf("the next one waits for %s, want 10s", wait)
	}
	if wait := callers.Consume("other", now, perMinute); wait != 0 {
		t.Errorf("another caller waits for %s", wait)
	}
	now += int64(10 * time.Second)
	if first, second := callers.Consume("one", now, perMinute), callers.Consume("one", now, perMinute); first != 0 || second == 0 {
		t.Errorf("ten seconds later the waits are %s and %s, want none and some", first, second)
	}
	callers.Sweep(now)
	if wait := callers.Consume("one", now, perMinute); wait == 0 {
		t.Error("a sweep gave a caller its burst back")
	}
}
