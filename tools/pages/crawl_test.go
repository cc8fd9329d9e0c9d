package pages

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// markup has texts that a page could take for markup, script, a style, a template or a formula, one
// a line.
//
//go:embed testdata/markup.txt
var markup string

// hostile is a server in which every text that people can choose is one of markup.
type hostile struct {
	*testkit.Server
	t      *testing.T
	tenant tenancy.Tenant
	owner  principal.Person
	api    *client.Client
	// stored counts the texts that the server accepted.
	stored int
}

func newHostile(t *testing.T) *hostile {
	h := &hostile{Server: testkit.Start(t, testkit.SQLite), t: t}
	h.tenant = h.Tenant(`<b id=injected>Tenant</b>`, func(s *policy.Settings) {
		s.KeysPerUser = 0
		s.Owners = []ident.PartyType{ident.UserParty, ident.ServiceAccountParty, ident.SubjectParty}
	})
	h.owner = h.AccountMember(`"><img src=x onerror=alert(1)>`, scope.AccountOwner)
	h.Join(h.tenant, h.owner, scope.Admin)
	h.api = h.As(h.owner)
	scopes := []api.NewScope{{Name: "rates:read", Description: "Rates"}}
	for i, text := range strings.Split(strings.TrimSpace(markup), "\n") {
		name := text
		if utf8.RuneCountInString(name) > 64 {
			name = string([]rune(name)[:64])
		}
		if i < 40 { // a tenant has no more scopes than fit on a page
			scopes = append(scopes, api.NewScope{Name: fmt.Sprintf("rates:s%d", i), Description: text})
		}
		h.store(i, name, text)
	}
	_, err := h.api.ReplaceScopes(t.Context(), string(h.tenant.ID), scopes)
	testkit.NoError(t, err)
	return h
}

// store stores the text number i as the name, the description and the metadata of one object of
// each kind. The server refuses a text that has characters which nobody sees.
func (h *hostile) store(i int, name, text string) {
	h.t.Helper()
	ctx, tenant := h.t.Context(), string(h.tenant.ID)
	metadata := testkit.Must[[]byte](h.t)(json.Marshal(map[string]string{"note": text}))
	_, err := h.api.CreateApplication(ctx, tenant, api.CreateApplicationRequest{Name: name, Description: text})
	h.accept(err)
	_, err = h.api.CreateServiceAccount(ctx, tenant, api.CreateServiceAccountRequest{
		Name: name, Description: text, Role: api.Role(scope.Member),
	})
	h.accept(err)
	_, err = h.api.CreateSubject(ctx, tenant, api.CreateSubjectRequest{
		ExternalID: strings.ReplaceAll(url.QueryEscape(text), "%", "<"), Name: name, Metadata: metadata,
	})
	h.accept(err)
	issued, err := h.api.CreateKey(ctx, tenant, api.CreateKeyRequest{
		Name: name, Description: text, Metadata: metadata, Scopes: []string{"applications:read"}, AllApplications: true,
	})
	h.accept(err)
	if err == nil && i%5 == 0 {
		_, err = h.api.RevokeKey(ctx, tenant, issued.Key.ID, text)
		h.accept(err)
	}
}

func (h *hostile) accept(err error) {
	h.t.Helper()
	if err != nil && testkit.Code(h.t, err) == api.ValidationFailed {
		return
	}
	testkit.NoError(h.t, err)
	h.stored++
}

var idInPath = regexp.MustCompile(`[a-z]+_[0-9a-z]{15,}|[a-z]+:[0-9a-z]+`)

// ofConsole matches the pages for signed-in people. Files are no pages.
var ofConsole = regexp.MustCompile(`^/(settings|t|a|find)(/[^.]*)?(\?after)?$`)

// kindOf returns what pages of the same kind have in common: the path without ids, and whether it
// is a later part of a list.
func kindOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	kind := idInPath.ReplaceAllString(u.Path, "{id}")
	if u.Query().Has("after") {
		kind += "?after"
	}
	return kind
}

// crawl finds one page of each kind that links lead to from a page. Several tabs share it.
type crawl struct {
	mu sync.Mutex
	// changed wakes the tabs that wait for addresses.
	changed *sync.Cond
	queue   []string
	// kinds has the address of each kind that was visited.
	kinds map[string]string
	// visiting is how many tabs may still find addresses.
	visiting int
}

func newCrawl(from string) *crawl {
	c := &crawl{queue: []string{from}, kinds: map[string]string{}}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// next returns the next page to visit. It waits while another tab may find one, and returns "" if
// none is left. The caller then calls done.
func (c *crawl) next() (kind, address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for len(c.queue) > 0 {
			address, c.queue = c.queue[0], c.queue[1:]
			kind = kindOf(address)
			if c.kinds[kind] == "" && ofConsole.MatchString(kind) {
				c.kinds[kind] = address
				c.visiting++
				return kind, address
			}
		}
		if c.visiting == 0 {
			return "", ""
		}
		c.changed.Wait()
	}
}

// done adds what a tab has found on its page.
func (c *crawl) done(links []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, links...)
	c.visiting--
	c.changed.Broadcast()
}

// run visits pages until none is left, and calls visit on each.
func (c *crawl) run(tab *browser.Tab, visit func(kind string)) {
	for kind, address := c.next(); kind != ""; kind, address = c.next() {
		var links []string
		func() {
			defer func() { c.done(links) }() // also if the test ends here
			tab.Visit(address)
			visit(kind)
			links = tab.Links()
		}()
	}
}

// unseen returns a kind that was visited and that nobody has checked, and its address; "" if none
// is left.
func (c *crawl) unseen() (kind, address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for kind, address = range c.kinds {
		if _, seen := looked.LoadOrStore(kind, true); !seen {
			return kind, address
		}
	}
	return "", ""
}

// crawlTabs is how many tabs visit the pages with texts of markup.
const crawlTabs = 4

// A text that a person chose is a text on every page: it starts no script, loads nothing, and makes
// no element. Every page with such texts fits narrow screens, and is accessible.
func TestNoTextIsTakenForMarkupOnAnyPage(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	if h.stored < 4*100 {
		t.Errorf("%d texts were stored", h.stored)
	}
	pages := newCrawl("/settings/keys")
	t.Run("tabs", func(t *testing.T) {
		for i := range crawlTabs {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				h.crawlTab(t, pages)
			})
		}
	})
	if len(pages.kinds) < 10 {
		t.Errorf("only %v", pages.kinds)
	}
	t.Logf("%d kinds of pages, %d texts", len(pages.kinds), h.stored)
}

// crawlTab visits pages in a tab of its own, then checks those that no journey has checked until
// then. The journeys run beside this test.
func (h *hostile) crawlTab(t *testing.T, pages *crawl) {
	tab := browser.Open(t, h.URL)
	signIn(tab, h.owner.Email)
	pages.run(tab, func(kind string) {
		n := tab.Matches("#injected, main :is(script, iframe, object, embed, base, meta, link, style, template)")
		if n > 0 {
			t.Errorf("%s has %d elements that texts made", kind, n)
		}
		if *matrix {
			look(t, tab, nameOf(kind))
		} else { // long texts can make a page too wide that a journey checks
			tab.Show(browser.Narrow)
			tab.ExpectNoOverflow()
			tab.Show(browser.Wide)
		}
		for _, fault := range tab.Faults() {
			t.Errorf("%s: %s", kind, fault)
		}
	})
	for kind, address := pages.unseen(); kind != ""; kind, address = pages.unseen() {
		tab.Visit(address)
		look(t, tab, nameOf(kind))
	}
}

// nameOf returns the name of the screenshots of a kind of pages.
func nameOf(kind string) string { return strings.ReplaceAll(strings.Trim(kind, "/"), "/", "-") }
