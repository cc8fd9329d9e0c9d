package console_test

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// repeatable matches forms that carry neither a number nor a version: what has ended cannot end
// twice, what is switched stays switched, a code, a password or a link works once, and the first of
// two forms about a key only chooses its owner.
var repeatable = regexp.MustCompile(
	`/(remove|delete|disable|cancel|revoke|leave|off)$|^/shortcuts$|^/t/\{tenant\}/keys/new$|` +
		`^/settings/(security/password|security/two-factor|profile/avatar|profile/email)$`)

// A form that is sent twice does its work once. A form that creates something carries a number for
// that, and one that edits something carries its version.
func TestEveryFormCountsOnceOrChangesNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	w, routes := newWorld(t), signedInRoutes()
	checked := 0
	for _, route := range slices.Sorted(maps.Keys(routes)) {
		get, isPost := strings.CutPrefix(route, "POST ")
		if !isPost || !routes["GET "+get] {
			continue
		}
		path := w.path(route)
		for _, by := range []string{"owner", "admin", "member"} {
			f, ok := formTo(t, w.browser[by].get(path), path)
			if !ok {
				continue
			}
			checked++
			counts := f.Fields.Get("once") != "" || f.Fields.Get("version") != ""
			if can := repeatable.MatchString(get); !counts && !can {
				t.Errorf("%s carries neither a number nor a version", get)
			}
			break
		}
	}
	if checked < 40 {
		t.Errorf("only %d forms", checked)
	}
}

// No form of another site is accepted, whatever it does. The check comes before everything else.
func TestNoFormOfTheConsoleIsSentByAnotherSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.changesMade()
	forms := 0
	for route := range signedInRoutes() {
		path, isPost := strings.CutPrefix(route, "POST ")
		if !isPost {
			continue
		}
		forms++
		path = parameter.ReplaceAllString(strings.ReplaceAll(path, "{tenant}", string(w.tenant.ID)), "x")
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example.com"}} {
			got := w.browser["admin"].post(path, nil, header...)
			if got.status != http.StatusForbidden || !strings.Contains(got.text, "cross_site") {
				t.Errorf("%s with %v: %d", route, header, got.status)
			}
		}
	}
	if forms < 60 || w.changesMade() != before {
		t.Errorf("%d forms, and %d changes", forms, w.changesMade()-before)
	}
}

// Every page says that nobody keeps it, what it may load, and where its address is sent.
func TestEveryPageIsPrivateAndLoadsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pages := 0
	for route := range signedInRoutes() {
		if !strings.HasPrefix(route, "GET ") {
			continue
		}
		path := w.path(route)
		for _, by := range []string{"owner", "admin", "member"} {
			got := w.browser[by].get(path)
			if got.status != http.StatusOK {
				continue
			}
			pages++
			h := got.header
			if h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "same-origin" ||
				!strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'; ") {
				t.Errorf("%s: %v", route, h)
			}
			break
		}
	}
	if pages < 80 {
		t.Errorf("only %d pages", pages)
	}
}

// An id of another tenant in the address of one's own is not found, as one that never was.
func TestAnIDOfAnotherTenantIsNotFoundInOnesOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asked := 0
	for _, route := range slices.Sorted(maps.Keys(signedInRoutes())) {
		if !strings.Contains(route, "/t/{tenant}") || strings.Count(route, "{") < 2 ||
			strings.Contains(route, "{preset}") {
			continue
		}
		asked++
		path := strings.ReplaceAll(w.path(route), string(w.tenant.ID), string(w.sibling.ID))
		got := w.browser["sibling"].get(path)
		if strings.HasPrefix(route, "POST") {
			got = w.browser["sibling"].post(path, url.Values{"once": {strings.Repeat("x", 20)}})
		}
		if got.status != http.StatusNotFound {
			t.Errorf("%s: %d", route, got.status)
		}
	}
	if asked < 60 {
		t.Errorf("only %d routes", asked)
	}
}

// changesMade returns how many changes the server has made.
func (w *world) changesMade() int {
	w.t.Helper()
	return testkit.CountRows(w.t, w.Server, "audit_events")
}
