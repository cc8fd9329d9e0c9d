package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
)

// The policy of a new account, in days.
const (
	initialMaxLifetime = 3650
	initialAutoExpiry  = 90
)

// The bounds of an account's policy. The days of automatic expiration are a multiple of a step
// (seed LoadRunner).
const (
	maxLifetime      = 3650
	MinAutoExpiry    = 90
	MaxAutoExpiry    = 360
	AutoExpiryStep   = 30
	MinIdleMinutes   = 5
	MaxIdleMinutes   = 7 * 24 * 60
	MinAbsoluteHours = 1
	MaxAbsoluteHours = 30 * 24
)

// Sessions limits how long sessions last. A session ends when it was not used for Idle, or when it
// began Absolute ago. 0 stands for the default.
type Sessions struct{ Idle, Absolute time.Duration }

// DefaultSessions are the limits if no account sets any. MaxSessions are the longest that an
// account can set.
var (
	DefaultSessions = Sessions{Idle: 12 * time.Hour, Absolute: 7 * Day}
	MaxSessions     = Sessions{Idle: MaxIdleMinutes * time.Minute, Absolute: MaxAbsoluteHours * time.Hour}
)

// AccountSessions are an account's limits for the sessions of its people.
type AccountSessions struct {
	Account ident.AccountID
	Sessions
	// Ended is set if the session in question has already ended in the account.
	Ended bool
	// SecondFactor says who needs a second factor in the account. Admin is set if the person is
	// owner or admin of the account, or admin of one of its tenants.
	SecondFactor FactorRule
	Admin        bool
}

// HasEnded reports whether a session that began and was last used at these times has ended in the
// account.
func (a AccountSessions) HasEnded(begun, seen, now time.Time) bool {
	limits := a.effective()
	return a.Ended || !seen.After(now.Add(-limits.Idle)) || !begun.After(now.Add(-limits.Absolute))
}

// LongestSession returns how long a session lasts for a person who belongs to accounts with these
// limits: as long as it lasts in any of them. It is the default for a person without an account.
func LongestSession(accounts ...AccountSessions) Sessions {
	if len(accounts) == 0 {
		return DefaultSessions
	}
	var longest Sessions
	for _, a := range accounts {
		s := a.effective()
		longest = Sessions{Idle: max(longest.Idle, s.Idle), Absolute: max(longest.Absolute, s.Absolute)}
	}
	return longest
}

// effective returns the limits with the default in the place of 0.
func (s Sessions) effective() Sessions {
	if s.Idle == 0 {
		s.Idle = DefaultSessions.Idle
	}
	if s.Absolute == 0 {
		s.Absolute = DefaultSessions.Absolute
	}
	return s
}

// Policy is an account's policy for all its tenants.
type Policy struct {
	// Rules for the lifetime of keys, ended ones included, in the order in which they were made.
	Rules    []Rule
	Sessions Sessions
	// SecondFactor says who needs a second factor.
	SecondFactor FactorRule
}

// FactorRule says which people of an account need a second factor.
type FactorRule string

// The rules, each stricter than the one before.
const (
	FactorOff FactorRule = "off"
	// FactorAdmins binds owners and admins of the account, and admins of its tenants.
	FactorAdmins FactorRule = "admins"
	FactorAll    FactorRule = "all"
)

// FactorRules lists the rules.
func FactorRules() []FactorRule { return []FactorRule{FactorOff, FactorAdmins, FactorAll} }

// Stricter returns the stricter of two rules.
func (r FactorRule) Stricter(than FactorRule) FactorRule {
	if slices.Index(FactorRules(), r) > slices.Index(FactorRules(), than) {
		return r
	}
	return than
}

// RequiresFactor reports whether a person who belongs to accounts with these rules needs a second
// factor.
func RequiresFactor(accounts ...AccountSessions) bool {
	return slices.ContainsFunc(accounts, func(a AccountSessions) bool {
		return a.SecondFactor == FactorAll || a.SecondFactor == FactorAdmins && a.Admin
	})
}

// InitialPolicy returns the policy of an account that is created at the given time.
func InitialPolicy(autoExpiry bool, at time.Time) (p Policy) {
	p.Rules = Revise(nil, ByMaxLifetime, initialMaxLifetime, at)
	if autoExpiry {
		p.Rules = Revise(p.Rules, ByAutoExpiry, initialAutoExpiry, at)
	}
	return p
}

// EffectiveSessions returns the account's limits, or the default ones.
func (p Policy) EffectiveSessions() Sessions { return p.Sessions.effective() }

// EndedSessionCutoffs returns two times. A session has ended by the account's limits, or ends
// within the [Overrun], if it was last used at seenBy or before, or began at begunBy or before.
func (p Policy) EndedSessionCutoffs(now time.Time) (seenBy, begunBy time.Time) {
	limits, soon := p.EffectiveSessions(), now.Add(Overrun)
	return soon.Add(-limits.Idle), soon.Add(-limits.Absolute)
}

// Change is a requested change of an account's policy. A nil field stays as it is. 0 stands for
// null: none, or the default.
type Change struct {
	AutoExpiry           *bool
	AutoExpiryDays       *int
	MaxLifetimeDays      *int
	SessionIdleMinutes   *int
	SessionAbsoluteHours *int
	SecondFactor         *FactorRule
	// AcknowledgeRisk must be set to switch automatic expiration off.
	AcknowledgeRisk bool
}

// Faults returns what is wrong with the change, whatever the policy is now.
func (c Change) Faults() []fault.Field {
	return slices.Concat(
		c.autoExpiryFaults(),
		optionalRangeFaults("max_lifetime_days", c.MaxLifetimeDays, 1, maxLifetime, "none"),
		optionalRangeFaults("session_idle_minutes", c.SessionIdleMinutes, MinIdleMinutes, MaxIdleMinutes,
			fmt.Sprintf("the default, %d", DefaultSessions.Idle/time.Minute)),
		optionalRangeFaults("session_absolute_hours", c.SessionAbsoluteHours, MinAbsoluteHours, MaxAbsoluteHours,
			fmt.Sprintf("the default, %d", DefaultSessions.Absolute/time.Hour)),
		c.factorFaults(),
	)
}

func (c Change) factorFaults() []fault.Field {
	if c.SecondFactor == nil || slices.Contains(FactorRules(), *c.SecondFactor) {
		return nil
	}
	return []fault.Field{{
		Name: "require_second_factor", Code: "unknown", Message: "Use `off`, `admins` or `all`.",
	}}
}

func (c Change) autoExpiryFaults() []fault.Field {
	const field = "auto_expiry.days"
	switch days := c.AutoExpiryDays; {
	case days == nil:
		return nil
	case *days < MinAutoExpiry || *days > MaxAutoExpiry || *days%AutoExpiryStep != 0:
		return []fault.Field{{
			Name: field, Code: "range",
			Message: fmt.Sprintf("Use %d to %d days, in steps of %d.", MinAutoExpiry, MaxAutoExpiry, AutoExpiryStep),
		}}
	case c.AutoExpiry != nil && !*c.AutoExpiry:
		return []fault.Field{{
			Name: field, Code: "exclusive",
			Message: "Leave this field out to switch automatic expiration off.",
		}}
	}
	return nil
}

// optionalRangeFaults returns a fault if the number is neither between the bounds nor 0, which
// stands for null. null says what null means.
func optionalRangeFaults(name string, n *int, least, most int, null string) []fault.Field {
	if n == nil || *n == 0 || *n >= least && *n <= most {
		return nil
	}
	return []fault.Field{{
		Name: name, Code: "range",
		Message: fmt.Sprintf("Use %d to %d, or null for %s.", least, most, null),
	}}
}

// Apply returns the policy after the change, which is made now. It returns faults if the present
// policy does not allow the change.
func (p Policy) Apply(c Change, now time.Time) (Policy, []fault.Field) {
	auto := InForce(p.Rules, ByAutoExpiry).Days
	switch on := auto > 0; {
	case c.AutoExpiry == nil && c.AutoExpiryDays != nil && !on:
		return p, []fault.Field{{
			Name: "auto_expiry.enabled", Code: "required",
			Message: "Automatic expiration is off. Send true to switch it on.",
		}}
	case c.AutoExpiry != nil && !*c.AutoExpiry:
		if on && !c.AcknowledgeRisk {
			return p, []fault.Field{{
				Name: "acknowledge_risk", Code: "required",
				Message: "Keys that never expire are a risk. Send true to switch automatic expiration off anyway.",
			}}
		}
		auto = 0
	case c.AutoExpiryDays != nil:
		auto = *c.AutoExpiryDays
	case c.AutoExpiry != nil && !on:
		auto = initialAutoExpiry
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
	if c.SecondFactor != nil {
		p.SecondFactor = *c.SecondFactor
	}
	return p, nil
}

// FactorRule returns the rule about second factors; off if none was set.
func (p Policy) FactorRule() FactorRule { return cmp.Or(p.SecondFactor, FactorOff) }

// Difference is one value in which two policies differ, in words.
type Difference struct{ Name, Was, Is string }

// Differences returns the values in which another policy differs from this one.
func (p Policy) Differences(to Policy) (differences []Difference) {
	was, is := p.terms(), to.terms()
	for i := range was {
		if was[i] != is[i] {
			differences = append(differences, Difference{was[i].name, was[i].text(), is[i].text()})
		}
	}
	if p.FactorRule() != to.FactorRule() {
		differences = append(differences,
			Difference{"require_second_factor", string(p.FactorRule()), string(to.FactorRule())})
	}
	return differences
}

// Version returns the version of what a change can set in the policy.
func (p Policy) Version() etag.Tag { return etag.Of(p.terms(), p.FactorRule()) }

// term is one number of a policy. none is the word for 0.
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

// KnownClientPeriod is how long a client stays known after the last sign-in from it. It is longer
// than any session lasts.
const KnownClientPeriod = 90 * Day
