package policy_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

func day(text string) time.Time {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return at
}

func TestTheSeedsKeyExpiresNinetyDaysAfterThePolicy(t *testing.T) {
	rules := policy.Revise(nil, policy.ByAutoExpiry, 90, day("2023-11-01"))
	got := policy.EffectiveExpiry(time.Time{}, day("2023-10-05"), rules)
	if want := (policy.Expiry{At: day("2024-01-30"), Reason: policy.ByAutoExpiry}); got != want {
		t.Errorf("expires %v, want %v", got, want)
	}
}

func TestTheEarliestDeadlineWinsAndTiesGoToTheKeyFirst(t *testing.T) {
	set := day("2024-01-01")
	auto := policy.Rule{Reason: policy.ByAutoExpiry, Days: 90, Since: day("2023-01-01")}
	longest := policy.Rule{Reason: policy.ByMaxLifetime, Days: 90, Since: day("2023-01-01")}
	ended := policy.Rule{Reason: policy.ByAutoExpiry, Days: 30, Since: day("2023-01-01"), Until: day("2024-01-15")}
	hadBitten := policy.Rule{Reason: policy.ByAutoExpiry, Days: 30, Since: day("2023-01-01"), Until: day("2024-01-31")}
	cases := []struct {
		name  string
		own   time.Time
		rules []policy.Rule
		want  policy.Expiry
	}{
		{"nothing ends it", time.Time{}, nil, policy.Expiry{}},
		{
			"its own date", day("2024-02-01"),
			[]policy.Rule{auto},
			policy.Expiry{At: day("2024-02-01"), Reason: policy.ByKey},
		},
		{
			"a policy before its own date", day("2025-01-01"),
			[]policy.Rule{auto},
			policy.Expiry{At: day("2024-03-31"), Reason: policy.ByAutoExpiry},
		},
		{
			"a tie of the policies",
			time.Time{},
			[]policy.Rule{auto, longest},
			policy.Expiry{At: day("2024-03-31"), Reason: policy.ByMaxLifetime},
		},
		{
			"a tie with its own date", day("2024-03-31"),
			[]policy.Rule{auto, longest},
			policy.Expiry{At: day("2024-03-31"), Reason: policy.ByKey},
		},
		{"an ended rule that had not bitten", time.Time{}, []policy.Rule{ended}, policy.Expiry{}},
		{
			"an ended rule that had",
			time.Time{},
			[]policy.Rule{hadBitten},
			policy.Expiry{At: day("2024-01-31"), Reason: policy.ByAutoExpiry},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := policy.EffectiveExpiry(c.own, set, c.rules); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestAKeyHasTheFirstStateThatHolds(t *testing.T) {
	now := day("2024-06-01")
	past, future := day("2024-05-01"), day("2024-07-01")
	cases := []struct {
		life policy.Life
		want policy.Status
	}{
		{policy.Life{}, policy.Active},
		{policy.Life{Expiry: policy.Expiry{At: future}}, policy.Active},
		{policy.Life{DisabledAt: past}, policy.Disabled},
		{policy.Life{DisabledAt: past, Expiry: policy.Expiry{At: past}}, policy.Expired},
		{policy.Life{RevokedAt: past, DisabledAt: past, Expiry: policy.Expiry{At: past}}, policy.Revoked},
		{policy.Life{Expiry: policy.Expiry{At: now}}, policy.Expired}, // half-open: the instant itself is too late
		{policy.Life{Expiry: policy.Expiry{At: now.Add(time.Microsecond)}}, policy.Active},
	}
	for _, c := range cases {
		if got := c.life.Status(now); got != c.want {
			t.Errorf("%+v is %s, want %s", c.life, got, c.want)
		}
	}
}

func TestTimeOnlyTakesAuthorityAway(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hours := rapid.IntRange(0, 5000)
		at := func(name string) time.Time {
			return day("2024-01-01").Add(time.Duration(hours.Draw(t, name)) * time.Hour)
		}
		rules := []policy.Rule{{
			Reason: policy.ByAutoExpiry, Days: rapid.IntRange(1, 360).Draw(t, "days"),
			Since: at("since"),
		}}
		e := policy.EffectiveExpiry(at("own"), at("set"), rules)
		first, later := at("first"), at("later")
		if later.Before(first) {
			first, later = later, first
		}
		if e.Passed(first) && !e.Passed(later) {
			t.Fatalf("expired at %v, alive again at %v", first, later)
		}
	})
}

func TestEveryPresetIsFreeOfFaults(t *testing.T) {
	for _, p := range []policy.Preset{
		policy.Standard, policy.BlazeMeter, policy.LoadRunner, policy.Blazeauth,
		policy.Blancco,
	} {
		s, err := p.Settings()
		if err != nil {
			t.Fatal(err)
		}
		if faults := s.Faults(); len(faults) > 0 {
			t.Errorf("%s: %v", p, faults)
		}
	}
	if _, err := policy.Preset("unkey").Settings(); err == nil {
		t.Error("an unknown preset has settings")
	}
}

func TestTheStandardPresetIsTheTablesColumn(t *testing.T) {
	got, _ := policy.Standard.Settings()
	want := policy.Settings{
		Style: credential.Token, Prefix: "clv", Label: "ak", KeyHeader: "X-API-Key",
		Transports:       []policy.Transport{policy.Bearer, policy.Basic, policy.Header, policy.OAuth},
		SessionTransport: true, KeysPerUser: 2, Creators: []policy.Creator{policy.BySelf, policy.ByAdmin},
		Visibility: policy.SeeAll, RevokeMode: policy.Tombstone, Disclosure: policy.Once, Dialect: "problem+json",
		TokenSeconds: 3600, TokenFormat: policy.Opaque,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	blazemeter, _ := policy.BlazeMeter.Settings()
	if got := blazemeter.DefaultScopes; len(got) != 1 || got[0] != scope.Every {
		t.Errorf("default scopes of blazemeter: %v", got)
	}
}

func TestSettingsNameTheFieldAtFault(t *testing.T) {
	s, _ := policy.Standard.Settings()
	s.KeyHeader = "Authorization"
	s.Prefix = "UP"
	s.RequestsPerMinute = -1
	var names []string
	for _, f := range s.Faults() {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"settings.prefix", "settings.key_header", "settings.requests_per_minute"},
		names); diff != "" {
		t.Error(diff)
	}
}

func TestKeysThatRulesHadExpiredByAMomentAreKnownByTheAgeOfTheirSecrets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		by := s.now.Add(time.Duration(rapid.IntRange(-10, 60).Draw(t, "by")) * policy.Day)
		latest := policy.LatestExpiredSecret(s.rules, by)
		if got, want := !latest.IsZero() && !s.set.After(latest), s.expiry().Passed(by); got != want {
			t.Fatalf("a secret of %v, expired by %v: %t, and by age, at the latest of %v: %t", s.set, by, want, latest,
				got)
		}
	})
}
