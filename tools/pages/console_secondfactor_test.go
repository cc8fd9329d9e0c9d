package pages

import (
	"regexp"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// A person scans a QR code, stores their recovery codes, and signs in with a code.
func TestAPersonSetsUpASecondFactorInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	member := h.Member(h.Tenant("Shipping API", nil), "Ines Okafor", scope.Member)
	tab := browser.Open(t, h.URL)
	signIn(tab, member.Email)
	tab.Follow(browser.Link("Sign-in and security"))
	tab.Follow(browser.Link("Set up…"))
	look(t, tab, "two-factor-setup")
	secret := regexp.MustCompile(`[A-Z2-7]{4}(?: [A-Z2-7]{4}){7}`).FindString(tab.Text())
	phone := h.Authenticator(strings.ReplaceAll(secret, " ", ""))
	tab.Fill("Code that the app shows now", "000000")
	tab.Follow(browser.Button("Turn on"))
	tab.See("This is not the code that your app shows now.")
	look(t, tab, "two-factor-wrong")
	tab.Fill("Code that the app shows now", phone.Code())
	tab.Follow(browser.Button("Turn on"))
	tab.See("Store these codes now")
	look(t, tab, "recovery-codes")
	tab.Follow(browser.Link("Done, I have stored them"))
	tab.See("10 of 10")
	look(t, tab, "security-two-factor")

	other := browser.Open(t, h.URL)
	signIn(other, member.Email)
	other.See("Two-factor code")
	look(t, other, "sign-in-code")
	other.Fill("Code from your authenticator app, or a recovery code", phone.Next())
	other.Follow(browser.Button("Continue"))
	other.Await(browser.Heading("API keys"))
}
