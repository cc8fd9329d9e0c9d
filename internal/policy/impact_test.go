package policy_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/policy"
)

// dated is a key with its own expiry (zero for none) and the time when its secret was set.
type dated struct{ own, set time.Time }

// drawKey draws a key whose secret was set about the time at which the rules for it change.
func drawKey(t *rapid.T, now time.Time) dated {
	k := dated{set: now.Add(-time.Duration(rapid.IntRange(0, 120).Draw(t, "age")) * policy.Day)}
	k.set = k.set.Add(rapid.SampledFrom([]time.Duration{
		0, 0, -time.Microsecond, time.Microsecond, policy.Overrun,
		12 * time.Hour,
	}).Draw(t, "moment"))
	if rapid.Bool().Draw(t, "expires by itself") {
		k.own = now.Add(time.Duration(rapid.IntRange(-10, 60).Draw(t, "own")) * policy.Day)
	}
	return k
}

// inRange reports whether the range includes the key, as the database does.
func (k dated) inRange(s policy.ImpactRange, now time.Time) bool {
	end := s.End
	if end.IsZero() {
		end = k.set.Add(time.Duration(s.Days) * policy.Day)
	}
	return k.set.After(s.After) && !k.set.After(s.Until) && (k.own.IsZero() || k.own.After(now) && k.own.After(end))
}

func impactByRanges(keys []dated, before, after []policy.Rule, now time.Time) (e policy.Impact) {
	for _, s := range policy.ImpactRanges(before, after, now) {
		n, first := 0, time.Time{}
		for _, k := range keys {
			if !k.inRange(s, now) {
				continue
			}
			n++
			if first.IsZero() || k.set.Before(first) {
				first = k.set
			}
		}
		e.Add(s, n, first, now)
	}
	return e
}

func impactByKey(keys []dated, before, after []policy.Rule, now time.Time) (e policy.Impact) {
	for _, k := range keys {
		was, is := policy.EffectiveExpiry(k.own, k.set, before), policy.EffectiveExpiry(k.own, k.set, after)
		if was.Passed(now) || !later(was, is) {
			continue
		}
		e.Affected++
		if e.First.IsZero() || is.At.Before(e.First) {
			e.First = is.At
		}
		if is.Passed(now) {
			e.ExpiredNow++
		}
	}
	return e
}

func TestTheRangesOfAChangeHaveTheKeysThatItExpiresSooner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		after := policy.Revise(s.rules, s.reason, rapid.IntRange(0, 50).Draw(t, "to"), s.now)
		if rapid.Bool().Draw(t, "rules that no revision makes") { // some end keys at once
			after = drawSituation(t).rules
		}
		keys := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) dated { return drawKey(t, s.now) }), 0, 8).Draw(t, "keys")
		if got, want := impactByRanges(keys, s.rules, after, s.now),
			impactByKey(keys, s.rules, after, s.now); got != want {
			t.Fatalf("by ranges %+v, key by key %+v; ranges %v", got, want, policy.ImpactRanges(s.rules, after, s.now))
		}
	})
}

func TestTheRangesOfAChangeHaveTheKeysThatItExpiresLater(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		after := policy.Revise(s.rules, s.reason, rapid.IntRange(0, 50).Draw(t, "to"), s.now)
		keys := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) dated { return drawKey(t, s.now) }), 0, 8).Draw(t, "keys")
		found, want := 0, 0
		ranges := policy.LaterRanges(s.rules, after, s.now)
		for _, k := range keys {
			was, is := policy.EffectiveExpiry(k.own, k.set, s.rules), policy.EffectiveExpiry(k.own, k.set, after)
			if !was.Passed(s.now) && later(is, was) {
				want++
			}
			for _, r := range ranges {
				if k.inRange(r, s.now) {
					found++
				}
			}
		}
		if found != want {
			t.Fatalf("by ranges %d, key by key %d; ranges %v", found, want, ranges)
		}
	})
}

func TestEverySecretIsInOneRangeThatExpiresItAsTheRulesDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		k := drawKey(t, s.now)
		k.set = k.set.Truncate(time.Microsecond)
		var found []time.Time
		for _, r := range policy.ExpiryRanges(s.rules, s.now) {
			end := r.End
			if end.IsZero() && r.Days > 0 {
				end = k.set.Add(time.Duration(r.Days) * policy.Day)
			}
			if k.set.After(r.After) && !k.set.After(r.Until) {
				found = append(found, end)
			}
		}
		want := policy.EffectiveExpiry(time.Time{}, k.set, s.rules).At
		if len(found) != 1 || !found[0].Equal(want) {
			t.Fatalf("by ranges %v, by the rules %v; ranges %v", found, want, policy.ExpiryRanges(s.rules, s.now))
		}
	})
}

func TestTheRangesOfAChangeAreFew(t *testing.T) {
	now := day("2026-01-01")
	var rules []policy.Rule
	for n := range 100 { // as many as an account may have
		rules = append(rules,
			policy.Rule{Reason: policy.ByMaxLifetime, Days: 400 - n, Since: now.Add(time.Duration(n-1000) * time.Hour)})
	}
	start := time.Now()
	ranges := policy.ImpactRanges(rules, policy.Revise(rules, policy.ByAutoExpiry, 90, now), now)
	if len(ranges) == 0 || len(ranges) > 2*len(rules) {
		t.Errorf("%d ranges", len(ranges))
	}
	t.Logf("%d ranges in %s", len(ranges), time.Since(start))
}
