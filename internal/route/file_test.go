package route_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/route"
)

const tenantID = "ten_0123456789abcdef"

// wholeFile uses every member of a file.
const wholeFile = `# rules of the example
entries:
  - name: default
    tenant: ` + tenantID + `
    hosts: [api.example.com, example.com]
    otherwise: any-key
    rules:
      - path: /health
        public: true
      - methods: [GET]
        path: /applications/{id}/keys
        scopes: [applications:read]
        application: {path: id}
        headers: {X-Plan-Tier: owner.tier, X-Team: key.team.name}
      - methods: [OPTIONS]
        path: /{rest...}
        public: true
      - path: /admin/{rest...}
        session_only: true
        all_applications: true
        dialect: blazemeter
  - name: gateway
    rules:
      - path: /reports
        tenant: ` + tenantID + `
        scopes: {any: [reports:read, reports:write]}
        application: {header: X-App}
      - path: /search
        scopes: {all: [reports:read]}
        application: {query: app}
      - path: /fixed
        application: app_1
tests:
  - request: GET /health
    expect: {public: true, rule: 1}
  - request: HEAD /applications/app_1/keys
    entry: default
    expect: {scopes: [applications:read], application: app_1, rule: 2, public: false}
  - request: OPTIONS /anything/at/all
    expect: {public: true}
  - request: POST /admin/users
    expect: {session_only: true, all_applications: true, scopes: {any: [a:b]}}
  - request: GET /other
    expect: {any_key: true}
  - request: GET /other//
    expect: {refused: path_ambiguous}
  - request: GET /reports
    entry: gateway
    headers: {X-App: app_7}
    expect: {tenant: ` + tenantID + `, scopes: {any: [reports:write, reports:read]}, application: app_7}
  - request: GET /reports
    entry: gateway
    expect: {refused: application_forbidden}
  - request: GET /other
    entry: gateway
    expect: {refused: route_unknown, rule: 9}
  - request: GET /reports
    entry: gateway
    expect: {tenant: ` + tenantID + `}
`

func TestAFileHasEntriesRulesAndTests(t *testing.T) {
	file, err := route.ParseFile("routes.yaml", []byte(wholeFile))
	if err != nil {
		t.Fatal(err)
	}
	e := file.Entry("default")
	if e == nil || e.Tenant != tenantID || e.Otherwise != route.AnyKey || len(e.Hosts) != 2 || e.Rules.Len() != 4 {
		t.Fatalf("entry %+v", e)
	}
	if g := file.Entry("gateway"); g.Otherwise != route.Refuse || g.Tenant != "" {
		t.Errorf("entry %+v, want one that refuses", g)
	}
	r := e.Rules.Rule(1)
	if r.Source != "routes.yaml:10:9" || r.Path.Text != "/applications/{id}/keys" || r.Application.Path != "id" {
		t.Errorf("rule %+v", r)
	}
	if got := fmt.Sprint(r.Headers); got != "[{X-Plan-Tier true [tier]} {X-Team false [team name]}]" {
		t.Errorf("headers %s", got)
	}
	if file.Entry("none") != nil {
		t.Error("there is an entry none")
	}
	var failed []string
	for _, test := range file.Tests {
		for _, difference := range file.Run(test) {
			failed = append(failed, test.Source+": "+difference)
		}
	}
	want := "routes.yaml:41:5: scopes is , expected a:b\nroutes.yaml:54:5: rule is 0, expected 9\n" +
		"routes.yaml:57:5: refused is application_forbidden, expected "
	if got := strings.Join(failed, "\n"); got != want {
		t.Errorf("tests that fail:\n%s\nwant\n%s", got, want)
	}
}

func TestTheFaultsOfAFileHaveTheirPositions(t *testing.T) {
	in := func(rule string) string { return "entries:\n- name: e\n  rules:\n  - " + rule }
	for _, c := range []struct {
		name, text string
		want       []string // position and a part of the message
	}{
		{"empty", "", []string{"1:1: the file is empty"}},
		{"only a comment", "# x\n", []string{"1:1: the file is empty"}},
		{"not UTF-8", "a: \xff", []string{"1:1: the file is not UTF-8"}},
		{"not YAML", "entries:\n- [\n", []string{":1: not YAML"}},
		{"a list", "- a\n", []string{"1:1: expected names and values of the file"}},
		{"two documents", "entries: []\n---\nentries: []\n", []string{"2:1: only one document"}},
		{"no entries", "tests: []\n", []string{"1:1: the file has no entries"}},
		{
			"an unknown member", "entries: []\nrules: []\n",
			[]string{"2:1: the file has no such member: use entries, tests"},
		},
		{"an unknown member of a rule", in("path: /a\n    scope: [a:b]"), []string{"5:5: a rule has no such member"}},
		{"a member twice", in("path: /a\n    path: /b"), []string{"5:5: the member occurs twice"}},
		{"no path", in("public: true"), []string{"4:5: the rule has no path"}},
		{"a bad pattern", in("path: /a/*"), []string{"4:11: a path has no *"}},
		{"a number for a text", in("path: 7"), []string{"4:11: expected a text"}},
		{"a text for a flag", in("path: /a\n    public: 'true'"), []string{"5:13: expected true or false"}},
		{"another case of true", in("path: /a\n    public: True"), []string{"5:13: expected true or false"}},
		{"yes for a flag", in("path: /a\n    public: yes"), []string{"5:13: expected true or false"}},
		{"no methods", in("path: /a\n    methods: []"), []string{"5:14: the list is empty"}},
		{"a method for a list", in("path: /a\n    methods: GET"), []string{"5:14: expected a list of methods"}},
		{"a bad method", in("path: /a\n    methods: [GET, get]"), []string{"5:20: Write a method in upper case"}},
		{"no scopes", in("path: /a\n    scopes: {any: []}"), []string{"5:19: the list is empty"}},
		{
			"any and all", in("path: /a\n    scopes: {any: [a:b], all: [a:c]}"),
			[]string{"5:13: write one of all and any"},
		},
		{"a bad scope", in("path: /a\n    scopes: [a:b, '*']"), []string{"5:19: Write a scope as"}},
		{"an unknown parameter", in("path: /a\n    application: {path: id}"), []string{"5:25: Name a parameter"}},
		{"two sources", in("path: /a\n    application: {query: a, header: b}"), []string{"5:18: write one of path"}},
		{"a bad header", in("path: /a\n    headers: {X-A: tier}"), []string{"5:20: write key.NAME or owner.NAME"}},
		{"a reserved header", in("path: /a\n    headers: {x-claviger-plan: owner.a}"), []string{"5:15: A rule cannot"}},
		{"a contradiction", in("path: /a\n    public: true\n    scopes: [a:b]"), []string{"6:13: A public rule"}},
		{"an unreachable rule", in("path: /{a}\n  - path: /b"), []string{"5:11: The rule can never apply"}},
		{"a bad tenant", in("path: /a\n    tenant: acme"), []string{"5:13: write the id of a tenant"}},
		{"an anchor", in("path: &a /a"), []string{"4:11: anchors and aliases"}},
		{
			"an alias", "x: &x [1]\nentries: *x\n",
			[]string{"1:1: the file has no such member", "2:10: anchors and aliases"},
		},
		{"a merge", in("<<: {path: /a}"), []string{"4:5: expected the name", "4:5: the rule has no path"}},
		{"a tag", in("path: !!str /a"), []string{"4:11: tags are not allowed"}},
		{"no name", "entries:\n- rules: []\n", []string{"2:3: Use 1 to 64"}},
		{"a bad name", "entries:\n- name: A/b\n", []string{"2:9: Use 1 to 64"}},
		{"a name twice", "entries:\n- name: a\n- name: a\n", []string{"3:9: another entry has this name"}},
		{
			"a host twice", "entries:\n- name: a\n  hosts: [x.y]\n- name: b\n  hosts: [z, x.y]\n",
			[]string{"5:14: another entry has this host"},
		},
		{"a host with a port", "entries:\n- name: a\n  hosts: ['x.y:80']\n", []string{"3:11: Write a host name"}},
		{"a bad choice", "entries:\n- name: a\n  otherwise: allow\n", []string{"3:14: Use refuse or any-key"}},
		{
			"any-key without tenant", "entries:\n- name: a\n  otherwise: any-key\n",
			[]string{"3:14: any-key needs a tenant"},
		},
		{
			"a tenant twice",
			"entries:\n- name: a\n  tenant: " + tenantID + "\n" +
				"  rules:\n  - path: /a\n    tenant: " + tenantID,
			[]string{"6:13: the entry is bound to a tenant already"},
		},
		{
			"a test of no entry", "entries: []\ntests:\n- {request: GET /, expect: {rule: 1}}\n",
			[]string{"3:3: the file has no entry"},
		},
		{
			"a test of nothing", "entries: []\ntests:\n- {request: GET /, expect: {}}\n",
			[]string{"3:28: the test expects nothing"},
		},
		{
			"a test without request", "entries: []\ntests:\n- expect: {rule: 1}\n",
			[]string{"3:3: a test has request and expect"},
		},
		{
			"a test of rule 0", "entries: []\ntests:\n- {request: GET /, expect: {rule: 0}}\n",
			[]string{"3:35: expected the number"},
		},
		{
			"several", in("path: a\n  - path: /b\n    public: 1\n  - paths: /c"),
			[]string{
				"4:11: a path begins with /", "6:13: expected true", "7:5: the rule has no path",
				"7:5: a rule has no such",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := route.ParseFile("r.yaml", []byte(c.text))
			faults, ok := errors.AsType[route.FileFaults](err)
			if !ok || len(faults) != len(c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %q", err, want)
				}
			}
			if !strings.HasPrefix(err.Error(), "r.yaml:") {
				t.Errorf("%v does not begin with the file", err)
			}
		})
	}
}

func TestAtMostTwentyFaultsAreReported(t *testing.T) {
	_, err := route.ParseFile("r.yaml", []byte("entries:\n- name: e\n  rules:"+strings.Repeat("\n  - path: a", 30)))
	faults, _ := errors.AsType[route.FileFaults](err)
	if len(faults) != 20 || faults[19].Line != 23 {
		t.Errorf("%d faults: %v, want 20", len(faults), err)
	}
}

func TestAnExplanationLooksAtTheTablesInOrder(t *testing.T) {
	e := route.Entry{Name: "e", Otherwise: route.Refuse, Rules: compile(t, rule(t, "/a"))}
	second, third := compile(t, rule(t, "/a"), rule(t, "/b")), compile(t, rule(t, "/b"), rule(t, "/c"))
	for uri, want := range map[string]*route.Rule{
		"/a": e.Rules.Rule(0), "/b": second.Rule(1), "/c": third.Rule(1), "/d": nil,
	} {
		o := e.Explain("GET", uri, http.Header{}, second, nil, third)
		if o.Rule != want || (want == nil) != (o.Refused == fault.RouteUnknown) {
			t.Errorf("%s: %+v", uri, o)
		}
	}
	e.Otherwise = route.AnyKey
	if o := e.Explain("GET", "/d", http.Header{}); !o.AnyKey || o.Refused != "" {
		t.Errorf("%+v, want any key", o)
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add([]byte(wholeFile))
	f.Add([]byte("entries: [{name: a, rules: [{path: /a, scopes: {any: [a:b]}}]}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := route.ParseFile("r.yaml", text)
		if err != nil {
			faults, ok := errors.AsType[route.FileFaults](err)
			if !ok || len(faults) == 0 || len(faults) > 20 {
				t.Fatalf("error %v", err)
			}
			for _, one := range faults {
				if one.Line < 1 || one.Column < 1 || one.Message == "" {
					t.Fatalf("fault %+v", one)
				}
			}
			return
		}
		for _, e := range file.Entries {
			if len(e.Check()) > 0 || e.Rules == nil {
				t.Fatalf("entry %+v", e)
			}
		}
		for _, test := range file.Tests {
			file.Run(test)
		}
	})
}
