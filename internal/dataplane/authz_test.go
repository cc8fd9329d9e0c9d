package dataplane_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/proxy"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// identityOf returns the identity headers of a response, and fails the test if one is missing or is
// there twice.
func identityOf(t testing.TB, got checked) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{
		"Principal", "Key-Id", "Owner-Type", "Owner", "External-Id", "Plan", "Email", "Tenant", "Account", "Scopes",
		"Applications", "Transport", "Omitted",
	} {
		values := got.Header["X-Claviger-"+name]
		if len(values) != 1 {
			t.Errorf("X-Claviger-%s is there %d times", name, len(values))
			continue
		}
		if values[0] != "" {
			all[name] = values[0]
		}
	}
	return all
}

func TestAnAllowedRequestHasTheIdentityOfItsKey(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	k := g.key("applications:read", "scopes:read")
	got := g.ask(http.MethodPost, "/orders?a=b", bearer(k))
	want := map[string]string{
		"Principal": "key", "Key-Id": k.Key.ID, "Owner-Type": "user", "Owner": k.Key.Owner.ID,
		"Email": *k.Key.Owner.Email, "Tenant": string(g.tenant.ID), "Account": string(g.Account.ID),
		"Scopes": "applications:read scopes:read", "Applications": "*", "Transport": "bearer",
	}
	if diff := cmp.Diff(want, identityOf(t, got)); diff != "" {
		t.Errorf("the identity of a key:\n%s", diff)
	}
	if got.Status != http.StatusOK || got.Body != "" || got.Header.Get("Content-Length") != "0" ||
		got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("X-Request-Id") == "" {
		t.Errorf("answered %d %q %v", got.Status, got.Body, got.Header)
	}
	for transport, header := range map[string]http.Header{
		"basic":  {"Authorization": {basic(k)}},
		"header": {"X-Api-Key": {k.Credential.Value}},
	} {
		if via := identityOf(t, g.ask(http.MethodGet, "/", header))["Transport"]; via != transport {
			t.Errorf("the transport is %q, not %q", via, transport)
		}
	}
}

// basic returns the value of Authorization with the key.
func basic(k api.IssuedKey) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(k.Credential.ID+":"+k.Credential.Secret))
}

// create issues a key of the gate's tenant by its admin.
func (g *gate) create(n api.CreateKeyRequest) api.IssuedKey {
	g.t.Helper()
	n.Name = "Test key"
	return testkit.Must[api.IssuedKey](g.t)(g.owner.CreateKey(g.t.Context(), string(g.tenant.ID), n))
}

func TestAKeyWithEmptyListsHasEmptyHeaders(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	application := g.Application(g.tenant, "Gone")
	_, err := g.owner.ReplaceScopes(t.Context(), string(g.tenant.ID), []api.NewScope{{Name: "films:read"}})
	testkit.NoError(t, err)
	k := g.create(api.CreateKeyRequest{
		Scopes: []string{"films:read"}, ApplicationIDs: []string{string(application.ID)},
	})
	got := identityOf(t, g.ask(http.MethodGet, "/", bearer(k)))
	if got["Applications"] != string(application.ID) || got["Scopes"] != "films:read" {
		t.Errorf("before: %v", got)
	}
	testkit.NoError(t, g.owner.DeleteApplication(t.Context(), string(g.tenant.ID), string(application.ID)))
	_, err = g.owner.ReplaceScopes(t.Context(), string(g.tenant.ID), []api.NewScope{})
	testkit.NoError(t, err)
	got = identityOf(t, g.ask(http.MethodGet, "/", bearer(k)))
	if got["Applications"] != "" || got["Scopes"] != "" || got["Omitted"] != "" || got["Key-Id"] != k.Key.ID {
		t.Errorf("without an application and a scope: %v", got)
	}
}

func TestListsThatAreTooLongForAHeaderAreEmptyAndNamed(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	k := g.create(api.CreateKeyRequest{Scopes: []string{"*"}, AllApplications: true})
	for _, c := range []struct {
		scopes  int
		omitted string
	}{{28, ""}, {32, "scopes"}} {
		own := make([]api.NewScope, c.scopes)
		for i := range own {
			own[i].Name = fmt.Sprintf("a%02d:%s", i, strings.Repeat("x", 60))
		}
		_, err := g.owner.ReplaceScopes(t.Context(), string(g.tenant.ID), own)
		testkit.NoError(t, err)
		got := identityOf(t, g.ask(http.MethodGet, "/", bearer(k)))
		if got["Omitted"] != c.omitted || (got["Scopes"] == "") != (c.omitted != "") || got["Applications"] != "*" {
			t.Errorf("with %d scopes: %v", c.scopes, got)
		}
	}
}

func TestARuleTakesHeadersFromMetadata(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Envoy)
	g.entry(route.Entry{Name: "default", Tenant: g.tenant.ID, Hosts: []string{"api.example.com"}}, route.Rule{
		Path: pattern(t, "/{rest...}"), Headers: []route.Header{
			{Name: "X-Tier", Path: []string{"billing", "tier"}},
			{Name: "X-Count", Path: []string{"count"}},
			{Name: "X-Region", Owner: true, Path: []string{"region"}},
			{Name: "X-None", Path: []string{"billing"}},
			{Name: "X-Long", Path: []string{"long"}},
		},
	})
	_, err := g.owner.CreateSubject(t.Context(), string(g.tenant.ID), api.CreateSubjectRequest{
		ExternalID: "customer%1", Metadata: []byte(`{"region":"Köln 1%"}`),
	})
	testkit.NoError(t, err)
	k := g.create(api.CreateKeyRequest{
		Owner: &api.KeyOwner{Type: api.PartySubject, ExternalID: "customer%1"}, Scopes: []string{"*"},
		AllApplications: true,
		Metadata:        []byte(`{"billing":{"tier":"gold"},"count":12,"long":"` + strings.Repeat("x", 2049) + `"}`),
	})
	got := g.send(http.MethodGet, "/api/v1/authz/films", merge(bearer(k), http.Header{"Host": {"api.example.com"}}))
	for name, want := range map[string]string{
		"X-Tier": "gold", "X-Count": "12", "X-Region": "K%C3%B6ln 1%25", "X-None": "", "X-Long": "",
		"X-Claviger-External-Id": "customer%1", "X-Claviger-Owner-Type": "subject", "X-Claviger-Omitted": "x-long",
		"X-Envoy-Auth-Headers-To-Remove": "authorization,x-api-key,x-claviger-plan,x-claviger-email," +
			"x-claviger-scopes,x-none,x-long",
	} {
		if values := got.Header[name]; len(values) != 1 || values[0] != want {
			t.Errorf("%s is %q, want %q", name, values, want)
		}
	}
	g.entry(route.Entry{Name: "default", Tenant: g.tenant.ID, Hosts: []string{"api.example.com"}},
		route.Rule{Path: pattern(t, "/{rest...}"), Public: true})
	got = g.send(http.MethodGet, "/api/v1/authz/films", merge(bearer(k), http.Header{"Host": {"api.example.com"}}))
	if identity := identityOf(t, got); len(identity) > 0 {
		t.Errorf("a public rule names somebody: %v", identity)
	}
	if list := got.Header.Get("X-Envoy-Auth-Headers-To-Remove"); !strings.Contains(list, "x-claviger-owner,") {
		t.Errorf("the headers to remove are %q", list)
	}
}

func TestARefusalTellsTheClientWhatToDo(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	k := g.key("applications:read")
	got := g.ask(http.MethodGet, "/")
	challenges := []string{`Bearer realm="claviger"`, `Basic realm="claviger", charset="UTF-8"`}
	if diff := cmp.Diff(challenges, got.Header["Www-Authenticate"]); diff != "" || got.Status != 401 ||
		got.Header.Get("Content-Type") != "application/problem+json" ||
		got.Header.Get("X-Claviger-Code") != "api_key_invalid" {
		t.Errorf("without a key: %d %v\n%s", got.Status, got.Header, diff)
	}
	testkit.EditSettings(t, g.Server, g.tenant, `{"requests_per_minute":1}`)
	expect(t, "the first request", g.ask(http.MethodGet, "/", bearer(k)), "ok")
	for range 2 {
		got = g.ask(http.MethodGet, "/", bearer(k))
		if got.Status != http.StatusTooManyRequests || got.Header.Get("Retry-After") != "60" {
			t.Errorf("the second: %d, Retry-After %q", got.Status, got.Header.Get("Retry-After"))
		}
		got = g.send(http.MethodGet, "/api/v1/authz-refusal", nginx(http.MethodGet, "/", bearer(k)))
		if got.Status != http.StatusTooManyRequests || got.Header.Get("Retry-After") != "60" {
			t.Errorf("asked again: %d, Retry-After %q", got.Status, got.Header.Get("Retry-After"))
		}
	}
}

func TestARefusalHasTheDialectOfItsRule(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	rules := []route.Rule{}
	for _, name := range []string{"blazemeter", "loadrunner", "blazeauth", "blancco"} {
		rules = append(rules, route.Rule{Path: pattern(t, "/"+name), Dialect: name})
	}
	g.entry(route.Entry{Name: "default", Tenant: g.tenant.ID}, rules...)
	const detail = `Send one valid API key, for example as a bearer token in the Authorization header.`
	for _, path := range []string{"/api/v1/authz", "/api/v1/authz-refusal"} {
		for name, want := range map[string]string{
			"blazemeter": `{"error":{"code":401,"message":"Unauthorized"},"api_version":4,"result":null}`,
			"loadrunner": `{"message":"` + detail + `"}`,
			"blancco":    `{"message":"` + detail + `"}`,
			"blazeauth":  `{"success":false,"code":"api_key_invalid","message":"` + detail + `"}`,
		} {
			got := g.send(http.MethodGet, path, nginx(http.MethodGet, "/"+name))
			if got.Status != 401 || strings.TrimSpace(got.Body) != want || len(got.Header["Www-Authenticate"]) != 2 ||
				got.Header.Get("Content-Type") != "application/json" || got.code() != "api_key_invalid" {
				t.Errorf("%s: %d %s %v", name, got.Status, got.Body, got.Header)
			}
		}
	}
	expect(t, "no rule", g.ask(http.MethodGet, "/other", bearer(g.key("applications:read"))), "route_unknown")
}

// Asking again decides the same, counts nothing, and never allows.
func TestARefusedRequestIsDecidedAgainWithoutBeingCounted(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	k := g.key("applications:read")
	before := decisions(g)
	got := g.send(http.MethodGet, "/api/v1/authz-refusal", nginx(http.MethodGet, "/", bearer(k)))
	if got.Status != http.StatusForbidden || got.code() != "forbidden" || !strings.Contains(got.Body, "Send it again") {
		t.Errorf("a request that would be allowed: %d %s", got.Status, got.Body)
	}
	expect(t, "an ambiguous path", g.send(http.MethodGet, "/api/v1/authz-refusal", nginx(http.MethodGet, "//")),
		"path_ambiguous")
	expect(t, "no key", g.send(http.MethodGet, "/api/v1/authz-refusal", nginx(http.MethodGet, "/")), "api_key_invalid")
	if after := decisions(g); after != before {
		t.Errorf("%d decisions were counted", after-before)
	}
	if used := lastUse(t, g, k); used {
		t.Error("a use of the key was recorded")
	}
	expect(t, "a path", g.ask(http.MethodGet, "//"), "path_ambiguous")
	expect(t, "the key", g.ask(http.MethodGet, "/", bearer(k)), "ok")
	if after := decisions(g); after != before+2 {
		t.Errorf("%d decisions were counted, not 2", after-before)
	}
	if !lastUse(t, g, k) {
		t.Error("no use of the key was recorded")
	}
}

// decisions returns how many decisions were counted.
func decisions(g *gate) (n uint64) {
	g.Engine.Counts().Decisions.Each(func(count uint64, _ ...string) { n += count })
	return n
}

// lastUse reports whether a use of the key was recorded.
func lastUse(t testing.TB, g *gate, k api.IssuedKey) bool {
	t.Helper()
	testkit.NoError(t, g.Usage.Flush(t.Context(), g.Store))
	shown := testkit.Must[api.Key](t)(g.owner.Key(t.Context(), string(g.tenant.ID), k.Key.ID))
	return shown.LastUsedAt != nil
}

func TestACredentialThatCouldBeTwoIsRefused(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	k, other := g.key("applications:read"), g.key("applications:read")
	value := k.Credential.Value
	const ambiguous = "credential_ambiguous"
	sent := func(name string, values ...string) http.Header { return http.Header{name: values} }
	for name, c := range map[string]struct {
		header http.Header
		want   string
	}{
		"one":                         {bearer(k), "ok"},
		"Authorization twice":         {sent("Authorization", "Bearer "+value, "Bearer "+value), ambiguous},
		"Authorization joined":        {sent("Authorization", "Bearer "+value+", Bearer "+value), ambiguous},
		"Authorization with a comma":  {sent("Authorization", "Bearer "+value+","), ambiguous},
		"a key header twice":          {sent("X-Api-Key", value, other.Credential.Value), ambiguous},
		"a key header joined":         {sent("X-Api-Key", value+","+value), ambiguous},
		"a key header with something": {sent("X-Api-Key", "none, "+value), ambiguous},
		"two headers":                 {merge(bearer(k), sent("X-Api-Key", value)), ambiguous},
		"a list that is no key":       {merge(bearer(k), sent("X-Api-Key", "a, b")), "ok"},
		"in the query":                {http.Header{}, "api_key_invalid"},
	} {
		expect(t, name, g.ask(http.MethodGet, "/?key="+value, c.header), c.want)
	}
}

func TestAKeyOfAnotherTenantIsUnknown(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	other := g.Tenant("Other", nil)
	admin := g.As(g.Member(other, "Other Admin", scope.Admin))
	foreign := g.Key(admin, other, "applications:read")
	expect(t, "at a bound entry", g.ask(http.MethodGet, "/", bearer(foreign)), "api_key_invalid")
	testkit.NoError(t, testkit.ErrorOf(admin.RevokeKey(t.Context(), string(other.ID), foreign.Key.ID, "")))
	expect(t, "revoked", g.ask(http.MethodGet, "/", bearer(foreign)), "api_key_invalid")
	g.entry(route.Entry{Name: "free"},
		route.Rule{Path: pattern(t, "/theirs"), Tenant: other.ID}, route.Rule{Path: pattern(t, "/any")})
	fresh, ours := g.Key(admin, other, "applications:read"), g.key("applications:read")
	for _, c := range []struct {
		path string
		key  api.IssuedKey
		want string
	}{
		{"/theirs", fresh, "ok"},
		{"/theirs", ours, "api_key_invalid"},
		{"/any", fresh, "ok"},
		{"/any", ours, "ok"},
		{"/any", foreign, "api_key_revoked"},
		{"/theirs", foreign, "api_key_revoked"},
	} {
		got := g.send(http.MethodGet, "/api/v1/authz/free", nginx(http.MethodGet, c.path, bearer(c.key)))
		expect(t, c.path, got, c.want)
	}
	g.entry(route.Entry{Name: "both", Tenant: g.tenant.ID}, route.Rule{Path: pattern(t, "/"), Tenant: other.ID})
	for _, k := range []api.IssuedKey{fresh, ours} {
		expect(t, "a rule of another tenant",
			g.send(http.MethodGet, "/api/v1/authz/both", nginx(http.MethodGet, "/", bearer(k))), "api_key_invalid")
	}
}

func TestAnUnknownKeyOfAnotherTenantIsNotUsed(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	k := g.key("applications:read")
	g.entry(route.Entry{Name: "default", Tenant: g.Tenant("Other", nil).ID, Otherwise: route.AnyKey})
	expect(t, "a key of another tenant", g.ask(http.MethodGet, "/", bearer(k)), "api_key_invalid")
	if lastUse(t, g, k) {
		t.Error("its use was recorded")
	}
}

func TestAManagementKeyIsNoKey(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	account := testkit.ServiceAccount(t, g.owner, g.tenant, "Terraform", api.RoleMember)
	n := api.CreateManagementKeyRequest{
		Name: "Terraform", Permissions: []api.Permission{api.PermissionKeysRead},
		Owners: []api.PartyType{api.PartySubject},
	}
	k, err := g.owner.CreateManagementKey(t.Context(), string(g.tenant.ID), account.ID, n)
	testkit.NoError(t, err)
	header := http.Header{"Authorization": {"Bearer " + *k.Value}}
	expect(t, "a management key", g.ask(http.MethodGet, "/", header), "api_key_invalid")
}

func TestTheAddressOfAProxyIsNotThatOfTheClient(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	k := g.create(api.CreateKeyRequest{
		Scopes: []string{"applications:read"}, AllApplications: true,
		AllowedCIDRs: []string{"127.0.0.0/8", "198.51.100.0/24"},
	})
	for name, c := range map[string]struct {
		forwarded []string
		want      string
	}{
		"an allowed address":      {[]string{"198.51.100.7"}, "ok"},
		"another address":         {[]string{"192.0.2.1"}, "address_forbidden"},
		"a forged address before": {[]string{"198.51.100.7, 192.0.2.1"}, "address_forbidden"},
		"no address":              {nil, "address_forbidden"},
	} {
		header := bearer(k)
		header["X-Forwarded-For"] = c.forwarded
		expect(t, name, g.ask(http.MethodGet, "/", header), c.want)
	}
}

func TestARuleSaysWhatARequestNeeds(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	first, second := g.Application(g.tenant, "First"), g.Application(g.tenant, "Second")
	disabled := g.Application(g.tenant, "Disabled")
	_, err := g.owner.EditApplication(t.Context(), string(g.tenant.ID), string(disabled.ID),
		api.UpdateApplicationRequest{Status: api.To(api.StatusDisabled)})
	testkit.NoError(t, err)
	g.entry(route.Entry{Name: "default", Tenant: g.tenant.ID, Otherwise: route.Refuse},
		route.Rule{Path: pattern(t, "/all"), Scopes: []scope.Scope{"applications:read", "scopes:read"}},
		route.Rule{Path: pattern(t, "/any"), Scopes: []scope.Scope{"scopes:read", "audit:read"}, AnyScope: true},
		route.Rule{Path: pattern(t, "/apps/{app}"), Application: route.ApplicationSource{Path: "app"}},
		route.Rule{Path: pattern(t, "/every"), AllApplications: true},
		route.Rule{Path: pattern(t, "/people"), SessionOnly: true},
		route.Rule{Methods: []string{"GET"}, Path: pattern(t, "/read")})
	k := g.create(api.CreateKeyRequest{
		Scopes: []string{"applications:read"}, ApplicationIDs: []string{string(first.ID), string(disabled.ID)},
	})
	wide := g.key("applications:read", "scopes:read")
	person := g.cookie(g.Member(g.tenant, "Person", scope.Member))
	const forbidden = "application_forbidden"
	for _, c := range []struct {
		method, path          string
		key, wideKey, session string
	}{
		{"GET", "/all", "insufficient_scope", "ok", "ok"},
		{"GET", "/any", "insufficient_scope", "ok", "ok"},
		{"GET", "/apps/" + string(first.ID), "ok", "ok", "ok"},
		{"GET", "/apps/" + string(second.ID), "application_forbidden", "ok", "ok"},
		{"GET", "/apps/" + string(disabled.ID), forbidden, forbidden, forbidden},
		{"GET", "/apps/app_none", forbidden, forbidden, forbidden},
		{"GET", "/every", "application_forbidden", "ok", "ok"},
		{"GET", "/people", "session_required", "session_required", "ok"},
		{"GET", "/read", "ok", "ok", "ok"},
		{"HEAD", "/read", "ok", "ok", "ok"},
		{"PROPFIND", "/read", "route_unknown", "route_unknown", "route_unknown"},
		{"get", "/read", "route_unknown", "route_unknown", "route_unknown"},
		{"OPTIONS", "/all", "route_unknown", "route_unknown", "route_unknown"},
	} {
		what := c.method + " " + c.path
		expect(t, what+" by a key", g.ask(c.method, c.path, bearer(k)), c.key)
		expect(t, what+" by a key with more", g.ask(c.method, c.path, bearer(wide)), c.wideKey)
		expect(t, what+" by a person", g.ask(c.method, c.path, person), c.session)
	}
}

func TestNothingIsAllowedInDoubt(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	k, person := g.key("applications:read"), g.cookie(g.Member(g.tenant, "Person", scope.Member))
	expect(t, "before", g.ask(http.MethodGet, "/", bearer(k)), "ok")
	g.Engine.Halt()
	for _, path := range []string{"/api/v1/authz", "/api/v1/authz-refusal"} {
		for _, header := range []http.Header{bearer(k), person} {
			got := g.send(http.MethodGet, path, nginx(http.MethodGet, "/", header))
			if got.Status != http.StatusServiceUnavailable || got.code() != "unavailable" {
				t.Errorf("%s: %d %s", path, got.Status, got.Body)
			}
		}
	}
}

func TestRefusalsAreLoggedWithoutThePath(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	g.ask(http.MethodGet, "/secret-path?secret-query")
	log := g.Log.String()
	if !strings.Contains(log, "request refused") || !strings.Contains(log, "code=api_key_invalid") ||
		strings.Contains(log, "secret-") {
		t.Errorf("the log:\n%s", log)
	}
}
