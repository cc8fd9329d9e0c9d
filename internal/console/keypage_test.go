package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestThePageOfAKeySaysHowItLivesWhatToDoAndWhatHappenedToIt(t *testing.T) {
	t.Parallel()
	d := newVisit(t, func(s *policy.Settings) { s.Visibility = policy.SeeAll })
	mine := d.As(d.person)
	expires := d.Clock.Now().Add(80 * policy.Day)
	k := testkit.Must[api.IssuedKey](t)(mine.CreateKey(t.Context(), string(d.tenant.ID), api.CreateKeyRequest{
		Name: "CI deploy check", Scopes: []string{"applications:read", "scopes:read"}, AllApplications: true,
		ExpiresAt: &expires, Metadata: []byte(`{"team":"<platform>"}`),
	}))
	other := testkit.Must[api.IssuedKey](t)(mine.CreateKey(t.Context(), string(d.tenant.ID), api.CreateKeyRequest{
		Name: "Another", Scopes: []string{"applications:read"}, AllApplications: true,
	}))
	d.Clock.Move(60 * policy.Day)
	d.signIn(d.person)
	mine = d.As(d.person)
	admin := d.As(d.Member(d.tenant, "Ada Admin", scope.Admin))
	_, err := d.With(k).Applications(t.Context(), string(d.tenant.ID), client.Page{})
	testkit.NoError(t, err)
	_, err = mine.RefreshKey(t.Context(), string(d.tenant.ID), k.Key.ID, api.RefreshKeyRequest{OverlapSeconds: 3600})
	testkit.NoError(t, err)
	_, err = admin.DisableKey(t.Context(), string(d.tenant.ID), k.Key.ID)
	testkit.NoError(t, err)
	testkit.NoError(t, d.Usage.Flush(t.Context(), d.Store))
	path := d.at("keys/" + k.Key.ID)
	page := d.get(path)
	for _, text := range []string{
		"Two secrets are active.", `href="` + path + `#secrets"`, "Unused scopes.", "30 days: scopes:read.",
		"Regenerated", "Old secret ends", "Expires ", `class="dot end"`,
		"60 days old · secret today · regenerated once",
		"<b>You</b> created the key", "<b>You</b> regenerated the secret", "the old one works until",
		"disabled the key", "{&#34;team&#34;:&#34;&lt;platform&gt;&#34;}",
	} {
		page.see(t, "the page", http.StatusOK, text)
	}
	if strings.Contains(page.text, "127.0.0.1</span></div></li>") || strings.Contains(page.text, "Another") {
		t.Error("the page has what is not about this key")
	}
	d.get(path+"/uses").see(t, "the secrets", http.StatusOK, "Old secret")
	unused := d.at("keys/" + other.Key.ID)
	d.get(unused).see(t, "an unused key", http.StatusOK, `href="`+unused+`/revoke"`)
	colleague := newVisitor(t, d.URL)
	colleague.signIn(d.Member(d.tenant, "Colleague", scope.Member))
	reduced := colleague.get(path)
	reduced.see(t, "for a colleague", http.StatusOK, "CI deploy check")
	for _, hidden := range []string{"platform", "History", "Health", "Lifecycle", "Two secrets"} {
		if strings.Contains(reduced.text, hidden) {
			t.Errorf("a colleague sees %s", hidden)
		}
	}
}

// The menu of a row has what the page of the key has, and nothing that the person may not do.
func TestTheMenuOfARowHasWhatThePersonMayDo(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	owner := d.Member(d.tenant, "Jonas Lindqvist", scope.Member)
	k := d.Key(d.As(owner), d.tenant, "applications:read")
	path := d.at("keys/" + k.Key.ID)
	d.get(d.at("keys")).see(t, "the list", http.StatusOK, `href="`+path+`" data-menu aria-label="Actions for `)
	d.get(path+"/menu").see(t, "an admin", http.StatusOK, ">Open<", path+"/edit", `action="`+path+`/disable"`,
		path+"/revoke", path+"/delete", `data-copy-id="`+k.Key.PublicID+`"`)
	theirs, colleague := newVisitor(t, d.URL), newVisitor(t, d.URL)
	theirs.signIn(owner)
	theirs.get(path+"/menu").see(t, "the owner", http.StatusOK, path+"/regenerate")
	colleague.signIn(d.Member(d.tenant, "Mei-Ling Chu", scope.Member))
	menu := colleague.get(path + "/menu")
	menu.see(t, "a colleague", http.StatusOK, ">Open<")
	for _, end := range []string{"/edit", "/disable", "/revoke", "/delete", "/regenerate"} {
		if strings.Contains(menu.text, path+end) {
			t.Errorf("a colleague is offered %s", end)
		}
	}
	// Without script the dots lead to the page of the key, which does all that the menu does.
	page := d.get(path)
	menu = d.get(path + "/menu")
	actions := regexp.MustCompile(`(?:href|action)="(/t/[^"]+)"`).FindAllStringSubmatch(menu.text, -1)
	if len(actions) < 5 {
		t.Errorf("the menu has only %v", actions)
	}
	for _, a := range actions {
		if a[1] != path && !strings.Contains(page.text, a[0]) {
			t.Errorf("the page of the key has no %s", a[0])
		}
	}
	page.see(t, "the page", http.StatusOK, k.Key.PublicID)
	if got := d.stranger().get(path + "/menu"); got.status != http.StatusNotFound {
		t.Errorf("a stranger: %d", got.status)
	}
}
