package manageapi_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// versionedEdits are the operations that edit an object. Every PATCH and PUT of the management API
// is one.
var versionedEdits = []struct {
	operation string
	// show is the path that shows the object. A list stands for its item with the id of the path.
	show string
	// bodies are two different edits.
	bodies [2]string
}{
	{"PATCH /api/v1/accounts/{account}", "/api/v1/accounts/{account}", [2]string{
		`{"name":"One name"}`, `{"name":"Other name"}`,
	}},
	{"PATCH /api/v1/accounts/{account}/policy", "/api/v1/accounts/{account}/policy", [2]string{
		`{"max_lifetime_days":365}`, `{"max_lifetime_days":180}`,
	}},
	{"PUT /api/v1/accounts/{account}/members/{user}", "/api/v1/accounts/{account}/members", [2]string{
		`{"role":"owner"}`, `{"role":"admin"}`,
	}},
	{"PATCH /api/v1/me", "/api/v1/me", [2]string{`{"name":"One Name"}`, `{"name":"Other Name"}`}},
	{"PATCH /api/v1/tenants/{tenant}", "/api/v1/tenants/{tenant}", [2]string{
		`{"settings":{"idle_days":30}}`, `{"settings":{"idle_days":null}}`,
	}},
	{"PATCH /api/v1/tenants/{tenant}/members/{user}", "/api/v1/tenants/{tenant}/members", [2]string{
		`{"role":"auditor"}`, `{"role":"member"}`,
	}},
	{"PUT /api/v1/tenants/{tenant}/scopes", "/api/v1/tenants/{tenant}/scopes", [2]string{
		`{"items":[{"name":"films:write","roles":["admin"]}]}`, `{"items":[{"name":"films:write","roles":["member"]}]}`,
	}},
	{"PUT /api/v1/tenants/{tenant}/scopes/{name}", "/api/v1/tenants/{tenant}/scopes", [2]string{
		`{"description":"One"}`, `{"description":"<Other> & more"}`,
	}},
	{
		"PATCH /api/v1/tenants/{tenant}/applications/{application}",
		"/api/v1/tenants/{tenant}/applications/{application}",
		[2]string{`{"description":"<One> & more"}`, `{"description":null}`},
	},
	{
		"PUT /api/v1/tenants/{tenant}/applications/{application}/routes",
		"/api/v1/tenants/{tenant}/applications/{application}/routes",
		[2]string{`{"items":[{"path":"/films"}]}`, `{"items":[]}`},
	},
	{"PATCH /api/v1/tenants/{tenant}/keys/{key}", "/api/v1/tenants/{tenant}/keys/{key}", [2]string{
		`{"metadata":{"a":1}}`, `{"metadata":null}`,
	}},
	{"PATCH /api/v1/tenants/{tenant}/plans/{plan}", "/api/v1/tenants/{tenant}/plans/{plan}", [2]string{
		`{"all_applications":true}`, `{"application_ids":["{application}"]}`,
	}},
	{"PATCH /api/v1/tenants/{tenant}/subjects/{subject}", "/api/v1/tenants/{tenant}/subjects/{subject}", [2]string{
		`{"name":"One name"}`, `{"name":null}`,
	}},
	{
		"PATCH /api/v1/tenants/{tenant}/service-accounts/{service_account}",
		"/api/v1/tenants/{tenant}/service-accounts/{service_account}",
		[2]string{`{"role":"auditor"}`, `{"role":"member"}`},
	},
	{
		"PATCH /api/v1/tenants/{tenant}/service-accounts/{service_account}/management-keys/{management_key}",
		"/api/v1/tenants/{tenant}/service-accounts/{service_account}/management-keys/{management_key}",
		[2]string{`{"name":"One name"}`, `{"name":"Other name"}`},
	},
}

func TestEveryEditOfTheDocumentAcceptsIfMatch(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	_, operations, _ := testkit.ReadOpenAPI(t, h)
	var edits []string
	for _, op := range operations {
		takes := false
		for _, p := range op.Parameters {
			takes = takes || p.Name == "If-Match" && p.In == "header"
		}
		isEdit := op.Method == http.MethodPatch || op.Method == http.MethodPut
		if op.OperationID == "set-two-factor" || op.OperationID == "set-avatar" {
			isEdit = false // it replaces what nobody has read to edit it
		}
		if isEdit != takes {
			t.Errorf("%s %s accepts If-Match: %v", op.Method, op.Path, takes)
		}
		if takes {
			edits = append(edits, op.Method+" "+op.Path)
		}
	}
	var tested []string
	for _, e := range versionedEdits {
		tested = append(tested, e.operation)
	}
	slices.Sort(edits)
	slices.Sort(tested)
	if diff := cmp.Diff(edits, tested); diff != "" {
		t.Errorf("not each of them has a test: %s", diff)
	}
}

// editor is an owner of the account who sends requests to a server with one object of each kind.
type editor struct {
	*testkit.Server
	t      *testing.T
	cookie string
	// ids has the parameters of paths.
	ids    *strings.Replacer
	tenant tenancy.Tenant
}

func newEditor(t *testing.T) *editor {
	t.Helper()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	h.Join(tenant, h.Owner, scope.Admin)
	c, ctx := h.As(h.Owner), t.Context()
	id := string(tenant.ID)
	e := &editor{Server: h, t: t, cookie: string(c.SaveSession()), tenant: tenant}
	member := string(h.Member(tenant, "A Member", scope.Member).ID)
	testkit.Must[api.Member](t)(c.SetAccountMember(ctx, string(h.Account.ID), member, api.RoleAdmin))
	testkit.Must[api.Scope](t)(c.PutScope(ctx, id, "films:write", api.PutScopeRequest{}))
	app := h.Application(tenant, "Films API")
	plan := testkit.Must[api.Plan](t)(c.CreatePlan(ctx, id, api.CreatePlanRequest{
		Name: "free", Scopes: []string{"films:write"}, ApplicationIDs: []string{string(app.ID)},
	}))
	subject := testkit.Must[api.Subject](t)(c.CreateSubject(ctx, id, api.CreateSubjectRequest{ExternalID: "c-1"}))
	robot := testkit.Must[api.ServiceAccount](t)(c.CreateServiceAccount(ctx, id,
		api.CreateServiceAccountRequest{Name: "Robot", Role: api.RoleMember}))
	management := testkit.Must[api.IssuedManagementKey](t)(c.CreateManagementKey(ctx, id, robot.ID,
		api.CreateManagementKeyRequest{
			Name: "Program", Permissions: []api.Permission{api.PermissionKeysRead},
			Owners:   []api.PartyType{api.PartyServiceAccount},
			Ceilings: api.ManagementCeilingsRequest{Scopes: []string{"*"}, AllApplications: true},
		}))
	e.ids = strings.NewReplacer("{account}", string(h.Account.ID), "{tenant}", id, "{user}", member,
		"{name}", "films:write", "{application}", string(app.ID), "{key}", h.Key(c, tenant, "films:write").Key.ID,
		"{plan}", plan.Name, "{subject}", subject.ID, "{service_account}", robot.ID, "{management_key}", management.ID)
	return e
}

// answer is a response to the editor.
type answer struct {
	status int
	etag   string
	body   string
}

// send sends a request with the values of If-Match.
func (e *editor) send(method, path, body string, match ...string) answer {
	e.t.Helper()
	header := http.Header{"Cookie": {e.cookie}, "If-Match": match}
	if body != "" {
		header.Set("Content-Type", "application/json")
	}
	status, headers, text := testkit.Send(e.t, e.Server, method, e.ids.Replace(path), header, e.ids.Replace(body))
	return answer{status, headers.Get("ETag"), strings.TrimSpace(string(text))}
}

// show returns the object that the path shows: that of the edited path, if it shows a list of
// items.
func (e *editor) show(show, edited string) string {
	e.t.Helper()
	shown := e.send(http.MethodGet, show, "")
	if shown.status != http.StatusOK {
		e.t.Fatalf("GET %s: %d %s", show, shown.status, shown.body)
	}
	_, last, _ := strings.Cut(edited, show+"/")
	if last == "" {
		if want := `"` + e.version(shown.body) + `"`; shown.etag != want {
			e.t.Errorf("GET %s: the ETag is %s, want %s", show, shown.etag, want)
		}
		return shown.body
	}
	var list api.List[json.RawMessage]
	testkit.NoError(e.t, json.Unmarshal([]byte(shown.body), &list))
	for _, item := range list.Items {
		if strings.Contains(string(item), `"`+e.ids.Replace(last)+`"`) {
			return string(item)
		}
	}
	e.t.Fatalf("GET %s does not show %s", show, last)
	return ""
}

// version returns the version of an object.
func (e *editor) version(object string) string {
	e.t.Helper()
	var o struct{ Version string }
	testkit.NoError(e.t, json.Unmarshal([]byte(object), &o))
	if o.Version == "" {
		e.t.Fatalf("%s has no version", object)
	}
	return o.Version
}

// present returns the object in a problem document.
func (e *editor) present(problem string) string {
	e.t.Helper()
	var p struct {
		Code    api.Code
		Present json.RawMessage
	}
	testkit.NoError(e.t, json.Unmarshal([]byte(problem), &p))
	if p.Code != api.Conflict {
		e.t.Errorf("the code is %s", p.Code)
	}
	return string(p.Present)
}

func TestAnEditOfAnotherVersionIsRefusedWithThePresentObject(t *testing.T) {
	t.Parallel()
	e := newEditor(t)
	for _, c := range versionedEdits {
		method, path, _ := strings.Cut(c.operation, " ")
		expectConflict := func(what string, match ...string) {
			t.Helper()
			before := e.show(c.show, path)
			refused := e.send(method, path, c.bodies[0], match...)
			if refused.status != http.StatusConflict || e.present(refused.body) != before {
				t.Errorf("%s with %s: %d %s, the object is %s", c.operation, what, refused.status, refused.body, before)
			}
			if after := e.show(c.show, path); after != before {
				t.Errorf("%s with %s changed %s to %s", c.operation, what, before, after)
			}
		}
		read := `"` + e.version(e.show(c.show, path)) + `"`
		expectConflict("another version", `"another"`)
		expectConflict("a weak tag", "W/"+read)
		expectConflict("versions that are all other ones", `"another", "yet-another"`)
		for _, step := range []struct {
			body  string
			match []string
		}{
			{c.bodies[0], []string{read}},
			{c.bodies[1], []string{`"another"`, "%"}},
			{c.bodies[0], []string{`W/"x", %`}},
			{c.bodies[1], []string{"*"}},
			{c.bodies[0], nil},
		} {
			now := `"` + e.version(e.show(c.show, path)) + `"`
			for i := range step.match {
				step.match[i] = strings.ReplaceAll(step.match[i], "%", now)
			}
			done := e.send(method, path, step.body, step.match...)
			if done.status != http.StatusOK {
				t.Fatalf("%s with If-Match %q: %d %s", c.operation, step.match, done.status, done.body)
			}
			if done.etag == now || done.etag != `"`+e.version(done.body)+`"` {
				t.Errorf("%s: the ETag is %s, before %s; it answered %s", c.operation, done.etag, now, done.body)
			}
			if shown := e.show(c.show, path); shown != done.body {
				t.Errorf("%s answered %s, the object is %s", c.operation, done.body, shown)
			}
			expectConflict("the version before", now)
		}
		for _, malformed := range []string{"", `"`, "abc", `"a" "b"`, `*, "a"`} {
			if got := e.send(method, path, c.bodies[1], malformed); got.status != http.StatusUnprocessableEntity ||
				!strings.Contains(got.body, `"field":"If-Match","code":"form"`) {
				t.Errorf("%s with If-Match %s: %d %s", c.operation, malformed, got.status, got.body)
			}
		}
	}
}

// A sender of If-Match relies on it. What does not exist has no version.
func TestIfMatchIsNeverIgnored(t *testing.T) {
	t.Parallel()
	e := newEditor(t)
	const app = "/api/v1/tenants/{tenant}/applications/{application}"
	for _, operation := range []string{
		"DELETE " + app, "POST /api/v1/tenants/{tenant}/keys/{key}/disable",
		"DELETE /api/v1/tenants/{tenant}/scopes/{name}", "POST /api/v1/tenants/{tenant}/applications",
	} {
		method, path, _ := strings.Cut(operation, " ")
		if got := e.send(method, path, "", "*"); got.status != http.StatusUnprocessableEntity ||
			!strings.Contains(got.body, `"field":"If-Match","code":"unsupported"`) {
			t.Errorf("%s: %d %s", operation, got.status, got.body)
		}
	}
	newcomer := e.Member(e.tenant, "A Newcomer", scope.Member)
	for operation, body := range map[string]string{
		"PUT /api/v1/tenants/{tenant}/scopes/films:list":                `{}`,
		"PUT /api/v1/accounts/{account}/members/" + string(newcomer.ID): `{"role":"admin"}`,
	} {
		method, path, _ := strings.Cut(operation, " ")
		for _, match := range []string{"*", `"another"`} {
			got := e.send(method, path, body, match)
			if got.status != http.StatusConflict || e.present(got.body) != "" {
				t.Errorf("%s with If-Match %s: %d %s", operation, match, got.status, got.body)
			}
		}
		if got := e.send(method, path, body); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", operation, got.status, got.body)
		}
	}
	if got := e.send(http.MethodGet, app, "", `"another"`); got.status != http.StatusOK {
		t.Errorf("reading: %d %s", got.status, got.body)
	}
}

// A program that reads the rules, changes some and sends them back need not know of headers.
func TestRouteRulesThatAreSentBackCarryTheirVersion(t *testing.T) {
	t.Parallel()
	e := newEditor(t)
	const path = "/api/v1/tenants/{tenant}/applications/{application}/routes"
	read := e.show(path, path)
	changed := strings.Replace(read, `"items":[]`, `"items":[{"path":"/films"}]`, 1)
	for _, step := range []struct {
		name, body string
		match      []string
		want       int
	}{
		{"as it was read, with a rule", changed, nil, http.StatusOK},
		{"once more", changed, nil, http.StatusConflict},
		{"whatever is there", changed, []string{"*"}, http.StatusOK},
		{"no version", `{"items":[]}`, nil, http.StatusOK},
		{"another version in the header", changed, []string{`"another"`}, http.StatusConflict},
		{"no version at all", `{"items":[],"version":""}`, nil, http.StatusOK},
		{"two versions", `{"items":[],"version":"a b"}`, nil, http.StatusUnprocessableEntity},
	} {
		if got := e.send(http.MethodPut, path, step.body, step.match...); got.status != step.want {
			t.Errorf("%s: %d %s", step.name, got.status, got.body)
		}
	}
}
