package pages

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// maxTask is how long a task may take that the README calls short, without the time for reading.
const maxTask = 30 * time.Second

// reader follows a section of the README: each name on a page must be in it, one after the other.
type reader struct {
	t    *testing.T
	tab  *browser.Tab
	rest string
}

// next returns a name of the page, if the README says that it comes next.
func (r *reader) next(name string) string {
	r.t.Helper()
	_, rest, found := strings.Cut(r.rest, "*"+name+"*")
	if !found {
		r.t.Fatalf("README.md does not say %q here:\n%s", name, r.rest)
	}
	r.rest = rest
	return name
}

func (r *reader) link(name string)   { r.tab.Follow(browser.Link(r.next(name))) }
func (r *reader) button(name string) { r.tab.Follow(browser.Button(r.next(name))) }

// A newcomer who has read the README and nothing else makes a key and calls the API, makes a key
// for a colleague without seeing its secret, and switches the account to 180 days.
func TestANewcomerDoesTheThreeTasksOfTheReadmeAsItSays(t *testing.T) {
	t.Parallel()
	readme := testkit.Must[[]byte](t)(os.ReadFile("../../README.md"))
	_, section, _ := strings.Cut(string(readme), "\n### Three things to do in the console\n")
	section, _, _ = strings.Cut(section, "\n### ")
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Standard", nil)
	owner := h.AccountMember("Sample Owner", scope.AccountOwner)
	h.Join(tenant, owner, scope.Admin)
	colleague := h.Member(tenant, "Sample Member", scope.Member)
	r := &reader{t: t, tab: browser.Open(t, h.URL), rest: section}
	began := time.Now()
	done := func(task string) {
		t.Helper()
		took := time.Since(began)
		t.Logf("%s: %s", task, took.Round(time.Millisecond))
		if took > maxTask {
			t.Errorf("%s took %s, more than %s", task, took, maxTask)
		}
		began = time.Now()
	}

	r.tab.Visit("/sign-in")
	r.tab.Fill("E-mail", owner.Email)
	r.tab.Fill("Password", testkit.Password)
	r.tab.Follow(browser.Button("Sign in"))
	r.link("API keys")
	r.link("New API key")
	r.tab.Fill("Name", "Rate watcher")
	r.button("Generate")
	if who := whoami(t, h, shownKey(t, r.tab)); who.KeyID == nil {
		t.Errorf("the key is %+v", who)
	}
	r.tab.See(r.next("It works.") + " First request verified at")
	done("make a key and call the API")

	r.link("All API keys")
	r.link("New API key")
	r.tab.Fill(r.next("Person"), colleague.Email)
	r.button("Continue")
	r.tab.Fill("Name", "Tracking relay")
	r.button("Create")
	_, token, _ := strings.Cut(r.tab.Text(), "/claims/")
	token = strings.Fields(token)[0]
	theirs := browser.Open(t, h.URL)
	theirs.Visit("/claims/" + token)
	theirs.Fill("E-mail", colleague.Email)
	theirs.Fill("Password", testkit.Password)
	theirs.Follow(browser.Button("Sign in"))
	theirs.Follow(browser.Button(r.next("Show my secret")))
	value := shownKey(t, theirs)
	r.tab.SeeNo(value)
	if who := whoami(t, h, value); who.KeyID == nil {
		t.Errorf("the claimed key is %+v", who)
	}
	done("make a key for a colleague without seeing its secret")

	r.tab.Visit("/settings/keys")
	r.link("General settings")
	r.tab.Choose(r.next("Expire after"), r.next("180 days"))
	r.button("Preview effect")
	r.tab.See("keys expire later, or never")
	r.tab.See("Tracking relay")
	r.button("Save policy")
	r.tab.See("The policy was saved.")
	p := testkit.Must[api.Policy](t)(h.As(h.Owner).Policy(t.Context(), string(h.Account.ID)))
	if *p.AutoExpiry.Days != 180 {
		t.Errorf("the policy is %+v", p)
	}
	done("switch the account to 180 days and see what it does")
}
