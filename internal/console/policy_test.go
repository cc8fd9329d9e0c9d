package console_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// newOwnerVisit is newVisit with the owner of the account, whom the visit also has as person.
func newOwnerVisit(t testing.TB) *visit {
	t.Helper()
	d := newVisit(t, nil)
	d.person = d.Owner
	d.visitor = newVisitor(t, d.URL)
	d.signIn(d.person)
	return d
}

// inAccount returns the path of a page of the visit's account.
func (d *visit) inAccount(page string) string { return "/a/" + string(d.Account.ID) + "/" + page }

func (d *visit) policy() api.Policy {
	d.t.Helper()
	return testkit.Must[api.Policy](d.t)(d.As(d.Owner).Policy(d.t.Context(), string(d.Account.ID)))
}

// accountEvents returns how many events the trail of the account has.
func (d *visit) accountEvents(action string) int {
	d.t.Helper()
	list, err := d.As(d.Owner).AccountEvents(d.t.Context(), string(d.Account.ID), client.EventFilter{Action: action},
		client.Page{Limit: 200})
	return len(testkit.Must[api.List[api.Event]](d.t)(list, err).Items)
}

// fields returns the fields of a form as a browser would send them untouched.
func (d *visit) fields(page shown, path string) url.Values {
	d.t.Helper()
	f, ok := formTo(d.t, page, path)
	if !ok {
		d.t.Fatalf("no form to %s:\n%s", path, page.text)
	}
	return f.Fields
}

func TestAnOwnerSeesTheEffectOfAPolicyBeforeItIsSaved(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	member := d.As(d.Member(d.tenant, "Key Owner", "member"))
	k := testkit.NamedKey(t, member, d.tenant, "Nightly export", nil)
	path := d.inAccount("general")
	form := d.fields(d.get(path), path)
	form.Set("max_lifetime_days", "30")

	// Without the effect on the page, nothing is saved.
	first := d.post(path, form)
	first.see(t, "the effect", http.StatusOK, "What this change does")
	first.see(t, "the key", http.StatusOK, k.Key.Name)
	first.see(t, "the people", http.StatusOK, "<b>1</b><span>person is mailed</span>")
	if p := d.policy(); *p.MaxLifetimeDays != 3650 {
		t.Fatalf("the policy is %+v", p)
	}
	form = d.fields(first, path)
	if strings.Contains(first.text, "The new time is longer.") {
		t.Error("a shorter time is said to be longer")
	}
	longer := d.fields(d.get(path), path)
	longer.Set("auto_expiry_days", "180")
	loosened := d.post(path, longer)
	loosened.see(t, "a longer time", http.StatusOK, "The new time is longer.")
	loosened.see(t, "a longer time", http.StatusOK, "<b>1</b><span>keys expire later, or never</span>")
	if _, table, _ := strings.Cut(loosened.text, ">Expire later<"); !strings.Contains(table, ">"+k.Key.Name+"</a>") {
		t.Errorf("a longer time does not list the key:\n%s", loosened.text)
	}
	// The effect of other values is not that of these.
	form.Set("session_idle_minutes", "60")
	second := d.post(path, form)
	second.see(t, "other values", http.StatusOK, "Nothing is saved yet")
	form = d.fields(second, path)
	if got := d.post(path, form); got.location != path+"?did=policy.edit" {
		t.Fatalf("save: %d to %q\n%s", got.status, got.location, got.text)
	}
	if p := d.policy(); *p.MaxLifetimeDays != 30 || p.SessionIdleMinutes != 60 || *p.AutoExpiry.Days != 90 {
		t.Errorf("the policy is %+v", p)
	}
	again := d.post(path, form)
	again.see(t, "a stale form", http.StatusUnprocessableEntity, "The policy was changed since")
	if n := d.accountEvents("policy.edit"); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestTheEffectOfAPolicyWarnsOfADayOnWhichManyKeysExpire(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	for _, name := range []string{"Ines", "Tomasz"} {
		testkit.NamedKey(t, d.As(d.Member(d.tenant, name, "member")), d.tenant, "Export", nil)
	}
	path := d.inAccount("general")
	form := d.fields(d.get(path), path)
	form.Set("max_lifetime_days", "30")
	page := d.post(path, form)
	page.see(t, "the people", http.StatusOK, "<b>2</b><span>people are mailed</span>")
	page.see(t, "the warning", http.StatusOK, "2 keys would expire within the day that begins on")
}

func TestAutomaticExpirationIsSwitchedOffByWhoTakesTheRisk(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	path := d.inAccount("general")
	form := d.fields(d.get(path), path)
	form.Del("auto_expiry")
	page := d.post(path, form)
	page.see(t, "the risk", http.StatusOK, "I am aware of the increased risk and take responsibility for it.")
	page.see(t, "the button", http.StatusOK, `class="btn danger">Switch off automatic expiration`)
	form = d.fields(page, path)
	d.post(path, form).see(t, "not ticked", http.StatusUnprocessableEntity, `href="#f-accept"`)
	if p := d.policy(); !p.AutoExpiry.Enabled {
		t.Fatal("it is off")
	}
	form.Set("accept", "yes")
	if got := d.post(path, form); got.location != path+"?did=policy.edit" {
		t.Fatalf("save: %d to %q\n%s", got.status, got.location, got.text)
	}
	if p := d.policy(); p.AutoExpiry.Enabled {
		t.Error("it is on")
	}
	form = d.fields(d.get(path), path)
	if form.Has("auto_expiry") {
		t.Error("the form says that it is on")
	}
	form.Set("auto_expiry", "on")
	form.Set("auto_expiry_days", "120")
	page = d.post(path, form)
	if strings.Contains(page.text, "increased risk") {
		t.Error("to switch it on is called a risk")
	}
	d.post(path, d.fields(page, path))
	if p := d.policy(); !p.AutoExpiry.Enabled || *p.AutoExpiry.Days != 120 {
		t.Errorf("the policy is %+v", p)
	}
}

func TestAPolicyThatNobodyTouchedChangesNothing(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	path := d.inAccount("general")
	for _, days := range []int{0, 45} { // the initial policy, and a maximum that the list does not offer
		if days > 0 {
			testkit.SetPolicy(t, d.Server, api.UpdatePolicyRequest{
				MaxLifetimeDays: api.To(days), SessionAbsoluteHours: api.To(24),
			})
		}
		before := d.policy()
		n := d.accountEvents("")
		preview := d.post(path, d.fields(d.get(path), path))
		if got := d.post(path, d.fields(preview, path)); got.location != path+"?did=policy.edit" {
			t.Errorf("save: %d to %q\n%s", got.status, got.location, got.text)
		}
		if after := d.policy(); d.accountEvents("") != n || *after.MaxLifetimeDays != *before.MaxLifetimeDays {
			t.Errorf("%d events, %d before; %+v", d.accountEvents(""), n, after)
		}
	}
}

func TestAPolicyWithFaultsIsShownAgainAsItWasFilledIn(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	path := d.inAccount("general")
	for name, c := range map[string]struct{ field, value, says string }{
		"no number":       {"session_idle_minutes", "soon", `href="#f-session_idle_minutes"`},
		"zero":            {"session_idle_minutes", "0", "Use 5 to 10080"},
		"too many hours":  {"session_absolute_hours", "9999", `href="#f-session_absolute_hours"`},
		"no step of 30":   {"auto_expiry_days", "100", `href="#f-auto_expiry_days"`},
		"a long lifetime": {"max_lifetime_days", "9999", `href="#f-max_lifetime_days"`},
	} {
		form := d.fields(d.get(path), path)
		form.Set("session_absolute_hours", "24")
		form.Set(c.field, c.value)
		page := d.post(path, form)
		page.see(t, name, http.StatusUnprocessableEntity, c.says)
		if c.field != "session_absolute_hours" {
			page.see(t, name, http.StatusUnprocessableEntity, `value="24"`)
		}
	}
	if n := d.accountEvents("policy.edit"); n != 0 {
		t.Errorf("%d events", n)
	}
}

func TestTheEffectOfAPolicyCountsThePeopleWithoutASecondFactor(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	d.Member(d.tenant, "Admin", "admin")
	d.Member(d.tenant, "Member", "member")
	path := d.inAccount("general")
	for _, c := range []struct{ rule, want string }{
		{"admins", "2 people who would need a second factor have none."}, // the owner and the admin
		{"all", "4 people who would need a second factor have none."},
		{"off", "What this change does"},
	} {
		form := d.fields(d.get(path), path)
		form.Set("require_second_factor", c.rule)
		page := d.post(path, form)
		page.see(t, c.rule, http.StatusOK, c.want)
		if strings.Contains(page.text, "people who would need") != (c.rule != "off") {
			t.Errorf("%s: the page counts people:\n%s", c.rule, page.text)
		}
		effect, err := d.As(d.Owner).TryPolicy(t.Context(), string(d.Account.ID), api.UpdatePolicyRequest{
			RequireSecondFactor: api.To(api.FactorRule(c.rule)),
		})
		if n := testkit.Must[api.PolicyEffect](t)(effect, err).WithoutSecondFactor; !strings.HasPrefix(c.want,
			strconv.Itoa(n)+" ") && c.rule != "off" {
			t.Errorf("%s: the API counts %d", c.rule, n)
		}
	}
}

func TestAnAccountHasNoMaximumAfterItWasTakenAway(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	path := d.inAccount("general")
	for range 2 { // the second time, nobody touches the form of an account without a maximum
		form := d.fields(d.get(path), path)
		form.Set("max_lifetime_days", "")
		seen := d.post(path, form)
		seen.see(t, "the effect", http.StatusOK, "What this change does")
		form = d.fields(seen, path)
		form.Set("accept", "yes")
		if got := d.post(path, form); got.status != http.StatusSeeOther {
			t.Fatalf("save: %d\n%s", got.status, got.text)
		}
		if most := d.policy().MaxLifetimeDays; most != nil {
			t.Errorf("a maximum of %d days", *most)
		}
	}
}
