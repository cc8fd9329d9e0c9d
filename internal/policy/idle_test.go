package policy_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/policy"
)

// The reference goes through the days one by one and counts those without a sign of life.
func TestAKeyIsIdleAfterSoManyDaysWithoutASignOfLifeAndNeverWithinTheNotice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string, low int) int { return rapid.IntRange(low, 60).Draw(t, name) }
		days := draw("days", 0)
		since := draw("since", 0)
		set := draw("set", 0)
		used := draw("used", -1)
		enabled := draw("enabled", -1)
		at := func(n int) time.Time {
			if n < 0 {
				return time.Time{}
			}
			return epoch.Add(time.Duration(n) * policy.Day)
		}
		want := time.Time{}
		for now, quiet := 0, -1; days > 0 && want.IsZero(); now++ {
			if now == set || now == used || now == enabled {
				quiet = 0
			}
			if now >= set && now >= used && now >= enabled && quiet >= max(days, 8) && now >= since+7 {
				want = at(now)
			}
			if quiet >= 0 {
				quiet++
			}
		}
		tenant := policy.IdleRule{Days: days, Since: at(since)}
		k := policy.Activity{LastUsedAt: at(used), SecretSetAt: at(set), EnabledAt: at(enabled)}
		got := tenant.IdleAt(k)
		if !got.Equal(want) {
			t.Fatalf("%+v of %+v: %v, want %v", k, tenant, got, want)
		}
		by := at(draw("by", 0) * 3)
		sign := at(max(set, used, enabled))
		latest := tenant.IdleCutoff(by)
		if due := !got.IsZero() && !got.After(by); due != (!latest.IsZero() && !sign.After(latest)) {
			t.Fatalf("%+v of %+v, due at %v, by %v: known by a sign of life of %v at the latest", k, tenant, got, by,
				latest)
		}
	})
}

func TestAKeyWithoutASecretIsNeverIdle(t *testing.T) {
	if got := (policy.IdleRule{Days: 30}).IdleAt(policy.Activity{}); !got.IsZero() {
		t.Errorf("idle at %v", got)
	}
}
