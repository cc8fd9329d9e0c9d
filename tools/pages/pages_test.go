package pages

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// TestMain lets more tests run at once than there are processors, because each of them mostly waits
// for Chromium or for a server.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	os.Exit(browser.Main(m))
}

var matrix = flag.Bool("matrix", false, "check all rules in light and dark, wide and narrow, and take screenshots")

// A page is a page of a server. Its name is that of its screenshots.
type page struct {
	name, server, path string
	status             int
}

func TestEveryPageIsAccessibleAndFitsNarrowScreens(t *testing.T) {
	t.Parallel()
	check := checkOnce
	if *matrix {
		check = checkMatrix
	}
	for _, p := range allPages(t) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			tab := browser.Open(t, p.server)
			if status := tab.VisitAny(p.path); status != p.status {
				t.Errorf("%s: %d, not %d", p.path, status, p.status)
			}
			check(tab, p)
		})
	}
}

// failures is a test that keeps what is reported to it instead of failing.
type failures struct {
	testing.TB
	texts []string
}

func (f *failures) Errorf(format string, args ...any) {
	f.texts = append(f.texts, fmt.Sprintf(format, args...))
}

func TestThePageChecksFindFaults(t *testing.T) {
	t.Parallel()
	for path, c := range map[string]struct{ css, body, report string }{
		"/unnamed": {"", `<input>`, "label (critical)"},
		"/pale": {
			"@media (prefers-color-scheme: dark) { body { background: #111; color: #333 } }", `<p>Text</p>`,
			"color-contrast (serious)",
		},
		"/wide":  {"", `<table border width="700"><tr><td>Cell</table>`, "table ends at"},
		"/small": {"", `<p><a href="#a">1</a><a href="#b">2</a>`, "target-size (serious)"},
		"/covered": {
			"pre { overflow-x: auto } button { position: absolute; right: 8px }",
			`<div><button>Copy</button><pre tabindex="0">` + strings.Repeat("curl ", 80) + `</pre></div>`,
			"the button Copy covers curl",
		},
		"/right": {"", `<p>Text</p>`, ""},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><title>T</title><style>%s</style>
				<main><h1>T</h1>%s</main>`, c.css, c.body)
		}))
		t.Cleanup(server.Close)
		found := &failures{TB: t}
		tab := browser.Open(found, server.URL)
		tab.Visit(path)
		checkOnce(tab, page{})
		reports := strings.Join(found.texts, "\n")
		if !strings.Contains(reports, c.report) || (reports == "") != (c.report == "") {
			t.Errorf("%s: found %q, not %q", path, reports, c.report)
		}
	}
}

func TestTheSkipLinkLeadsPastTheMenu(t *testing.T) {
	t.Parallel()
	tab := browser.Open(t, testkit.Start(t, testkit.SQLite).URL)
	tab.Visit("/docs")
	tab.Press(browser.TabKey)
	if got, want := tab.Focused(), `link "Skip to the content"`; got != want {
		t.Errorf("the first focus is on %s, not %s", got, want)
	}
	tab.FollowKey(browser.Enter)
	tab.Press(browser.TabKey)
	if got, want := tab.Focused(), `searchbox "Search the documentation"`; got != want || tab.Path() != "/docs#main" {
		t.Errorf("the skip link leads to %s, and the next focus is on %s, not %s", tab.Path(), got, want)
	}
}

// checkOnce makes each check in the view in which it finds most.
func checkOnce(tab *browser.Tab, _ page) {
	tab.ExpectAccessible(browser.AllRules)
	tab.ExpectNothingCovered()
	tab.Show(browser.Wide.InDark())
	tab.ExpectAccessible(browser.Contrast)
	tab.Show(browser.Narrow)
	tab.ExpectNoOverflow()
	tab.ExpectNothingCovered()
	tab.ExpectAccessible(browser.TargetSize)
}

func checkMatrix(tab *browser.Tab, p page) {
	for _, view := range []browser.View{
		browser.Wide, browser.Wide.InDark(), browser.Phone, browser.Phone.InDark(), browser.Narrow,
	} {
		tab.Show(view)
		tab.ExpectAccessible(browser.AllRules)
		tab.ExpectNoOverflow()
		tab.ExpectNothingCovered()
		if view != browser.Narrow {
			tab.Screenshot(p.name + "-" + view.String())
		}
	}
}

// allPages starts two servers, one of them without an account, and returns their pages.
func allPages(t *testing.T) []page {
	t.Helper()
	h := testkit.Start(t, testkit.SQLite)
	list := []page{
		{"guide", h.URL, "/docs", http.StatusOK},
		{"article", h.URL, "/docs/console", http.StatusOK},
		{"search", h.URL, "/docs/search?q=rotate", http.StatusOK},
		{"reference", h.URL, "/docs/api", http.StatusOK},
		{"operations", h.URL, "/docs/api/plans", http.StatusOK},
		{"errors", h.URL, "/docs/errors", http.StatusOK},
		{"error", h.URL, "/docs/errors/api_key_invalid", http.StatusOK},
	}
	return append(list, linkPages(t, h)...)
}

// linkPages returns the pages of one-time links that can be used, and of some that cannot.
func linkPages(t *testing.T, h *testkit.Server) []page {
	t.Helper()
	empty := testkit.StartEmpty(t, testkit.SQLite.Config(t))
	tenant := h.Tenant("Main tenant", nil)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	owner := h.Member(tenant, "Key Owner", scope.Member)
	invitation := testkit.Invite(t, admin, tenant, "eve@claviger.example", "member")
	_, claim := testkit.KeyByLink(t, admin, tenant, owner, nil)
	_, reset, err := h.Identity.NewReset(t.Context(), principal.Operator(), owner.ID)
	testkit.NoError(t, err)
	list := []page{
		{"setup", empty.URL, "/setup/" + testkit.SetupToken(t, empty), http.StatusOK},
		{"invitation", h.URL, "/invitations/" + testkit.InvitationToken(invitation), http.StatusOK},
		{"claim", h.URL, "/claims/" + claim, http.StatusOK},
		{"password-reset", h.URL, "/password-resets/" + reset.Reveal(), http.StatusOK},
		emailLinkPage(t),
	}
	for _, p := range list {
		kind, _, _ := strings.Cut(p.path[1:], "/")
		list = append(list, page{p.name + "-unusable", h.URL, "/" + kind + "/x", http.StatusNotFound})
	}
	return list
}

// emailLinkPage returns the page of a link that confirms an address, of a server with mail.
func emailLinkPage(t *testing.T) page {
	t.Helper()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	ann := p.Member(p.MainTenant, "Ann Example", scope.Member)
	_, err := p.As(ann).ChangeEmail(t.Context(), "next@claviger.example")
	testkit.NoError(t, err)
	mails := p.Mails(t, notice.EmailChangeOld)
	if len(mails) != 1 {
		t.Fatalf("mailed were %+v", mails)
	}
	token := testkit.MailedToken(t, p.Server, mails[0], "/email-changes/")
	return page{"email-change", p.URL, "/email-changes/" + token, http.StatusOK}
}
