package pages

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// A person chooses a theme. All pages have it from then on, those of the guide, too, and also after
// the person has signed out.
func TestAPersonChoosesTheThemeOfAllPages(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	member := h.Member(h.Tenant("Shipping API", nil), "Ines Okafor", scope.Member)
	tab := browser.Open(t, h.URL)
	signIn(tab, member.Email)
	expect := func(selector, where string) {
		t.Helper()
		if tab.Matches(selector) != 1 {
			t.Errorf("%s is not %s", where, selector)
		}
	}
	expect("html:not([data-theme])", "the first page")
	tab.Show(browser.Phone)
	tab.Click(browser.Button("Menu"))
	tab.See("Sign-in and security")
	look(t, tab, "menu-sidebar")
	tab.Visit("/settings/keys")
	tab.Click(browser.Button("Ines Okafor , your menu"))
	look(t, tab, "menu-user")
	tab.Visit("/settings/keys")
	for _, theme := range []struct{ label, selector string }{
		{"Dark", `html[data-theme="dark"]`},
		{"Light", `html[data-theme="light"]`},
		{"Auto", `html:not([data-theme])`},
		{"Dark", `html[data-theme="dark"]`},
	} {
		tab.Click(browser.Button("Ines Okafor , your menu"))
		tab.Click(browser.Role("radio", theme.label))
		tab.Follow(browser.Button("Apply"))
		expect(theme.selector, "the page where the theme was chosen")
		tab.Visit("/settings/profile")
		expect(theme.selector, "another page")
		tab.Visit("/docs")
		expect(theme.selector, "the guide")
		tab.Visit("/settings/keys")
	}
	tab.Click(browser.Button("Ines Okafor , your menu"))
	tab.Follow(browser.Button("Sign out"))
	expect(`html[data-theme="dark"]`, "the page after signing out")
}
