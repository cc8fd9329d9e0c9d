package console_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func (d *visit) me() api.Me {
	d.t.Helper()
	return testkit.Must[api.Me](d.t)(d.As(d.person).Me(d.t.Context()))
}

func TestAPersonChangesTheirNameAndTheirNotifications(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	form := d.untouched("/settings/profile")
	form.Set("name", "x")
	d.post("/settings/profile", form).see(t, "a short name", http.StatusUnprocessableEntity, `value="x"`)
	form.Set("name", "Ines Okafor-Lind")
	if got := d.post("/settings/profile", form); got.location != "/settings/profile?did=profile.edit" {
		t.Fatalf("a new name: %d to %q\n%s", got.status, got.location, got.text)
	}
	form.Set("name", "Overwritten")
	d.post("/settings/profile", form).see(t, "a form of before", http.StatusUnprocessableEntity, "was changed since")

	form = d.untouched("/settings/notifications")
	d.post("/settings/notifications", form)
	if before := d.me(); before.Name != "Ines Okafor-Lind" || before.Notices != (api.Notices{
		KeyExpiring: true, KeyExpired: true, KeyIdle: true, KeyCreated: true, KeyRefreshed: true, KeyRevealed: true,
		KeyDisabled: true, KeyRevoked: true, NewSignIn: true,
	}) {
		t.Errorf("an untouched form changes something: %+v", before)
	}
	chosen := form["notice"]
	form["notice"] = slices.DeleteFunc(chosen, func(kind string) bool { return kind == "new_sign_in" })
	d.post("/settings/notifications", form)
	if got := d.me().Notices; got.NewSignIn || !got.KeyRevoked || !got.KeyExpiring {
		t.Errorf("%+v", got)
	}
}

func TestAPersonEndsASessionAndChangesTheirPassword(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	elsewhere := newVisitor(t, d.URL)
	elsewhere.signIn(d.person)
	page := d.get("/settings/security")
	page.see(t, "the sessions", http.StatusOK, "This session")
	var ends []string
	for _, f := range testkit.HTMLForms(t, page.text) {
		if strings.HasSuffix(f.Action, "/end") {
			ends = append(ends, f.Action)
		}
	}
	if len(ends) != 2 {
		t.Fatalf("sessions can be ended by %v", ends)
	}
	d.post(ends[0], nil) // the newest is the other one
	if got := elsewhere.get("/settings/keys"); !strings.HasPrefix(got.location, "/sign-in") {
		t.Errorf("the ended session: %d to %q", got.status, got.location)
	}
	elsewhere.signIn(d.person)
	const next = "a quite different long sentence"
	form := url.Values{"current_password": {"wrong"}, "new_password": {next}}
	refused := d.post("/settings/security/password", form)
	refused.see(t, "a wrong password", http.StatusUnprocessableEntity, "This is not your password")
	if strings.Contains(refused.text, next) {
		t.Error("the page shows the new password")
	}
	form.Set("current_password", testkit.Password)
	form.Set("new_password", "short")
	d.post("/settings/security/password", form).see(t, "a short one", http.StatusUnprocessableEntity, "15")
	form.Set("new_password", next)
	if got := d.post("/settings/security/password", form); got.location != "/settings/security?did=password.edit" {
		t.Fatalf("%d to %q\n%s", got.status, got.location, got.text)
	}
	d.get("/settings/security").see(t, "still signed in", http.StatusOK, "This session")
	if got := elsewhere.get("/settings/keys"); !strings.HasPrefix(got.location, "/sign-in") {
		t.Errorf("the other session: %d to %q", got.status, got.location)
	}
	signIn := url.Values{"email": {d.person.Email}, "password": {next}}
	if got := elsewhere.post("/sign-in", signIn); got.status != http.StatusSeeOther {
		t.Errorf("the new password: %d", got.status)
	}
}

func TestNoPasswordIsKeptThroughTheSignIn(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	stranger := newVisitor(t, d.URL)
	page := stranger.post("/settings/security/password", url.Values{
		"current_password": {"first secret words"}, "new_password": {"second secret words"}, "name": {"kept"},
	})
	page.see(t, "without a session", http.StatusUnauthorized, `name="kept.name" value="kept"`)
	if strings.Contains(page.text, "secret words") {
		t.Errorf("a password is kept:\n%s", page.text)
	}
}

func TestAPersonDeletesTheirAccountAfterARecentSignInAndAPhrase(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	d.post("/settings/keys/new", d.newKey("Mine")).see(t, "a key", http.StatusOK, "clv_ak_")
	const path = "/settings/security/delete"
	d.get(path).see(t, "before", http.StatusOK, "delete my account")
	d.get(path).see(t, "before", http.StatusOK, "<dt>Keys that are revoked</dt><dd>1")
	d.post(path, url.Values{"sure": {"yes"}}).see(t, "without the phrase", http.StatusUnprocessableEntity, "to go on")
	got := d.post(path, url.Values{"sure": {"delete my account"}})
	if got.location != "/sign-in?did=account.delete" {
		t.Fatalf("%d to %q\n%s", got.status, got.location, got.text)
	}
	d.get(got.location).see(t, "the sign-in", http.StatusOK, "Your account is deleted.")
	signIn := url.Values{"email": {d.person.Email}, "password": {testkit.Password}}
	if got := d.post("/sign-in", signIn); got.status != http.StatusUnauthorized {
		t.Errorf("sign in: %d", got.status)
	}
}

func TestSessionsAreNamedByBrowserAndSystem(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	for agent, name := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox on Windows",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Mobile " +
			"Safari/537.36": "Chrome on Android",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) " +
			"Version/18.5 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"claviger/1.4 (linux)": "claviger/1.4 (linux)",
		"<b>x</b>":             "&lt;b&gt;x&lt;/b&gt;",
	} {
		form := url.Values{"email": {d.person.Email}, "password": {testkit.Password}}
		newVisitor(t, d.URL).post("/sign-in", form, "User-Agent", agent)
		d.get("/settings/security").see(t, agent, http.StatusOK, ">"+name+"<")
	}
}

// Times are those of the zone that the browser told; of UTC, if it is one that does not exist.
func TestTimesAreThoseOfThePersonsZone(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	made := d.Key(d.As(d.person), d.tenant, "applications:read").Key
	const farEast = "Pacific/Kiritimati" // 14 hours ahead
	there := made.CreatedAt.In(testkit.Must[*time.Location](t)(time.LoadLocation(farEast))).Format("15:04")
	for _, c := range []struct {
		cookie, says string
		farEast      bool
	}{
		{"", "UTC", false},
		{url.QueryEscape(farEast), farEast, true},
		{url.QueryEscape("Nowhere/At all"), "UTC", false},
		{url.QueryEscape("../../etc/passwd"), "UTC", false},
		{"Local", "UTC", false},
	} {
		base := testkit.Must[*url.URL](t)(url.Parse(d.base))
		d.http.Jar.SetCookies(base, []*http.Cookie{{Name: "tz", Value: c.cookie, Path: "/"}})
		page := d.get(d.at("keys/" + made.ID))
		page.see(t, "the page of a key with "+c.cookie, http.StatusOK, "Times are in "+c.says+"<")
		if strings.Contains(page.text, there) != c.farEast {
			t.Errorf("with the zone %q, the page of a key made at %s says %q: %v", c.cookie, made.CreatedAt, there,
				!c.farEast)
		}
	}
}
