package web_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// A query string that is read as far as it can be read would list what nobody asked for.
func TestAFilterThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	person := h.Member(tenant, "Key Owner", scope.Admin)
	owner, signedIn := h.As(person), testkit.SessionHeader(t, h, person)
	testkit.NamedKey(t, owner, tenant, "First key", nil)
	testkit.NamedKey(t, owner, tenant, "Second key", nil)
	list := func(query string) (int, string) {
		t.Helper()
		status, _, text := testkit.Send(t, h, http.MethodGet, testkit.TenantPath(tenant.ID)+"/keys?"+query, signedIn,
			"")
		return status, string(text)
	}
	// A refusal is told by its status, its code or its fields, and a part of its detail.
	type refusal struct {
		status     int
		code, says string
	}
	malformed := func(says string) refusal { return refusal{400, "malformed_request", says} }
	broken := func(fields string) refusal { return refusal{422, fields, ""} }
	for query, want := range map[string]refusal{
		"q=100%":               malformed("`q`"),
		"q=%zz":                malformed("`q`"),
		"q=%2":                 malformed("`q`"),
		"q=%ff":                malformed("`q`"),
		"q=%C3%28":             malformed("`q`"),
		"q=first;x":            malformed("`q`"),
		"limit=5;q=first":      malformed("`limit`"),
		"%zz=first":            malformed("Parameter 1"),
		"limit=5&q%=x":         malformed("Parameter 2"),
		"q;=x":                 malformed("Parameter 1"),
		"q=first&q=second":     malformed("`q`"),
		"q=first&q=first":      malformed("`q`"),
		"q=first&%71=first":    malformed("`q`"),
		"q=first&q":            malformed("`q`"),
		"q=first&&limit=5":     malformed("Parameter 2"),
		"&q=first":             malformed("Parameter 1"),
		"q=first&":             malformed("Parameter 2"),
		"&":                    malformed("Parameter 1"),
		"colour=%zz":           malformed("Parameter 1"),
		"q=":                   broken("q empty"),
		"q":                    broken("q empty"),
		"limit=":               broken("limit empty"),
		"cursor=":              broken("cursor empty"),
		"status=&owner=":       broken("status empty, owner empty"),
		"colour=blue":          broken("query unknown"),
		"Q=first":              broken("query unknown"),
		"q=first&colour=blue":  broken("query unknown"),
		"=first":               broken("query unknown"),
		"q[]=first":            broken("query unknown"),
		"q=&colour=blue":       broken("q empty, query unknown"),
		"colour=blue&hue=blue": broken("query unknown"),
		"status=sleeping":      broken("status unknown"),
		"limit=many":           broken("limit invalid"),
		"limit=05":             broken("limit form"),
		"limit=%2B5":           broken("limit form"),
		"limit=5.0":            broken("limit invalid"),
		"limit=+5":             broken("limit invalid"),
		"q=%00":                broken("q character"),
		"q=%3B":                broken("q empty"),
	} {
		status, text := list(query)
		var p api.Problem
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatalf("?%s: %s: %v", query, text, err)
		}
		code := string(p.Code)
		if p.Code == api.ValidationFailed {
			p.Status = status
			code = testkit.FieldErrors(t, &p)
		}
		if status != want.status || code != want.code || !strings.Contains(p.Detail, want.says) {
			t.Errorf("?%s: %d %s, want %v", query, status, text, want)
		}
		told := testkit.RequestIDs.ReplaceAllString(text, "") // which may hold a 100 of its own
		for _, sent := range []string{"first", "colour", "hue", "blue", "100", "sleeping", "many", "zz"} {
			if strings.Contains(query, sent) && strings.Contains(told, sent) {
				t.Errorf("?%s: the answer repeats %s: %s", query, sent, text)
			}
		}
	}
	for query, want := range map[string]int{
		"": 2, "q=first": 1, "q=FIRST&limit=5": 1, "%71=first": 1, "q=first+key": 1, "q=first%20key": 1,
		"q=100%25": 0, "q=é": 0, "q=%C3%A9": 0, "q==": 0,
	} {
		status, text := list(query)
		var l api.List[api.Key]
		if err := json.Unmarshal([]byte(text), &l); err != nil || status != http.StatusOK || len(l.Items) != want {
			t.Errorf("?%s: %d, %d keys, want %d: %v", query, status, len(l.Items), want, err)
		}
	}
}

// The rules hold for every route and every caller.
func TestEveryRouteReadsItsQueryStringExactly(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	_, operations, _ := testkit.ReadOpenAPI(t, h)
	type route struct {
		method, address string
		takes           []string
	}
	var routes []route
	for _, op := range operations {
		if strings.HasPrefix(op.Path, "/api/v1/authz") {
			continue // its query string is that of a client of another server
		}
		r := route{op.Method, h.URL + op.Address(string(tenant.ID)), nil}
		for _, p := range op.Parameters {
			if p.In == "query" {
				r.takes = append(r.takes, p.Name)
			}
		}
		routes = append(routes, r)
		if op.Method == http.MethodGet {
			routes = append(routes, route{http.MethodHead, r.address, r.takes})
		}
	}
	if !slices.ContainsFunc(routes, func(r route) bool { return slices.Contains(r.takes, "q") }) {
		t.Fatal("no route takes q")
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		routes = append(routes, route{http.MethodGet, h.AdminURL + path, nil})
	}
	for _, r := range routes {
		queries := map[string]int{
			"colour=blue": 422, "colour": 422, "colour=%zz": 400, "%": 400, "&": 400, "a=b;c": 400,
		}
		for _, name := range r.takes {
			queries[name+"="], queries[name] = 422, 422
			queries[name+"=%"], queries[name+"=x&"+name+"=x"] = 400, 400
		}
		oauth := strings.Contains(r.address, "/oauth2/") // where every bad request has one status
		for query, want := range queries {
			if oauth {
				want = 400
			}
			resp, text := testkit.Fetch(t, r.method, r.address+"?"+query)
			if resp.StatusCode != want || strings.Contains(text, "colour") || strings.Contains(text, "blue") {
				t.Errorf("%s %s?%s: %d %s, want %d", r.method, r.address, query, resp.StatusCode, text, want)
			}
		}
		resp, text := testkit.Fetch(t, r.method, r.address+"?")
		if resp.StatusCode == 400 && !oauth || strings.Contains(text, "query") {
			t.Errorf("%s %s?: %d %s", r.method, r.address, resp.StatusCode, text)
		}
	}
	for query, want := range map[string]string{
		"state=nonsense": "state unknown", "state=": "state empty", "stat=dead": "query unknown",
		"state=%":               "code malformed_request",
		"state=dead&state=dead": "code malformed_request", "state=dead": "code ",
	} {
		err := h.Operator().Do(t.Context(), http.MethodGet, "/operator/v1/notices?"+query, nil, nil)
		if got := testkit.FieldErrors(t, err); got != want {
			t.Errorf("the operators' notices?%s: %s, want %s", query, got, want)
		}
	}
	err := h.Operator().Do(t.Context(), http.MethodGet, "/operator/v1/accounts?limit=1", nil, nil)
	if got := testkit.FieldErrors(t, err); got != "query unknown" {
		t.Errorf("the operators' accounts: %s", got)
	}
	// A page takes nothing from its query string, and links to pages are given parameters by mail
	// programs and search engines.
	empty := testkit.StartEmpty(t, testkit.SQLite.Config(t))
	for _, page := range []string{
		h.URL + "/docs", h.URL + "/docs/api", h.URL + "/openapi.json",
		empty.URL + "/setup/" + testkit.SetupToken(t, empty),
	} {
		if resp, text := testkit.Fetch(t, http.MethodGet,
			page+"?utm_source=mail"); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", page, resp.StatusCode, text)
		}
	}
}

// The zero time would be read as no time at all.
func TestATimeThatIsNoMomentIsNoMissingFilter(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	for _, name := range []string{"since", "until"} {
		for _, at := range []string{"0001-01-01T00:00:00Z", "0001-01-01T01:00:00%2B01:00"} {
			for _, path := range []string{testkit.TenantPath(tenant.ID), testkit.AccountPath(h.Account.ID)} {
				err := h.As(h.Owner).Do(t.Context(), http.MethodGet, path+"/audit?"+name+"="+at, nil, nil)
				if got := testkit.FieldErrors(t, err); got != name+" range" {
					t.Errorf("%s?%s=%s: %s", path, name, at, got)
				}
			}
		}
	}
}
