package policy

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
)

// The policy a new account starts with, in days.
const (
	firstMaxLifetime = 3650
	firstAutoExpiry  = 90
)

// The bounds of an account's policy. Automatic expiration goes in steps (seed LoadRunner).
const (
	maxLifetime      = 3650
	minAutoExpiry    = 90
	maxAutoExpiry    = 360
	autoExpiryStep   = 30
	minIdleMinutes   = 5
	maxIdleMinutes   = 7 * 24 * 60
	minAbsoluteHours = 1
	maxAbsoluteHours = 30 * 24
)

// Sessions bounds sign-ins. Idle ends one that was not seen for so long, Absolute one that began so long ago; 0 stands for the default.
type Sessions struct{ Idle, Absolute time.Duration }

// DefaultSessions are the bounds where no account sets any, LongestSessions those that none can exceed.
var (
	DefaultSessions = Sessions{Idle: 12 * time.Hour, Absolute: 7 * Day}
	LongestSessions = Sessions{Idle: maxIdleMinutes * time.Minute, Absolute: maxAbsoluteHours * time.Hour}
)

// Strictest gives the bounds for a person who belongs to accounts with these; the default ones for a person of none.
func Strictest(accounts ...Sessions) Sessions {
	if len(accounts) == 0 {
		return DefaultSessions
	}
	strictest := LongestSessions
	for _, s := range accounts {
		s = s.effective()
		strictest = Sessions{Idle: min(strictest.Idle, s.Idle), Absolute: min(strictest.Absolute, s.Absolute)}
	}
	return strictest
}

// effective puts the default in the place of 0.
func (s Sessions) effective() Sessions {
	if s.Idle == 0 {
		s.Idle = DefaultSessions.Idle
	}
	if s.Absolute == 0 {
		s.Absolute = DefaultSessions.Absolute
	}
	return s
}

// Policy is what an account asks of all its tenants.
type Policy struct {
	// Rules of the lifetime of keys, ended ones too, in the order in which they were made.
	Rules    []Rule
	Sessions Sessions
}

// FirstPolicy is that of an account made at the given time.
func FirstPolicy(autoExpiry bool, at time.Time) (p Policy) {
	p.Rules = Revise(nil, ByMaxLifetime, firstMaxLifetime, at)
	if autoExpiry {
		p.Rules = Revise(p.Rules, ByAutoExpiry, firstAutoExpiry, at)
	}
	return p
}

// EffectiveSessions are the account's bounds, or the default ones.
func (p Policy) EffectiveSessions() Sessions { return p.Sessions.effective() }

// Stale gives by when sessions that have ended by the account's bounds, or are about to, were last seen, and by when they began. See [Overrun].
func (p Policy) Stale(now time.Time) (seenBy, begunBy time.Time) {
	bounds, soon := p.EffectiveSessions(), now.Add(Overrun)
	return soon.Add(-bounds.Idle), soon.Add(-bounds.Absolute)
}

// Change is what somebody asks an account's policy to become. What is nil stays, and 0 stands for null: none, or the default.
type Change struct {
	AutoExpiry           *bool
	AutoExpiryDays       *int
	MaxLifetimeDays      *int
	SessionIdleMinutes   *int
	SessionAbsoluteHours *int
	// AcknowledgeRisk must be set to switch automatic expiration off.
	AcknowledgeRisk bool
}

// Faults says what is wrong with the change, whatever the policy is now.
func (c Change) Faults() []fault.Field {
	return slices.Concat(
		c.autoExpiryFaults(),
		within("max_lifetime_days", c.MaxLifetimeDays, 1, maxLifetime, "none"),
		within("session_idle_minutes", c.SessionIdleMinutes, minIdleMinutes, maxIdleMinutes, fmt.Sprintf("the default, %d", DefaultSessions.Idle/time.Minute)),
		within("session_absolute_hours", c.SessionAbsoluteHours, minAbsoluteHours, maxAbsoluteHours, fmt.Sprintf("the default, %d", DefaultSessions.Absolute/time.Hour)),
	)
}

func (c Change) autoExpiryFaults() []fault.Field {
	const field = "auto_expiry.days"
	switch days := c.AutoExpiryDays; {
	case days == nil:
		return nil
	case *days < minAutoExpiry || *days > maxAutoExpiry || *days%autoExpiryStep != 0:
		return []fault.Field{{Name: field, Code: "range", Message: fmt.Sprintf("Use %d to %d in steps of %d.", minAutoExpiry, maxAutoExpiry, autoExpiryStep)}}
	case c.AutoExpiry != nil && !*c.AutoExpiry:
		return []fault.Field{{Name: field, Code: "exclusive", Message: "Leave it out to switch automatic expiration off."}}
	}
	return nil
}

// within wants a number between the bounds, or 0 for null, which stands for what is said.
func within(name string, n *int, least, most int, null string) []fault.Field {
	if n == nil || *n == 0 || *n >= least && *n <= most {
		return nil
	}
	return []fault.Field{{Name: name, Code: "range", Message: fmt.Sprintf("Use %d to %d, or null for %s.", least, most, null)}}
}

// Apply gives the policy that the change makes of this one as of now. What the policy as it is does not allow is refused by field.
func (p Policy) Apply(c Change, now time.Time) (Policy, []fault.Field) {
	auto := InForce(p.Rules, ByAutoExpiry).Days
	switch on := auto > 0; {
	case c.AutoExpiry == nil && c.AutoExpiryDays != nil && !on:
		return p, []fault.Field{{Name: "auto_expiry.enabled", Code: "required", Message: "Automatic expiration is off; send true to switch it on."}}
	case c.AutoExpiry != nil && !*c.AutoExpiry:
		if on && !c.AcknowledgeRisk {
			return p, []fault.Field{{Name: "acknowledge_risk", Code: "required", Message: "Keys that never expire are a risk. Send true to switch automatic expiration off all the same."}}
		}
		auto = 0
	case c.AutoExpiryDays != nil:
		auto = *c.AutoExpiryDays
	case c.AutoExpiry != nil && !on:
		auto = firstAutoExpiry
	}
	p.Rules = Revise(p.Rules, ByAutoExpiry, auto, now)
	if c.MaxLifetimeDays != nil {
		p.Rules = Revise(p.Rules, ByMaxLifetime, *c.MaxLifetimeDays, now)
	}
	if c.SessionIdleMinutes != nil {
		p.Sessions.Idle = time.Duration(*c.SessionIdleMinutes) * time.Minute
	}
	if c.SessionAbsoluteHours != nil {
		p.Sessions.Absolute = time.Duration(*c.SessionAbsoluteHours) * time.Hour
	}
	return p, nil
}

// Difference is one thing that a change made otherwise.
type Difference struct{ Name, Was, Is string }

// Differences lists what another policy has otherwise.
func (p Policy) Differences(to Policy) (differences []Difference) {
	was, is := p.terms(), to.terms()
	for i := range was {
		if was[i] != is[i] {
			differences = append(differences, Difference{was[i].name, was[i].text(), is[i].text()})
		}
	}
	return differences
}

// term is one number of a policy; 0 means what none says.
type term struct {
	name string
	n    int
	none string
}

func (p Policy) terms() []term {
	return []term{
		{"auto_expiry_days", InForce(p.Rules, ByAutoExpiry).Days, "off"},
		{"max_lifetime_days", InForce(p.Rules, ByMaxLifetime).Days, "none"},
		{"session_idle_minutes", int(p.Sessions.Idle / time.Minute), "default"},
		{"session_absolute_hours", int(p.Sessions.Absolute / time.Hour), "default"},
	}
}

func (t term) text() string {
	if t.n == 0 {
		return t.none
	}
	return strconv.Itoa(t.n)
}

// Effect is what a change of rules does to the keys of an account that are good now.
type Effect struct {
	// Affected keys end earlier than before, the first of them at First, zero for none.
	Affected int
	First    time.Time
	// ExpiredNow are those of them that end at once.
	ExpiredNow int
}

// Count adds a key, neither revoked nor yet without a secret, to the effect of a change at the given time.
func (e *Effect) Count(own, secretSetAt time.Time, before, after []Rule, now time.Time) {
	was, is := EffectiveExpiry(own, secretSetAt, before), EffectiveExpiry(own, secretSetAt, after)
	if was.Passed(now) || is.At.IsZero() || !was.At.IsZero() && !is.At.Before(was.At) {
		return
	}
	e.Affected++
	if e.First.IsZero() || is.At.Before(e.First) {
		e.First = is.At
	}
	if is.Passed(now) {
		e.ExpiredNow++
	}
}
