package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// secretOn returns an authenticator app with the secret that a page shows.
func (d *visit) secretOn(page shown) testkit.App {
	d.t.Helper()
	found := regexp.MustCompile(`<dd data-secret>([A-Z2-7 ]{39})</dd>`).FindStringSubmatch(page.text)
	if found == nil {
		d.t.Fatalf("%d without a secret\n%s", page.status, page.text)
	}
	return d.Authenticator(strings.ReplaceAll(found[1], " ", ""))
}

// codesOn returns the recovery codes that a page shows.
func codesOn(page shown) []string {
	return regexp.MustCompile(`[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}`).FindAllString(page.text, -1)
}

func TestAPersonSetsUpASecondFactorAndSignsInWithIt(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	const path = "/settings/security/two-factor"
	page := d.get(path)
	phone := d.secretOn(page)
	if page.header.Get("Cache-Control") != "no-store" || !strings.Contains(page.text, `aria-label="QR code`) {
		t.Errorf("the page with the secret: %v", page.header)
	}
	setup := field(t, page, "setup")
	again := d.post(path, url.Values{"setup": {setup}, "code": {"000000"}})
	again.see(t, "a wrong code", http.StatusUnprocessableEntity, "This is not the code")
	if d.secretOn(again).Secret != phone.Secret {
		t.Error("a wrong code gets another secret")
	}
	done := d.post(path, url.Values{"setup": {setup}, "code": {phone.Code()}})
	done.see(t, "the right code", http.StatusOK, "Store these codes now")
	codes := codesOn(done)
	if len(codes) != 10 {
		t.Fatalf("%d codes\n%s", len(codes), done.text)
	}
	d.get("/settings/security").see(t, "the panel", http.StatusOK, "10 of 10")

	visitor := newVisitor(t, d.URL)
	form := url.Values{
		"email": {d.person.Email}, "password": {testkit.Password}, "next": {"/settings/profile"},
		"kept.name": {"Typed"},
	}
	asked := visitor.post("/sign-in", form)
	asked.see(t, "the code is asked for", http.StatusOK, "Two-factor code")
	visitor.get("/settings/keys").see(t, "before the code", http.StatusSeeOther, "")
	f, ok := formTo(t, asked, "/sign-in/code")
	if !ok || f.Fields.Get("kept.name") != "Typed" || f.Fields.Get("next") != "/settings/profile" {
		t.Fatalf("%+v", f)
	}
	f.Fields.Set("code", phone.Code()) // it was used to set the factor up
	wrong := visitor.post("/sign-in/code", f.Fields)
	wrong.see(t, "a used code", http.StatusUnauthorized, "4 tries are left")
	f.Fields.Set("code", phone.Next())
	visitor.post("/sign-in/code", f.Fields).see(t, "the form that was kept", http.StatusOK, `value="Typed"`)
	visitor.get("/settings/keys").see(t, "after the code", http.StatusOK, "API keys")
}

func TestAHalfSessionChecksFiveCodesAndLivesTenMinutes(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	phone, codes := d.SetUpFactor(d.As(d.person))
	form := url.Values{"email": {d.person.Email}, "password": {testkit.Password}}
	visitor := newVisitor(t, d.URL)
	visitor.post("/sign-in", form)
	tokens := map[string]bool{}
	for range 5 {
		tokens[cookieOf(visitor, "claviger-half")] = true
		visitor.post("/sign-in/code", url.Values{"code": {"000000"}})
	}
	if len(tokens) != 5 {
		t.Errorf("%d tokens in 5 steps", len(tokens))
	}
	visitor.post("/sign-in/code", url.Values{"code": {codes[0]}}).see(t, "the sixth", http.StatusUnauthorized,
		"was not finished")
	d.Clock.Move(3 * time.Hour)

	visitor.post("/sign-in", form)
	half := cookieOf(visitor, "claviger-half")
	for name, cookie := range map[string]string{"session": "claviger", "half-session": "claviger-half"} {
		thief := newVisitor(t, d.URL)
		req := testkit.Must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet,
			d.URL+"/api/v1/me", nil))
		req.Header.Set("Cookie", cookie+"="+half)
		if got := thief.do(req); got.status != http.StatusUnauthorized {
			t.Errorf("a half-session as a %s: %d", name, got.status)
		}
	}
	d.Clock.Move(10 * time.Minute)
	visitor.post("/sign-in/code", url.Values{"code": {phone.Code()}}).see(t, "after ten minutes",
		http.StatusUnauthorized, "was not finished")
}

// cookieOf returns the value of a cookie of the visitor.
func cookieOf(v *visitor, name string) string {
	v.t.Helper()
	for _, c := range v.http.Jar.Cookies(testkit.Must[*url.URL](v.t)(url.Parse(v.base))) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func TestAPersonWhoNeedsASecondFactorSetsItUpAndGoesOn(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	owner := d.As(d.Owner)
	late := newVisitor(t, d.URL)
	late.signIn(d.person)
	d.Clock.Move(time.Hour)
	d.signIn(d.person)
	_, err := owner.EditPolicy(t.Context(), string(d.Account.ID),
		api.UpdatePolicyRequest{RequireSecondFactor: api.To(api.FactorAll)})
	testkit.NoError(t, err)

	moved := late.get("/settings/profile")
	if moved.location != "/sign-in/code?next=%2Fsettings%2Fprofile" {
		t.Fatalf("%d to %q", moved.status, moved.location)
	}
	late.get(moved.location).see(t, "an old sign-in", http.StatusOK, "Your password")

	before := cookieOf(d.visitor, "claviger")
	page := d.get(d.get("/settings/profile").location)
	if strings.Contains(page.text, "Your password") {
		t.Error("a sign-in of now is asked for the password")
	}
	if cookieOf(d.visitor, "claviger") != "" || before == "" {
		t.Error("the session is still there")
	}
	phone := d.secretOn(page)
	f, _ := formTo(t, page, "/sign-in/code")
	f.Fields.Set("code", phone.Code())
	d.post("/sign-in/code", f.Fields).see(t, "set up", http.StatusOK, "/settings/profile")
	d.get("/settings/profile").see(t, "afterwards", http.StatusOK, "Profile")
	late.get("/sign-in/code").see(t, "the other half-session has ended", http.StatusSeeOther, "")
}

func TestTheFactorEndsOnlyAfterASignInWithTheApp(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	phone, codes := d.SetUpFactor(d.As(d.person))
	signIn := func(code string) *visitor {
		v := newVisitor(t, d.URL)
		v.post("/sign-in", url.Values{"email": {d.person.Email}, "password": {testkit.Password}})
		v.post("/sign-in/code", url.Values{"code": {code}})
		return v
	}
	byRecovery := signIn(codes[0])
	for _, path := range []string{"", "/codes", "/off"} {
		byRecovery.get("/settings/security/two-factor"+path).see(t, path, http.StatusUnauthorized, "Sign in again")
	}
	for _, path := range []string{"/codes", "/off"} {
		form := url.Values{"once": {strings.Repeat("x", 20)}}
		byRecovery.post("/settings/security/two-factor"+path, form).see(t, path, http.StatusUnauthorized,
			"Sign in again")
	}
	byApp := signIn(phone.Next())
	const codesPath = "/settings/security/two-factor/codes"
	form := url.Values{"once": {field(t, byApp.get(codesPath), "once")}}
	fresh := byApp.post(codesPath, form)
	fresh.see(t, "new codes", http.StatusOK, "Store these codes now")
	again := byApp.post(codesPath, form)
	again.see(t, "the same form again", http.StatusOK, "The new codes were shown once")
	if strings.Contains(again.text, "Code 10") || !strings.Contains(fresh.text, "Code 10") {
		t.Errorf("codes are shown again:\n%s", again.text)
	}
	if got := byApp.post("/settings/security/two-factor/off", url.Values{}); got.location !=
		"/settings/security?did=two-factor.off" {
		t.Errorf("%d to %q\n%s", got.status, got.location, got.text)
	}
	byApp.get("/settings/security").see(t, "off", http.StatusOK, "Set up…")
}
