package secondfactor

import (
	"testing"
	"time"
)

// The vectors of RFC 6238, appendix B, for SHA-1. Their codes have 8 digits; ours are the last 6.
func TestCodesAreThoseOfTheRFC(t *testing.T) {
	t.Parallel()
	secret := []byte("12345678901234567890")
	for seconds, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924",
		2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := codeAt(secret, StepAt(time.Unix(seconds, 0))); got != want[2:] {
			t.Errorf("at %d: %s, want %s", seconds, got, want[2:])
		}
	}
}

func TestACodeCountsOneStepEarlyOrLateAndNeverTwice(t *testing.T) {
	t.Parallel()
	secret := []byte("12345678901234567890")
	now := time.Unix(1111111111, 0)
	current := StepAt(now)
	for _, c := range []struct {
		name        string
		step, after int64
		found       bool
	}{
		{"the present code", current, 0, true},
		{"the one before", current - 1, 0, true},
		{"the next one", current + 1, 0, true},
		{"one of two steps ago", current - 2, 0, false},
		{"one of two steps ahead", current + 2, 0, false},
		{"one that was accepted", current, current, false},
		{"one before the accepted one", current - 1, current, false},
		{"the one after the accepted one", current + 1, current, true},
	} {
		step, found := findStep(secret, codeAt(secret, c.step), now, c.after)
		if found != c.found || found && step != c.step {
			t.Errorf("%s: %d %t", c.name, step, found)
		}
	}
}
