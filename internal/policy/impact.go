package policy

import (
	"slices"
	"time"
)

// Impact is what a change of rules does to the valid keys of an account.
type Impact struct {
	// Affected is how many keys expire earlier than before. First is when the first of them
	// expires; zero if there are none.
	Affected int
	First    time.Time
	// ExpiredNow is how many of them expire at once.
	ExpiredNow int
}

// Add adds the keys of a range to the impact of a change that is made now. firstSecret is when the
// oldest of their secrets was set.
func (e *Impact) Add(r ImpactRange, keys int, firstSecret, now time.Time) {
	if keys == 0 {
		return
	}
	e.Affected += keys
	end := r.expiryOf(firstSecret)
	if e.First.IsZero() || end.Before(e.First) {
		e.First = end
	}
	if !end.After(now) { // then so has every key of the range
		e.ExpiredNow += keys
	}
}

// ImpactRange is a range of times. Rules expire keys whose secret was set in it all in the same
// way, unless their own expiry is earlier.
type ImpactRange struct {
	// After and Until are the bounds: the secret was set after After, and not after Until.
	After, Until time.Time
	// End is when the rules expire these keys. If it is zero, they expire each key Days after its
	// secret was set. Both are zero where no rule expires these keys.
	End  time.Time
	Days int
}

// expiryOf returns when the new rules expire a key whose secret was set at that time.
func (s ImpactRange) expiryOf(secretSetAt time.Time) time.Time {
	if s.End.IsZero() {
		return secretSetAt.Add(time.Duration(s.Days) * Day)
	}
	return s.End
}

// continues reports whether the range begins where the other one ends, has the same rule, and has
// expired now if and only if the other one has.
func (s ImpactRange) continues(before ImpactRange, now time.Time) bool {
	return s.After.Equal(before.Until) && s.Days == before.Days && s.End.Equal(before.End) &&
		s.expiryOf(s.Until).After(now) == before.expiryOf(before.Until).After(now)
}

// farFuture is further ahead than any secret is set.
const farFuture = 100 * 365 * Day

// ImpactRanges returns the ranges of the keys that are valid now by the rules before the change and
// expire sooner by the rules after it, the oldest secrets first. With them the database can count
// the keys without returning each one. Either all keys of a range have expired now, or none.
func ImpactRanges(before, after []Rule, now time.Time) (ranges []ImpactRange) {
	before = truncated(before)
	after = truncated(after)
	now = now.Truncate(time.Microsecond)
	bounds := boundaries(slices.Concat(before, after), now)
	for i := 1; i < len(bounds); i++ {
		at := bounds[i]
		_, was := earliestRule(before, at)
		rule, is := earliestRule(after, at)
		if is.IsZero() || !was.IsZero() && (!is.Before(was) || !was.After(now)) {
			continue
		}
		r := rangeOf(bounds[i-1], at, rule, is)
		last := len(ranges) - 1
		if last >= 0 && r.continues(ranges[last], now) {
			ranges[last].Until = r.Until
		} else {
			ranges = append(ranges, r)
		}
	}
	return ranges
}

// LaterRanges returns the ranges of the keys that are valid now and expire later by the rules after
// the change, or never, the oldest secrets first. A range says how the rules before the change
// expire its keys.
func LaterRanges(before, after []Rule, now time.Time) []ImpactRange {
	return slices.DeleteFunc(ImpactRanges(after, before, now), func(r ImpactRange) bool {
		return !r.expiryOf(r.Until).After(now)
	})
}

// rangeOf returns the range between two boundaries, whose secrets the rule is the first to expire;
// end is when it expires those that were set last.
func rangeOf(after, until time.Time, rule Rule, end time.Time) ImpactRange {
	r := ImpactRange{After: after, Until: until, Days: rule.Days}
	if !until.After(rule.Since) {
		r.Days, r.End = 0, end
	}
	return r
}

// ExpiryRanges returns ranges that include every secret once, the oldest first, with how the rules
// expire them. With them the database can count when keys expire without returning each one.
func ExpiryRanges(rules []Rule, now time.Time) (ranges []ImpactRange) {
	rules = truncated(rules)
	bounds := boundaries(rules, now.Truncate(time.Microsecond))
	for i := 1; i < len(bounds); i++ {
		rule, end := earliestRule(rules, bounds[i])
		r := rangeOf(bounds[i-1], bounds[i], rule, end)
		last := len(ranges) - 1
		if last >= 0 && r.Days == ranges[last].Days && r.End.Equal(ranges[last].End) {
			ranges[last].Until = r.Until
		} else {
			ranges = append(ranges, r)
		}
	}
	return ranges
}

// truncated returns the rules with times in whole microseconds, as the database stores them.
func truncated(rules []Rule) []Rule {
	rules = slices.Clone(rules)
	for i, r := range rules {
		rules[i].Since, rules[i].Until = r.Since.Truncate(time.Microsecond), r.Until.Truncate(time.Microsecond)
	}
	return rules
}

// earliestRule returns the rule that is the first to expire a secret set at that time, and when it
// does; zero if no rule does. Of two rules with the same time it returns the one whose days count
// from the secret, because it expires older secrets sooner.
func earliestRule(rules []Rule, secretSetAt time.Time) (first Rule, end time.Time) {
	for _, r := range rules {
		d := r.Deadline(secretSetAt)
		if !r.binds(d) {
			continue
		}
		if end.IsZero() || d.Before(end) || d.Equal(end) && secretSetAt.After(r.Since) {
			first, end = r, d
		}
	}
	return first, end
}

// boundaries returns times, in order, from 1970 until long after now. Between two of them one rule
// applies to all secrets in the same way. The boundaries are the times at which, or a microsecond
// after which, one of these changes: which of two rules expires a secret first, whether the days of
// a rule count from its own beginning, whether an ended rule counts, and whether a secret has
// expired.
func boundaries(rules []Rule, now time.Time) (all []time.Time) {
	until := now.Add(farFuture)
	add := func(at time.Time) {
		for _, at := range []time.Time{at.Add(-time.Microsecond), at} {
			if at.After(time.Unix(0, 0)) && at.Before(until) {
				all = append(all, at)
			}
		}
	}
	for _, r := range rules {
		lifetime := time.Duration(r.Days) * Day
		add(r.Since)
		add(now.Add(-lifetime))
		if !r.Until.IsZero() {
			add(r.Until.Add(-lifetime))
		}
		for _, other := range rules {
			add(other.Since.Add(time.Duration(other.Days)*Day - lifetime))
		}
	}
	all = append(all, time.Unix(0, 0), until)
	slices.SortFunc(all, time.Time.Compare)
	return slices.CompactFunc(all, time.Time.Equal)
}
