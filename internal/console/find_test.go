package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/scope"
)

func TestFindKnowsPagesBySynonymsAndKeysByNameAndID(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	k := d.Key(d.As(d.person), d.tenant, "applications:read")
	path := d.at("keys/" + k.Key.ID)
	for words, want := range map[string]string{
		"rotat": d.at("keys"), "PERMISS": d.at("scopes"), "service acc": d.at("service-accounts"),
		"test": path, k.Key.ID: path, k.Key.ID[:9]: path, k.Key.PublicID: path, k.Key.PublicID[:8]: path,
		d.person.Email: d.at("keys") + "?q=" + url.QueryEscape(d.person.Email), "audit:rea": d.at("scopes"),
	} {
		page := d.get("/find?q=" + url.QueryEscape(words))
		page.see(t, words, http.StatusOK, `<a href="`+want+`">`)
		part := d.get("/find/list?q=" + url.QueryEscape(words))
		part.see(t, words, http.StatusOK, `<a href="`+want+`">`)
		if strings.Contains(part.text, "<html") || strings.Count(part.text, "<li>") > 8 {
			t.Errorf("%s:\n%s", words, part.text)
		}
	}
	for _, words := range []string{"", "nonsense", "key_00000000000000000000", "\x00", "<b>"} {
		d.get("/find?q="+url.QueryEscape(words)).see(t, words, http.StatusOK, "Nothing found.")
	}
}

func TestFindFindsNothingThatAPersonDoesNotSee(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	admin := d.Member(d.tenant, "Ada Admin", scope.Admin)
	k := d.Key(d.As(admin), d.tenant, "applications:read")
	_, foreigner := d.OtherAccount("Foreigner")
	v := newVisitor(t, d.URL)
	v.signIn(foreigner)
	for _, words := range []string{"test", k.Key.ID, k.Key.PublicID} {
		page := v.get("/find?t=" + string(d.tenant.ID) + "&q=" + url.QueryEscape(words))
		if page.status != http.StatusOK || strings.Contains(page.text, "/keys/"+k.Key.ID) {
			t.Errorf("%s: %d\n%s", words, page.status, page.text)
		}
	}
	plans := d.get("/find?q=plans")
	if strings.Contains(plans.text, `<a href="`+d.at("plans")+`">`) {
		t.Error("a member finds a page that is not theirs")
	}
}

func TestShortcutsOfSingleKeysCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	d.get("/shortcuts").see(t, "at first", http.StatusOK, "single keys off")
	for _, c := range [][2]string{{"off", "single keys on"}, {"on", "single keys off"}} {
		if got := d.post("/shortcuts", url.Values{"keys": {c[0]}}); got.location != "/shortcuts" {
			t.Errorf("%s: %d to %q", c[0], got.status, got.location)
		}
		d.get("/shortcuts").see(t, c[0], http.StatusOK, c[1])
	}
}
