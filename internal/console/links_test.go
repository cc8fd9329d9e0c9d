package docs_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// liveToken makes a one-time link of the kind that leads to a path, and returns its server and its
// token. A set-up link is of a server without an account; the server of the others is h.
func liveToken(t *testing.T, h *testkit.Server, path string) (*testkit.Server, string) {
	t.Helper()
	if path == "/setup/" {
		h = testkit.StartEmpty(t, testkit.SQLite.Config(t))
		return h, testkit.SetupToken(t, h)
	}
	tenant := h.Tenant("Tenant of "+path, nil)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	switch path {
	case "/invitations/":
		return h, testkit.InvitationToken(testkit.Invite(t, admin, tenant, "eve@claviger.example", "member"))
	case "/claims/":
		_, token := testkit.KeyByLink(t, admin, tenant, h.Member(tenant, "Key Owner", scope.Member), nil)
		return h, token
	case "/password-resets/":
		return h, newReset(t, h, h.Owner)
	}
	t.Fatalf("no link leads to %s", path)
	return nil, ""
}

// newReset returns the token of a link by which a person can set their password.
func newReset(t *testing.T, h *testkit.Server, p principal.Person) string {
	t.Helper()
	_, token, err := h.Identity.NewReset(t.Context(), principal.Operator(), p.ID)
	testkit.NoError(t, err)
	return token.Reveal()
}

const canBeUsed, cannotBeUsed = "This link can be used.", "This link cannot be used."

func TestThePageOfALinkSaysWhetherItCanBeUsedAndDoesNotUseIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	boss, owner := h.Member(tenant, "Tenant Admin", scope.Admin), h.Member(tenant, "Key Owner", scope.Member)
	admin := h.As(boss)
	_, claim := testkit.KeyByLink(t, admin, tenant, owner, nil)
	revoked, ofRevoked := testkit.KeyByLink(t, admin, tenant, h.Member(tenant, "Other Owner", scope.Member), nil)
	empty := testkit.StartEmpty(t, testkit.SQLite.Config(t))
	setup, invitation := testkit.SetupToken(t, empty),
		testkit.InvitationToken(testkit.Invite(t, admin, tenant, "eve@claviger.example", "member"))
	reset := newReset(t, h, owner)
	before := testkit.CountRows(t, h, "audit_events") + testkit.CountRows(t, empty, "audit_events")
	at := func(path string) string {
		if path == "/setup/" {
			return empty.URL + path
		}
		return h.URL + path
	}

	for path, token := range map[string]string{
		"/setup/": setup, "/invitations/": invitation, "/claims/": claim,
		"/password-resets/": reset,
	} {
		for range 3 {
			resp, page := testkit.Get(t, at(path)+token)
			if resp.StatusCode != http.StatusOK || !strings.Contains(page, canBeUsed) || strings.Contains(page, token) {
				t.Errorf("%s, a link that works: %s\n%s", path, resp.Status, page)
			}
			if resp, body := testkit.Fetch(t, http.MethodHead, at(path)+token); resp.StatusCode != http.StatusOK ||
				body != "" {
				t.Errorf("%s, a link that works, HEAD: %s %q", path, resp.Status, body)
			}
		}
	}
	after := testkit.CountRows(t, h, "audit_events") + testkit.CountRows(t, empty, "audit_events")
	if after != before {
		t.Errorf("opening pages made %d records", after-before)
	}

	// Each still works. Afterwards its page says that it does not, as for one that never was.
	_, _, err := empty.Anyone().SetUp(t.Context(), testkit.SetUpRequest(setup))
	testkit.NoError(t, err)
	testkit.ExpectCode(t, "accept", testkit.Accepting(t, h, invitation, testkit.Newcomer)(), "")
	_, err = h.As(owner).ClaimKey(t.Context(), claim)
	testkit.NoError(t, err)
	_, err = admin.RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, "")
	testkit.NoError(t, err)
	testkit.NoError(t, h.Anyone().ResetPassword(t.Context(), reset, "another horse battery staple"))
	for path, tokens := range map[string][]string{
		"/setup/": {setup, "x", invitation}, "/invitations/": {invitation, "x", claim},
		"/claims/": {claim, ofRevoked, "x", setup}, "/password-resets/": {reset, "x", claim},
	} {
		pages := map[string]bool{}
		for _, token := range tokens {
			resp, page := testkit.Get(t, at(path)+token)
			pages[page] = true
			if resp.StatusCode != http.StatusNotFound || !strings.Contains(page, cannotBeUsed) ||
				resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s, a link that does not work: %s, %v\n%s", path, resp.Status, resp.Header, page)
			}
			if resp, body := testkit.Fetch(t, http.MethodHead,
				at(path)+token); resp.StatusCode != http.StatusNotFound ||
				body != "" {
				t.Errorf("%s, a link that does not work, HEAD: %s %q", path, resp.Status, body)
			}
		}
		if len(pages) != 1 {
			t.Errorf("%s: the pages of links that do not work differ", path)
		}
	}
}

func TestThePageOfALinkSaysThatItHasExpired(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for path, lives := range map[string]time.Duration{
		"/setup/": 24 * time.Hour, "/invitations/": 7 * policy.Day,
		"/claims/": 7 * policy.Day, "/password-resets/": time.Hour,
	} {
		h, token := liveToken(t, h, path)
		h.Clock.Move(lives - time.Minute)
		if resp, page := testkit.Get(t, h.URL+path+token); resp.StatusCode != http.StatusOK || !strings.Contains(page,
			canBeUsed) {
			t.Errorf("%s, a minute before it expires: %s", path, resp.Status)
		}
		h.Clock.Move(2 * time.Minute)
		if resp, page := testkit.Get(t, h.URL+path+token); resp.StatusCode != http.StatusNotFound ||
			!strings.Contains(page,
				cannotBeUsed) {
			t.Errorf("%s, a minute after it expired: %s", path, resp.Status)
		}
	}
}

func TestPagesOfLinksCountAgainstTheClientsAddress(t *testing.T) {
	t.Parallel()
	h := testkit.AnonymousLimitedServer(t)
	for range 3 {
		if resp, _ := testkit.Get(t, h.URL+"/setup/x"); resp.StatusCode != http.StatusNotFound {
			t.Fatalf("within the limit: %s", resp.Status)
		}
	}
	for _, path := range []string{"/setup/x", "/invitations/x", "/claims/x"} {
		if resp, _ := testkit.Get(t, h.URL+path); resp.StatusCode != http.StatusTooManyRequests ||
			resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s beyond the limit: %s", path, resp.Status)
		}
	}
	if resp, _ := testkit.Get(t, h.URL+"/docs"); resp.StatusCode != http.StatusOK {
		t.Errorf("the guide: %s", resp.Status)
	}
}

func TestAPathThatThereIsNotIsRefused(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	if resp, _ := testkit.Get(t, h.URL+"/nothing"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a path that there is not: %s", resp.Status)
	}
}
