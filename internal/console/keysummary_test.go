package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestTheFormForAKeySaysWhatTheKeyWillBe(t *testing.T) {
	t.Parallel()
	d := newAdminVisitIn(t, func(s *policy.Settings) { s.KeysPerUser = 2 })
	_, err := d.As(d.person).ReplaceScopes(t.Context(), string(d.tenant.ID), []api.NewScope{
		{Name: "rates:read", Description: "Look up freight rates.", Roles: []api.Role{api.RoleAdmin, api.RoleMember}},
		{Name: "rates:set", Description: "Change freight rates", Roles: []api.Role{api.RoleAdmin}},
		{Name: "labels:print", Roles: []api.Role{api.RoleMember}},
	})
	testkit.NoError(t, err)
	app := d.Application(d.tenant, "Rates")
	priya := d.Member(d.tenant, "Priya Raman", scope.Member)
	d.Key(d.As(priya), d.tenant, "applications:read")
	own, theirs := "/settings/keys/new", d.at("keys/new")
	whole := d.get(own)
	whole.see(t, "the whole page", http.StatusOK, `id="key-summary" aria-live="polite">`)
	whole.see(t, "the whole page", http.StatusOK, "<li>look up freight rates</li>")
	for name, c := range map[string]struct {
		path string
		more url.Values
		says []string
		not  string
	}{
		"read only": {own, nil, []string{
			"<li>look up freight rates</li>", "in all applications, including later ones,", "which is 90 days.",
			"It cannot: ", "Uses slot 1 of 2 in Shipping API.",
		}, "<li>change freight rates"},
		"all scopes": {own, url.Values{"access": {"all"}}, []string{
			"<li>change freight rates</li>", "whatever its role allows later",
		}, "It cannot"},
		"some": {
			own,
			url.Values{
				"access": {"some"}, "scope": {"rates:set"}, "applications": {"some"}, "application": {string(app.ID)},
				"expiry": {"date"}, "date": {"2027-02-26"},
			},
			[]string{"<li>change freight rates</li>", "in Rates only,", "until 26 Feb 2027."},
			"<li>look up",
		},
		"nothing": {own, url.Values{"access": {"some"}}, []string{"nothing yet: choose scopes"}, "<li>"},
		"for another": {
			theirs,
			url.Values{"owner": {string(priya.ID)}, "access": {"all"}},
			[]string{
				"<li>labels:print</li>", "Uses their last free slot in Shipping API (2 of 2).",
				"Priya Raman gets the secret by a link. You never see it.",
			},
			"change freight rates",
		},
		"for another, shown": {
			theirs,
			url.Values{"owner": {string(priya.ID)}, "delivery": {"direct"}},
			[]string{"You see the secret once"},
			"by a link",
		},
	} {
		part := d.get(c.path + "/summary?" + c.more.Encode())
		for _, says := range c.says {
			part.see(t, name, http.StatusOK, says)
		}
		if c.not != "" && strings.Contains(part.text, c.not) {
			t.Errorf("%s: the summary says %q:\n%s", name, c.not, part.text)
		}
		if strings.Contains(part.text, "<html") {
			t.Errorf("%s: a whole page", name)
		}
	}
	d.Key(d.As(priya), d.tenant, "applications:read")
	full := d.get(theirs + "/summary?owner=" + string(priya.ID))
	full.see(t, "no slot", http.StatusOK, "All of their 2 keys in Shipping API are in use. Revoke one first.")
}

// A key without a date of its own follows the policy of the account, also when that changes.
func TestAKeyExpiresByThePolicyUnlessAnotherDayIsChosen(t *testing.T) {
	t.Parallel()
	d := newVisit(t, testkit.UnlimitedKeys)
	checked := func() string {
		page := d.get("/settings/keys/new")
		m := regexp.MustCompile(`name="expiry" value="([^"]*)" checked><span><b>([^<]*)</b><small>([^<]*)<`).
			FindStringSubmatch(page.text)
		if m == nil {
			t.Fatalf("no expiry is chosen:\n%s", page.text)
		}
		return strings.Join(m[1:], " ")
	}
	in90 := d.Clock.Now().Add(90 * policy.Day).Format("2 Jan 2006")
	if got, want := checked(), "policy 90 days "+in90+", by policy"; got != want {
		t.Errorf("chosen is %q, not %q", got, want)
	}
	d.post("/settings/keys/new", d.newKey("By policy", "expiry", "policy")).see(t, "create", http.StatusOK, "clv_ak_")
	k := d.keys()[0]
	if k.ExpiresAt != nil || k.EffectiveExpiresAt == nil || k.ExpiryReason == nil || *k.ExpiryReason != "auto_expiry" {
		t.Errorf("the key is %+v", k)
	}
	testkit.SetPolicy(t, d.Server, testkit.AutoExpiry(180))
	if got, want := checked(), "90 90 days "+in90; got != want {
		t.Errorf("with 180 days, chosen is %q, not %q", got, want)
	}
	page := d.get("/settings/keys/new")
	page.see(t, "180 days", http.StatusOK, `value="policy"><span><b>180 days</b>`)
	if strings.Contains(page.text, `value="180"`) {
		t.Error("180 days are offered twice")
	}
	if later := d.keys()[0].EffectiveExpiresAt.Sub(*k.EffectiveExpiresAt); later != 90*policy.Day {
		t.Errorf("the key expires %v later", later)
	}
	stale := d.newKey("Stale", "expiry", "policy")
	testkit.SetPolicy(t, d.Server, testkit.AutoExpiry(0))
	d.post("/settings/keys/new", stale).see(t, "a policy that was switched off", http.StatusUnprocessableEntity,
		"The policy expires no keys any more.")
}
