package console_test

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// liveToken makes a one-time link of the kind that leads to a path, and returns its server and its
// token. A set-up link is of a server without an account; the server of the others is h.
func liveToken(t *testing.T, h *testkit.Server, path string) (*testkit.Server, string) {
	t.Helper()
	if path == "/setup/" {
		h = testkit.StartEmpty(t, testkit.SQLite.Config(t))
		return h, testkit.SetupToken(t, h)
	}
	tenant := h.Tenant("Tenant of "+path, nil)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	switch path {
	case "/invitations/":
		return h, testkit.InvitationToken(testkit.Invite(t, admin, tenant, "eve@claviger.example", "member"))
	case "/claims/":
		_, token := testkit.KeyByLink(t, admin, tenant, h.Member(tenant, "Key Owner", scope.Member), nil)
		return h, token
	case "/password-resets/":
		return h, newReset(t, h, h.Owner)
	}
	t.Fatalf("no link leads to %s", path)
	return nil, ""
}

// newReset returns the token of a link by which a person can set their password.
func newReset(t *testing.T, h *testkit.Server, p principal.Person) string {
	t.Helper()
	_, token, err := h.Identity.NewReset(t.Context(), principal.Operator(), p.ID)
	testkit.NoError(t, err)
	return token.Reveal()
}

const canBeUsed, cannotBeUsed = `<form method="post"`, "This link cannot be used."

func TestThePageOfALinkSaysWhetherItCanBeUsedAndDoesNotUseIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	boss, owner := h.Member(tenant, "Tenant Admin", scope.Admin), h.Member(tenant, "Key Owner", scope.Member)
	admin := h.As(boss)
	_, claim := testkit.KeyByLink(t, admin, tenant, owner, nil)
	revoked, ofRevoked := testkit.KeyByLink(t, admin, tenant, h.Member(tenant, "Other Owner", scope.Member), nil)
	empty := testkit.StartEmpty(t, testkit.SQLite.Config(t))
	setup, invitation := testkit.SetupToken(t, empty),
		testkit.InvitationToken(testkit.Invite(t, admin, tenant, "eve@claviger.example", "member"))
	reset := newReset(t, h, owner)
	before := testkit.CountRows(t, h, "audit_events") + testkit.CountRows(t, empty, "audit_events")
	at := func(path string) string {
		if path == "/setup/" {
			return empty.URL + path
		}
		return h.URL + path
	}

	for path, token := range map[string]string{
		"/setup/": setup, "/invitations/": invitation, "/claims/": claim,
		"/password-resets/": reset,
	} {
		for range 3 {
			resp, page := testkit.Get(t, at(path)+token)
			if resp.StatusCode != http.StatusOK || !strings.Contains(page, canBeUsed) ||
				strings.Contains(page, token) && path != "/claims/" { // the sign-in goes on to it

				t.Errorf("%s, a link that works: %s\n%s", path, resp.Status, page)
			}
			if resp, body := testkit.Fetch(t, http.MethodHead, at(path)+token); resp.StatusCode != http.StatusOK ||
				body != "" {
				t.Errorf("%s, a link that works, HEAD: %s %q", path, resp.Status, body)
			}
		}
	}
	after := testkit.CountRows(t, h, "audit_events") + testkit.CountRows(t, empty, "audit_events")
	if after != before {
		t.Errorf("opening pages made %d records", after-before)
	}

	// Each still works. Afterwards its page says that it does not, as for one that never was.
	_, _, err := empty.Anyone().SetUp(t.Context(), testkit.SetUpRequest(setup))
	testkit.NoError(t, err)
	testkit.ExpectCode(t, "accept", testkit.Accepting(t, h, invitation, testkit.Newcomer)(), "")
	_, err = h.As(owner).ClaimKey(t.Context(), claim)
	testkit.NoError(t, err)
	_, err = admin.RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, "")
	testkit.NoError(t, err)
	testkit.NoError(t, h.Anyone().ResetPassword(t.Context(), reset, "another horse battery staple"))
	for path, tokens := range map[string][]string{
		"/setup/": {setup, "x", invitation}, "/invitations/": {invitation, "x", claim},
		"/claims/": {claim, ofRevoked, "x", setup}, "/password-resets/": {reset, "x", claim},
	} {
		pages := map[string]bool{}
		for _, token := range tokens {
			resp, page := testkit.Get(t, at(path)+token)
			pages[page] = true
			if resp.StatusCode != http.StatusNotFound || !strings.Contains(page, cannotBeUsed) ||
				resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s, a link that does not work: %s, %v\n%s", path, resp.Status, resp.Header, page)
			}
			if resp, body := testkit.Fetch(t, http.MethodHead,
				at(path)+token); resp.StatusCode != http.StatusNotFound ||
				body != "" {
				t.Errorf("%s, a link that does not work, HEAD: %s %q", path, resp.Status, body)
			}
		}
		if len(pages) != 1 {
			t.Errorf("%s: the pages of links that do not work differ", path)
		}
	}
}

func TestThePageOfALinkSaysThatItHasExpired(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for path, lives := range map[string]time.Duration{
		"/setup/": 24 * time.Hour, "/invitations/": 7 * policy.Day,
		"/claims/": 7 * policy.Day, "/password-resets/": time.Hour,
	} {
		h, token := liveToken(t, h, path)
		h.Clock.Move(lives - time.Minute)
		if resp, page := testkit.Get(t, h.URL+path+token); resp.StatusCode != http.StatusOK || !strings.Contains(page,
			canBeUsed) {
			t.Errorf("%s, a minute before it expires: %s", path, resp.Status)
		}
		h.Clock.Move(2 * time.Minute)
		if resp, page := testkit.Get(t, h.URL+path+token); resp.StatusCode != http.StatusNotFound ||
			!strings.Contains(page,
				cannotBeUsed) {
			t.Errorf("%s, a minute after it expired: %s", path, resp.Status)
		}
	}
}

func TestPagesOfLinksCountAgainstTheClientsAddress(t *testing.T) {
	t.Parallel()
	h := testkit.AnonymousLimitedServer(t)
	for range 3 {
		if resp, _ := testkit.Get(t, h.URL+"/setup/x"); resp.StatusCode != http.StatusNotFound {
			t.Fatalf("within the limit: %s", resp.Status)
		}
	}
	for _, path := range []string{"/setup/x", "/invitations/x", "/claims/x"} {
		if resp, _ := testkit.Get(t, h.URL+path); resp.StatusCode != http.StatusTooManyRequests ||
			resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s beyond the limit: %s", path, resp.Status)
		}
	}
}

func TestThePageOfALinkLeadsToTheOperationOfTheAPI(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	_, reference := testkit.Get(t, h.URL+"/docs/api")
	for _, path := range []string{"/setup/", "/invitations/", "/password-resets/"} {
		h, token := liveToken(t, h, path)
		_, page := testkit.Get(t, h.URL+path+token)
		anchor := regexp.MustCompile(`href="/docs/api#([^"]+)"`).FindStringSubmatch(page)
		if anchor == nil || !strings.Contains(reference, `<tr id="`+anchor[1]+`">`) {
			t.Errorf("%s leads to %v", path, anchor)
		}
	}
}

func TestALinkLeadsFromTheFormIntoTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for path, c := range map[string]struct {
		form        url.Values
		leads, says string
	}{
		"/setup/": {url.Values{
			"account": {"Meridian Freight"}, "name": {"Ines Okafor"}, "email": {"ines@claviger.example"},
			"password": {testkit.Password},
		}, "/first-key?did=set-up", "Your account is set up."},
		"/invitations/": {
			url.Values{"name": {"Eve Newcomer"}, "password": {testkit.Password}},
			"/settings/keys?did=welcome", "Welcome. You are signed in.",
		},
	} {
		form := c.form
		h, token := liveToken(t, h, path)
		v := newVisitor(t, h.URL)
		weak := maps.Clone(form)
		weak.Set("password", "short")
		refused := v.post(path+token, weak)
		refused.see(t, path+", a weak password", http.StatusUnprocessableEntity, `href="#f-password"`)
		refused.see(t, path+", a weak password", http.StatusUnprocessableEntity, form.Get("name"))
		if strings.Contains(refused.text, `value="short"`) {
			t.Errorf("%s: the page repeats the password", path)
		}
		got := v.post(path+token, form)
		if got.status != http.StatusSeeOther || got.location != c.leads {
			t.Fatalf("%s: %d to %q\n%s", path, got.status, got.location, got.text)
		}
		v.get(got.location).see(t, path, http.StatusOK, c.says)
		newVisitor(t, h.URL).post(path+token, form).see(t, path+", again", http.StatusNotFound, cannotBeUsed)
	}
}

func TestAKnownPersonJoinsWithTheirOwnPassword(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	first, second := h.Tenant("First tenant", nil), h.Tenant("Second tenant", nil)
	known := h.Member(first, "Known Person", scope.Member)
	admin := h.As(h.Member(second, "Tenant Admin", scope.Admin))
	path := "/invitations/" + testkit.InvitationToken(testkit.Invite(t, admin, second, known.Email, "member"))
	v := newVisitor(t, h.URL)
	wrong := url.Values{"name": {"Somebody Else"}, "password": {"another horse battery staple"}}
	v.post(path, wrong).see(t, "another password", http.StatusUnprocessableEntity, `href="#f-password"`)
	got := v.post(path, url.Values{"name": {"Known Person"}, "password": {testkit.Password}})
	v.get(got.location).see(t, "their own password", http.StatusOK, "Second tenant")
}

func TestANewPasswordEndsSessionsAndSignsIn(t *testing.T) {
	t.Parallel()
	v := newVisit(t, nil)
	path := "/password-resets/" + newReset(t, v.Server, v.person)
	asked := newVisitor(t, v.URL).post(path, url.Values{"password": {"another horse battery staple"}})
	if asked.status != http.StatusSeeOther || asked.location != "/sign-in?did=password" {
		t.Fatalf("%d to %q", asked.status, asked.location)
	}
	if got := v.get("/settings/keys"); got.status != http.StatusSeeOther {
		t.Errorf("the session before: %d", got.status)
	}
	got := v.post("/sign-in", url.Values{"email": {v.person.Email}, "password": {"another horse battery staple"}})
	if got.status != http.StatusSeeOther || got.location != "/settings/keys" {
		t.Errorf("the new password: %d to %q", got.status, got.location)
	}
}

func TestAskingForANewPasswordTellsNothingAboutTheAddress(t *testing.T) {
	t.Parallel()
	v := newVisit(t, nil)
	for _, email := range []string{v.person.Email, "nobody@claviger.example"} {
		if got := v.post("/forgotten-password", url.Values{"email": {email}}); got.location != "/sign-in?did=reset" {
			t.Errorf("%s: %d to %q", email, got.status, got.location)
		}
	}
	v.post("/forgotten-password", url.Values{"email": {"no address"}}).see(t, "no address",
		http.StatusUnprocessableEntity, `href="#f-email"`)
}

func TestAKeyIsClaimedByItsOwnerAlone(t *testing.T) {
	t.Parallel()
	v := newVisit(t, nil)
	admin := v.As(v.Member(v.tenant, "Tenant Admin", scope.Admin))
	_, token := testkit.KeyByLink(t, admin, v.tenant, v.person, nil)
	path := "/claims/" + token
	colleague := newVisitor(t, v.URL)
	colleague.get(path).see(t, "nobody", http.StatusOK, "Sign in to see the secret")
	got := colleague.get(path)
	if field(t, got, "next") != path || got.header.Get("Referrer-Policy") != "strict-origin" {
		t.Errorf("the sign-in goes on elsewhere, or its address is sent: %v", got.header)
	}
	colleague.signIn(v.Member(v.tenant, "Colleague", scope.Member))
	colleague.get(path).see(t, "a colleague", http.StatusNotFound, cannotBeUsed, "You are signed in as Colleague.",
		`<nav id="nav"`)
	colleague.post(path, nil).see(t, "a colleague", http.StatusNotFound, cannotBeUsed)
	v.get(path).see(t, "the owner", http.StatusOK, "Show my secret")
	v.post(path, nil).see(t, "the owner", http.StatusOK, "clv_ak_")
	again := v.post(path, nil)
	again.see(t, "the owner, again", http.StatusNotFound, cannotBeUsed)
	for what, path := range map[string]string{"the used link": path, "no link": "/claims/x"} {
		for _, want := range []string{cannotBeUsed, "You are signed in as Ines Okafor.", `<nav id="nav"`} {
			v.get(path).see(t, what, http.StatusNotFound, want)
		}
		page := newVisitor(t, v.URL).get(path)
		page.see(t, what+", to nobody", http.StatusNotFound, cannotBeUsed)
		if strings.Contains(page.text, `<nav id="nav"`) {
			t.Errorf("%s has a sidebar for nobody", what)
		}
	}
}
