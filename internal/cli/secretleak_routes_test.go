package cli_test

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/sample"
	"github.com/claviger-dev/claviger/internal/testkit/totp"
)

// operation is an operation of the OpenAPI document, with the names of its inputs.
type operation struct {
	method, path              string
	queries, headers, members []string
	// form is set if the body is a form and not JSON. members are then its parameters.
	form bool
}

// String returns the operation as a pattern of http.ServeMux.
func (o operation) String() string { return o.method + " " + o.path }

// readOperations reads the operations from the OpenAPI document of the server.
func (f *traffic) readOperations() {
	f.t.Helper()
	_, text := f.send(request{method: "GET", path: "/openapi.json"})
	type schema struct {
		Ref        string `json:"$ref"`
		Properties map[string]any
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters  []struct{ In, Name string }
			RequestBody struct {
				Content map[string]struct{ Schema schema }
			}
		}
		Components struct{ Schemas map[string]schema }
	}
	must(f.t, json.Unmarshal(text, &doc))
	f.mux = http.NewServeMux()
	f.used = map[string]bool{}
	f.operations = nil
	for path, methods := range doc.Paths {
		for method, described := range methods {
			o := operation{method: strings.ToUpper(method), path: path}
			for _, p := range described.Parameters {
				switch p.In {
				case "query":
					o.queries = append(o.queries, p.Name)
				case "header":
					o.headers = append(o.headers, p.Name)
				}
			}
			_, name, _ := strings.Cut(described.RequestBody.Content["application/json"].Schema.Ref,
				"#/components/schemas/")
			o.members = slices.Sorted(maps.Keys(doc.Components.Schemas[name].Properties))
			if content, form := described.RequestBody.Content[formType]; form {
				o.members, o.form = slices.Sorted(maps.Keys(content.Schema.Properties)), true
			}
			f.operations = append(f.operations, o)
			f.mux.HandleFunc(o.String(), nobody)
		}
	}
	slices.SortFunc(f.operations, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
}

// formType is the media type of a form.
const formType = "application/x-www-form-urlencoded"

// nobody is a handler that serves nothing: the mux only finds the operation of a request.
func nobody(http.ResponseWriter, *http.Request) {}

var (
	parameter = regexp.MustCompile(`\{(\w+)\}`)
	// nowhere has an id without an object for every parameter.
	nowhere = func(string) string { return "x" }
)

// at returns the path with the values of its parameters.
func (o operation) at(value func(name string) string) string { return fill(o.path, value) }

// fill replaces {names} by values.
func fill(text string, value func(name string) string) string {
	return parameter.ReplaceAllStringFunc(text, func(p string) string { return value(p[1 : len(p)-1]) })
}

// misplaced returns requests with a secret in every input of an operation, where a client could put
// it by mistake. The objects do not exist, so that the requests change nothing.
func (o operation) misplaced(s, cookie string) []request {
	var list []request
	for _, line := range []string{
		bearer(s), basicAuth(s, s), "Authorization: " + s, "Authorization: Basic " + s, "X-API-Key: " + s,
		"Cookie: claviger=" + s, "User-Agent: " + s, "X-Forwarded-For: " + s,
	} {
		list = append(list, request{o.method, o.at(nowhere), []string{line}, ""})
	}
	signedIn := func(path, body string, header ...string) {
		list = append(list, request{o.method, path, append(header, cookie), body})
	}
	for _, name := range append(o.queries, "key") {
		signedIn(o.at(nowhere)+"?"+name+"="+url.QueryEscape(s), "")
	}
	signedIn(o.at(nowhere)+"?"+url.QueryEscape(s), "")
	signedIn(o.at(nowhere)+"/"+url.PathEscape(s), "")
	for _, p := range parameter.FindAllString(o.path, -1) {
		signedIn(fill(strings.Replace(o.path, p, url.PathEscape(s), 1), nowhere), "")
	}
	for _, name := range o.headers {
		signedIn(o.at(nowhere), "", name+": "+s)
	}
	for _, body := range o.misplacedBodies(s) {
		signedIn(o.at(nowhere), body)
	}
	for _, body := range o.misplacedForms(s) {
		signedIn(o.at(nowhere), body, "Content-Type: "+formType)
	}
	return list
}

// misplacedBodies returns bodies with the secret in each member, in several forms, and outside of
// the object. They omit names, which the server stores as they are.
func (o operation) misplacedBodies(s string) []string {
	if len(o.members) == 0 || o.form {
		return nil
	}
	q := `"` + quotedJSON(s, false)
	list := []string{`{` + q + `":` + q + `"}`, q + `"`, s, `{"x":` + q}
	for _, m := range o.members {
		list = append(list, `{"`+m+`":`+q+"\\u0001\"}", `{"`+m+`":[`+q+`"]}`, `{"`+m+`":{`+q+`":`+q+`"}}`)
		if m != "name" {
			list = append(list, `{"`+m+`":`+q+`"}`)
		}
	}
	return list
}

// misplacedForms returns forms with the secret in each parameter, in all of them, and outside of
// them.
func (o operation) misplacedForms(s string) []string {
	if !o.form {
		return nil
	}
	q := url.QueryEscape(s)
	list, all := []string{q, s, q + "=" + q, "%x" + q}, url.Values{}
	for _, m := range o.members {
		list = append(list, m+"="+q, m+"="+q+"&"+m+"="+q)
		all.Set(m, s)
	}
	return append(list, all.Encode())
}

// misplace sends a misplaced secret to every operation.
func (f *traffic) misplace(secrets ...string) {
	f.t.Helper()
	for _, o := range f.operations {
		for _, s := range secrets {
			for _, r := range o.misplaced(s, f.cookie) {
				f.ask(anyAnswer, r)
			}
		}
	}
}

// requireAllUsed requires that every operation succeeded at least once.
func (f *traffic) requireAllUsed() {
	f.t.Helper()
	for _, o := range f.operations {
		if !f.used[o.String()] {
			f.t.Errorf("nothing uses %s rightly: it needs a line in usesBefore or usesAfter", o)
		}
	}
}

// use is a valid request of an operation, with {names} for objects.
type use struct {
	operation string
	body      string
	// gives is the name for the object in the answer.
	gives string
	// guest is set if the second user sends the request. begins is set if it begins a session: the
	// server then stores the client's headers.
	guest, begins bool
	// program is set if the management key sends the request, without a session.
	program bool
	// form is set if the body is a form with the credentials of the client, who has no session.
	form bool
	// header has lines to add. The request then has no session.
	header []string
	// picture is set if the body is a GIF.
	picture bool
	// refused is the status of an operation that has no other answer than a refusal.
	refused int
}

// dotGIF is a picture of one pixel.
const dotGIF = "GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00" +
	"\x00\x02\x02D\x01\x00;"

// clientForm has the credentials of a client in a form: the key that was issued last.
const clientForm = "client_id={client_id}&client_secret={client_secret}"

const managementKeys = "/api/v1/tenants/{tenant}/service-accounts/{service_account}/management-keys"

// The uses of all operations that change something, in order. All reading operations run between
// the two lists.
var (
	usesBefore = []use{
		{
			operation: "POST /api/v1/tenants", body: `{"account_id":"{account}","name":"A tenant","preset":"standard"}`,
			gives: "tenant",
		},
		{
			operation: "PATCH /api/v1/tenants/{tenant}",
			body: `{"settings":{"disclosure":"recoverable","keys_per_user":null,` +
				`"transports":["bearer","basic","header","oauth"]}}`,
		},
		{operation: "PATCH /api/v1/accounts/{account}", body: `{"name":"An account"}`},
		{operation: "PATCH /api/v1/accounts/{account}/policy", body: `{"max_lifetime_days":3650}`},
		{operation: "PUT /api/v1/tenants/{tenant}/scopes", body: `{"items":[{"name":"reports:export"}]}`},
		{operation: "PUT /api/v1/tenants/{tenant}/scopes/{name}", body: `{"description":"To read reports"}`},
		{operation: "DELETE /api/v1/tenants/{tenant}/scopes/{name}"},
		{
			operation: "POST /api/v1/tenants/{tenant}/applications", body: `{"name":"An application"}`,
			gives: "application",
		},
		{operation: "PATCH /api/v1/tenants/{tenant}/applications/{application}", body: `{"name":"Another name"}`},
		{
			operation: "PUT /api/v1/tenants/{tenant}/applications/{application}/routes",
			body:      `{"items":[{"path":"/orders/{id}"}]}`,
		},
		{
			operation: "POST /api/v1/tenants/{tenant}/service-accounts", body: `{"name":"A robot","role":"member"}`,
			gives: "service_account",
		},
		{
			operation: "PATCH /api/v1/tenants/{tenant}/service-accounts/{service_account}",
			body:      `{"name":"Another name"}`,
		},
		{operation: "POST /api/v1/tenants/{tenant}/service-accounts/{service_account}/disable"},
		{operation: "POST /api/v1/tenants/{tenant}/service-accounts/{service_account}/enable"},
		{
			operation: "POST " + managementKeys,
			body: `{"name":"A program","permissions":["keys:read"],"owners":["user"],` +
				`"ceilings":{"scopes":["*"],"all_applications":true}}`, gives: "management_key",
		},
		{operation: "PATCH " + managementKeys + "/{management_key}", body: `{"name":"Another name"}`},
		{operation: "POST " + managementKeys + "/{management_key}/refresh", body: `{"overlap_seconds":600}`},
		{
			operation: "POST /api/v1/tenants/{tenant}/plans",
			body:      `{"name":"free","scopes":["*"],"all_applications":true}`, gives: "plan",
		},
		{operation: "PATCH /api/v1/tenants/{tenant}/plans/{plan}", body: `{"scopes":["reports:export"]}`},
		{
			operation: "POST /api/v1/tenants/{tenant}/subjects", body: `{"external_id":"customer-1"}`,
			gives: "subject",
		},
		{operation: "PATCH /api/v1/tenants/{tenant}/subjects/{subject}", body: `{"name":"A customer"}`},
		{operation: "POST /api/v1/tenants/{tenant}/subjects/{subject}/disable"},
		{operation: "POST /api/v1/tenants/{tenant}/subjects/{subject}/enable"},
		{
			operation: "POST /api/v1/tenants/{tenant}/keys",
			body:      `{"name":"A key","scopes":["applications:read"],"all_applications":true}`, gives: "key",
		},
		{operation: "PATCH /api/v1/tenants/{tenant}/keys/{key}", body: `{"name":"Another name"}`},
		{operation: "POST /api/v1/tenants/{tenant}/keys/{key}/refresh", body: `{"overlap_seconds":600}`},
		{
			operation: "POST /oauth2/token", form: true,
			body: "grant_type=client_credentials&scope=applications:read&" + clientForm,
		},
		{operation: "POST /oauth2/introspect", form: true, body: "token={access_token}&" + clientForm},
		{operation: "PATCH /api/v1/tenants/{tenant}", body: `{"settings":{"token_format":"jwt"}}`},
		{operation: "POST /oauth2/token", form: true, body: "grant_type=client_credentials&" + clientForm},
		{operation: "POST /oauth2/introspect", form: true, body: "token={access_token}&" + clientForm},
		{operation: "POST /oauth2/revoke", form: true, body: "token={access_token}&" + clientForm},
		{operation: "PATCH /api/v1/tenants/{tenant}", body: `{"settings":{"token_format":"opaque"}}`},
		{operation: "POST /oauth2/token", form: true, body: "grant_type=client_credentials&" + clientForm},
		{operation: "GET /api/v1/whoami", header: []string{"Authorization: Bearer {access_token}"}},
		{operation: "POST /api/v1/verify", body: `{"credential":"{access_token}"}`},
		{
			operation: "POST /api/v1/verify/batch",
			body:      `{"items":[{"credential":"{access_token}"},{"credential":"{value}","ip":"{value}"}]}`,
		},
		{
			operation: "POST /api/v1/tenants/{tenant}/members",
			body:      `{"email":"guest@claviger.example","role":"member"}`,
		},
		{
			operation: "POST /api/v1/invitations/{token}", body: `{"name":"A guest","password":"{first}"}`,
			gives: "user",
			guest: true, begins: true,
		},
		{
			operation: "POST /api/v1/session", body: `{"email":"guest@claviger.example","password":"{first}"}`,
			guest: true, begins: true,
		},
		{operation: "PUT /api/v1/me/avatar", body: dotGIF, picture: true, guest: true},
		{
			operation: "POST /api/v1/tenants/{tenant}/members",
			body:      `{"email":"another@claviger.example","role":"member"}`, gives: "invitation",
		},
		{operation: "POST /api/v1/tenants/{tenant}/invitations/{invitation}/resend"},
		{operation: "PUT /api/v1/accounts/{account}/members/{user}", body: `{"role":"admin"}`},
		{operation: "PATCH /api/v1/tenants/{tenant}/members/{user}", body: `{"role":"admin"}`},
	}
	usesAfter = []use{
		{operation: "POST /oauth2/revoke", form: true, body: "token={access_token}&" + clientForm},
		{operation: "POST /api/v1/tenants/{tenant}/keys/{key}/reveal"},
		{operation: "DELETE /api/v1/tenants/{tenant}/keys/{key}/previous"},
		{operation: "POST /api/v1/tenants/{tenant}/keys/{key}/disable"},
		{operation: "POST /api/v1/tenants/{tenant}/keys/{key}/enable"},
		{operation: "POST /api/v1/tenants/{tenant}/keys/{key}/revoke", body: `{"reason":"Why not?"}`},
		{operation: "POST /api/v1/tenants/{tenant}/keys/disable", body: `{"ids":["{key}"]}`},
		{operation: "POST /api/v1/tenants/{tenant}/keys/revoke", body: `{"ids":["{key}"]}`},
		{operation: "DELETE /api/v1/tenants/{tenant}/keys/{key}"},
		{
			operation: "POST /api/v1/tenants/{tenant}/keys",
			body: `{"name":"A key for another","scopes":["applications:read"],"all_applications":true,` +
				`"owner_id":"{user}","delivery":"link"}`, gives: "key",
		},
		{operation: "POST /api/v1/tenants/{tenant}/keys/{key}/claim-link"},
		{operation: "POST /api/v1/claims/{token}", guest: true},
		{operation: "POST /api/v1/verify", body: `{"credential":"{value}"}`},
		{operation: "DELETE /api/v1/tenants/{tenant}/applications/{application}"},
		{operation: "DELETE " + managementKeys + "/{management_key}/previous"},
		{operation: "POST " + managementKeys + "/{management_key}/revoke", body: `{"reason":"Why not?"}`},
		{operation: "DELETE " + managementKeys + "/{management_key}"},
		{operation: "DELETE /api/v1/tenants/{tenant}/service-accounts/{service_account}"},
		{operation: "DELETE /api/v1/tenants/{tenant}/subjects/{subject}"},
		{operation: "DELETE /api/v1/tenants/{tenant}/plans/{plan}"},
		{operation: "DELETE /api/v1/tenants/{tenant}/invitations/{invitation}"},
		{operation: "DELETE /api/v1/accounts/{account}/members/{user}"},
		{operation: "DELETE /api/v1/tenants/{tenant}/members/{user}"},
		{operation: "PATCH /api/v1/me", body: `{"name":"Another name"}`, guest: true},
		{operation: "DELETE /api/v1/me/avatar", guest: true},
		{
			operation: "POST /api/v1/me/email", body: `{"email":"next@claviger.example"}`, guest: true,
			refused: http.StatusConflict,
		},
		{operation: "POST /api/v1/email-changes/{token}", guest: true, refused: http.StatusNotFound},
		{operation: "DELETE /api/v1/me/sessions/{session}", guest: true},
		{
			operation: "POST /api/v1/me/password", body: `{"current_password":"{first}","new_password":"{second}"}`,
			guest: true, begins: true,
		},
		{operation: "POST /api/v1/password-resets", body: `{"email":"guest@claviger.example"}`, guest: true},
		{
			operation: "POST /api/v1/session", body: `{"email":"guest@claviger.example","password":"{second}"}`,
			guest: true, begins: true,
		},
		{operation: "PUT /api/v1/me/two-factor", body: `{}`, guest: true},
		{
			operation: "PUT /api/v1/me/two-factor", body: `{"setup":"{setup}","code":"{code}"}`,
			guest: true, begins: true,
		},
		{operation: "POST /api/v1/me/two-factor/recovery-codes", guest: true},
		{operation: "DELETE /api/v1/me/two-factor", guest: true, begins: true},
		{operation: "DELETE /api/v1/session", guest: true},
		{
			operation: "POST /api/v1/session", body: `{"email":"guest@claviger.example","password":"{second}"}`,
			guest: true, begins: true,
		},
		{operation: "DELETE /api/v1/me", guest: true},
	}
	// usesReading are the reading operations that need more than a session.
	usesReading = map[string]use{
		"/api/v1/management/self": {program: true},
		"/api/v1/authz":           {header: checkRequest},
		"/api/v1/authz-refusal":   {header: checkRequest, refused: http.StatusForbidden},
	}
	// checkRequest is what a proxy asks about: a request with a key of the tenant of the entry.
	checkRequest = []string{
		"X-Forwarded-Method: GET", "X-Forwarded-Uri: /orders/1?key={beside}", "Authorization: Bearer {checked}",
	}
)

// useEverything uses every operation correctly, and adds secrets to each request that the server
// must ignore.
func (f *traffic) useEverything(line sample.Sample, beside string) {
	f.t.Helper()
	first, second := newCanary("the guest's password", `guest / "horse" ? battery & stable`),
		newCanary("the guest's new password", `another guest \ <horse> & battery`)
	f.guard(first, second)
	f.names = map[string]string{
		"account": line.AccountID, "name": "reports:read",
		"checked": line.Tenants[0].Key.Value, "beside": url.QueryEscape(beside),
		"first":  quotedJSON(first.text, false),
		"second": quotedJSON(second.text, false),
	}
	owner, guest := f.cookie, ""
	do := func(u use) {
		f.t.Helper()
		f.cookie = owner
		if u.guest {
			f.cookie = guest
		}
		f.do(u, beside)
		if u.guest {
			guest = f.cookie
		}
		f.cookie = owner
	}
	for _, u := range usesBefore {
		do(u)
	}
	f.names["session"] = f.anotherSession(guest)
	for _, o := range f.operations {
		if o.method == "GET" {
			u := usesReading[o.path]
			u.operation = o.String()
			do(u)
		}
	}
	for _, u := range usesAfter {
		do(u)
	}
}

// do sends a request that must succeed. If the answer contains a secret, do guards the secret and
// does not store the answer.
func (f *traffic) do(u use, beside string) {
	f.t.Helper()
	named := func(name string) string { return f.names[name] }
	r := request{header: []string{
		"Cookie: other=" + beside,
		"Referer: https://x.example/?key=" + url.QueryEscape(beside), "X-Other: " + beside,
	}, body: fill(u.body, named)}
	r.method, r.path, _ = strings.Cut(fill(u.operation, named), " ")
	switch {
	case u.form:
		r.header = append(r.header, "Content-Type: "+formType)
	case u.header != nil:
		for _, line := range u.header {
			r.header = append(r.header, fill(line, named))
		}
	case u.program:
		r.header = append(r.header, bearer(f.names["management_value"]))
	case f.cookie != "":
		r.header = append(r.header, f.cookie)
	}
	if u.picture {
		r.header = append(r.header, "Content-Type: image/gif")
	}
	if !u.begins {
		r.header = append(r.header, "User-Agent: "+beside)
	}
	if r.method == "POST" {
		f.done++
		r.header = append(r.header, "Idempotency-Key: "+beside+strconv.Itoa(f.done))
	}
	resp, answer := f.send(r)
	if resp.StatusCode >= 300 && resp.StatusCode != u.refused {
		f.t.Fatalf("%s: %d %s", u.operation, resp.StatusCode, answer)
	}
	f.used[u.operation] = true
	if !f.harvest(u, resp, answer) {
		must(f.t, resp.Header.Write(&f.answers))
		f.answers.Write(answer)
	}
}

// harvest reads ids and secrets from an answer, and reports whether it contains a secret.
func (f *traffic) harvest(u use, resp *http.Response, answer []byte) (secret bool) {
	f.t.Helper()
	var a struct {
		ID         string
		Name       string // the id of a plan
		URL        string
		Key        struct{ ID string }
		User       struct{ ID string }
		Credential *api.Credential
		Link       *api.Link
		Value      string // of a management key
		Token      string `json:"access_token"`
		Setup      string // of a second factor, with its secret
		Secret     string
		Codes      []string `json:"recovery_codes"`
	}
	_ = json.Unmarshal(answer, &a) // some answers have no body
	if u.gives != "" {
		f.names[u.gives] = cmp.Or(a.ID, a.Key.ID, a.User.ID, a.Name)
	}
	if a.Credential != nil {
		f.names["value"] = a.Credential.Value
		f.guardKey("the key from "+u.operation, cmp.Or(a.Key.ID, f.names["key"]), a.Credential.Value, "")
	}
	if a.Credential != nil && a.Key.ID != "" { // not revealed, which is the same key
		f.names["client_id"], f.names["client_secret"] = a.Credential.ID, a.Credential.Secret
	}
	if a.Token != "" {
		f.names["access_token"] = a.Token
		f.guardToken("the access token from "+u.operation, a.Token)
	}
	if a.Value != "" {
		f.names["management_value"] = a.Value
		f.guardKey("the management key from "+u.operation, a.ID, a.Value, "")
	}
	if a.Link != nil {
		a.URL = *a.Link.URL
	}
	if a.URL != "" {
		f.names["token"] = a.URL[strings.LastIndex(a.URL, "/")+1:]
		f.guard(canary{name: "the link from " + u.operation, text: f.names["token"]})
	}
	if a.Setup != "" {
		f.names["setup"], f.names["code"] = a.Setup, totp.Code(a.Secret, time.Now())
		f.guard(newCanary("the setup from "+u.operation, a.Setup), newCanary("the secret from "+u.operation, a.Secret))
	}
	for _, code := range a.Codes {
		f.guard(newCanary("a recovery code from "+u.operation, code))
	}
	for _, c := range resp.Cookies() {
		f.take(c)
	}
	return a.Setup != "" || len(a.Codes) > 0 || len(resp.Cookies()) > 0 || a.Credential != nil || a.Token != "" ||
		a.Value != "" || a.URL != ""
}

// anotherSession returns a session other than that of the cookie.
func (f *traffic) anotherSession(cookie string) string {
	f.t.Helper()
	_, answer := f.send(request{"GET", "/api/v1/me/sessions", []string{cookie}, ""})
	var list api.List[api.SessionInfo]
	must(f.t, json.Unmarshal(answer, &list))
	i := slices.IndexFunc(list.Items, func(s api.SessionInfo) bool { return !s.Current })
	if i < 0 {
		f.t.Fatalf("there is no other session: %s", answer)
	}
	return list.Items[i].ID
}

// setUpLog is the name of the one log that contains a link.
const setUpLog = "the log with the link"

// setUp creates the first account with the link in the log, and returns everything that was
// written.
func (f *traffic) setUp(s *installation) map[string][]byte {
	f.t.Helper()
	p := s.serve(f.t, "--log-level", "debug")
	base, token := p.offered()
	f.base = base
	f.readOperations()
	link, password := canary{name: "the link of the set-up", text: token, home: setUpLog},
		newCanary("the first password", `first "horse" / battery & stable`)
	f.guard(link, password)
	f.names = map[string]string{"token": token, "password": quotedJSON(password.text, false)}
	f.do(use{
		operation: "POST /api/v1/setup", begins: true,
		body: `{"token":"{token}","account":"First","email":"first@claviger.example",` +
			`"name":"First Person","password":"{password}"}`,
	}, "none")
	p.term()
	left := s.haystacks(f.t, p, f)
	left[setUpLog] = left["the log"]
	delete(left, "the log")
	return left
}
