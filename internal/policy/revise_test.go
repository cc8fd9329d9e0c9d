package policy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/policy"
)

// change is one change of an account's policy.
type change struct {
	at     string
	reason policy.Reason
	days   int
}

func after(changes ...change) (rules []policy.Rule) {
	for _, c := range changes {
		rules = policy.Revise(rules, c.reason, c.days, day(c.at))
	}
	return rules
}

func TestAPolicyIsTheListOfItsRules(t *testing.T) {
	const auto, longest = policy.ByAutoExpiry, policy.ByMaxLifetime
	first := change{"2024-01-01", auto, 90}
	rule := func(days int, since, until string) policy.Rule {
		r := policy.Rule{Reason: auto, Days: days, Since: day(since)}
		if until != "" {
			r.Until = day(until).Add(policy.Overrun)
		}
		return r
	}
	cases := []struct {
		name    string
		changes []change
		want    []policy.Rule
	}{
		{"switching off what is off", []change{{"2024-01-01", auto, 0}}, nil},
		{"switching on", []change{first}, []policy.Rule{rule(90, "2024-01-01", "")}},
		{"setting what holds", []change{first, {"2024-02-01", auto, 90}}, []policy.Rule{rule(90, "2024-01-01", "")}},
		{
			"tightening adds a rule",
			[]change{first, {"2024-02-01", auto, 30}},
			[]policy.Rule{rule(90, "2024-01-01", ""), rule(30, "2024-02-01", "")},
		},
		{
			"loosening between two ends the tighter one and keeps its since",
			[]change{first, {"2024-02-01", auto, 30}, {"2024-05-01", auto, 60}},
			[]policy.Rule{rule(90, "2024-01-01", ""), rule(30, "2024-02-01", "2024-05-01"), rule(60, "2024-02-01", "")},
		},
		{
			"loosening beyond all ends all and keeps their earliest since",
			[]change{first, {"2024-02-01", auto, 30}, {"2024-05-01", auto, 180}},
			[]policy.Rule{
				rule(90, "2024-01-01", "2024-05-01"), rule(30, "2024-02-01", "2024-05-01"),
				rule(180, "2024-01-01", ""),
			},
		},
		{
			"loosening back to a rule still in force adds none",
			[]change{first, {"2024-02-01", auto, 30}, {"2024-05-01", auto, 90}},
			[]policy.Rule{rule(90, "2024-01-01", ""), rule(30, "2024-02-01", "2024-05-01")},
		},
		{
			"tightening again after a loosening counts from that day",
			[]change{first, {"2024-02-01", auto, 30}, {"2024-05-01", auto, 90}, {"2024-06-01", auto, 30}},
			[]policy.Rule{rule(90, "2024-01-01", ""), rule(30, "2024-02-01", "2024-05-01"), rule(30, "2024-06-01", "")},
		},
		{
			"off, and on again, counts from that day",
			[]change{first, {"2024-02-01", auto, 30}, {"2024-05-01", auto, 0}, {"2024-06-01", auto, 90}},
			// that of 90 days is covered
			[]policy.Rule{rule(30, "2024-02-01", "2024-05-01"), rule(90, "2024-06-01", "")},
		},
		{
			"a rule that ends before it can have expired a key leaves nothing",
			[]change{first, {"2024-02-01", auto, 30}, {"2024-02-01", auto, 60}},
			[]policy.Rule{rule(90, "2024-01-01", ""), rule(60, "2024-02-01", "")},
		},
		{
			"the other policy is left alone",
			[]change{{"2024-01-01", longest, 365}, {"2024-01-01", auto, 90}, {"2024-05-01", auto, 0}},
			[]policy.Rule{{Reason: longest, Days: 365, Since: day("2024-01-01")}, rule(90, "2024-01-01", "2024-05-01")},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, after(c.changes...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestARevisionLeavesTheRulesItWasGivenAlone(t *testing.T) {
	rules := slices.Grow(after(change{"2024-01-01", policy.ByAutoExpiry, 30}), 4) // room in which an append would write
	before := slices.Clone(rules[:cap(rules)])
	for _, days := range []int{0, 7, 90} {
		policy.Revise(rules, policy.ByAutoExpiry, days, day("2024-02-01"))
	}
	if diff := cmp.Diff(before, rules[:cap(rules)]); diff != "" {
		t.Error(diff)
	}
}

// Loosening within the overrun before a key expires is too late for the key. A microsecond earlier
// it is not.
func TestAuthorityEndsAtTheInstantItself(t *testing.T) {
	set := day("2024-01-01")
	rules := policy.Revise(nil, policy.ByAutoExpiry, 30, set)
	end := set.Add(30 * policy.Day)
	last := end.Add(-policy.Overrun)
	for _, days := range []int{0, 90} {
		late := policy.EffectiveExpiry(time.Time{}, set, policy.Revise(rules, policy.ByAutoExpiry, days, last))
		if late.At != end || !late.Passed(end) || late.Passed(end.Add(-time.Microsecond)) {
			t.Errorf("set to %d days too late: ends %v, want %v", days, late.At, end)
		}
		saved := policy.EffectiveExpiry(time.Time{}, set,
			policy.Revise(rules, policy.ByAutoExpiry, days, last.Add(-time.Microsecond)))
		if saved.Passed(end) {
			t.Errorf("set to %d days just before: ends %v all the same", days, saved.At)
		}
	}
}

// A node that still uses the old rules during a change stays right: a key that it found expired
// stays expired.
func TestWhatExpiresByTheOldRulesDuringAChangeStaysExpired(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		seconds := time.Duration(rapid.IntRange(-5, 60).Draw(t, "seconds")) * time.Second
		// about to expire, unless something does it before
		s.set = s.now.Add(seconds - time.Duration(s.days)*policy.Day)
		at := s.now.Add(time.Duration(rapid.IntRange(0, int(policy.Overrun/time.Second)).Draw(t,
			"later")) * time.Second)
		days := rapid.IntRange(0, 50).Draw(t, "to")
		if got := s.changed(days); s.expiry().Passed(at) && !got.Passed(at) {
			t.Fatalf("from %d to %d days: expired at %v, and then good until %v", s.days, days, s.expiry(), got)
		}
	})
}

// situation is a policy with earlier changes, the time when a secret was set, and the time of the
// next change.
type situation struct {
	rules    []policy.Rule
	set, now time.Time
	reason   policy.Reason
	days     int // in force of the reason; 0 while off
}

func drawSituation(t *rapid.T) situation {
	reasons := rapid.SampledFrom([]policy.Reason{policy.ByMaxLifetime, policy.ByAutoExpiry})
	s := situation{now: day("2024-01-01"), reason: reasons.Draw(t, "reason")}
	s.set = s.now.Add(time.Duration(rapid.IntRange(-40, 100).Draw(t, "set")) * policy.Day)
	for range rapid.IntRange(0, 8).Draw(t, "changes") {
		reason, days := reasons.Draw(t, "of"), rapid.IntRange(0, 40).Draw(t, "to")
		s.rules = policy.Revise(s.rules, reason, days, s.now)
		if reason == s.reason {
			s.days = days
		}
		s.now = s.now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "gap")) * policy.Day)
	}
	return s
}

func (s situation) expiry() policy.Expiry { return policy.EffectiveExpiry(time.Time{}, s.set, s.rules) }

// changed returns the expiry once the reason is set to so many days.
func (s situation) changed(days int) policy.Expiry {
	return policy.EffectiveExpiry(time.Time{}, s.set, policy.Revise(s.rules, s.reason, days, s.now))
}

// tighter draws a number of days that tightens the policy or switches it on. looser draws one that
// loosens it or, with 0, switches it off.
func (s situation) tighter(t *rapid.T) int {
	if s.days == 0 {
		return rapid.IntRange(1, 50).Draw(t, "on")
	}
	return rapid.IntRange(1, s.days).Draw(t, "tighter")
}

func (s situation) looser(t *rapid.T) int {
	if s.days == 0 {
		return 0
	}
	return rapid.OneOf(rapid.Just(0), rapid.IntRange(s.days, 50)).Draw(t, "looser")
}

// later reports whether the first expiry is after the second.
func later(a, b policy.Expiry) bool {
	return !b.At.IsZero() && (a.At.IsZero() || a.At.After(b.At))
}

func TestTighteningNeverPostponesAnExpiry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		days := s.tighter(t)
		if got := s.changed(days); later(got, s.expiry()) {
			t.Fatalf("from %d to %d days moves the expiry from %v to %v", s.days, days, s.expiry(), got)
		}
	})
}

func TestTighteningExpiresNoKeyAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		days := s.tighter(t)
		if got := s.changed(days); got.Passed(s.now) && !s.expiry().Passed(s.now) {
			t.Fatalf("from %d to %d days ends at %v a key that was good at %v", s.days, days, got, s.now)
		}
	})
}

func TestLooseningOrSwitchingOffNeverRevivesAnExpiredKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		days := s.looser(t)
		if got := s.changed(days); s.expiry().Passed(s.now) && got != s.expiry() {
			t.Fatalf("from %d to %d days makes of an expiry at %v one at %v", s.days, days, s.expiry(), got)
		}
	})
}

func TestLooseningNeverBringsAnExpiryForward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		days := s.looser(t)
		if got := s.changed(days); later(s.expiry(), got) {
			t.Fatalf("from %d to %d days moves the expiry from %v to %v", s.days, days, s.expiry(), got)
		}
	})
}

func TestSwitchingOnCountsOldSecretsFromThatDay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		s.rules = policy.Revise(s.rules, s.reason, 0, s.now)
		s.set = s.now.Add(-time.Duration(rapid.IntRange(0, 100).Draw(t, "age")) * policy.Day)
		days := rapid.IntRange(1, 50).Draw(t, "on")
		want := policy.Expiry{At: s.now.Add(time.Duration(days) * policy.Day), Reason: s.reason}
		if !later(s.expiry(), want) {
			return // something else ends it before
		}
		if got := s.changed(days); got != want {
			t.Fatalf("switched on at %d days: %v, want %v", days, got, want)
		}
	})
}

// reference computes a key's life in whole days from the product's description, without rules. For
// each length x it has the day since which the policy has allowed at most x days without a break:
// the days of older secrets count from there. An expired key stays expired until it is refreshed.
type reference struct {
	since    [2][longest + 1]int // by policy and length; never while it allows more
	set, own int
	end      int // of a key that has ended; never while it is good
	by       int // index into reasons
}

const (
	longest = 5
	never   = 1 << 30
)

var reasons = [...]policy.Reason{policy.ByKey, policy.ByMaxLifetime, policy.ByAutoExpiry}

// outlook returns when the key expires if nothing changes, and the index of the reason.
func (r *reference) outlook() (end, by int) {
	if r.end != never {
		return r.end, r.by
	}
	end = r.own
	for p := range r.since {
		for x, since := range r.since[p] {
			if deadline := max(r.set, since) + x; deadline < end {
				end, by = deadline, p+1
			}
		}
	}
	return end, by
}

// live moves the time to a day. A key that expires by then has expired.
func (r *reference) live(now int) {
	if end, by := r.outlook(); end <= now {
		r.end, r.by = end, by
	}
}

func (r *reference) change(p, days, now int) {
	for x := range r.since[p] {
		if days == 0 || x < days {
			r.since[p][x] = never
		} else if r.since[p][x] == never {
			r.since[p][x] = now
		}
	}
}

func (r *reference) refresh(own, now int) {
	r.set = now
	r.own = own
	r.end = never
}

func newReference(own int) reference {
	r := reference{own: own, end: never}
	r.change(0, 0, 0)
	r.change(1, 0, 0)
	return r
}

// dice is the random generator splitmix64, which is fast and the same on every machine.
type dice uint64

func (d *dice) roll(sides int) int {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % uint64(sides))
}

// own draws a key's own expiry: none, or within a few days.
func (d *dice) own(now int) int {
	if d.roll(3) > 0 {
		return never
	}
	return now + 1 + d.roll(2*longest)
}

var epoch = day("2024-01-01")

func moment(days int) time.Time {
	if days == never {
		return time.Time{}
	}
	return epoch.Add(time.Duration(days) * policy.Day)
}

func TestAMillionHistoriesEndAsTheSentencesSay(t *testing.T) {
	const histories, events = 1_000_000, 5
	d := dice(1)
	expired := 0
	for n := range histories {
		now, own := 0, d.own(0)
		want := newReference(own)
		var rules []policy.Rule
		for range events {
			now += d.roll(longest)
			want.live(now)
			if d.roll(4) == 0 {
				want.refresh(d.own(now), now)
			} else {
				p, days := d.roll(2), d.roll(longest+1)
				want.change(p, days, now)
				rules = policy.Revise(rules, reasons[p+1], days, moment(now))
			}
			expired += agree(t, n, &want, rules, now)
		}
	}
	if expired < histories/10 || expired > histories*events/2 {
		t.Errorf("%d expired keys were seen: the histories prove little", expired)
	}
}

// agree compares expiry and state with the reference, and counts an expired key.
func agree(t *testing.T, n int, want *reference, rules []policy.Rule, now int) int {
	end, by := want.outlook()
	expiry := policy.Expiry{At: moment(end)}
	if end != never {
		expiry.Reason = reasons[by]
	}
	got := policy.EffectiveExpiry(moment(want.own), moment(want.set), rules)
	status := policy.Life{Expiry: got}.Status(moment(now))
	if got != expiry || (status == policy.Expired) != (end <= now) {
		t.Fatalf("history %d, day %d: %s, ends %v, want %v, under %v", n, now, status, got, expiry, rules)
	}
	if end <= now {
		return 1
	}
	return 0
}

func TestARuleThatAnotherCoversGoesADayAfterItsEnd(t *testing.T) {
	now := day("2024-01-01")
	rules := policy.Revise(nil, policy.ByMaxLifetime, 10, now)
	now = now.Add(400 * policy.Day)
	for days := 11; days <= 60; days++ { // each of them had expired keys
		rules = policy.Revise(rules, policy.ByMaxLifetime, days, now)
	}
	if len(rules) != 51 {
		t.Fatalf("there are %d rules, want 51", len(rules))
	}
	now = now.Add(policy.Day + policy.Overrun + time.Microsecond)
	rules = policy.Revise(rules, policy.ByMaxLifetime, 61, now)
	if len(rules) != 3 { // the first one, the one that has just ended and the one in force
		t.Errorf("a day later there are %d rules, want 3: %v", len(rules), rules)
	}
}
