package app_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func policyURL[T ~string](account T) string { return testkit.AccountPath(account) + "/policy" }

// startAt starts a server at a time in the past.
func startAt(t *testing.T, e testkit.Engine, at time.Time) *testkit.Server {
	t.Helper()
	return testkit.StartWith(t, e, func(o *app.Options) {
		read := o.Machine.Read
		back := read().Wall.Sub(at)
		o.Machine.Read = func() clock.Reading {
			r := read()
			r.Wall = r.Wall.Add(-back)
			return r
		}
	})
}

// Row L8: the example of seed LoadRunner.
func TestTheSeedsKeyExpiresNinetyDaysAfterThePolicyTookEffect(t *testing.T) {
	t.Parallel()
	created := time.Date(2023, time.October, 5, 0, 0, 0, 0, time.UTC)
	h := startAt(t, testkit.SQLite, created)
	testkit.SetPolicy(t, h, testkit.AutoExpiry(0))
	tenant := h.Tenant("Main tenant", nil)
	member := h.Member(tenant, "Key Owner", scope.Member)
	k := h.Key(h.As(member), tenant, "applications:read")
	if k.Key.EffectiveExpiresAt != nil && *k.Key.ExpiryReason != "max_lifetime" {
		t.Errorf("before the policy it expires at %v", k.Key.EffectiveExpiresAt)
	}
	h.Clock.Move(27 * policy.Day) // to 1 November
	p := testkit.SetPolicy(t, h, testkit.AutoExpiry(90))
	if since := p.AutoExpiry.InForceSince; since == nil || since.Format(time.DateOnly) != "2023-11-01" {
		t.Fatalf("in force since %v", since)
	}
	ends := p.AutoExpiry.InForceSince.Add(90 * policy.Day)
	see := func(status string) {
		t.Helper()
		owner := h.As(member)
		shown := testkit.Must[api.Key](t)(owner.Key(t.Context(), string(tenant.ID), k.Key.ID))
		if at := *shown.EffectiveExpiresAt; !at.Equal(ends) || at.Format(time.DateOnly) != "2024-01-30" ||
			*shown.ExpiryReason != "auto_expiry" || shown.Status != api.KeyStatus(status) {
			t.Errorf("shown is %s until %v by %s, want %s until %v", shown.Status, at, *shown.ExpiryReason, status,
				ends)
		}
		list := testkit.Must[api.List[api.Key]](t)(owner.Keys(t.Context(), string(tenant.ID),
			client.KeyFilter{Status: status},
			client.Page{}))
		if len(list.Items) != 1 || !cmp.Equal(list.Items[0], shown) {
			t.Errorf("listed as %s is %+v", status, list.Items)
		}
	}
	see("active")
	if w := testkit.Must[api.Whoami](t)(h.With(k).Whoami(t.Context())); w.EffectiveExpiresAt == nil ||
		!w.EffectiveExpiresAt.Equal(ends) {
		t.Errorf("whoami says until %v", w.EffectiveExpiresAt)
	}
	h.Clock.Move(89*policy.Day + 23*time.Hour)
	code := testkit.VerifyCode(t, h)
	if got := code(k); got != api.OK {
		t.Errorf("on 29 January it is %s", got)
	}
	h.Clock.Move(time.Hour)
	if got := code(k); got != api.APIKeyExpired {
		t.Errorf("on 30 January it is %s", got)
	}
	see("expired")
}

func TestABadPolicyIsRefusedByTheRuleThatItBreaks(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	owner := h.As(h.Owner)
	check := testkit.ExpectUnchanged(t, owner, policyURL(h.Account.ID), testkit.AccountPath(h.Account.ID)+"/audit")
	for body, want := range map[string]string{
		`{"max_lifetime_days":0}`:                                    "max_lifetime_days range",
		`{"max_lifetime_days":-30}`:                                  "max_lifetime_days range",
		`{"max_lifetime_days":3651}`:                                 "max_lifetime_days range",
		`{"max_lifetime_days":9223372036854775807}`:                  "max_lifetime_days range",
		`{"max_lifetime_days":9223372036854775808}`:                  "max_lifetime_days type",
		`{"max_lifetime_days":1.5}`:                                  "max_lifetime_days type",
		`{"max_lifetime_days":"30"}`:                                 "max_lifetime_days type",
		`{"auto_expiry":{"days":100}}`:                               "auto_expiry.days range",
		`{"auto_expiry":{"days":0}}`:                                 "auto_expiry.days range",
		`{"auto_expiry":{"days":-90}}`:                               "auto_expiry.days range",
		`{"auto_expiry":{"days":390}}`:                               "auto_expiry.days range",
		`{"auto_expiry":{"days":null}}`:                              "auto_expiry.days required",
		`{"auto_expiry":{"enabled":null}}`:                           "auto_expiry.enabled required",
		`{"auto_expiry":{"enabled":"no"}}`:                           "auto_expiry.enabled type",
		`{"auto_expiry":{"since":"2020-01-01T00:00:00Z"}}`:           "auto_expiry.since unknown",
		`{"auto_expiry":{"enabled":false}}`:                          "acknowledge_risk required",
		`{"auto_expiry":{"enabled":false},"acknowledge_risk":false}`: "acknowledge_risk required",
		`{"auto_expiry":{"enabled":false,"days":90}}`:                "auto_expiry.days exclusive",
		`{"session_idle_minutes":4}`:                                 "session_idle_minutes range",
		`{"session_idle_minutes":10081}`:                             "session_idle_minutes range",
		`{"session_absolute_hours":0}`:                               "session_absolute_hours range",
		`{"session_absolute_hours":721}`:                             "session_absolute_hours range",
		`{"max_lifetime_days":-1,"dry_run":true}`:                    "max_lifetime_days range",
		`{"max_lifetime_days":-1,"session_idle_minutes":1}`: "max_lifetime_days range, " +
			"session_idle_minutes range",
		`{"in_force_since":"2020-01-01T00:00:00Z"}`:                      "… unknown",
		`{"auto_expiry":{"enabled":true,"days":360},"acknowledge":true}`: "acknowledge unknown",
	} {
		if got := testkit.FieldErrors(t,
			testkit.SendBody(t, owner, http.MethodPatch, policyURL(h.Account.ID), body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	testkit.ExpectCode(t, "nothing to change",
		testkit.SendBody(t, owner, http.MethodPatch, policyURL(h.Account.ID), `{}`), "")
	testkit.ExpectCode(t, "what holds",
		testkit.SendBody(t, owner, http.MethodPatch, policyURL(h.Account.ID),
			`{"auto_expiry":{"days":90},"max_lifetime_days":3650}`), "")
	check()
	testkit.SetPolicy(t, h, testkit.AutoExpiry(0))
	if got := testkit.FieldErrors(t,
		testkit.SendBody(t, owner, http.MethodPatch, policyURL(h.Account.ID),
			`{"auto_expiry":{"days":120}}`)); got != "auto_expiry.enabled required" {
		t.Errorf("days of what is off: %s", got)
	}
}

func TestAChangeOfPolicyIsOnRecordWithWhatWasAndWhatIs(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := testkit.AutoExpiry(180)
	p.MaxLifetimeDays, p.SessionIdleMinutes = api.Cleared[int](), api.To(60)
	got := testkit.SetPolicy(t, h, p)
	if *got.AutoExpiry.Days != 180 || got.MaxLifetimeDays != nil || got.SessionIdleMinutes != 60 ||
		got.SessionAbsoluteHours != 168 {
		t.Errorf("answered %+v", got)
	}
	trail := testkit.Must[api.List[api.Event]](t)(h.As(h.Owner).AccountEvents(t.Context(), string(h.Account.ID),
		client.EventFilter{}, client.Page{Limit: 1}))
	event := trail.Items[0]
	want := map[string]string{
		"auto_expiry_days": "180", "auto_expiry_days_before": "90", "max_lifetime_days": "none",
		"max_lifetime_days_before": "3650",
		"session_idle_minutes":     "60", "session_idle_minutes_before": "default",
	}
	if diff := cmp.Diff(want, event.Details); diff != "" || event.Action != "policy.edit" ||
		*event.Target.ID != string(h.Account.ID) || *event.Actor.ID != string(h.Owner.ID) {
		t.Errorf("on record is %+v\n%s", event, diff)
	}
}

// Rows B5 and L7: every tenant of the account inherits the policy, and a cached key follows it at
// once. The change does what the dry run said.
func TestEveryTenantOfTheAccountObeysATightenedPolicyAtOnce(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	testkit.SetPolicy(t, h, testkit.AutoExpiry(0))
	_, foreigner := h.OtherAccount("Foreign Owner")
	first, second := h.Tenant("First tenant", nil), h.Tenant("Second tenant", nil)
	foreign := testkit.Must[api.Tenant](t)(h.As(foreigner).CreateTenant(t.Context(),
		api.CreateTenantRequest{Name: "Foreign tenant", Preset: "standard"}))
	one := h.Key(h.As(h.Member(first, "First Owner", scope.Member)), first, "applications:read")
	h.Clock.Move(time.Hour)
	two := h.Key(h.As(h.Member(second, "Second Owner", scope.Member)), second, "applications:read")
	free := testkit.Must[api.IssuedKey](t)(h.As(foreigner).CreateKey(t.Context(), foreign.ID,
		api.CreateKeyRequest{Name: "Free key", Scopes: []string{"*"}, AllApplications: true}))
	gone := h.Key(h.As(h.Member(second, "Gone Owner", scope.Member)), second, "applications:read")
	testkit.Must[*api.Key](t)(h.As(h.Owner).RevokeKey(t.Context(), string(second.ID), gone.Key.ID, ""))
	ends := func(k api.IssuedKey) time.Time {
		t.Helper()
		return *testkit.Must[api.Whoami](t)(h.With(k).Whoami(t.Context())).EffectiveExpiresAt
	}
	before, untouched := ends(two), ends(free)
	ends(one) // warmed

	h.Clock.Move(60 * policy.Day)
	owner := h.As(h.Owner)
	tighter := api.UpdatePolicyRequest{MaxLifetimeDays: api.To(30)}
	check := testkit.ExpectUnchanged(t, owner, policyURL(h.Account.ID), testkit.AccountPath(h.Account.ID)+"/audit")
	effect := testkit.Must[api.PolicyEffect](t)(owner.TryPolicy(t.Context(), string(h.Account.ID), tighter))
	check()
	if now := ends(two); !now.Equal(before) {
		t.Errorf("a dry run moved an expiry from %v to %v", before, now)
	}
	made := h.Clock.Now()
	testkit.SetPolicy(t, h, tighter)
	for name, k := range map[string]api.IssuedKey{"first": one, "second": two} {
		if late := ends(k).Sub(made.Add(30 * policy.Day)); late < 0 || late > time.Second {
			t.Errorf("the key of the %s tenant ends at %v, the policy is of %v", name, ends(k), made)
		}
	}
	if now := ends(free); !now.Equal(untouched) {
		t.Errorf("another account's key ends at %v, before at %v", now, untouched)
	}
	if late := ends(one).Sub(*effect.FirstExpiresAt); effect.Affected != 2 || effect.ExpiredNow != 0 || late < 0 ||
		late > time.Second {
		t.Errorf("the dry run told of %+v, and the first ends at %v", effect, ends(one))
	}
}

func TestALoosenedPolicyRevivesNoKey(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	expired := h.Key(owner, tenant, "applications:read")
	h.Clock.Move(policy.Overrun)
	ending := h.Key(owner, tenant, "applications:read")
	h.Clock.Move(policy.Overrun)
	saved := h.Key(owner, tenant, "applications:read")
	h.Clock.Move(ending.Key.SecretSetAt.Add(90*policy.Day - policy.Overrun/2).Sub(h.Clock.Now()))
	code := testkit.VerifyCode(t, h)
	for k, want := range map[*api.IssuedKey]api.Code{&expired: api.APIKeyExpired, &ending: api.OK, &saved: api.OK} {
		if got := code(*k); got != want {
			t.Fatalf("before the change: %s, want %s", got, want)
		}
	}
	testkit.SetPolicy(t, h, testkit.AutoExpiry(0))
	h.Clock.Move(2 * policy.Overrun)
	for name, c := range map[string]struct {
		key  api.IssuedKey
		want api.Code
	}{
		"expired before":             {expired, api.APIKeyExpired},
		"ended while others decided": {ending, api.APIKeyExpired},
		"not ended by then":          {saved, api.OK},
	} {
		if got := code(c.key); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestAKeyThatExpiresWhileAChangeOfPolicyWaitsStaysExpired(t *testing.T) {
	url := testkit.MigratedDatabase(t)
	h := testkit.StartOn(t, url)
	tenant := h.Tenant("Main tenant", nil)
	k := h.Key(h.As(h.Member(tenant, "Key Owner", scope.Member)), tenant, "applications:read")
	h.Clock.Move(90*policy.Day - time.Hour)
	admin := h.As(h.Owner)
	err := testkit.WhileWaiting(t, url, "accounts", string(h.Account.ID), func() error {
		_, err := admin.EditPolicy(t.Context(), string(h.Account.ID), testkit.AutoExpiry(0))
		return err
	}, func() {
		h.Clock.Move(2 * time.Hour)
		_, err := h.With(k).Whoami(t.Context())
		testkit.ExpectCode(t, "the key after its end", err, api.APIKeyExpired)
	})
	testkit.ExpectCode(t, "the change", err, "")
	_, err = h.With(k).Whoami(t.Context())
	testkit.ExpectCode(t, "the key in the end", err, api.APIKeyExpired)
}

// The policy of an account does not bind people who left it. What it ended stays ended.
func TestASessionThatHasEndedStaysSoWhereItsPersonLeavesTheStrictAccount(t *testing.T) {
	for what, leave := range map[string]func(ctx context.Context, h *testkit.Server, tenant, user string) error{
		"the membership was removed": func(ctx context.Context, h *testkit.Server, tenant, user string) error {
			return h.As(h.Owner).RemoveMember(ctx, tenant, user)
		},
		"the membership was disabled": func(ctx context.Context, h *testkit.Server, tenant, user string) error {
			_, err := h.As(h.Owner).EditMember(ctx, tenant, user,
				api.UpdateMemberRequest{Status: api.To(api.StatusDisabled)})
			return err
		},
		"the tenant was disabled": func(ctx context.Context, h *testkit.Server, tenant, _ string) error {
			_, err := h.As(h.Owner).EditTenant(ctx, tenant, api.UpdateTenantRequest{Status: api.To(api.StatusDisabled)})
			return err
		},
		"the account was disabled": func(ctx context.Context, h *testkit.Server, _, _ string) error {
			_, err := h.Accounts.SetAccountDisabled(ctx, principal.Operator(), h.Account.ID, true)
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
				h := testkit.Start(t, e)
				tenant := h.Tenant("Main tenant", nil)
				h.Join(tenant, h.Owner, scope.Admin)
				p := h.Member(tenant, "Leaver", scope.Member)
				testkit.SetPolicy(t, h, api.UpdatePolicyRequest{SessionIdleMinutes: api.To(5)})
				stale := h.As(p)
				h.Clock.Move(10 * time.Minute)
				live := h.As(p)
				testkit.ExpectCode(t, "leaving", leave(t.Context(), h, string(tenant.ID), string(p.ID)), "")
				if testkit.HasSession(t, stale) || !testkit.HasSession(t, live) {
					t.Error("the session that ended lives, or the other does not")
				}
			})
		})
	}
}

func TestASessionThatHasEndedStaysSoWhereAnOfficerLeavesTheStrictAccount(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := h.AccountMember("Leaver", scope.AccountAdmin)
	testkit.SetPolicy(t, h, api.UpdatePolicyRequest{SessionIdleMinutes: api.To(5)})
	stale := h.As(p)
	h.Clock.Move(10 * time.Minute)
	testkit.ExpectCode(t, "leaving",
		h.Accounts.RemoveAccountMember(t.Context(), principal.Operator(), h.Account.ID, p.ID), "")
	if testkit.HasSession(t, stale) {
		t.Error("the session that ended lives")
	}
}

// The database counts by ranges of the secrets' age. Keys of every age, with and without an expiry
// of their own, are counted as they would be decided.
func TestADryRunCountsTheKeysThatTheChangeWouldEndSooner(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
		owner := h.Member(tenant, "Key Owner", scope.Member)
		testkit.SetPolicy(t, h, testkit.AutoExpiry(0))
		testkit.SetPolicy(t, h, api.UpdatePolicyRequest{MaxLifetimeDays: api.To(400)})
		h.Clock.Move(100 * policy.Day)
		now, days := h.Clock.Now().Truncate(time.Second), int64(policy.Day/time.Microsecond)
		testkit.InsertMany(t, h, 300, testkit.KeyRows(tenant, owner, 0, "NULL"))
		_, err := h.Beside().ExecContext(t.Context(), fmt.Sprintf(`UPDATE keys SET secret_set_at = %d - slot * %d,
			expires_at = CASE WHEN slot %% 3 = 0 THEN %[1]d + (slot %% 7 - 2) * 20 * %[2]d END,
			revoked_at = CASE WHEN slot %% 10 = 0 THEN 1 END`,
			now.UnixMicro(), days))
		testkit.NoError(t, err)
		p := testkit.Must[api.PolicyEffect](t)(h.As(h.Owner).TryPolicy(t.Context(), string(h.Account.ID),
			api.UpdatePolicyRequest{MaxLifetimeDays: api.To(60)}))
		before := testkit.Must[policy.Policy](t)(h.Store.Policy(t.Context(), h.Account.ID)).Rules
		after := policy.Revise(before, policy.ByMaxLifetime, 60, now)
		affected := 0
		var first time.Time
		for slot := range 301 {
			set, own := now.Add(-time.Duration(slot)*policy.Day), time.Time{}
			if slot%3 == 0 {
				own = now.Add(time.Duration(slot%7-2) * 20 * policy.Day)
			}
			was, is := policy.EffectiveExpiry(own, set, before), policy.EffectiveExpiry(own, set, after)
			if slot == 0 || slot%10 == 0 || was.Passed(now) || !is.At.Before(was.At) {
				continue
			}
			affected++
			if first.IsZero() || is.At.Before(first) {
				first = is.At
			}
		}
		if p.Affected != affected || p.ExpiredNow != 0 || p.FirstExpiresAt.Sub(first).Abs() > time.Minute {
			t.Errorf("a dry run tells of %+v, want %d keys, the first ending at %v", p, affected, first)
		}
	})
}

func TestAPolicyOfTooManyRulesCanOnlyBeLoosened(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	owner := h.As(h.Owner)
	longest := func(days int) error {
		_, err := owner.EditPolicy(t.Context(), string(h.Account.ID),
			api.UpdatePolicyRequest{MaxLifetimeDays: api.To(days)})
		return err
	}
	for n := 1; n <= 98; n++ { // an account begins with two
		testkit.NoError(t, longest(3650-n))
	}
	err := longest(3000)
	testkit.ExpectCode(t, "one rule more", err, api.Conflict)
	if err == nil || !strings.Contains(err.Error(), "100") {
		t.Errorf("refused with %v, which does not name the limit", err)
	}
	_, err = owner.TryPolicy(t.Context(), string(h.Account.ID), api.UpdatePolicyRequest{MaxLifetimeDays: api.To(3000)})
	testkit.ExpectCode(t, "a dry run of it", err, api.Conflict)
	testkit.ExpectCode(t, "loosen", longest(3600), "")
	testkit.ExpectCode(t, "switch off",
		testkit.SendBody(t, owner, http.MethodPatch, policyURL(h.Account.ID), `{"max_lifetime_days":null}`), "")
	testkit.ExpectCode(t, "tighten again", longest(30), "")
}
