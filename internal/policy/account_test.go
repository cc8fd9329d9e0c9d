package policy_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/policy"
)

func TestAChangeOfAPolicyTakesWhatTheProductSays(t *testing.T) {
	cases := []struct {
		name   string
		change policy.Change
		want   string // the field at fault
	}{
		{"nothing", policy.Change{}, ""},
		{"every named choice and step", policy.Change{AutoExpiryDays: new(120), MaxLifetimeDays: new(180)}, ""},
		{"null", policy.Change{MaxLifetimeDays: new(0), SessionIdleMinutes: new(0), SessionAbsoluteHours: new(0)}, ""},
		{"below the steps", policy.Change{AutoExpiryDays: new(60)}, "auto_expiry.days"},
		{"above the steps", policy.Change{AutoExpiryDays: new(390)}, "auto_expiry.days"},
		{"between the steps", policy.Change{AutoExpiryDays: new(100)}, "auto_expiry.days"},
		{"no days at all", policy.Change{AutoExpiryDays: new(0)}, "auto_expiry.days"},
		{"off with days", policy.Change{AutoExpiry: new(false), AutoExpiryDays: new(90)}, "auto_expiry.days"},
		{"a negative lifetime", policy.Change{MaxLifetimeDays: new(-1)}, "max_lifetime_days"},
		{"a lifetime of eleven years", policy.Change{MaxLifetimeDays: new(3651)}, "max_lifetime_days"},
		{"a lifetime that overflows", policy.Change{MaxLifetimeDays: new(1 << 62)}, "max_lifetime_days"},
		{"hardly any idleness", policy.Change{SessionIdleMinutes: new(4)}, "session_idle_minutes"},
		{"much idleness", policy.Change{SessionIdleMinutes: new(10081)}, "session_idle_minutes"},
		{"sessions of a negative length", policy.Change{SessionAbsoluteHours: new(-1)}, "session_absolute_hours"},
		{"sessions of a year", policy.Change{SessionAbsoluteHours: new(8760)}, "session_absolute_hours"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			for _, f := range c.change.Faults() {
				got += f.Name
			}
			if got != c.want {
				t.Errorf("at fault: %q, want %q", got, c.want)
			}
		})
	}
}

func TestAutomaticExpirationIsSwitchedOffOnlyKnowingly(t *testing.T) {
	at := day("2024-01-01")
	on, off := policy.InitialPolicy(true, at), policy.InitialPolicy(false, at)
	cases := []struct {
		name   string
		policy policy.Policy
		change policy.Change
		days   int
		fault  string
	}{
		{"off", on, policy.Change{AutoExpiry: new(false)}, 90, "acknowledge_risk"},
		{"off, knowingly", on, policy.Change{AutoExpiry: new(false), AcknowledgeRisk: true}, 0, ""},
		{"off again", off, policy.Change{AutoExpiry: new(false)}, 0, ""},
		{"on", off, policy.Change{AutoExpiry: new(true)}, 90, ""},
		{"on with days", off, policy.Change{AutoExpiry: new(true), AutoExpiryDays: new(120)}, 120, ""},
		{"on again", on, policy.Change{AutoExpiry: new(true)}, 90, ""},
		{"other days", on, policy.Change{AutoExpiryDays: new(360)}, 360, ""},
		{"days of what is off", off, policy.Change{AutoExpiryDays: new(120)}, 0, "auto_expiry.enabled"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, faults := c.policy.Apply(c.change, at.Add(policy.Day))
			fault := ""
			for _, f := range faults {
				fault += f.Name
			}
			if days := policy.InForce(got.Rules, policy.ByAutoExpiry).Days; days != c.days || fault != c.fault {
				t.Errorf("%d days, at fault %q; want %d and %q", days, fault, c.days, c.fault)
			}
		})
	}
}

func TestAChangeIsToldByWhatWasAndWhatIs(t *testing.T) {
	was := policy.InitialPolicy(true, day("2024-01-01"))
	is, _ := was.Apply(policy.Change{
		AutoExpiry: new(false), AcknowledgeRisk: true, MaxLifetimeDays: new(30),
		SessionIdleMinutes: new(15),
	}, day("2024-02-01"))
	want := []policy.Difference{
		{"auto_expiry_days", "90", "off"},
		{"max_lifetime_days", "3650", "30"},
		{"session_idle_minutes", "default", "15"},
	}
	if diff := cmp.Diff(want, was.Differences(is)); diff != "" {
		t.Error(diff)
	}
	if same := is.Differences(is); same != nil {
		t.Errorf("of itself it differs in %v", same)
	}
}

func TestASessionLastsAsLongAsInTheAccountThatLetsItLastLongest(t *testing.T) {
	short, long := policy.Sessions{Idle: time.Hour, Absolute: 20 * policy.Day},
		policy.Sessions{Idle: 5 * policy.Day, Absolute: 8 * policy.Day}
	for _, c := range []struct {
		accounts []policy.Sessions
		want     policy.Sessions
	}{
		{nil, policy.DefaultSessions},
		{[]policy.Sessions{{}}, policy.DefaultSessions},
		{[]policy.Sessions{long}, long},
		{[]policy.Sessions{short, long}, policy.Sessions{Idle: 5 * policy.Day, Absolute: 20 * policy.Day}},
		{[]policy.Sessions{{Idle: time.Hour, Absolute: time.Hour}, {}}, policy.DefaultSessions},
	} {
		var accounts []policy.AccountSessions
		for _, s := range c.accounts {
			accounts = append(accounts, policy.AccountSessions{Sessions: s})
		}
		if got := policy.LongestSession(accounts...); got != c.want {
			t.Errorf("%v: %v, want %v", c.accounts, got, c.want)
		}
	}
}

func TestASessionIsOverInAnAccountByItsOwnBounds(t *testing.T) {
	now := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	hour := policy.Sessions{Idle: time.Hour, Absolute: 24 * time.Hour}
	for name, c := range map[string]struct {
		account     policy.AccountSessions
		begun, seen time.Duration
		want        bool
	}{
		"young and seen":       {policy.AccountSessions{Sessions: hour}, time.Hour, 59 * time.Minute, false},
		"idle":                 {policy.AccountSessions{Sessions: hour}, 2 * time.Hour, time.Hour, true},
		"old":                  {policy.AccountSessions{Sessions: hour}, 24 * time.Hour, 0, true},
		"ended before":         {policy.AccountSessions{Sessions: hour, Ended: true}, 0, 0, true},
		"by the default, seen": {policy.AccountSessions{}, 6 * policy.Day, 11 * time.Hour, false},
		"by the default, idle": {policy.AccountSessions{}, 6 * policy.Day, 12 * time.Hour, true},
		"by the default, old":  {policy.AccountSessions{}, 7 * policy.Day, 0, true},
		"one bound is the default": {
			policy.AccountSessions{Sessions: policy.Sessions{Idle: time.Hour}},
			7 * policy.Day, 0, true,
		},
		"the other one is the longer": {
			policy.AccountSessions{Sessions: policy.Sessions{Absolute: 30 * policy.Day}},
			8 * policy.Day, time.Hour, false,
		},
	} {
		if got := c.account.HasEnded(now.Add(-c.begun), now.Add(-c.seen), now); got != c.want {
			t.Errorf("%s: over %t", name, got)
		}
	}
}
