package pages

import (
	"regexp"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// Somebody who has just started a server gets from the set-up link to a verified request.
func TestANewOwnerGetsFromTheSetUpLinkToAVerifiedRequest(t *testing.T) {
	t.Parallel()
	h := testkit.StartEmpty(t, testkit.SQLite.Config(t))
	tab := browser.Open(t, h.URL)
	tab.Visit("/setup/" + testkit.SetupToken(t, h))
	tab.Fill("Organisation", "Meridian Freight")
	tab.Fill("Your name", "Ines Okafor")
	tab.Fill("Your e-mail", "ines@claviger.example")
	tab.Fill("Password", testkit.Password)
	tab.Follow(browser.Button("Create"))
	tab.See("Your account is set up.")
	look(t, tab, "first-key")
	tab.Follow(browser.Button("Generate"))
	tab.See("Then, when you are ready")
	look(t, tab, "first-key-secret")
	value := regexp.MustCompile(`clv_ak_[0-9A-Za-z]{16}_[0-9A-Za-z]{48}`).FindString(tab.Text())
	_, err := h.Anyone().WithKey(value).Whoami(t.Context())
	testkit.NoError(t, err)
	tab.See("It works. First request verified at")
	look(t, tab, "first-key-works")
}
