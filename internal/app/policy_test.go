package app_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func policyURL[T ~string](account T) string { return accountURL(account) + "/policy" }

// setPolicy changes the policy of the House's account, which must succeed.
func setPolicy(t *testing.T, h *testkit.House, p api.PolicyPatch) api.Policy {
	t.Helper()
	return must[api.Policy](t)(h.As(h.Owner).EditPolicy(t.Context(), string(h.Account.ID), p))
}

func autoExpiry(days int) api.PolicyPatch {
	if days == 0 {
		return api.PolicyPatch{AutoExpiry: &api.AutoExpiryPatch{Enabled: api.To(false)}, AcknowledgeRisk: true}
	}
	return api.PolicyPatch{AutoExpiry: &api.AutoExpiryPatch{Enabled: api.To(true), Days: api.To(days)}}
}

// startAt boots a House at a time of long ago.
func startAt(t *testing.T, e testkit.Engine, at time.Time) *testkit.House {
	t.Helper()
	return testkit.StartWith(t, e, func(o *app.Options) {
		wall := o.Wall
		back := wall().Sub(at)
		o.Wall = func() time.Time { return wall().Add(-back) }
	})
}

// Row L8: the example of seed LoadRunner.
func TestTheSeedsKeyExpiresNinetyDaysAfterThePolicyTookEffect(t *testing.T) {
	t.Parallel()
	created := time.Date(2023, time.October, 5, 0, 0, 0, 0, time.UTC)
	h := startAt(t, testkit.SQLite, created)
	setPolicy(t, h, autoExpiry(0))
	tenant := h.Tenant("Main tenant", nil)
	member := h.Member(tenant, "Key Owner", scope.Member)
	k := h.Key(h.As(member), tenant, "applications:read")
	if k.Key.EffectiveExpiresAt != nil && *k.Key.ExpiryReason != "max_lifetime" {
		t.Errorf("before the policy it expires at %v", k.Key.EffectiveExpiresAt)
	}
	h.Clock.Move(27 * policy.Day) // to 1 November
	p := setPolicy(t, h, autoExpiry(90))
	if since := p.AutoExpiry.InForceSince; since == nil || since.Format(time.DateOnly) != "2023-11-01" {
		t.Fatalf("in force since %v", since)
	}
	ends := p.AutoExpiry.InForceSince.Add(90 * policy.Day)
	see := func(status string) {
		t.Helper()
		owner := h.As(member)
		shown := must[api.Key](t)(owner.Key(t.Context(), string(tenant.ID), k.Key.ID))
		if at := *shown.EffectiveExpiresAt; !at.Equal(ends) || at.Format(time.DateOnly) != "2024-01-30" || *shown.ExpiryReason != "auto_expiry" || shown.Status != status {
			t.Errorf("shown is %s until %v by %s, want %s until %v", shown.Status, at, *shown.ExpiryReason, status, ends)
		}
		list := must[api.List[api.Key]](t)(owner.Keys(t.Context(), string(tenant.ID), client.KeyFilter{Status: status}, client.Page{}))
		if len(list.Items) != 1 || !cmp.Equal(list.Items[0], shown) {
			t.Errorf("listed as %s is %+v", status, list.Items)
		}
	}
	see("active")
	if w := must[api.Whoami](t)(h.With(k).Whoami(t.Context())); w.EffectiveExpiresAt == nil || !w.EffectiveExpiresAt.Equal(ends) {
		t.Errorf("whoami says until %v", w.EffectiveExpiresAt)
	}
	h.Clock.Move(89*policy.Day + 23*time.Hour)
	code := asker(t, h)
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
	check := unchanged(t, owner, policyURL(h.Account.ID), accountURL(h.Account.ID)+"/audit")
	for body, want := range map[string]string{
		`{"max_lifetime_days":0}`:                                        "max_lifetime_days range",
		`{"max_lifetime_days":-30}`:                                      "max_lifetime_days range",
		`{"max_lifetime_days":3651}`:                                     "max_lifetime_days range",
		`{"max_lifetime_days":9223372036854775807}`:                      "max_lifetime_days range",
		`{"max_lifetime_days":9223372036854775808}`:                      "max_lifetime_days type",
		`{"max_lifetime_days":1.5}`:                                      "max_lifetime_days type",
		`{"max_lifetime_days":"30"}`:                                     "max_lifetime_days type",
		`{"auto_expiry":{"days":100}}`:                                   "auto_expiry.days range",
		`{"auto_expiry":{"days":0}}`:                                     "auto_expiry.days range",
		`{"auto_expiry":{"days":-90}}`:                                   "auto_expiry.days range",
		`{"auto_expiry":{"days":390}}`:                                   "auto_expiry.days range",
		`{"auto_expiry":{"days":null}}`:                                  "auto_expiry.days required",
		`{"auto_expiry":{"enabled":null}}`:                               "auto_expiry.enabled required",
		`{"auto_expiry":{"enabled":"no"}}`:                               "auto_expiry.enabled type",
		`{"auto_expiry":{"since":"2020-01-01T00:00:00Z"}}`:               "auto_expiry.since unknown",
		`{"auto_expiry":{"enabled":false}}`:                              "acknowledge_risk required",
		`{"auto_expiry":{"enabled":false},"acknowledge_risk":false}`:     "acknowledge_risk required",
		`{"auto_expiry":{"enabled":false,"days":90}}`:                    "auto_expiry.days exclusive",
		`{"session_idle_minutes":4}`:                                     "session_idle_minutes range",
		`{"session_idle_minutes":10081}`:                                 "session_idle_minutes range",
		`{"session_absolute_hours":0}`:                                   "session_absolute_hours range",
		`{"session_absolute_hours":721}`:                                 "session_absolute_hours range",
		`{"max_lifetime_days":-1,"dry_run":true}`:                        "max_lifetime_days range",
		`{"max_lifetime_days":-1,"session_idle_minutes":1}`:              "max_lifetime_days range, session_idle_minutes range",
		`{"in_force_since":"2020-01-01T00:00:00Z"}`:                      "… unknown",
		`{"auto_expiry":{"enabled":true,"days":360},"acknowledge":true}`: "acknowledge unknown",
	} {
		if got := fieldsAtFault(t, tell(t, owner, http.MethodPatch, policyURL(h.Account.ID), body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	expect(t, "nothing to change", tell(t, owner, http.MethodPatch, policyURL(h.Account.ID), `{}`), "")
	expect(t, "what holds", tell(t, owner, http.MethodPatch, policyURL(h.Account.ID), `{"auto_expiry":{"days":90},"max_lifetime_days":3650}`), "")
	check()
	setPolicy(t, h, autoExpiry(0))
	if got := fieldsAtFault(t, tell(t, owner, http.MethodPatch, policyURL(h.Account.ID), `{"auto_expiry":{"days":120}}`)); got != "auto_expiry.enabled required" {
		t.Errorf("days of what is off: %s", got)
	}
}

func TestAChangeOfPolicyIsOnRecordWithWhatWasAndWhatIs(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := autoExpiry(180)
	p.MaxLifetimeDays, p.SessionIdleMinutes = api.Cleared[int](), api.To(60)
	got := setPolicy(t, h, p)
	if *got.AutoExpiry.Days != 180 || got.MaxLifetimeDays != nil || got.SessionIdleMinutes != 60 || got.SessionAbsoluteHours != 168 {
		t.Errorf("answered %+v", got)
	}
	trail := must[api.List[api.Event]](t)(h.As(h.Owner).AccountEvents(t.Context(), string(h.Account.ID), client.EventFilter{}, client.Page{Limit: 1}))
	event := trail.Items[0]
	want := map[string]string{
		"auto_expiry_days": "180", "auto_expiry_days_before": "90", "max_lifetime_days": "none", "max_lifetime_days_before": "3650",
		"session_idle_minutes": "60", "session_idle_minutes_before": "default",
	}
	if diff := cmp.Diff(want, event.Details); diff != "" || event.Action != "policy.edit" || *event.Target.ID != string(h.Account.ID) || *event.Actor.ID != string(h.Owner.ID) {
		t.Errorf("on record is %+v\n%s", event, diff)
	}
}

// Rows B5 and L7: every tenant of the account inherits the policy, and a warmed key obeys at once. What a dry run told is what comes of it.
func TestEveryTenantOfTheAccountObeysATightenedPolicyAtOnce(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	setPolicy(t, h, autoExpiry(0))
	_, foreigner := h.OtherAccount("Foreign Owner")
	first, second := h.Tenant("First tenant", nil), h.Tenant("Second tenant", nil)
	foreign := must[api.Tenant](t)(h.As(foreigner).CreateTenant(t.Context(), api.NewTenant{Name: "Foreign tenant", Preset: "standard"}))
	one := h.Key(h.As(h.Member(first, "First Owner", scope.Member)), first, "applications:read")
	h.Clock.Move(time.Hour)
	two := h.Key(h.As(h.Member(second, "Second Owner", scope.Member)), second, "applications:read")
	free := must[api.IssuedKey](t)(h.As(foreigner).CreateKey(t.Context(), foreign.ID, api.NewKey{Name: "Free key", Scopes: []string{"*"}, AllApplications: true}))
	gone := h.Key(h.As(h.Member(second, "Gone Owner", scope.Member)), second, "applications:read")
	must[*api.Key](t)(h.As(h.Owner).RevokeKey(t.Context(), string(second.ID), gone.Key.ID, ""))
	ends := func(k api.IssuedKey) time.Time {
		t.Helper()
		return *must[api.Whoami](t)(h.With(k).Whoami(t.Context())).EffectiveExpiresAt
	}
	before, untouched := ends(two), ends(free)
	ends(one) // warmed

	h.Clock.Move(60 * policy.Day)
	owner := h.As(h.Owner)
	tighter := api.PolicyPatch{MaxLifetimeDays: api.To(30)}
	check := unchanged(t, owner, policyURL(h.Account.ID), accountURL(h.Account.ID)+"/audit")
	effect := must[api.PolicyEffect](t)(owner.TryPolicy(t.Context(), string(h.Account.ID), tighter))
	check()
	if now := ends(two); !now.Equal(before) {
		t.Errorf("a dry run moved an expiry from %v to %v", before, now)
	}
	made := h.Clock.Now()
	setPolicy(t, h, tighter)
	for name, k := range map[string]api.IssuedKey{"first": one, "second": two} {
		if late := ends(k).Sub(made.Add(30 * policy.Day)); late < 0 || late > time.Second {
			t.Errorf("the key of the %s tenant ends at %v, the policy is of %v", name, ends(k), made)
		}
	}
	if now := ends(free); !now.Equal(untouched) {
		t.Errorf("another account's key ends at %v, before at %v", now, untouched)
	}
	if late := ends(one).Sub(*effect.FirstExpiresAt); effect.Affected != 2 || effect.ExpiredNow != 0 || late < 0 || late > time.Second {
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
	code := asker(t, h)
	for k, want := range map[*api.IssuedKey]api.Code{&expired: api.APIKeyExpired, &ending: api.OK, &saved: api.OK} {
		if got := code(*k); got != want {
			t.Fatalf("before the change: %s, want %s", got, want)
		}
	}
	setPolicy(t, h, autoExpiry(0))
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
		_, err := admin.EditPolicy(t.Context(), string(h.Account.ID), autoExpiry(0))
		return err
	}, func() {
		h.Clock.Move(2 * time.Hour)
		_, err := h.With(k).Whoami(t.Context())
		expect(t, "the key after its end", err, api.APIKeyExpired)
	})
	expect(t, "the change", err, "")
	_, err = h.With(k).Whoami(t.Context())
	expect(t, "the key in the end", err, api.APIKeyExpired)
}

// Who does not belong to an account any more is not bound by it; what its bounds ended stays ended.
func TestASessionThatHasEndedStaysSoWhereItsPersonLeavesTheStrictAccount(t *testing.T) {
	for what, leave := range map[string]func(ctx context.Context, h *testkit.House, tenant, user string) error{
		"the membership was removed": func(ctx context.Context, h *testkit.House, tenant, user string) error {
			return h.As(h.Owner).RemoveMember(ctx, tenant, user)
		},
		"the membership was disabled": func(ctx context.Context, h *testkit.House, tenant, user string) error {
			_, err := h.As(h.Owner).EditMember(ctx, tenant, user, api.MemberPatch{Status: api.To("disabled")})
			return err
		},
		"the tenant was disabled": func(ctx context.Context, h *testkit.House, tenant, _ string) error {
			_, err := h.As(h.Owner).EditTenant(ctx, tenant, api.TenantPatch{Status: api.To("disabled")})
			return err
		},
		"the account was disabled": func(ctx context.Context, h *testkit.House, _, _ string) error {
			_, err := h.Tenancy.SetAccountDisabled(ctx, principal.Operator(), h.Account.ID, true)
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
				h := testkit.Start(t, e)
				tenant := h.Tenant("Main tenant", nil)
				h.Join(tenant, h.Owner, scope.Admin)
				p := h.Member(tenant, "Leaver", scope.Member)
				setPolicy(t, h, api.PolicyPatch{SessionIdleMinutes: api.To(5)})
				stale := h.As(p)
				h.Clock.Move(10 * time.Minute)
				live := h.As(p)
				expect(t, "leaving", leave(t.Context(), h, string(tenant.ID), string(p.ID)), "")
				if signedIn(t, stale) || !signedIn(t, live) {
					t.Error("the session that ended lives, or the other does not")
				}
			})
		})
	}
}

func TestASessionThatHasEndedStaysSoWhereAnOfficerLeavesTheStrictAccount(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := h.Officer("Leaver", scope.AccountAdmin)
	setPolicy(t, h, api.PolicyPatch{SessionIdleMinutes: api.To(5)})
	stale := h.As(p)
	h.Clock.Move(10 * time.Minute)
	expect(t, "leaving", h.Tenancy.RemoveStanding(t.Context(), principal.Operator(), h.Account.ID, p.ID), "")
	if signedIn(t, stale) {
		t.Error("the session that ended lives")
	}
}

// Sessions that have begun obey a stricter policy at once, and a looser one revives none.
func TestSessionsObeyTheStrictestPolicyOfThePersonsAccounts(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	other, _ := h.OtherAccount("Other Owner")
	elsewhere := must[tenancy.Tenant](t)(h.Tenancy.CreateTenant(t.Context(), principal.Operator(), other.ID, "Other tenant", policy.Standard, nil))
	both := h.Member(h.Tenant("Main tenant", nil), "Of both", scope.Member)
	h.Join(elsewhere, both, scope.Member)
	stranger := h.Member(elsewhere, "Of the other alone", scope.Member)
	bounds := func(idle, absolute int) {
		t.Helper()
		setPolicy(t, h, api.PolicyPatch{SessionIdleMinutes: api.To(idle), SessionAbsoluteHours: api.To(absolute)})
	}
	lives := func(what string, c *client.Client, want bool) {
		t.Helper()
		if got := signedIn(t, c); got != want {
			t.Errorf("%s: alive %t, want %t", what, got, want)
		}
	}
	bounds(10080, 720)
	long, default_ := h.As(both), h.As(stranger)
	h.Clock.Move(policy.DefaultSessions.Idle - time.Minute)
	lives("looser here, as ever there", long, true)

	h.Clock.Move(15 * time.Minute)
	lives("one of the other account alone", default_, false)
	bounds(15, 720)
	lives("idle for longer than from now on is allowed", long, false)
	bounds(10080, 720)
	lives("idle for too long before it was allowed", long, false)

	old, began := h.As(both), h.Clock.Now()
	h.Clock.Move(time.Hour)
	bounds(10080, 2)
	var now api.Session
	expect(t, "the session", old.Do(t.Context(), http.MethodGet, "/api/v1/session", nil, &now), "")
	if now.ExpiresAt.Sub(began.Add(2*time.Hour)).Abs() > time.Second {
		t.Errorf("a session of %v ends at %v", began, now.ExpiresAt)
	}
	h.Clock.Move(time.Hour)
	lives("at its end", old, false)
	if all := must[api.List[api.SessionInfo]](t)(h.As(both).Sessions(t.Context(), client.Page{})); len(all.Items) != 1 {
		t.Errorf("there are %+v", all.Items)
	}
	bounds(10080, 720)
	lives("ended before it was allowed longer", old, false)
}
