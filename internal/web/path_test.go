package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// spellings returns other ways to write a path, which some servers and proxies take for it.
func spellings(path string) []string {
	last := strings.LastIndexByte(path, '/')
	parent, name := path[:last], path[last+1:]
	return []string{
		parent + "%2F" + name, parent + "%2f" + name, path + "%2F", path + "/", path + "//", parent + "//" + name,
		"/" + path,
		parent + "/./" + name, parent + "/x/../" + name, path + "/.", path + "/..", path + "/x/..",
		parent + "/%2e/" + name,
		parent + "/x/%2e%2e/" + name, parent + "/%2E/" + name, fmt.Sprintf("%s/%%%02x%s", parent, name[0], name[1:]),
		fmt.Sprintf("/%%%02x%s", path[1], path[2:]), path + "%00", path + "%20", path + "%09", path + "#x",
		path + "%3Fx",
		strings.ToUpper(path), parent + `\` + name, parent + "%5C" + name, parent + "/%252e/" + name, path + "%23",
	}
}

func TestAPathCountsOnlyAsItIsWritten(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.Member(tenant, "Key Owner", scope.Admin)
	key := h.Key(h.As(owner), tenant, "keys:verify", "applications:read")
	value := key.Credential.Value
	admin, socket := strings.TrimPrefix(h.AdminURL, "http://"), h.File("claviger.sock")
	before := testkit.Scrape(t, h)
	for _, route := range []struct{ network, address, method, path string }{
		{"tcp", h.Address, "POST", "/api/v1/verify"},
		{"tcp", h.Address, "GET", "/api/v1/whoami"},
		{"tcp", h.Address, "HEAD", "/api/v1/whoami"},
		{"tcp", h.Address, "GET", "/api/v1/tenants"},
		{"tcp", h.Address, "GET", "/api/v1/tenants/" + string(tenant.ID)},
		{"tcp", h.Address, "GET", "/api/v1/tenants/" + string(tenant.ID) + "/applications"},
		{"tcp", h.Address, "GET", "/docs/errors/not_found"},
		{"tcp", h.Address, "GET", "/docs/api"},
		{"tcp", admin, "GET", "/metrics"},
		{"tcp", admin, "GET", "/readyz"},
		{"unix", socket, "GET", "/operator/v1/accounts"},
		{"unix", socket, "POST", "/operator/v1/notices/retry"},
	} {
		for _, path := range spellings(route.path) {
			request := route.method + " " + path + " HTTP/1.1\r\nHost: " + h.Address + "\r\nAuthorization: Bearer " +
				value +
				"\r\nContent-Type: application/json\r\nConnection: close\r\n"
			body := `{"credential":"x"}`
			if route.method == "POST" {
				request += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
			} else {
				request += "\r\n"
			}
			resp := testkit.RawRequest(t, route.network, route.address, route.method, request)
			noPath := !strings.HasPrefix(path, "/") && resp.StatusCode == http.StatusBadRequest
			if resp.StatusCode != http.StatusNotFound && !noPath {
				t.Errorf("%s %s: %s", route.method, path, resp.Status)
			}
		}
	}
	for _, l := range []struct{ network, address string }{{"tcp", h.Address}, {"tcp", admin}, {"unix", socket}} {
		request := "OPTIONS * HTTP/1.1\r\nHost: " + h.Address + "\r\n\r\n"
		resp := testkit.RawRequest(t, l.network, l.address, "OPTIONS", request)
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("OPTIONS * at %s: %s", l.address, resp.Status)
		}
	}
	before.ExpectGrown(t, "paths of no route", testkit.Scrape(t, h),
		testkit.Series{`claviger_callers_total{code="ok",transport="bearer"}`: 0})
}

// The operator names people by their e-mail addresses, which may hold any letter.
func TestTheOperatorNamesAPersonByAnyAddress(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	const email = "jürgen+keys@exämple.example"
	_, err := h.Identity.Create(t.Context(), principal.Operator(), identity.NewUser{
		Email: email, Name: "Jürgen", Password: credential.NewSecret(testkit.Password),
	})
	testkit.NoError(t, err)
	var u api.User
	path := "/operator/v1/users/" + url.PathEscape(email)
	testkit.NoError(t,
		h.Operator().Do(t.Context(), http.MethodPatch, path, api.UpdateUserRequest{Status: "disabled"}, &u))
	if u.Status != "disabled" {
		t.Errorf("%+v", u)
	}
}
