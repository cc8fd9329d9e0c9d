package pages

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// A person chooses their e-mails, and ends the session that they left open elsewhere.
func TestAPersonLooksAfterTheirAccountInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	member := h.Member(h.Tenant("Shipping API", nil), "Ines Okafor", scope.Member)
	elsewhere := browser.Open(t, h.URL)
	signIn(elsewhere, member.Email)
	tab := browser.Open(t, h.URL)
	signIn(tab, member.Email)
	tab.Follow(browser.Link("Profile"))
	look(t, tab, "profile")
	tab.Follow(browser.Link("Change… your e-mail address"))
	look(t, tab, "email")
	tab.Visit("/settings/profile")
	tab.Follow(browser.Link("Upload a picture…"))
	look(t, tab, "avatar")
	tab.Visit("/settings/profile")
	testkit.NoError(t, h.As(member).SetAvatar(t.Context(), "image/gif", []byte(dotGIF)))
	tab.Visit("/settings/profile")
	look(t, tab, "profile-picture")
	tab.Follow(browser.Link("Download… your data"))
	look(t, tab, "data")
	tab.Visit("/settings/profile")
	tab.Fill("Name", "Ines Lind")
	tab.Follow(browser.Button("Save profile"))
	tab.See("Your profile was saved.")
	tab.Follow(browser.Link("Notifications"))
	look(t, tab, "notifications")
	tab.Follow(browser.Link("Sign-in and security"))
	look(t, tab, "security")
	tab.Follow(browser.Link("Change password…"))
	look(t, tab, "password")
	tab.Fill("Current password", testkit.Password)
	tab.Fill("New password", "a quite different long sentence")
	tab.Follow(browser.Button("Change password"))
	tab.See("Your password is changed. All other sessions have ended.")
	elsewhere.VisitAny("/settings/keys")
	elsewhere.Await(browser.Heading("Sign in"))
	tab.Follow(browser.Link("Delete my account…"))
	look(t, tab, "delete-account")
}

// dotGIF is a picture of one pixel.
const dotGIF = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x2e\x8b\x74\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00" +
	"\x00\x02\x02D\x01\x00;"
