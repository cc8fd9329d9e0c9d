package notice_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

const day = policy.Day

// keyWith returns a key whose secret was set so long ago and that expires so much later.
func keyWith(age, left time.Duration) notice.Subject {
	return notice.Subject{
		Key: "key_a", Owner: principal.Party{ID: "usr_a"}, Serial: 1, SetAt: noon.Add(-age),
		ExpiresAt: noon.Add(left),
	}
}

func TestTheStageOfAKeyBeforeItsExpiry(t *testing.T) {
	for name, c := range map[string]struct {
		key  notice.Subject
		kind notice.Kind // "" for no notice
		days int
	}{
		"31 days before":         {keyWith(day, 31*day), "", 0},
		"30 days before":         {keyWith(day, 30*day), notice.KeyExpiring, 30},
		"a moment before 7 days": {keyWith(day, 7*day+1), notice.KeyExpiring, 30},
		"7 days before":          {keyWith(day, 7*day), notice.KeyExpiring, 7},
		"a day before":           {keyWith(day, day), notice.KeyExpiring, 1},
		"a moment before":        {keyWith(day, 1), notice.KeyExpiring, 1},
		"at its expiry":          {keyWith(day, 0), notice.KeyExpired, 0},
		"long after":             {keyWith(300*day, -200*day), notice.KeyExpired, 0},
		"without an expiry":      {notice.Subject{SetAt: noon}, "", 0},
		"revoked":                {notice.Subject{SetAt: noon, ExpiresAt: noon.Add(day), RevokedAt: noon}, "", 0},
		"unclaimed":              {notice.Subject{ExpiresAt: noon.Add(day)}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			n, ok := c.key.Stage(nil, noon)
			if ok != (c.kind != "") || n.Kind != c.kind || n.Facts.Days != c.days {
				t.Errorf("%q, %d days, %t; want %q, %d days", n.Kind, n.Facts.Days, ok, c.kind, c.days)
			}
		})
	}
}

func TestWhichNoticeOfAnExpiryIsDue(t *testing.T) {
	rule := policy.Rule{Reason: policy.ByAutoExpiry, Days: 90, Since: noon.Add(-300 * day)}
	newRule := policy.Rule{Reason: policy.ByAutoExpiry, Days: 90, Since: noon.Add(-85 * day)}
	byRule := func(age time.Duration) notice.Subject {
		return notice.Subject{Key: "key_a", Owner: principal.Party{ID: "usr_a"}, SetAt: noon.Add(-age)}
	}
	for name, c := range map[string]struct {
		key   notice.Subject
		rules []policy.Rule
		kind  notice.Kind // "" for no notice
		days  int
	}{
		"an old key":                      {keyWith(60*day, 20*day), nil, notice.KeyExpiring, 30},
		"a key that was made so short":    {keyWith(day, 20*day), nil, "", 0},
		"the next stage of it":            {keyWith(day, 7*day), nil, notice.KeyExpiring, 7},
		"expired a day ago":               {keyWith(60*day, -day), nil, notice.KeyExpired, 0},
		"expired a week ago":              {keyWith(60*day, -7*day), nil, "", 0},
		"by a rule":                       {byRule(60 * day), []policy.Rule{rule}, notice.KeyExpiring, 30},
		"by a rule, not yet":              {byRule(59 * day), []policy.Rule{rule}, "", 0},
		"by a rule that came afterwards":  {byRule(200 * day), []policy.Rule{newRule}, notice.KeyExpiring, 7},
		"by a rule with less than a week": {byRule(84 * day), []policy.Rule{rule}, notice.KeyExpiring, 7},
	} {
		t.Run(name, func(t *testing.T) {
			n, ok := c.key.Due(c.rules, noon)
			if !ok {
				n = notice.Notice{}
			}
			if n.Kind != c.kind || n.Facts.Days != c.days {
				t.Errorf("%q, %d days; want %q, %d days", n.Kind, n.Facts.Days, c.kind, c.days)
			}
		})
	}
}

func TestWhenAnIdleKeyIsDueForANotice(t *testing.T) {
	tenant := policy.Tenant{Settings: policy.Settings{IdleDays: 30}, IdleSince: noon.Add(-300 * day)}
	for name, c := range map[string]struct {
		key  notice.Subject
		want bool
	}{
		"not used for three weeks": {notice.Subject{
			SetAt:      noon.Add(-200 * day),
			LastUsedAt: noon.Add(-21 * day),
		}, false},
		"not used for all but the last week": {notice.Subject{
			SetAt:      noon.Add(-200 * day),
			LastUsedAt: noon.Add(-23*day - time.Hour),
		}, true},
		"never used and refreshed lately": {notice.Subject{SetAt: noon.Add(-day)}, false},
		"never used, and enabled lately": {
			notice.Subject{SetAt: noon.Add(-200 * day), EnabledAt: noon.Add(-day)},
			false,
		},
		"never used":                          {notice.Subject{SetAt: noon.Add(-200 * day)}, true},
		"never used, and disabled":            {notice.Subject{SetAt: noon.Add(-200 * day), DisabledAt: noon}, false},
		"never used, and expired":             {notice.Subject{SetAt: noon.Add(-200 * day), ExpiresAt: noon}, false},
		"never used, and revoked":             {notice.Subject{SetAt: noon.Add(-200 * day), RevokedAt: noon}, false},
		"never used, and not claimed by then": {notice.Subject{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.key.Owner.ID = "usr_a"
			n, ok := c.key.Idle(tenant, noon)
			if ok != c.want {
				t.Fatalf("%t, want %t", ok, c.want)
			}
			if ok && n.Facts.IdleAt.Before(noon.Add(policy.IdleNotice)) {
				t.Errorf("to be disabled at %v, before the owner has had %v", n.Facts.IdleAt, policy.IdleNotice)
			}
		})
	}
}

// The notices of one expiry come in order, and each is another one than those before it.
func TestTheStagesOfAKeyComeInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hours := rapid.IntRange(1, 100*24)
		k := keyWith(0, time.Duration(hours.Draw(t, "hours to live"))*time.Hour)
		last := 31
		for at := noon; at.Before(k.ExpiresAt.Add(40 * day)); at = at.Add(time.Duration(hours.Draw(t,
			"hours later")) * time.Hour) {
			n, ok := k.Stage(nil, at)
			if ok != !at.Before(k.ExpiresAt.Add(-30*day)) {
				t.Fatalf("a notice at %v of an expiry at %v: %t", at, k.ExpiresAt, ok)
			}
			if ok && n.Facts.Days > last {
				t.Fatalf("after %d days come %d", last, n.Facts.Days)
			}
			if ok {
				last = n.Facts.Days
			}
		}
	})
}
