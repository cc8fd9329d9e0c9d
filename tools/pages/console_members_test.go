package pages

import (
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// An admin invites a person, who joins by the link; later the admin removes another admin and
// revokes the keys whose secrets that admin knows.
func TestAnAdminInvitesAndRemovesPeopleInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", nil)
	admin := h.Member(tenant, "Ines Okafor", scope.Admin)
	former := h.Member(tenant, "Tomasz Wrona", scope.Admin)
	priya := h.Member(tenant, "Priya Raman", scope.Member)
	_, err := h.As(former).CreateKey(t.Context(), string(tenant.ID), api.CreateKeyRequest{
		Name: "Tracking webhook relay", OwnerID: string(priya.ID), Scopes: []string{"applications:read"},
		AllApplications: true,
	})
	testkit.NoError(t, err)
	tab := browser.Open(t, h.URL)
	signIn(tab, admin.Email)
	tab.Follow(browser.Link("Members"))
	tab.See("3 people in Shipping API.")
	look(t, tab, "members")

	tab.Fill("E-mail", "sofia.marin@meridian.example")
	tab.Choose("Role", "Auditor")
	tab.Follow(browser.Button("Invite"))
	tab.See("Pass this link on to sofia.marin@meridian.example")
	look(t, tab, "member-invited")
	_, link, found := strings.Cut(tab.Text(), h.URL+"/invitations/")
	if !found {
		t.Fatal("the page shows no link")
	}
	guest := browser.Open(t, h.URL)
	guest.Visit("/invitations/" + strings.Fields(link)[0])
	guest.Fill("Your name", "Sofia Marin")
	guest.Fill("Password", testkit.Password)
	guest.Follow(browser.Button("Join"))
	guest.See("Welcome. You are signed in.")
	guest.Follow(browser.Link("Members"))
	look(t, guest, "members-auditor")

	tab.Follow(browser.Link("Done, I have passed it on"))
	tab.See("Sofia Marin")
	tab.Follow(browser.Link("Change role Sofia Marin"))
	look(t, tab, "member-role")
	tab.Click(browser.Role("radio", "Member creates and manages their own keys"))
	tab.Follow(browser.Button("Change role"))
	tab.See("The role was changed.")
	tab.Follow(browser.Button("Disable here Priya Raman"))
	tab.See("The member is disabled here.")
	tab.Follow(browser.Button("Enable here Priya Raman"))

	tab.Follow(browser.Link("Remove… Tomasz Wrona"))
	tab.See("Tracking webhook relay")
	look(t, tab, "member-remove")
	tab.Follow(browser.Button("Remove this member"))
	tab.See("Secrets that a former member knows")
	look(t, tab, "member-known")
	tab.Follow(browser.Link("Revoke 1 key…"))
	look(t, tab, "member-known-revoke")
	tab.Fill("Type revoke 1 key to go on", "revoke 1 key")
	if status := tab.Follow(browser.Button("Revoke 1 key")); status != http.StatusOK {
		t.Errorf("revoke: %d", status)
	}
	tab.See("The keys are revoked.")
}
