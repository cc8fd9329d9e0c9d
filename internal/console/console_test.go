package console_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// visitor is a browser without script. It follows no redirect by itself.
type visitor struct {
	t    testing.TB
	base string
	http *http.Client
}

// visit is a server with a tenant and a person who visits the console.
type visit struct {
	*testkit.Server
	tenant tenancy.Tenant
	person principal.Person
	*visitor
}

func newVisit(t testing.TB, change func(*policy.Settings)) *visit {
	t.Helper()
	d := &visit{Server: testkit.Start(t, testkit.SQLite)}
	d.tenant = d.Tenant("Shipping API", change)
	d.person = d.Member(d.tenant, "Ines Okafor", scope.Member)
	d.visitor = newVisitor(t, d.URL)
	d.signIn(d.person)
	return d
}

func newVisitor(t testing.TB, base string) *visitor {
	t.Helper()
	jar := testkit.Must[*cookiejar.Jar](t)(cookiejar.New(nil))
	return &visitor{t: t, base: base, http: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// shown is a response: a page, or where to go on.
type shown struct {
	status         int
	text, location string
	header         http.Header
}

func (v *visitor) do(req *http.Request) shown {
	v.t.Helper()
	req.Header.Set("Accept", "text/html")
	resp, err := v.http.Do(req)
	testkit.NoError(v.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	testkit.NoError(v.t, err)
	return shown{resp.StatusCode, string(text), resp.Header.Get("Location"), resp.Header}
}

func (v *visitor) get(path string) shown {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.base+path, nil)
	testkit.NoError(v.t, err)
	return v.do(req)
}

// getFrom gets a page as a browser does that a page of another site sent here.
func (v *visitor) getFrom(path, site string) shown {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.base+path, nil)
	testkit.NoError(v.t, err)
	req.Header.Set("Sec-Fetch-Site", site)
	return v.do(req)
}

func (v *visitor) post(path string, form url.Values, header ...string) shown {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.base+path,
		strings.NewReader(form.Encode()))
	testkit.NoError(v.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return v.do(req)
}

func (v *visitor) signIn(p principal.Person) {
	v.t.Helper()
	got := v.post("/sign-in", url.Values{"email": {p.Email}, "password": {testkit.Password}})
	if got.status != http.StatusSeeOther || got.location != "/settings/keys" {
		v.t.Fatalf("sign in: %d to %q\n%s", got.status, got.location, got.text)
	}
}

// see fails the test unless the page has the status and the texts.
func (s shown) see(t testing.TB, what string, status int, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if s.status != status || !strings.Contains(s.text, text) {
			t.Errorf("%s: %d, want %d with %q\n%s", what, s.status, status, text, s.text)
		}
	}
}

// field matches the value of a hidden field.
func field(t testing.TB, page shown, name string) string {
	t.Helper()
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page.text)
	if m == nil {
		t.Fatalf("no field %s:\n%s", name, page.text)
	}
	return m[1]
}

// events counts the audit events of the visit's tenant.
func (d *visit) events() int {
	d.t.Helper()
	list, err := d.As(d.person).TenantEvents(d.t.Context(), string(d.tenant.ID), client.EventFilter{},
		client.Page{Limit: 200})
	return len(testkit.Must[api.List[api.Event]](d.t)(list, err).Items)
}

// untouched returns what the form of a page would send if nobody touched it.
func (d *visit) untouched(path string) url.Values {
	d.t.Helper()
	page := d.get(path)
	f, ok := formTo(d.t, page, path)
	if !ok {
		d.t.Fatalf("%s: %d without a form to itself\n%s", path, page.status, page.text)
	}
	return f.Fields
}

// newKey is the form for a key, filled in.
func (d *visit) newKey(name string, more ...string) url.Values {
	d.t.Helper()
	form := url.Values{
		"once": {field(d.t, d.get("/settings/keys/new"), "once")}, "tenant": {string(d.tenant.ID)}, "name": {name},
		"expiry": {"30"}, "access": {"read"}, "applications": {"all"},
	}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

func (d *visit) keys() []api.OwnKey {
	d.t.Helper()
	list, err := d.As(d.person).OwnKeys(d.t.Context(), client.KeyFilter{}, client.Page{})
	return testkit.Must[api.List[api.OwnKey]](d.t)(list, err).Items
}

func TestAFormThatIsSentTwiceCreatesOneKeyAndShowsItsSecretOnce(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	form := d.newKey("Rate watcher")
	first := d.post("/settings/keys/new", form)
	first.see(t, "the first time", http.StatusOK, "clv_ak_")
	d.get("/settings/keys").see(t, "the list", http.StatusOK, "in 30 days")
	again := d.post("/settings/keys/new", form)
	again.see(t, "the second time", http.StatusOK, "This secret was shown once, when")
	if strings.Contains(again.text, "clv_ak_") {
		t.Error("the secret is shown again")
	}
	if n := len(d.keys()); n != 1 {
		t.Errorf("%d keys", n)
	}
	for _, path := range []string{"/settings/keys", "/t/" + string(d.tenant.ID) + "/keys/" + d.keys()[0].ID} {
		if page := d.get(path); strings.Contains(page.text, "clv_ak_") {
			t.Errorf("%s shows the secret", path)
		}
	}
	if first.header.Get("Cache-Control") != "no-store" || first.header.Get("Content-Encoding") != "" {
		t.Errorf("the page with the secret has %v", first.header)
	}
}

func TestAFormWithFaultsIsShownAgainAsItWasFilledIn(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	for name, c := range map[string]struct {
		more []string
		says string
	}{
		"a short name":         {[]string{"name", "x"}, `href="#f-name"`},
		"no day":               {[]string{"expiry", "date"}, "Choose a day."},
		"a day that is over":   {[]string{"expiry", "date", "date", "2020-01-01"}, `href="#f-expires_at"`},
		"a lifetime of nobody": {[]string{"expiry", "5000"}, "Choose when the key expires."},
		"no scope":             {[]string{"access", "some"}, "Choose at least one scope."},
		"no application":       {[]string{"applications", "some"}, "Choose at least one application."},
		"no network":           {[]string{"allowed_cidrs", "nonsense"}, `href="#f-allowed_cidrs"`},
	} {
		form := d.newKey("Kept name", c.more...)
		form.Set("description", "Kept description")
		page := d.post("/settings/keys/new", form)
		page.see(t, name, http.StatusUnprocessableEntity, c.says)
		page.see(t, name, http.StatusUnprocessableEntity, "Kept description")
		page.see(t, name, http.StatusUnprocessableEntity, "<title>Error: ")
	}
	if n := len(d.keys()); n != 0 {
		t.Errorf("%d keys were created", n)
	}
}

func TestWhatWasTypedWithoutASessionIsKeptThroughTheSignIn(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	form := d.newKey("Typed before the end", "description", "Kept & typed")
	d.post("/sign-out", nil)
	asked := d.post("/settings/keys/new", form)
	asked.see(t, "without a session", http.StatusUnauthorized, "What you typed is kept.")
	sent := url.Values{
		"email": {d.person.Email}, "password": {testkit.Password}, "next": {field(t, asked, "next")},
	}
	for name, values := range form {
		if name != "once" {
			sent["kept."+name] = values
		}
	}
	if strings.Contains(asked.text, form.Get("once")) {
		t.Error("the form keeps what makes it count once")
	}
	back := d.post("/sign-in", sent)
	back.see(t, "after the sign-in", http.StatusOK, `value="Typed before the end"`)
	back.see(t, "after the sign-in", http.StatusOK, "Kept &amp; typed")
	if n := len(d.keys()); n != 0 {
		t.Errorf("%d keys: the form was sent by itself", n)
	}
}

func TestASignInGoesOnToThisServerAlone(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	for next, want := range map[string]string{
		"/t/x/keys?q=a":                "/t/x/keys?q=a",
		"https://evil.example.com/":    "/settings/keys",
		"//evil.example.com/":          "/settings/keys",
		`/\evil.example.com/`:          "/settings/keys",
		"javascript:alert(1)":          "/settings/keys",
		"settings":                     "/settings/keys",
		"/\t/evil.example.com":         "/settings/keys",
		"/%2f/evil.example.com":        "/%2f/evil.example.com",
		"http:/settings/keys":          "/settings/keys",
		"\x00/settings/keys":           "/settings/keys",
		" //evil.example.com/settings": "/settings/keys",
	} {
		got := d.post("/sign-in", url.Values{
			"email": {d.person.Email}, "password": {testkit.Password}, "next": {next},
		})
		if got.status != http.StatusSeeOther || got.location != want {
			t.Errorf("%q: %d to %q, want %q", next, got.status, got.location, want)
		}
	}
}

func TestAPageIsForThoseWhoMaySeeIt(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	d.post("/settings/keys/new", d.newKey("Mine")).see(t, "create", http.StatusOK, "clv_ak_")
	path := "/t/" + string(d.tenant.ID) + "/keys/" + d.keys()[0].ID
	other := d.Tenant("Other", nil)
	stranger := newVisitor(t, d.URL)
	stranger.signIn(d.Member(other, "Stranger", scope.Admin))
	auditor := newVisitor(t, d.URL)
	auditor.signIn(d.Member(d.tenant, "Auditor", scope.Auditor))
	colleague := newVisitor(t, d.URL)
	colleague.signIn(d.Member(d.tenant, "Colleague", scope.Member))
	nobody := newVisitor(t, d.URL)
	for _, action := range []string{"", "/edit", "/regenerate", "/revoke", "/delete"} {
		if got := stranger.get(path + action); got.status != http.StatusNotFound {
			t.Errorf("%s for a stranger: %d", action, got.status)
		}
		for who, v := range map[string]*visitor{"an auditor": auditor, "a colleague": colleague} {
			if got := v.get(path + action); action != "" && got.status != http.StatusForbidden {
				t.Errorf("%s for %s: %d", action, who, got.status)
			}
		}
		got := nobody.get(path + action)
		if want := "/sign-in?next=" + url.QueryEscape(path+action); got.location != want {
			t.Errorf("%s for nobody: %d to %q", action, got.status, got.location)
		}
	}
	for _, action := range []string{"/edit", "/regenerate", "/revoke", "/delete", "/disable", "/enable", "/previous"} {
		form := url.Values{
			"overlap": {"0"}, "name": {"Taken"}, "expiry": {"keep"}, "once": {strings.Repeat("x", 20)},
		}
		for who, c := range map[string]struct {
			v      *visitor
			status int
		}{
			"a stranger": {stranger, http.StatusNotFound}, "an auditor": {auditor, http.StatusForbidden},
			"a colleague": {colleague, http.StatusForbidden}, "nobody": {nobody, http.StatusUnauthorized},
		} {
			if got := c.v.post(path+action, form); got.status != c.status {
				t.Errorf("POST %s for %s: %d, want %d\n%s", action, who, got.status, c.status, got.text)
			}
		}
	}
	if k := d.keys()[0]; k.Name != "Mine" || k.Status != "active" {
		t.Errorf("the key is %+v", k)
	}
}

func TestNoOtherSiteSendsAForm(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	form := d.newKey("Forged")
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example.com"},
		{"Origin", "null"},
	} {
		if got := d.post("/settings/keys/new", form, header...); got.status != http.StatusForbidden {
			t.Errorf("%v: %d", header, got.status)
		}
	}
	if n := len(d.keys()); n != 0 {
		t.Errorf("%d keys", n)
	}
}

func TestAKeyOpensNoPage(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	k := d.Key(d.As(d.person), d.tenant, "applications:read")
	nobody := newVisitor(t, d.URL)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.URL+"/settings/keys", nil)
	testkit.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+k.Credential.Value)
	nobody.do(req).see(t, "with a key", http.StatusForbidden, "session_required")
}

// What people write is text on every page.
func TestWhatPeopleWriteIsNeverMarkup(t *testing.T) {
	t.Parallel()
	d := newVisit(t, func(s *policy.Settings) { s.KeysPerUser = 0 })
	for i, payload := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'"><svg/onload=alert(1)>`,
		`</title><script>alert(1)</script>`, `javascript:alert(1)`, `{{.}}`, `</textarea><script>alert(1)</script>`,
		`<a href="javascript:alert(1)">x</a>`, `<!--`, `]]>`, `&lt;script&gt;`,
	} {
		name := fmt.Sprintf("%d %s", i, payload)
		d.post("/settings/keys/new", d.newKey(name, "description", payload)).see(t, payload, http.StatusOK, "clv_ak_")
	}
	pages := []string{"/settings/keys", "/t/" + string(d.tenant.ID) + "/keys", "/settings/keys/new?name=<script>x"}
	for _, k := range d.keys() {
		path := "/t/" + string(d.tenant.ID) + "/keys/" + k.ID
		pages = append(pages, path, path+"/edit", path+"/revoke", path+"/delete", path+"/regenerate")
	}
	for _, path := range pages {
		page := d.get(strings.ReplaceAll(path, "<", "%3C"))
		if page.status != http.StatusOK {
			t.Errorf("%s: %d", path, page.status)
		}
		for _, mark := range []string{
			"<script>alert", "<img src=x", "<svg/onload", "<a href=\"javascript", "<script>x",
		} {
			if strings.Contains(page.text, mark) {
				t.Errorf("%s has %s", path, mark)
			}
		}
		if csp := page.header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self';") {
			t.Errorf("%s: %s", path, csp)
		}
	}
}

func TestTheSecretIsDownloadedByWhomItWasShownTo(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	page := d.post("/settings/keys/new", d.newKey("Download me"))
	form := url.Values{}
	for _, name := range []string{"id", "secret", "value"} {
		form.Set(name, field(t, page, name))
	}
	got := d.post("/settings/keys/download", form)
	got.see(t, "its owner", http.StatusOK, `"value":"`+form.Get("value")+`"`)
	if !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") ||
		got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", got.header)
	}
	colleague := newVisitor(t, d.URL)
	colleague.signIn(d.Member(d.tenant, "Colleague", scope.Member))
	colleague.post("/settings/keys/download", form).see(t, "a colleague", http.StatusNotFound, "not_found")
	form.Set("secret", strings.Repeat("x", 48))
	d.post("/settings/keys/download", form).see(t, "another secret", http.StatusNotFound, "not_found")
}

func TestAFailureOfTheDatabaseIsAPageThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	page := d.get("/settings/nothing")
	page.see(t, "an unknown page", http.StatusNotFound, "Page not found, or you do not have access to it.")
	if strings.Contains(page.text, "/settings/nothing") {
		t.Error("the page repeats its address")
	}
}
