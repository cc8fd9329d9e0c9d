package pages

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
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

// crawl visits one page of each kind that can be reached from a page by links, and calls visit on
// each.
func crawl(tab *browser.Tab, from string, visit func(kind string)) (kinds map[string]bool) {
	kinds = map[string]bool{}
	queue := []string{from}
	for len(queue) > 0 {
		address := queue[0]
		queue = queue[1:]
		kind := kindOf(address)
		if kinds[kind] || !ofConsole.MatchString(kind) {
			continue
		}
		kinds[kind] = true
		tab.Visit(address)
		visit(kind)
		queue = append(queue, tab.Links()...)
	}
	return kinds
}

// A text that a person chose is a text on every page: it starts no script, loads nothing, and makes
// no element. Every page with such texts fits narrow screens, and is accessible.
func TestNoTextIsTakenForMarkupOnAnyPage(t *testing.T) {
	h := newHostile(t)
	if h.stored < 4*100 {
		t.Errorf("%d texts were stored", h.stored)
	}
	tab := browser.Open(t, h.URL)
	signIn(tab, h.owner.Email)
	kinds := crawl(tab, "/settings/keys", func(kind string) {
		n := tab.Matches("#injected, main :is(script, iframe, object, embed, base, meta, link, style, template)")
		if n > 0 {
			t.Errorf("%s has %d elements that texts made", kind, n)
		}
		if *matrix || !looked[kind] {
			look(t, tab, strings.ReplaceAll(strings.Trim(kind, "/"), "/", "-"))
		} else { // a journey has checked the page; long texts can still make it too wide
			tab.Show(browser.Narrow)
			tab.ExpectNoOverflow()
			tab.Show(browser.Wide)
		}
		for _, fault := range tab.Faults() {
			t.Errorf("%s: %s", kind, fault)
		}
	})
	if len(kinds) < 10 {
		t.Errorf("only %v", kinds)
	}
	t.Logf("%d kinds of pages, %d texts", len(kinds), h.stored)
}
