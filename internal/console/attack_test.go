package console_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// firstKey creates a key in the console and returns the path of its page.
func (v *visit) firstKey(more ...string) string {
	v.t.Helper()
	v.post("/settings/keys/new", v.newKey("Mine", more...)).see(v.t, "create", http.StatusOK, "clv_ak_")
	return v.pathOf(0)
}

func (v *visit) pathOf(i int) string { return "/t/" + string(v.tenant.ID) + "/keys/" + v.keys()[i].ID }

func TestColleaguesSeeOfAKeyWhatTheAPIShowsThem(t *testing.T) {
	t.Parallel()
	v := newVisit(t, func(s *policy.Settings) { s.Visibility = policy.SeeAll })
	path := v.firstKey("allowed_cidrs", "203.0.113.0/24", "description", "Everybody may read this")
	form := url.Values{
		"once": {field(t, v.get(path+"/regenerate"), "once")}, "overlap": {"3600"}, "id": {"keep"},
	}
	v.post(path+"/regenerate", form).see(t, "regenerate", http.StatusOK, "clv_ak_")
	colleague := newVisitor(t, v.URL)
	colleague.signIn(v.Member(v.tenant, "Colleague", scope.Member))
	page := colleague.get(path)
	page.see(t, "the key", http.StatusOK, "Everybody may read this")
	for _, text := range []string{page.text, colleague.get("/t/" + string(v.tenant.ID) + "/keys").text} {
		for _, hidden := range []string{
			"203.0.113", "Two secrets", "There is no secret", "No scope", "applications:read",
		} {
			if strings.Contains(text, hidden) {
				t.Errorf("a colleague sees %q", hidden)
			}
		}
	}
}

func TestNobodyChangesAKeyOfADisabledTenant(t *testing.T) {
	t.Parallel()
	v := newVisit(t, nil)
	path, form := v.firstKey(), v.newKey("Another", "access", "all")
	_, err := v.As(v.Owner).EditTenant(t.Context(), string(v.tenant.ID),
		api.UpdateTenantRequest{Status: api.To(api.StatusDisabled)})
	testkit.NoError(t, err)
	for _, action := range []string{"/disable", "/enable", "/edit", "/previous", "/regenerate", "/revoke", "/delete"} {
		got := v.post(path+action, url.Values{"name": {"Renamed"}, "expiry": {"keep"}, "overlap": {"0"}})
		if got.status != http.StatusNotFound {
			t.Errorf("%s: %d to %q", action, got.status, got.location)
		}
	}
	if got := v.post("/settings/keys/new", form); got.status != http.StatusNotFound {
		t.Errorf("create: %d\n%s", got.status, got.text)
	}
}

// Requests without a credential from an office must not keep its people from revoking a key.
func TestTheLimitOfAnAddressHoldsNoSignedInPersonUp(t *testing.T) {
	t.Parallel()
	h := testkit.AnonymousLimitedServer(t)
	tenant := h.Tenant("Tenant", nil)
	person := h.Member(tenant, "Ines", scope.Member)
	v := newVisitor(t, h.URL)
	v.signIn(person)
	issued := h.Key(h.As(person), tenant, "applications:read")
	nobody := newVisitor(t, h.URL)
	for range 4 {
		nobody.post("/sign-in", url.Values{"email": {"x@claviger.example"}, "password": {"nonsense"}})
	}
	h.Clock.Move(6 * time.Second) // the session is no longer known to be valid without a look at it
	path := "/t/" + string(tenant.ID) + "/keys/" + issued.Key.ID
	if got := v.post(path+"/revoke", url.Values{"reason": {"stolen"}}); got.location != path+"?did=key.revoke" {
		t.Errorf("revoke: %d to %q\n%s", got.status, got.location, got.text)
	}
}

func TestASignInHoldsEvenIfTheKeptFormCannotBeShown(t *testing.T) {
	t.Parallel()
	v := newVisit(t, nil)
	other := newVisitor(t, v.URL)
	got := other.post("/sign-in", url.Values{
		"email": {v.person.Email}, "password": {testkit.Password}, "kept.name": {"x"},
		"next": {"/t/" + string(v.tenant.ID) + "/keys/key_x/edit"},
	})
	if got.status != http.StatusSeeOther || other.get("/settings/keys").status != http.StatusOK {
		t.Errorf("%d to %q", got.status, got.location)
	}
}

func TestAFormCountsOnceWithTheValuesThatItHad(t *testing.T) {
	t.Parallel()
	v := newVisit(t, nil)
	form := v.newKey("First")
	v.post("/settings/keys/new", form).see(t, "first", http.StatusOK, "clv_ak_")
	form.Set("name", "Second")
	v.post("/settings/keys/new", form).see(t, "other values", http.StatusConflict, "sent before with other values")
	form.Del("once")
	v.post("/settings/keys/new", form).see(t, "without its number", http.StatusBadRequest, "Open it again")
	v.post(v.pathOf(0)+"/regenerate", url.Values{"overlap": {"0"}}).see(t, "regenerate without its number",
		http.StatusBadRequest, "Open it again")
	if n := len(v.keys()); n != 1 {
		t.Errorf("%d keys", n)
	}
}

func TestAFormForOneTenantNeverCreatesAKeyInAnother(t *testing.T) {
	t.Parallel()
	v := newVisit(t, nil)
	v.Join(v.Tenant("Second tenant", nil), v.person, scope.Member)
	form := v.newKey("Meant for the first", "access", "all")
	testkit.NoError(t, v.As(v.Owner).RemoveMember(t.Context(), string(v.tenant.ID), string(v.person.ID)))
	for _, name := range []string{"x", "Meant for the first"} {
		form.Set("name", name)
		if got := v.post("/settings/keys/new", form); got.status != http.StatusNotFound {
			t.Errorf("%q: %d\n%s", name, got.status, got.text)
		}
	}
}

func TestAnEditDoesNotUndoWhatSomebodyElseChanged(t *testing.T) {
	t.Parallel()
	v := newVisit(t, nil)
	path := v.firstKey()
	form := url.Values{
		"version": {field(t, v.get(path+"/edit"), "version")}, "name": {"Renamed"}, "description": {""},
		"expiry": {"keep"}, "allowed_cidrs": {""},
	}
	_, err := v.As(v.Member(v.tenant, "Admin", scope.Admin)).EditKey(t.Context(), string(v.tenant.ID), v.keys()[0].ID,
		api.UpdateKeyRequest{AllowedCIDRs: api.To([]string{"203.0.113.0/24"})})
	testkit.NoError(t, err)
	asked := v.post(path+"/edit", form)
	asked.see(t, "an old form", http.StatusUnprocessableEntity, "changed since you opened this form")
	if networks := v.keys()[0].AllowedCIDRs; len(networks) != 1 {
		t.Errorf("the key may be used from %v", networks)
	}
	form.Set("version", field(t, asked, "version"))
	if got := v.post(path+"/edit", form); got.status != http.StatusSeeOther {
		t.Errorf("again: %d\n%s", got.status, got.text)
	}
}

func TestNoLinkOfAnotherSiteChoosesOrClaims(t *testing.T) {
	t.Parallel()
	v := newVisit(t, nil)
	path := v.firstKey()
	get := func(path string) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.base+path, nil)
		testkit.NoError(t, err)
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		return v.do(req).text
	}
	if strings.Contains(get(path+"?did=key.revoke"), "The key is revoked") {
		t.Error("the page says that the key is revoked")
	}
	text := get("/settings/keys/new?name=Chosen+elsewhere&access=all&expiry=never")
	if strings.Contains(text, "Chosen elsewhere") {
		t.Error("a link of another site fills in the form")
	}
	v.post("/settings/keys/new", v.newKey("Odd", "applications", "bogus")).see(t, "no such choice",
		http.StatusUnprocessableEntity, "Choose at least one application.")
}

func TestAFormThatHasNoPageLeadsToOneAfterTheSignIn(t *testing.T) {
	t.Parallel()
	v := newVisit(t, nil)
	path := v.firstKey()
	v.post("/sign-out", nil)
	if next := field(t, v.post(path+"/disable", nil), "next"); next != path {
		t.Errorf("the sign-in goes on to %s", next)
	}
	big := v.post("/settings/keys/new", url.Values{"scope": make([]string, 2000)})
	if big.status != http.StatusUnauthorized || len(big.text) > 16<<10 {
		t.Errorf("a form that is no form of ours: %d, %d bytes", big.status, len(big.text))
	}
}

func TestAPositionInAListIsForItsReaderAlone(t *testing.T) {
	t.Parallel()
	v := newVisit(t, func(s *policy.Settings) { s.KeysPerUser, s.Visibility = 0, policy.SeeAll })
	admin := v.Member(v.tenant, "Tenant Admin", scope.Admin)
	for range 60 {
		v.Key(v.As(admin), v.tenant, "applications:read")
	}
	list := "/t/" + string(v.tenant.ID) + "/keys"
	next := nextPage(t, v.get(list))
	v.get(next).see(t, "the second page", http.StatusOK, `<a href="`+list+`/key_`)
	colleague := newVisitor(t, v.URL)
	colleague.signIn(v.Member(v.tenant, "Colleague", scope.Member))
	for who, got := range map[string]shown{
		"a colleague": colleague.get(next), "another list": v.get(next + "&status=active"),
		"a position that no page made": v.get(list + "?after=2026-01-01T00:00:00Z+key_x"),
	} {
		got.see(t, who, http.StatusBadRequest, "This is no page of the list.")
	}
}

// nextPage returns the address of the next page of a list.
func nextPage(t *testing.T, page shown) string {
	t.Helper()
	m := regexp.MustCompile(`href="([^"]*after=[^"]*)"`).FindStringSubmatch(page.text)
	if m == nil {
		t.Fatalf("no next page:\n%s", page.text)
	}
	return html.UnescapeString(m[1])
}

func TestAPersonWithoutChangesLeftStillRevokes(t *testing.T) {
	t.Parallel()
	c := testkit.SQLite.Config(t)
	c.Limits.ChangesPerMinute = 10
	v := &visit{Server: testkit.StartIn(t, c)}
	v.tenant = v.Tenant("Tenant", nil)
	v.person = v.Member(v.tenant, "Ines", scope.Member)
	v.visitor = newVisitor(t, v.URL)
	v.signIn(v.person)
	path := v.firstKey()
	form := url.Values{"name": {"x"}, "version": {field(t, v.get(path+"/edit"), "version")}, "expiry": {"keep"}}
	got := v.post(path+"/edit", form)
	for range 20 {
		if got.status == http.StatusTooManyRequests {
			break
		}
		got = v.post(path+"/edit", form)
	}
	got.see(t, "one change too many", http.StatusTooManyRequests, "10 requests a minute")
	for _, action := range []string{"/disable", "/revoke", "/delete"} {
		if got := v.post(path+action, nil); got.status != http.StatusSeeOther {
			t.Errorf("%s: %d\n%s", action, got.status, got.text)
		}
	}
}

// After the sign-in, the page is asked for from here. A link of another site must not use that to
// fill in a form, or to say that something was done.
func TestALinkFillsInNoFormThroughTheSignIn(t *testing.T) {
	t.Parallel()
	v := newAdminVisit(t)
	form := v.at("keys/new") + "?owner_type=user&person=mallory%40claviger.example&expiry=never&access=all&name=Planted"
	for _, link := range []string{form, "/sign-in?next=" + url.QueryEscape(form)} {
		for _, site := range []string{"cross-site", "same-site", "none"} {
			stranger := newVisitor(t, v.URL)
			got := stranger.getFrom(link, site)
			if got.status == http.StatusSeeOther {
				got = stranger.getFrom(got.location, site)
			}
			next := html.UnescapeString(field(t, got, "next"))
			if next != v.at("keys/new") {
				t.Errorf("%s from %s leads to %s", link, site, next)
			}
		}
	}
	stranger := newVisitor(t, v.URL)
	if got := stranger.get(v.at("keys") + "?q=nightly&did=key.revoke"); got.location !=
		"/sign-in?next="+url.QueryEscape(v.at("keys")+"?q=nightly") {
		t.Errorf("a page leads to %s", got.location)
	}
}
