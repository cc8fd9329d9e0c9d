package policy

import (
	"slices"
	"time"
)

// Reason says which rule ends a key's authority. The zero value means that none does.
type Reason string

// The reasons, in the order in which they win a tie.
const (
	ByKey         Reason = "key"
	ByMaxLifetime Reason = "max_lifetime"
	ByAutoExpiry  Reason = "auto_expiry"
)

var tieOrder = [...]Reason{ByKey, ByMaxLifetime, ByAutoExpiry}

// Day is what a policy counts in.
const Day = 24 * time.Hour

// Grace is how long an end is still known as one: so long may an expired key be refreshed by its owner, and a previous secret that ran out say so.
const Grace = 30 * Day

// Overrun is how long a rule still counts after the change that ends it, so that whatever was being decided by the old rules meanwhile stays decided: it is
// longer than a change takes until every decision of every node follows it, and by more than their clocks differ. A key whose time is up within it expires all the same.
const Overrun = 2 * time.Minute

// Rule is one stretch of an account's policy. A policy is a list of rules; changing it ends rules and adds others, so that
// tightening never postpones an expiry and loosening never revives a key.
type Rule struct {
	Reason Reason // ByMaxLifetime or ByAutoExpiry
	Days   int
	// Since is when the rule took effect. Secrets older than the rule count from here
	// (seed LoadRunner: key of 5 Oct 2023, policy of 1 Nov 2023: 90 days from 1 Nov).
	Since time.Time
	// Until is when the rule ended; zero while it is in force.
	Until time.Time
}

// Deadline is when a secret set at the given time ends under the rule.
func (r Rule) Deadline(secretSetAt time.Time) time.Time {
	from := secretSetAt
	if r.Since.After(from) {
		from = r.Since
	}
	return from.Add(time.Duration(r.Days) * Day)
}

// counts reports whether the rule's deadline binds: while in force, and afterwards if it had passed before the end.
func (r Rule) counts(deadline time.Time) bool {
	return r.Until.IsZero() || !deadline.After(r.Until)
}

// Revise sets the policy of one reason to that many days as of now, or switches it off with 0. The answer holds the same rules in the same order, some of
// them ended after the [Overrun], without those that never expired a key and no longer can, and at most one more, the last. Setting what holds already
// changes nothing. Now lies before no rule's since.
//
// Tightening only adds a rule, so no expiry moves back. Loosening ends the tighter rules, which go on counting for the keys they had
// expired by then, and the looser rule takes over their earliest since: secrets older than the policy gain the difference in days and no more.
func Revise(rules []Rule, reason Reason, days int, now time.Time) []Rule {
	revised := slices.Clone(rules)
	since, holds := now, days == 0
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
			holds = true
		}
	}
	revised = slices.DeleteFunc(revised, Rule.spent)
	if holds {
		return revised
	}
	return append(revised, Rule{Reason: reason, Days: days, Since: since})
}

// spent reports whether the rule ended before it could expire even the oldest secret.
func (r Rule) spent() bool { return !r.counts(r.Deadline(time.Time{})) }

// InForce gives the rule of the reason that binds new secrets, the tightest one; zero where there is none.
func InForce(rules []Rule, reason Reason) (tightest Rule) {
	for _, r := range rules {
		if r.Reason == reason && r.Until.IsZero() && (tightest.Days == 0 || r.Days < tightest.Days) {
			tightest = r
		}
	}
	return tightest
}

// Expiry is when a key's authority ends and why. The zero value means never. Authority ends at the instant itself.
type Expiry struct {
	At     time.Time
	Reason Reason
}

// Passed reports whether the authority has ended.
func (e Expiry) Passed(now time.Time) bool { return !e.At.IsZero() && !now.Before(e.At) }

// EffectiveExpiry is the earliest of the key's own expiry (zero for none) and the deadlines of the account's rules. It is the one
// place where an expiry is computed. A key with no secret yet (zero secretSetAt) expires by its own date alone.
func EffectiveExpiry(own, secretSetAt time.Time, rules []Rule) Expiry {
	var best Expiry
	for _, reason := range tieOrder {
		at := own
		if reason != ByKey {
			at = earliest(reason, secretSetAt, rules)
		}
		if !at.IsZero() && (best.At.IsZero() || at.Before(best.At)) {
			best = Expiry{At: at, Reason: reason}
		}
	}
	return best
}

func earliest(reason Reason, secretSetAt time.Time, rules []Rule) (first time.Time) {
	if secretSetAt.IsZero() {
		return first
	}
	for _, r := range rules {
		if r.Reason != reason {
			continue
		}
		if d := r.Deadline(secretSetAt); r.counts(d) && (first.IsZero() || d.Before(first)) {
			first = d
		}
	}
	return first
}

// SetBy gives the latest time at which a secret can have been set that the rules had expired by the given moment; zero where there is none.
func SetBy(rules []Rule, by time.Time) (latest time.Time) {
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

// Status is the state of a key at one moment.
type Status string

// The states; a key has the first that holds.
const (
	Revoked  Status = "revoked"
	Expired  Status = "expired"
	Disabled Status = "disabled"
	Active   Status = "active"
)

// Statuses lists the states.
func Statuses() []Status { return []Status{Revoked, Expired, Disabled, Active} }

// Unknown is the status of a secret that is no longer one of its key's. No key is shown with it.
const Unknown Status = "unknown"

// Life is what decides a key's state. It is a value: the state is computed, never stored.
type Life struct {
	RevokedAt  time.Time
	DisabledAt time.Time
	Expiry     Expiry
	// SlotLost is set for a key that expired and whose slot another key took. Only a refresh ends that.
	SlotLost bool
}

// State gives the status at the given time, without regard to what is above the key: see [KeyStatus].
func (l Life) State(now time.Time) Status {
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
