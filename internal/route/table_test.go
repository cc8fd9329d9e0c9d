package route_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/scope"
)

// rule returns a rule from "GET,POST /path", or from "/path" for every method.
func rule(t testing.TB, text string) route.Rule {
	t.Helper()
	list, path, found := strings.Cut(text, " ")
	if !found {
		return route.Rule{Path: mustPattern(t, text)}
	}
	return route.Rule{Methods: strings.Split(list, ","), Path: mustPattern(t, path)}
}

func compile(t testing.TB, rules ...route.Rule) *route.Table {
	t.Helper()
	table, problems := route.Compile(rules)
	if len(problems) > 0 {
		t.Fatalf("Compile: %v", problems)
	}
	return table
}

func TestTheFirstRuleThatMatchesApplies(t *testing.T) {
	table := compile(t,
		rule(t, "GET /health"),
		rule(t, "POST,PUT /items/{id}"),
		rule(t, "/items/special"),
		rule(t, "GET /items/{id}"),
		rule(t, "OPTIONS /items/{rest...}"),
		rule(t, "/items/{rest...}"),
		rule(t, "DELETE /health/"),
	)
	for _, c := range []struct {
		method, uri string
		want        int
	}{
		{"GET", "/health", 0},
		{"HEAD", "/health", 0}, // GET stands for HEAD
		{"POST", "/health", -1},
		{"get", "/health", -1},
		{"", "/items/1", -1},
		{"GET", "/health/", -1},
		{"DELETE", "/health/", 6},
		{"POST", "/items/special", 1},
		{"GET", "/items/special", 2},
		{"PROPFIND", "/items/special", 2},
		{"HEAD", "/items/1", 3},
		{"PROPFIND", "/items/1", 5},
		{"GET", "/items/", 5},
		{"GET", "/items", -1},
		{"OPTIONS", "/items/special", 4}, // a rule without methods is not about OPTIONS
		{"OPTIONS", "/health", -1},
		{"GET", "/Items/1", -1},
	} {
		m, ok, err := table.Match(c.method, mustTarget(t, c.uri), http.Header{})
		if err != nil || ok != (c.want >= 0) || (ok && m.Index != c.want) {
			t.Errorf("%s %s: rule %d, %v, %v, want %d", c.method, c.uri, m.Index, ok, err, c.want)
		}
		if ok && m.Rule != table.Rule(c.want) {
			t.Errorf("%s %s: another rule than %d", c.method, c.uri, c.want)
		}
	}
	if _, ok, err := new(route.Table).Match("GET", mustTarget(t, "/"), nil); ok || err != nil {
		t.Errorf("a table without rules matches: %v, %v", ok, err)
	}
}

func TestARuleSaysWhichApplicationARequestIsAbout(t *testing.T) {
	with := func(text string, source route.ApplicationSource) route.Rule {
		r := rule(t, text)
		r.Application = source
		return r
	}
	table := compile(t,
		with("/applications/{id}/keys", route.ApplicationSource{Path: "id"}),
		with("/query", route.ApplicationSource{Query: "app"}),
		with("/header", route.ApplicationSource{Header: "X-App"}),
		with("/fixed", route.ApplicationSource{ID: "app_9"}),
		rule(t, "/none"),
	)
	for _, c := range []struct {
		uri    string
		header []string
		want   string
		err    error
	}{
		{"/applications/app_1/keys?app=app_2", nil, "app_1", nil},
		{"/applications/app%5F1/keys", nil, "app_1", nil},
		{"/applications/app_1;x/keys", nil, "app_1;x", nil},
		{"/applications/app_1,app_2/keys", nil, "", fault.PathAmbiguous},
		{"/query?a=b&%61pp=app_1", []string{"app_2"}, "app_1", nil},
		{"/query?App=app_1", nil, "", fault.ApplicationForbidden},
		{"/query", nil, "", fault.ApplicationForbidden},
		{"/query?app=", nil, "", fault.ApplicationForbidden},
		{"/query?app", nil, "", fault.ApplicationForbidden},
		{"/query?app=app_1&app=app_1", nil, "", fault.PathAmbiguous},
		{"/query?app=app_1&%61pp=app_2", nil, "", fault.PathAmbiguous},
		{"/query?app=app_1;app=app_2", nil, "", fault.PathAmbiguous},
		{"/query?app=%zz", nil, "", fault.PathAmbiguous},
		{"/query?%zz=1&app=app_1", nil, "", fault.PathAmbiguous},
		{"/query?x=\xff&app=app_1", nil, "", fault.PathAmbiguous},
		{"/header", []string{"app_1"}, "app_1", nil},
		{"/header", nil, "", fault.ApplicationForbidden},
		{"/header", []string{""}, "", fault.ApplicationForbidden},
		{"/header", []string{"app_1", "app_1"}, "", fault.PathAmbiguous},
		{"/header", []string{"app_1, app_2"}, "", fault.PathAmbiguous},
		{"/fixed?app=app_1&app=%zz", []string{"app_1", "app_2"}, "app_9", nil},
		{"/none?app=app_1&app=%zz", []string{"app_1", "app_2"}, "", nil},
	} {
		m, ok, err := table.Match("GET", mustTarget(t, c.uri), http.Header{"X-App": c.header})
		if !ok || m.Application != c.want || !errors.Is(err, c.err) {
			t.Errorf("GET %s, X-App %q: %q, %v, %v, want %q, %v",
				c.uri, c.header, m.Application, ok, err, c.want, c.err)
		}
	}
}

func TestARuleThatCanNeverApplyIsRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		rules   []string
		hidden  []int
		earlier string
	}{
		{"the same twice", []string{"/a", "/a"}, []int{1}, "rule 1."},
		{"below the rest", []string{"/a/{p...}", "/a/b", "/a/{x}/{y}", "/a/", "/a"}, []int{1, 2, 3}, "rule 1."},
		{"a literal below a parameter", []string{"/{p}", "/a"}, []int{1}, "rule 1."},
		{"a parameter below a literal", []string{"/a", "/{p}"}, nil, ""},
		{"a slash at the end", []string{"/a/{p}", "/a/"}, nil, ""},
		{"one of several methods", []string{"GET /a", "GET,POST /a"}, nil, ""},
		{"HEAD below GET", []string{"GET /a", "HEAD /a"}, []int{1}, "rule 1."},
		{"GET below HEAD", []string{"HEAD /a", "GET /a"}, nil, ""},
		{"the union of methods", []string{"GET /a", "POST /{p}", "GET,POST /a"}, []int{2}, "rule 1, rule 2."},
		{"all methods below some", []string{"GET,POST /a", "/a"}, nil, ""},
		{"some methods below all", []string{"/a", "GET /a"}, []int{1}, "rule 1."},
		{"OPTIONS below all methods", []string{"/a", "OPTIONS /a"}, nil, ""},
		{"the rest of the methods", []string{"/a", "OPTIONS /a", "OPTIONS,PUT /a"}, []int{2}, "rule 1, rule 2."},
		{"what a hidden rule would hide", []string{"/{p}", "/a", "/a"}, []int{1, 2}, "rule 1."},
	} {
		t.Run(c.name, func(t *testing.T) {
			var rules []route.Rule
			for _, text := range c.rules {
				rules = append(rules, rule(t, text))
			}
			_, problems := route.Compile(rules)
			var hidden []int
			for _, p := range problems {
				hidden = append(hidden, p.Rule)
				if p.Name != "path" || p.Code != "unreachable" || !strings.Contains(p.Message, c.earlier) {
					t.Errorf("problem %+v, want one with %q", p, c.earlier)
				}
			}
			if !slices.Equal(hidden, c.hidden) {
				t.Errorf("unreachable: %v, want %v", hidden, c.hidden)
			}
		})
	}
}

func TestARuleThatContradictsItselfIsRefused(t *testing.T) {
	header := func(name string, path ...string) []route.Header { return []route.Header{{Name: name, Path: path}} }
	path := mustPattern(t, "/a/{id}/{rest...}")
	for _, c := range []struct {
		rule route.Rule
		want string
	}{
		{route.Rule{}, "path required"},
		{route.Rule{Path: path, Methods: []string{"get"}}, "methods.0 invalid"},
		{route.Rule{Path: path, Methods: []string{"GET", "GET"}}, "methods.1 duplicate"},
		{route.Rule{Path: path, Methods: make([]string, 17)}, "methods too_many"},
		{route.Rule{Path: path, Scopes: []scope.Scope{"*"}}, "scopes.0 invalid"},
		{route.Rule{Path: path, Scopes: []scope.Scope{"a:b", "a:b"}}, "scopes.1 duplicate"},
		{route.Rule{Path: path, AnyScope: true}, "scopes required"},
		{
			route.Rule{Path: path, Application: route.ApplicationSource{ID: "a", Path: "id"}},
			"application contradiction",
		},
		{route.Rule{Path: path, Application: route.ApplicationSource{Path: "other"}}, "application.path unknown"},
		{route.Rule{Path: path, Application: route.ApplicationSource{Path: "rest"}}, "application.path unknown"},
		{route.Rule{Path: path, Application: route.ApplicationSource{Header: "X App"}}, "application.header invalid"},
		{route.Rule{Path: path, Headers: header("x-claviger-owner", "a")}, "headers.x-claviger-owner reserved"},
		{route.Rule{Path: path, Headers: header("X_Claviger_Owner", "a")}, "headers.X_Claviger_Owner invalid"},
		{route.Rule{Path: path, Headers: header("te", "a")}, "headers.te reserved"},
		{route.Rule{Path: path, Headers: header("Content-Length", "a")}, "headers.Content-Length reserved"},
		{route.Rule{Path: path, Headers: header("X-A")}, "headers.X-A invalid"},
		{route.Rule{Path: path, Headers: header("X-A", "a", "b", "c", "d", "e")}, "headers.X-A invalid"},
		{route.Rule{Path: path, Headers: header("X-A", "a.b")}, "headers.X-A invalid"},
		{route.Rule{Path: path, Headers: append(header("X-A", "a"), header("x-a", "b")...)}, "headers.x-a duplicate"},
		{route.Rule{Path: path, Dialect: "acme"}, "dialect unknown"},
		{route.Rule{Path: path, Public: true, Scopes: []scope.Scope{"a:b"}}, "scopes contradiction"},
		{route.Rule{Path: path, Public: true, SessionOnly: true}, "session_only contradiction"},
		{route.Rule{Path: path, Public: true, AllApplications: true}, "all_applications contradiction"},
		{route.Rule{Path: path, Public: true, Headers: header("X-A", "a")}, "headers contradiction"},
		{route.Rule{Path: path, Public: true, Tenant: "ten_1"}, "tenant contradiction"},
	} {
		_, problems := route.Compile([]route.Rule{c.rule})
		if len(problems) != 1 || problems[0].Name+" "+problems[0].Code != c.want || problems[0].Message == "" {
			t.Errorf("Compile(%+v): %v, want %s", c.rule, problems, c.want)
		}
	}
}

// The table finds the rule that a search from the first to the last finds.
func TestTheTableFindsWhatASearchInOrderFinds(t *testing.T) {
	names := []string{"GET", "HEAD", "POST", "OPTIONS", "PROPFIND"}
	rapid.Check(t, func(t *rapid.T) {
		var rules []route.Rule
		for _, p := range rapid.SliceOfN(patterns, 0, 12).Draw(t, "patterns") {
			list := rapid.SliceOfNDistinct(rapid.SampledFrom(names[:4]), 0, 3, rapid.ID).Draw(t, "methods")
			next := append(slices.Clone(rules), route.Rule{Path: p, Methods: list})
			if _, problems := route.Compile(next); len(problems) > 0 {
				if !hiddenByAll(rules, next[len(rules)], names) {
					t.Fatalf("a rule that can apply is refused: %v", problems)
				}
				continue
			}
			if hiddenByAll(rules, next[len(rules)], names) {
				t.Fatalf("a rule that can never apply is accepted: %v", next)
			}
			rules = next
		}
		table, _ := route.Compile(rules)
		for _, uri := range allPaths {
			target, _ := route.ParseTarget(uri)
			method := rapid.SampledFrom(names).Draw(t, "method")
			want := slices.IndexFunc(rules, func(r route.Rule) bool { return matches(r, method, target) })
			m, ok, _ := table.Match(method, target, http.Header{})
			if ok != (want >= 0) || ok && m.Index != want {
				t.Fatalf("%s %s: rule %d, %v, want %d of %v", method, uri, m.Index, ok, want, rules)
			}
		}
	})
}

func matches(r route.Rule, method string, t route.Target) bool {
	named := slices.Contains(r.Methods, method) || method == "HEAD" && slices.Contains(r.Methods, "GET")
	if len(r.Methods) == 0 {
		named = method != "OPTIONS"
	}
	return named && r.Path.Matches(t)
}

// hiddenByAll reports whether for each method of the rule one earlier rule matches all its paths.
func hiddenByAll(rules []route.Rule, r route.Rule, names []string) bool {
	for _, method := range names {
		if !matchesMethod(r, method) {
			continue
		}
		if !slices.ContainsFunc(rules, func(e route.Rule) bool {
			return matchesMethod(e, method) && e.Path.Covers(r.Path)
		}) {
			return false
		}
	}
	return true
}

func matchesMethod(r route.Rule, method string) bool {
	every := route.Rule{Methods: r.Methods}
	every.Path, _ = route.ParsePattern("/{p...}")
	target, _ := route.ParseTarget("/")
	return matches(every, method, target)
}

func manyRules(t testing.TB) *route.Table {
	rules := []route.Rule{rule(t, "GET /health")}
	for i := range 500 {
		rules = append(rules,
			rule(t, fmt.Sprintf("GET /v1/resource%d/{id}/items/{item}", i)),
			rule(t, fmt.Sprintf("POST,PUT /v1/{tenant}/resource%d/{id}", i)))
	}
	return compile(t, rules...)
}

func TestMatchingAllocatesNothing(t *testing.T) {
	table := manyRules(t)
	target := mustTarget(t, "/v1/t/resource499/7")
	headers := http.Header{}
	if n := testing.AllocsPerRun(100, func() { _, _, _ = table.Match("PUT", target, headers) }); n > 0 {
		t.Errorf("Match allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = route.ParseTarget("/v1/t/resource499/7?a=b") }); n > 0 {
		t.Errorf("ParseTarget allocates %v times", n)
	}
}

func BenchmarkMatchOneOf1000Rules(b *testing.B) {
	table := manyRules(b)
	headers := http.Header{}
	b.ReportAllocs()
	for b.Loop() {
		target, err := route.ParseTarget("/v1/t/resource499/7?a=b")
		if err != nil {
			b.Fatal(err)
		}
		if _, ok, err := table.Match("PUT", target, headers); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
