package app_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// row is a route of the table.
type row struct {
	// route is method and path, as in the OpenAPI document.
	route string
	// needs is the scope that a key needs, or one of those below.
	needs string
	// body of the request, with names in braces. It is valid for every caller who is allowed.
	body  string
	rules []rule
}

// What a route can need besides a scope.
const (
	noCredential  = "no credential"
	anyCredential = "any good credential"
	sessionOnly   = "a session"
	// managementOnly is for management keys. All others are refused.
	managementOnly = "a management key"
	// oauthClient is for clients of OAuth. A session is not read.
	oauthClient = "a client of OAuth"
)

// rule is the outcome of requests for an object, by column.
type rule struct {
	words string
	object
}

// outcome is the meaning of a word of the table.
type outcome struct {
	status int
	code   api.Code // of a refusal
	// protocol is the error code of RFC 6749 of a refusal that has no code of ours.
	protocol string
	// shows says whether the answer has the id of the object.
	shows, hides bool
	// says and lacks are texts that the answer has, or has not.
	says, lacks string
}

func (o outcome) succeeds() bool { return o.code == "" && o.protocol == "" }

// split returns the words of a rule, or the columns.
func split(words string) []string { return strings.Fields(strings.ReplaceAll(words, "|", "")) }

// firstKey is the index of the first column of a key.
var firstKey = slices.Index(split(columns), "owner's-key")

// width returns how many columns the rules of a row have.
func (r *row) width() int {
	switch r.needs {
	case noCredential:
		return 1
	case sessionOnly, managementOnly:
		return firstKey
	case oauthClient:
		return len(split(columns)) - firstKey
	}
	return len(split(columns))
}

// want returns the outcome for a party.
func (r *row) want(of rule, p party) outcome {
	column := slices.Index(split(columns), p.column)
	switch word, bad := refused[p.name]; {
	case r.needs == noCredential:
		return outcomes[of.words]
	case r.needs == oauthClient && p.key == credentials{}:
		return outcomes["invalid"]
	case bad:
		return outcomes[word]
	case (r.needs == sessionOnly || r.needs == managementOnly) && column >= firstKey:
		return outcomes["session"]
	case r.needs == oauthClient:
		column -= firstKey
	}
	return outcomes[split(of.words)[column]]
}

func TestEveryRouteHasItsRow(t *testing.T) {
	_, operations, _ := testkit.ReadOpenAPI(t, testkit.Start(t, testkit.SQLite))
	needs := map[string]string{}
	for _, op := range operations {
		needs[op.Method+" "+op.Path] = needsOf(op)
	}
	for i := range authorization {
		r := &authorization[i]
		if needs[r.route] != r.needs {
			t.Errorf("%s needs %s by the table, and %q by the document", r.route, r.needs, needs[r.route])
		}
		delete(needs, r.route)
		for _, wrong := range r.faults() {
			t.Errorf("%s: %s", r.route, wrong)
		}
	}
	for route := range needs {
		t.Errorf("%s has no row in the table of authz_table_test.go: say there what comes of asking, for everyone",
			route)
	}
}

// faults returns what is wrong with a row itself. Somebody must be allowed, and where the path
// names an object, one object must not exist for any caller.
func (r *row) faults() (found []string) {
	var granted, absent bool
	for _, rule := range r.rules {
		words := split(rule.words)
		if len(words) != r.width() {
			found = append(found, fmt.Sprintf("%s: %d columns, want %d", rule.name, len(words), r.width()))
		}
		refusals := 0
		for _, word := range words {
			o, known := outcomes[word]
			if !known {
				found = append(found, fmt.Sprintf("%s: %q is no outcome", rule.name, word))
			}
			if !o.succeeds() {
				refusals++
			}
		}
		granted = granted || refusals < len(words)
		absent = absent || refusals == len(words)
	}
	if r.needs == managementOnly || strings.HasPrefix(r.route, "GET /api/v1/authz") {
		return found // management keys have a table of their own, and no caller here is a trusted proxy
	}
	if r.route == "POST /api/v1/me/email" {
		return found // the server of the table sends no mail; package identity has the tests with mail
	}
	if !granted || strings.Contains(r.route, "{") && !absent {
		found = append(found,
			fmt.Sprintf("has a rule that lets somebody through: %t; one for what is not there: %t", granted, absent))
	}
	return found
}

// Every party sends every request of the table, each by the next of its transports: one function
// reads the credential for all routes, and a test of package web covers it alone. One engine is
// enough: store/storetest tests on both engines which rows the store returns.
func TestEveryRouteDecidesAsTheTableSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testkit.SQLite)
	for i := range authorization {
		for _, rule := range authorization[i].rules {
			for _, p := range w.parties {
				w.try(&authorization[i], rule, p)
			}
		}
	}
}

// try sends the request of a party by the next of its transports.
func (w *world) try(r *row, of rule, p party) {
	if !r.asks(p) {
		return
	}
	transports := r.transports(p)
	transport := transports[w.turns[p.name]%len(transports)]
	w.turns[p.name]++
	w.cell(r, of, p, r.want(of, p)).ask(http.Header{}, transport)
}

// asks reports whether the party is a caller of the route. Where no credential is read, one party
// of each kind is enough: passwords are expensive to check.
func (r *row) asks(p party) bool {
	if r.needs == noCredential {
		return slices.Contains([]string{"nobody", "owner", "key", "a revoked key"}, p.name)
	}
	return p.needs == "" || p.needs == r.needs
}

// transports are those by which a party calls the route.
func (r *row) transports(p party) []string {
	if r.needs == oauthClient && p.key != (credentials{}) {
		return []string{"basic"}
	}
	return p.transports()
}

// The credential is chosen before any database is read, so one engine is enough.
func TestACredentialIsNotRescuedByTheCookieBesideIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testkit.SQLite)
	for i := range authorization {
		r := &authorization[i]
		if r.needs == noCredential {
			continue
		}
		for name, s := range w.besideCookie(r) {
			c := w.cell(r, r.rules[0], w.party("owner"), s.want)
			c.beside = " beside " + name
			c.ask(s.header, "cookie")
		}
	}
}

// sent is a credential of a request, and its outcome.
type sent struct {
	header http.Header
	want   outcome
}

// besideCookie are credentials next to a valid cookie. They are refused as if they came alone.
func (w *world) besideCookie(r *row) map[string]sent {
	invalid, ambiguous := outcomes["invalid"], outcome{status: http.StatusBadRequest, code: api.CredentialAmbiguous}
	good := w.party("key").header("bearer")
	list := map[string]sent{
		"nothing in Authorization": {http.Header{"Authorization": {""}}, invalid},
		"an unknown scheme":        {http.Header{"Authorization": {"Digest x"}}, invalid},
		"a bearer of no form":      {http.Header{"Authorization": {"Bearer x"}}, invalid},
		"no base64":                {http.Header{"Authorization": {"Basic ~"}}, invalid},
		"a good key twice":         {http.Header{"Authorization": slices.Repeat(good["Authorization"], 2)}, ambiguous},
	}
	for _, p := range w.parties {
		if want := r.want(r.rules[0], p); r.asks(p) && p.cookie == "" && p.name != "nobody" && !want.succeeds() {
			for _, transport := range r.transports(p) {
				list[p.name+" by "+transport] = sent{p.header(transport), want}
			}
		}
	}
	return list
}

// cell is one request with its expected outcome.
type cell struct {
	*world
	row  *row
	rule rule
	by   party
	want outcome
	// home is where the object is.
	home home
	// names are filled into the braces of path and body.
	names map[string]string
	// owner of the key that is the object.
	owner principal.Person
	// after is called after the answer, whatever it is; nil for nothing.
	after func()
	// beside names what is sent next to the party's credential.
	beside string
	// to is the server that gets the request: that of the world, unless the object is elsewhere.
	to *testkit.Server
}

// cell prepares a request for the object of a rule.
func (w *world) cell(r *row, of rule, p party, want outcome) *cell {
	c := &cell{world: w, row: r, rule: of, by: p, want: want, home: w.homes[of.site], to: w.Server}
	c.names = map[string]string{"account": string(c.home.Account), "tenant": string(c.home.ID), "fresh": w.fresh()}
	of.fill(c)
	if w.stale && !want.succeeds() {
		w.ends, w.stale = w.readEnds(), false
	}
	w.stale = w.stale || want.succeeds()
	return c
}

// ask sends the request by the transport, with more headers, and reports an unexpected answer.
func (c *cell) ask(more http.Header, transport string) {
	c.t.Helper()
	header := c.by.header(transport)
	maps.Copy(header, more)
	body := c.filled(c.row.body)
	switch {
	case c.row.needs == oauthClient:
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	case body == dotGIF:
		header.Set("Content-Type", "image/gif")
	case body != "":
		header.Set("Content-Type", "application/json")
	}
	method, path, _ := strings.Cut(c.filled(c.row.route), " ")
	status, answer, text := testkit.Send(c.t, c.to, method, path, header, body)
	if wrong := c.misfit(status, answer, string(text)); wrong != "" {
		c.t.Errorf("%s by %s: %s; want %d %s: %s", c, transport, wrong, c.want.status, c.want.code, text)
	}
	if c.want.succeeds() {
		c.restore()
	} else if c.moved() {
		c.t.Errorf("%s: was refused, and changed something", c)
	}
	if c.after != nil {
		c.after()
		c.stale = true
	}
}

func (c *cell) String() string {
	return fmt.Sprintf("%s, %s: %s%s", c.row.route, c.rule.name, c.by.name, c.beside)
}

// restore sets the roles of people again that a request changed.
func (c *cell) restore() {
	if !strings.HasSuffix(c.row.route, "/members/{user}") {
		return
	}
	for _, a := range cast {
		if p := c.person(a.name); string(p.ID) == c.names["user"] {
			c.setRoles(a, p)
		}
	}
	clear(c.shelf) // keys of theirs may have been revoked
}

// moved reports whether anything has changed since the cell got its object: every change moves the
// end of an audit chain.
func (c *cell) moved() bool {
	before := c.ends
	c.ends = c.readEnds()
	return !maps.Equal(before, c.ends)
}

// filled replaces the names in braces.
func (c *cell) filled(text string) string {
	return testkit.PathParameter.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := c.names[strings.Trim(name, "{}")]
		if !ok {
			c.t.Fatalf("%s: %s has no %s", c.row.route, c.rule.name, name)
		}
		return value
	})
}

// misfit returns how an answer differs from the expected one; "" if it does not.
func (c *cell) misfit(status int, header http.Header, text string) string {
	var p api.Problem
	var protocol api.OAuthError
	if status >= http.StatusBadRequest {
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return "answers without a problem document"
		}
		if c.row.needs == oauthClient {
			if err := json.Unmarshal([]byte(text), &protocol); err != nil || protocol.Error == "" {
				return "answers without an error of RFC 6749"
			}
			p.Code = api.Code(header.Get("X-Claviger-Code"))
		}
	}
	id := c.names[c.row.subject()]
	shown := id != "" && strings.Contains(text, id)
	switch {
	case status != c.want.status || p.Code != c.want.code:
		return fmt.Sprintf("answers %d %s", status, p.Code)
	case c.want.protocol != "" && protocol.Error != c.want.protocol:
		return "answers " + protocol.Error
	case c.want.shows && id != "" && !shown:
		return "does not show the object"
	case c.want.hides && shown, !c.want.succeeds() && shown:
		return "shows the object"
	case !strings.HasPrefix(text, c.want.says), c.want.lacks != "" && strings.Contains(text, c.want.lacks):
		return "says something else"
	case c.want.code == api.NotFound:
		return c.unlikeAbsent(header, text)
	}
	return ""
}

// unlikeAbsent compares an answer with the first "not found" of the route: nobody can tell an
// object that does not exist from one that they may not see.
func (c *cell) unlikeAbsent(header http.Header, text string) string {
	header = header.Clone()
	for _, name := range []string{"Date", "X-Request-Id"} {
		header.Del(name)
	}
	answer := fmt.Sprint(header, testkit.RequestIDs.ReplaceAllString(text, ""))
	if first, seen := c.absent[c.row.route]; seen && answer != first {
		return "tells two kinds of nothing apart: " + first + " and " + answer
	}
	c.absent[c.row.route] = answer
	return ""
}

// itemsOf maps the last path segment of a list to the kind of its items.
var itemsOf = map[string]string{
	"accounts": "account", "tenants": "tenant", "members": "user",
	"applications": "application", "invitations": "invitation", "keys": "key", "key-health": "key",
	"sessions": "session", "service-accounts": "service_account", "management-keys": "management_key",
	"subjects": "subject", "plans": "plan",
}

var shown = regexp.MustCompile(
	`{(account|tenant|user|application|key|session|invitation|service_account|management_key|subject|plan)}$|` +
		`{(key|service_account|management_key|subject)}/\w+$`)

// subject returns what an answer of the route shows: the object at the end of the path, the key
// that changes, or an item of a list.
func (r *row) subject() string {
	if m := shown.FindStringSubmatch(r.route); m != nil {
		return m[1] + m[2]
	}
	if strings.HasPrefix(r.route, "GET ") {
		return itemsOf[r.route[strings.LastIndex(r.route, "/")+1:]]
	}
	return ""
}

// needsOf returns what a documented operation needs, in the words of the table.
func needsOf(o testkit.Operation) string {
	if o.Method == http.MethodPost && strings.HasPrefix(o.Path, "/oauth2/") {
		return oauthClient
	}
	if len(o.Security) == 0 {
		return noCredential
	}
	for _, way := range o.Security {
		if scopes, ok := way["bearer"]; ok {
			return append(scopes, anyCredential)[0]
		}
		if permissions, ok := way["management"]; ok && len(permissions) == 0 {
			return managementOnly
		}
	}
	return sessionOnly
}
