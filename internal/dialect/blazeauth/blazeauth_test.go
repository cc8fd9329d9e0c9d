package blazeauth_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestARouteForSessionsRefusesEveryKey(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	admin := p.session(p.Member(p.tenant, "Tenant Admin", scope.Admin))
	created := p.create(admin, "*")
	who := withKey(textOf(created, "plaintextKey"))
	var tried []string
	for _, route := range p.vendor().Routes {
		if !route.Needs.SessionOnly {
			continue
		}
		path := strings.TrimPrefix(strings.ReplaceAll(route.Path, "{id}", textOf(created, "id")), "/api/v1/panel/")
		p.refused(who, route.Method, path, `{}`, http.StatusForbidden, "session_required")
		tried = append(tried, route.Method+" "+strings.TrimPrefix(route.Path, "/api/v1/panel/"))
	}
	want := []string{
		"GET api-keys", "POST api-keys", "PATCH api-keys/{id}", "POST api-keys/{id}/revoke",
		"POST change-password", "POST change-email", "POST two-factor/enable", "POST two-factor/disable",
		"POST upload-avatar", "GET get-billing", "POST delete-account",
	}
	if !slices.Equal(tried, want) {
		t.Errorf("the routes for sessions are %q", tried)
	}
	if got := p.list(admin, "api-keys"); len(got) != 1 || got[0].(map[string]any)["revokedAt"] != nil {
		t.Errorf("a key changed %v", got)
	}
}

func TestASessionIsToldWhatIsDoneElsewhere(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	member := p.member("The Person")
	_, operations, _ := testkit.ReadOpenAPI(t, p.Server)
	for path, own := range map[string]string{
		"change-password": "POST /api/v1/me/password", "change-email": "POST /api/v1/me/email",
		"two-factor/enable": "PUT /api/v1/me/two-factor", "two-factor/disable": "DELETE /api/v1/me/two-factor",
		"upload-avatar": "PUT /api/v1/me/avatar", "delete-account": "DELETE /api/v1/me", "get-billing": "",
	} {
		method := http.MethodPost
		if own == "" {
			method = http.MethodGet
		}
		message := p.refused(member, method, path, `{}`, http.StatusNotFound, "not_found")
		if !strings.Contains(message, own) {
			t.Errorf("%s answers %q", path, message)
		}
		if own != "" && !slices.ContainsFunc(operations, func(o testkit.Operation) bool {
			return o.Method+" "+o.Path == own
		}) {
			t.Errorf("%s names %s, which does not exist", path, own)
		}
	}
	if got := p.list(member, "api-keys"); got == nil {
		t.Error("the session has ended")
	}
}

func TestNobodyPassesWithoutACredential(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	for _, route := range p.vendor().Routes {
		path := strings.TrimPrefix(strings.ReplaceAll(route.Path, "{id}", "1"), "/api/v1/panel/")
		p.refused(nil, route.Method, path, "{}", http.StatusUnauthorized, "api_key_invalid")
	}
}

func TestEveryRouteIsBelowThePanelAndSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	v := startPanel(t).vendor()
	if v.Name != dialect.Blazeauth || v.NamedTenant != nil {
		t.Errorf("%+v", v)
	}
	for _, route := range v.Routes {
		if !strings.HasPrefix(route.Path, "/api/v1/panel/") || !strings.HasSuffix(route.Summary, ".") || route.Anyone ||
			route.Serve == nil || !route.Needs.SessionOnly && len(route.Needs.Scopes) == 0 ||
			route.Reduces != strings.HasSuffix(route.Path, "/revoke") {
			t.Errorf("%s %s: %+v", route.Method, route.Path, route)
		}
	}
}

func TestTheVendorsCookieIsReadBelowThePanelAlone(t *testing.T) {
	t.Parallel()
	cookie := startPanel(t).vendor().Cookie
	for path, want := range map[string]string{
		"/api/v1/panel/api-keys": "session", "/api/v1/panel/": "session", "/api/v1/panel": "", "/api/v1/panels/x": "",
		"/api/v1/licenses": "", "/": "", "": "", "/x/api/v1/panel/api-keys": "", "/API/v1/panel/api-keys": "",
	} {
		if got := cookie(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
