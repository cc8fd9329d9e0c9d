package main_test

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

	"github.com/claviger-dev/claviger/api"
)

// operation is a method on a path of the OpenAPI document, with the names of what a client may send there.
type operation struct {
	method, path              string
	queries, headers, members []string
}

// String gives it as http.ServeMux has it.
func (o operation) String() string { return o.method + " " + o.path }

// learn reads from the server's document which operations there are.
func (f *traffic) learn() {
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
	f.mux, f.used, f.operations = http.NewServeMux(), map[string]bool{}, nil
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
			_, name, _ := strings.Cut(described.RequestBody.Content["application/json"].Schema.Ref, "#/components/schemas/")
			o.members = slices.Sorted(maps.Keys(doc.Components.Schemas[name].Properties))
			f.operations = append(f.operations, o)
			f.mux.HandleFunc(o.String(), nobody)
		}
	}
	slices.SortFunc(f.operations, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
}

// nobody serves: the mux tells to which operation a request belongs.
func nobody(http.ResponseWriter, *http.Request) {}

var (
	parameter = regexp.MustCompile(`\{(\w+)\}`)
	// nowhere has for every parameter an id of nothing.
	nowhere = func(string) string { return "x" }
)

// at gives the path with its parameters.
func (o operation) at(value func(name string) string) string { return fill(o.path, value) }

// fill puts values in the place of {names}.
func fill(text string, value func(name string) string) string {
	return parameter.ReplaceAllStringFunc(text, func(p string) string { return value(p[1 : len(p)-1]) })
}

// misplaced puts a secret wherever a client could put it by mistake at an operation, about things that are not there: so nothing comes of it.
func (o operation) misplaced(s, cookie string) []request {
	var list []request
	for _, line := range []string{
		bearer(s), basicAuth(s, s), "Authorization: " + s, "Authorization: Basic " + s, "X-API-Key: " + s, "Cookie: claviger=" + s, "User-Agent: " + s, "X-Forwarded-For: " + s,
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
	return list
}

// misplacedBodies have the secret in each member, by itself and where the member has another form, and outside of all. A name alone is kept as it is given.
func (o operation) misplacedBodies(s string) []string {
	if len(o.members) == 0 {
		return nil
	}
	q := `"` + quoted(s, false)
	list := []string{`{` + q + `":` + q + `"}`, q + `"`, s, `{"x":` + q}
	for _, m := range o.members {
		list = append(list, `{"`+m+`":`+q+"\\u0001\"}", `{"`+m+`":[`+q+`"]}`, `{"`+m+`":{`+q+`":`+q+`"}}`)
		if m != "name" {
			list = append(list, `{"`+m+`":`+q+`"}`)
		}
	}
	return list
}

// misplace sends a secret by mistake to every operation.
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

// demandAllUsed demands that every operation did at least once what it is for.
func (f *traffic) demandAllUsed() {
	f.t.Helper()
	for _, o := range f.operations {
		if !f.used[o.String()] {
			f.t.Errorf("nothing uses %s rightly: it needs a line in usesBefore or usesAfter", o)
		}
	}
}

// use is a request that does what its operation is for, with the {names} of what is there.
type use struct {
	operation string
	body      string
	// gives is the name of the thing in the answer.
	gives string
	// guest is set where the second person asks, and begins where a session begins: then what the client says of itself is kept.
	guest, begins bool
}

// uses of all operations that change something, one after the other. Everything that is to be read is read between the first and the second list.
var (
	usesBefore = []use{
		{operation: "POST /api/v1/tenants", body: `{"account_id":"{account}","name":"A tenant","preset":"standard"}`, gives: "tenant"},
		{operation: "PATCH /api/v1/tenants/{tenant}", body: `{"settings":{"disclosure":"recoverable","keys_per_user":null}}`},
		{operation: "PATCH /api/v1/accounts/{account}", body: `{"name":"An account"}`},
		{operation: "PATCH /api/v1/accounts/{account}/policy", body: `{"max_lifetime_days":3650}`},
		{operation: "PUT /api/v1/tenants/{tenant}/scopes", body: `{"items":[{"name":"reports:export"}]}`},
		{operation: "POST /api/v1/tenants/{tenant}/applications", body: `{"name":"An application"}`, gives: "application"},
		{operation: "PATCH /api/v1/tenants/{tenant}/applications/{application}", body: `{"name":"Another name"}`},
		{operation: "POST /api/v1/tenants/{tenant}/keys", body: `{"name":"A key","scopes":["applications:read"],"all_applications":true}`, gives: "key"},
		{operation: "PATCH /api/v1/tenants/{tenant}/keys/{key}", body: `{"name":"Another name"}`},
		{operation: "POST /api/v1/tenants/{tenant}/keys/{key}/refresh", body: `{"overlap_seconds":600}`},
		{operation: "POST /api/v1/tenants/{tenant}/members", body: `{"email":"guest@claviger.example","role":"member"}`},
		{operation: "POST /api/v1/invitations/{token}", body: `{"name":"A guest","password":"{first}"}`, gives: "user", guest: true, begins: true},
		{operation: "POST /api/v1/session", body: `{"email":"guest@claviger.example","password":"{first}"}`, guest: true, begins: true},
		{operation: "PUT /api/v1/accounts/{account}/members/{user}", body: `{"role":"admin"}`},
		{operation: "PATCH /api/v1/tenants/{tenant}/members/{user}", body: `{"role":"admin"}`},
	}
	usesAfter = []use{
		{operation: "POST /api/v1/tenants/{tenant}/keys/{key}/reveal"},
		{operation: "DELETE /api/v1/tenants/{tenant}/keys/{key}/previous"},
		{operation: "POST /api/v1/tenants/{tenant}/keys/{key}/disable"},
		{operation: "POST /api/v1/tenants/{tenant}/keys/{key}/enable"},
		{operation: "POST /api/v1/tenants/{tenant}/keys/{key}/revoke", body: `{"reason":"Why not?"}`},
		{operation: "DELETE /api/v1/tenants/{tenant}/keys/{key}"},
		{operation: "POST /api/v1/tenants/{tenant}/keys", body: `{"name":"A key for another","scopes":["applications:read"],"all_applications":true,"owner_id":"{user}","delivery":"link"}`},
		{operation: "POST /api/v1/claims/{token}", guest: true},
		{operation: "POST /api/v1/verify", body: `{"credential":"{value}"}`},
		{operation: "DELETE /api/v1/tenants/{tenant}/applications/{application}"},
		{operation: "DELETE /api/v1/accounts/{account}/members/{user}"},
		{operation: "DELETE /api/v1/tenants/{tenant}/members/{user}"},
		{operation: "PATCH /api/v1/me", body: `{"name":"Another name"}`, guest: true},
		{operation: "DELETE /api/v1/me/sessions/{session}", guest: true},
		{operation: "POST /api/v1/me/password", body: `{"current_password":"{first}","new_password":"{second}"}`, guest: true, begins: true},
		{operation: "POST /api/v1/session", body: `{"email":"guest@claviger.example","password":"{second}"}`, guest: true, begins: true},
		{operation: "DELETE /api/v1/session", guest: true},
		{operation: "POST /api/v1/session", body: `{"email":"guest@claviger.example","password":"{second}"}`, guest: true, begins: true},
		{operation: "DELETE /api/v1/me", guest: true},
	}
)

// useEverything uses every operation rightly, and says beside each request something that is none of the server's business.
func (f *traffic) useEverything(account, beside string) {
	f.t.Helper()
	first, second := newCanary("the guest's password", `guest / "horse" ? battery & stable`), newCanary("the guest's new password", `another guest \ <horse> & battery`)
	f.guard(first, second)
	f.names = map[string]string{"account": account, "first": quoted(first.text, false), "second": quoted(second.text, false)}
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
			do(use{operation: o.String()})
		}
	}
	for _, u := range usesAfter {
		do(u)
	}
}

// do sends a request that must do what it is for. What it shows that is secret is guarded, and then its answer is not kept.
func (f *traffic) do(u use, beside string) {
	f.t.Helper()
	named := func(name string) string { return f.names[name] }
	r := request{header: []string{"Cookie: other=" + beside, "Referer: https://x.example/?key=" + url.QueryEscape(beside), "X-Other: " + beside}, body: fill(u.body, named)}
	r.method, r.path, _ = strings.Cut(fill(u.operation, named), " ")
	if f.cookie != "" {
		r.header = append(r.header, f.cookie)
	}
	if !u.begins {
		r.header = append(r.header, "User-Agent: "+beside)
	}
	if r.method == "POST" {
		f.done++
		r.header = append(r.header, "Idempotency-Key: "+beside+strconv.Itoa(f.done))
	}
	resp, answer := f.send(r)
	if resp.StatusCode >= 300 {
		f.t.Fatalf("%s: %d %s", u.operation, resp.StatusCode, answer)
	}
	if !f.harvest(u, resp, answer) {
		must(f.t, resp.Header.Write(&f.answers))
		f.answers.Write(answer)
	}
}

// harvest takes ids and secrets out of an answer, and reports whether it shows any secret.
func (f *traffic) harvest(u use, resp *http.Response, answer []byte) (secret bool) {
	f.t.Helper()
	var a struct {
		ID         string
		URL        string
		Key        struct{ ID string }
		User       struct{ ID string }
		Credential *api.Credential
		Link       *api.Link
	}
	_ = json.Unmarshal(answer, &a) // some have no body
	if u.gives != "" {
		f.names[u.gives] = cmp.Or(a.ID, a.Key.ID, a.User.ID)
	}
	if a.Credential != nil {
		f.names["value"] = *a.Credential.Value
		f.guardKey("the key from "+u.operation, cmp.Or(a.Key.ID, f.names["key"]), *a.Credential.Value, "")
	}
	if a.Link != nil {
		a.URL = *a.Link.URL
	}
	if a.URL != "" {
		f.names["token"] = a.URL[strings.LastIndex(a.URL, "/")+1:]
		f.guard(canary{name: "the link from " + u.operation, text: f.names["token"]})
	}
	for _, c := range resp.Cookies() {
		f.take(c)
	}
	return a.Credential != nil || a.URL != "" || len(resp.Cookies()) > 0
}

// anotherSession gives a session that is not the one of the cookie.
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

// setUpLog is the one log that shows a link.
const setUpLog = "the log with the link"

// setUp makes the first account at the link that a server logs, and gives what was left of it all.
func (f *traffic) setUp(s *site) map[string][]byte {
	f.t.Helper()
	p := s.serve(f.t, "--log-level", "debug")
	base, token := p.offered()
	f.base = base
	f.learn()
	link, password := canary{name: "the link of the set-up", text: token, home: setUpLog}, newCanary("the first password", `first "horse" / battery & stable`)
	f.guard(link, password)
	f.names = map[string]string{"token": token, "password": quoted(password.text, false)}
	f.do(use{operation: "POST /api/v1/setup", begins: true, body: `{"token":"{token}","account":"First","email":"first@claviger.example","name":"First Person","password":"{password}"}`}, "none")
	p.term()
	left := s.haystacks(f.t, p, f)
	left[setUpLog] = left["the log"]
	delete(left, "the log")
	return left
}
