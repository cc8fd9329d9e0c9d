package pages

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// looked has the kinds of pages that were checked in this run, as keys.
var looked sync.Map

// look checks the page that the tab shows.
func look(t *testing.T, tab *browser.Tab, name string) {
	t.Helper()
	looked.Store(kindOf(tab.Path()), true)
	check := checkOnce
	if *matrix {
		check = checkMatrix
	}
	check(tab, page{name: name})
	tab.Show(browser.Wide)
}

// signIn signs a person in, from the page that they wanted to see.
func signIn(tab *browser.Tab, email string) {
	tab.Visit("/settings/keys")
	tab.Fill("E-mail", email)
	tab.Fill("Password", testkit.Password)
	tab.Follow(browser.Button("Sign in"))
}

// B3, B4, C4 and C5: a person makes a key, copies it, calls the API, gets another secret, and ends
// the key.
func TestAPersonMakesRegeneratesAndEndsAKeyInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", nil)
	member := h.Member(tenant, "Ines Okafor", scope.Member)
	h.Application(tenant, "Rates")
	tab := browser.Open(t, h.URL)
	tab.Visit("/settings/keys")
	look(t, tab, "sign-in")
	signIn(tab, member.Email)
	tab.See("Your own keys, in every tenant you belong to.")
	look(t, tab, "my-keys-empty")

	tab.Follow(browser.Link("New API key"))
	look(t, tab, "new-key")
	tab.Fill("Name", "Nightly rate export")
	tab.Follow(browser.Button("Generate"))
	tab.See("It is shown this one time and can never be retrieved.")
	look(t, tab, "secret")
	first := shownKey(t, tab)
	if who := whoami(t, h, first); who.KeyID == nil {
		t.Errorf("the new key is %+v", who)
	}
	if status := tab.Follow(browser.Link("Done, I have stored it")); status != http.StatusOK {
		t.Errorf("the page of the key: %d", status)
	}
	tab.SeeNo(first)
	look(t, tab, "key")
	ofKey := tab.Path()
	tab.Back()
	tab.SeeNo(first)
	tab.Visit(ofKey)

	tab.Follow(browser.Link("Regenerate"))
	look(t, tab, "regenerate")
	tab.Click(browser.Role("radio", choice(t, tab, "1 day")))
	tab.Follow(browser.Button("Regenerate"))
	second := shownKey(t, tab)
	for name, value := range map[string]string{"the old secret": first, "the new secret": second} {
		if who := whoami(t, h, value); who.KeyID == nil {
			t.Errorf("%s is %+v", name, who)
		}
	}
	tab.Follow(browser.Link("Done, I have stored it"))
	tab.See("Two secrets are active")
	look(t, tab, "key-two-secrets")
	tab.Follow(browser.Button("End the old secret now"))
	tab.See("The old secret has ended.")
	if _, err := h.Anyone().WithKey(first).Whoami(t.Context()); testkit.Code(t, err) != api.APIKeyInvalid {
		t.Errorf("the old secret: %v", err)
	}

	tab.Follow(browser.Link("Revoke…"))
	look(t, tab, "revoke")
	tab.Follow(browser.Button("Revoke this key"))
	tab.See("The key is revoked.")
	if _, err := h.Anyone().WithKey(second).Whoami(t.Context()); testkit.Code(t, err) != api.APIKeyRevoked {
		t.Errorf("the revoked key: %v", err)
	}
	tab.Visit("/settings/keys")
	look(t, tab, "my-keys")
}

// choice returns the whole name of a choice that has a note.
func choice(t *testing.T, tab *browser.Tab, text string) string {
	t.Helper()
	_, after, found := strings.Cut(tab.Text(), "\n"+text+"\n")
	if !found {
		t.Fatalf("there is no choice %q:\n%s", text, tab.Text())
	}
	note, _, _ := strings.Cut(after, "\n")
	return text + " " + note
}

// shownKey returns the key that the page shows.
func shownKey(t *testing.T, tab *browser.Tab) string {
	t.Helper()
	_, after, found := strings.Cut(tab.Text(), "clv_ak_")
	if !found {
		t.Fatal("the page shows no key")
	}
	value, _, _ := strings.Cut(after, "\n")
	return "clv_ak_" + strings.Fields(value)[0]
}

func whoami(t *testing.T, h *testkit.Server, value string) (who api.Whoami) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+"/api/v1/whoami", nil)
	testkit.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+value)
	resp, err := http.DefaultClient.Do(req)
	testkit.NoError(t, err)
	defer resp.Body.Close()
	testkit.NoError(t, json.NewDecoder(resp.Body).Decode(&who))
	return who
}

// B2 and C3: the first person opens the link of the server's terminal and has a key a minute later;
// somebody else gets a key that nobody has seen.
func TestPeopleComeInByLinksInTheConsole(t *testing.T) {
	t.Parallel()
	empty := testkit.StartEmpty(t, testkit.SQLite.Config(t))
	tab := browser.Open(t, empty.URL)
	tab.Visit("/setup/" + testkit.SetupToken(t, empty))
	tab.Fill("Organisation", "Meridian Freight")
	tab.Fill("Your name", "Ines Okafor")
	tab.Fill("Your e-mail", "ines@claviger.example")
	tab.Fill("Password", testkit.Password)
	tab.Follow(browser.Button("Create"))
	tab.See("Your account is set up.")
	tab.Follow(browser.Link("Choose other access or expiry"))
	tab.Fill("Name", "First key")
	tab.Follow(browser.Button("Generate"))
	if who := whoami(t, empty, shownKey(t, tab)); who.KeyID == nil {
		t.Errorf("the first key is %+v", who)
	}

	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Load tests", nil)
	owner := h.Member(tenant, "Key Owner", scope.Member)
	_, token := testkit.KeyByLink(t, h.As(h.Member(tenant, "Tenant Admin", scope.Admin)), tenant, owner, nil)
	tab = browser.Open(t, h.URL)
	tab.Visit("/forgotten-password")
	look(t, tab, "forgotten-password")
	tab.Visit("/claims/" + token)
	tab.Fill("E-mail", owner.Email)
	tab.Fill("Password", testkit.Password)
	tab.Follow(browser.Button("Sign in"))
	look(t, tab, "claim-signed-in")
	tab.Follow(browser.Button("Show my secret"))
	if who := whoami(t, h, shownKey(t, tab)); who.KeyID == nil {
		t.Errorf("the claimed key is %+v", who)
	}
}

// C6: the owner of a key sees its secret again in a tenant that keeps copies, after signing in once
// more.
func TestAPersonCopiesAKeyAgainInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Load tests", func(s *policy.Settings) { s.Disclosure = policy.Recoverable })
	member := h.Member(tenant, "Ines Okafor", scope.Member)
	tab := browser.Open(t, h.URL)
	signIn(tab, member.Email)
	tab.Follow(browser.Link("New API key"))
	tab.Fill("Name", "Nightly rate export")
	tab.Follow(browser.Button("Generate"))
	value := shownKey(t, tab)
	look(t, tab, "secret-recoverable")
	tab.Follow(browser.Link("Done, I have stored it"))
	look(t, tab, "key-recoverable")
	h.Clock.Move(10 * time.Minute)
	tab.Follow(browser.Button("Copy key…"))
	tab.See("Sign in again to see the secret.")
	look(t, tab, "sign-in-again")
	tab.Fill("Password", testkit.Password)
	tab.Follow(browser.Button("Sign in"))
	tab.Follow(browser.Button("Copy key…"))
	if again := shownKey(t, tab); again != value {
		t.Errorf("the page shows %q, not %q", again, value)
	}
}

// Over plain HTTP on another machine's address, browsers send "Origin: null" with a form if the
// page has the Referrer-Policy no-referrer, and copying by script is not possible.
func TestAPersonMakesAKeyOverPlainHTTPOnTheLocalNetwork(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	member := h.Member(h.Tenant("Shipping API", nil), "Ines Okafor", scope.Member)
	tab := browser.Open(t, strings.Replace(h.URL, "127.0.0.1", "keys."+browser.Domain, 1))
	signIn(tab, member.Email)
	tab.Follow(browser.Link("New API key"))
	tab.Fill("Name", "Nightly rate export")
	tab.Follow(browser.Button("Generate"))
	tab.See("Copying by button needs HTTPS. Select the text instead.")
	if who := whoami(t, h, shownKey(t, tab)); who.KeyID == nil {
		t.Errorf("the key is %+v", who)
	}
}
