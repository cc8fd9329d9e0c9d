package policy

import (
	"slices"
	"time"
)

// Reason says which rule sets a key's expiry. The zero value means that none does.
type Reason string

// The reasons. Of two that set the same time, the first counts.
const (
	ByKey         Reason = "key"
	ByMaxLifetime Reason = "max_lifetime"
	ByAutoExpiry  Reason = "auto_expiry"
)

var reasonPriority = [...]Reason{ByKey, ByMaxLifetime, ByAutoExpiry}

// Day is the unit of a policy.
const Day = 24 * time.Hour

// Grace is how long after an expiry the owner may refresh the key, and how long a previous secret
// that expired is reported as expired rather than unknown.
const Grace = 30 * Day

// Overrun is how long a rule still counts after the change that ends it. A key that would expire
// within that time expires all the same. So what other nodes decide by the old rules, before they
// know of the change, stays true. Overrun is longer than a change takes to reach every node, by
// more than the clocks of nodes differ.
const Overrun = 2 * time.Minute

// Rule is one part of an account's policy, for a time. A policy is a list of rules. A change ends
// some rules and adds another, so that a stricter policy never postpones an expiry and a looser one
// never revives a key.
type Rule struct {
	Reason Reason // ByMaxLifetime or ByAutoExpiry
	Days   int
	// Since is when the rule took effect. The days of older secrets count from here
	// (seed LoadRunner: key of 5 Oct 2023, policy of 1 Nov 2023: 90 days from 1 Nov).
	Since time.Time
	// Until is when the rule ended; zero while it is in force.
	Until time.Time
}

// Deadline returns when a secret that was set at the given time expires by the rule.
func (r Rule) Deadline(secretSetAt time.Time) time.Time {
	from := secretSetAt
	if r.Since.After(from) {
		from = r.Since
	}
	return from.Add(time.Duration(r.Days) * Day)
}

// binds reports whether the deadline counts: always while the rule is in force, and afterwards if
// the deadline was not later than the rule's end.
func (r Rule) binds(deadline time.Time) bool {
	return r.Until.IsZero() || !deadline.After(r.Until)
}

// Revise returns the rules after the policy of one reason is set to that many days now, or switched
// off with 0. It returns the same rules in the same order, and at most one more at the end. Rules
// that no longer apply end after the [Overrun]. It leaves out rules that have expired no key and
// can no longer do so, and rules that ended a day ago and are covered by another. Setting the value
// that is in force changes nothing. now must not be before the Since of any rule.
//
// Tightening only adds a rule, so no expiry moves back. Loosening ends the stricter rules. These
// still count for the keys that they had expired by then. The looser rule takes over their earliest
// Since: secrets older than the policy gain the difference in days and no more.
func Revise(rules []Rule, reason Reason, days int, now time.Time) []Rule {
	revised := slices.Clone(rules)
	since, inForce := now, days == 0
	for i := range revised {
		r := &revised[i]
		switch {
		case r.Reason != reason || !r.Until.IsZero():
		case r.Days < days || days == 0:
			r.Until = now.Add(Overrun)
			if r.Since.Before(since) {
				since = r.Since
			}
		case r.Days == days:
			inForce = true
		}
	}
	revised = dropCovered(slices.DeleteFunc(revised, Rule.hadNoEffect), now)
	if inForce {
		return revised
	}
	return append(revised, Rule{Reason: reason, Days: days, Since: since})
}

// hadNoEffect reports whether the rule ended before it could expire even the oldest secret.
func (r Rule) hadNoEffect() bool { return !r.binds(r.Deadline(time.Time{})) }

// coveredRetention is how long an ended rule is kept although another covers it. In that time its
// end is taken into account by the planning of notices.
const coveredRetention = Day

// dropCovered returns the rules without those that ended long ago and are covered by another ended
// rule. This changes no expiry.
func dropCovered(rules []Rule, now time.Time) (kept []Rule) {
	for i, r := range rules {
		if r.Until.IsZero() || !r.Until.Before(now.Add(-coveredRetention)) || !covered(rules, i) {
			kept = append(kept, r)
		}
	}
	return kept
}

// covered reports whether another rule covers the one at the index. Of two rules that cover each
// other, only the second counts as covered.
func covered(rules []Rule, index int) bool {
	for i, r := range rules {
		if i != index && r.covers(rules[index]) && (i < index || !rules[index].covers(r)) {
			return true
		}
	}
	return false
}

// covers reports whether both rules have ended and this one expires every secret that the other one
// expires, at the same time or sooner.
func (r Rule) covers(other Rule) bool {
	if r.Reason != other.Reason || r.Until.IsZero() || other.Until.IsZero() || r.Days > other.Days {
		return false
	}
	// The deadline for the oldest secrets is the earliest one of the other rule. The last secret
	// that it expires was set its number of days before its end.
	last := other.Until.Add(-time.Duration(other.Days) * Day)
	return !r.Deadline(time.Time{}).After(other.Deadline(time.Time{})) && r.binds(r.Deadline(last))
}

// InForce returns the strictest rule of the reason that is in force; the zero value if none is.
func InForce(rules []Rule, reason Reason) (tightest Rule) {
	for _, r := range rules {
		if r.Reason == reason && r.Until.IsZero() && (tightest.Days == 0 || r.Days < tightest.Days) {
			tightest = r
		}
	}
	return tightest
}

// Expiry is when a key expires and why. The zero value means never. At the time itself the key has
// already expired.
type Expiry struct {
	At     time.Time
	Reason Reason
}

// Passed reports whether the key has expired.
func (e Expiry) Passed(now time.Time) bool { return !e.At.IsZero() && !now.Before(e.At) }

// EffectiveExpiry returns the earliest of the key's own expiry (zero for none) and the deadlines of
// the account's rules. Expiries are computed nowhere else. A key without a secret (zero
// secretSetAt) expires only by its own date.
func EffectiveExpiry(own, secretSetAt time.Time, rules []Rule) Expiry {
	var best Expiry
	for _, reason := range reasonPriority {
		at := own
		if reason != ByKey {
			at = earliestDeadline(reason, secretSetAt, rules)
		}
		if !at.IsZero() && (best.At.IsZero() || at.Before(best.At)) {
			best = Expiry{At: at, Reason: reason}
		}
	}
	return best
}

// earliestDeadline returns the earliest deadline that counts, by the rules of the reason; zero for
// none.
func earliestDeadline(reason Reason, secretSetAt time.Time, rules []Rule) (first time.Time) {
	if secretSetAt.IsZero() {
		return first
	}
	for _, r := range rules {
		if r.Reason != reason {
			continue
		}
		if d := r.Deadline(secretSetAt); r.binds(d) && (first.IsZero() || d.Before(first)) {
			first = d
		}
	}
	return first
}

// LatestExpiredSecret returns the latest time at which a secret can have been set that the rules
// have expired at the given time; zero if there is none.
func LatestExpiredSecret(rules []Rule, by time.Time) (latest time.Time) {
	for _, r := range rules {
		end := by
		if !r.Until.IsZero() && r.Until.Before(end) {
			end = r.Until
		}
		if set := end.Add(-time.Duration(r.Days) * Day); !set.Before(r.Since) && set.After(latest) {
			latest = set
		}
	}
	return latest
}

// Status is what a key is at one moment.
type Status string

// The statuses. A key has the first one that applies.
const (
	Revoked  Status = "revoked"
	Expired  Status = "expired"
	Disabled Status = "disabled"
	Active   Status = "active"
)

// Statuses returns the statuses of keys.
func Statuses() []Status { return []Status{Revoked, Expired, Disabled, Active} }

// Unknown is the status of a secret that no longer belongs to its key. No key is shown with it.
const Unknown Status = "unknown"

// Life is what decides the status of a key. The status is computed and never stored.
type Life struct {
	RevokedAt  time.Time
	DisabledAt time.Time
	Expiry     Expiry
	// SlotLost is set for an expired key whose slot another key took. Only a refresh gives it a
	// slot again.
	SlotLost bool
}

// Status returns the status at the given time. It does not consider the owner and the tenant: see
// [KeyStatus].
func (l Life) Status(now time.Time) Status {
	switch {
	case !l.RevokedAt.IsZero():
		return Revoked
	case l.Expiry.Passed(now), l.SlotLost:
		return Expired
	case !l.DisabledAt.IsZero():
		return Disabled
	}
	return Active
}
