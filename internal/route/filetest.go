package route

import (
	"fmt"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/scope"
)

// HeaderMap has the values of request headers by canonical name. It implements [Headers].
type HeaderMap map[string][]string

// Values implements [Headers].
func (h HeaderMap) Values(name string) []string { return h[textproto.CanonicalMIMEHeaderKey(name)] }

func (h HeaderMap) add(name, value string) {
	name = textproto.CanonicalMIMEHeaderKey(name)
	h[name] = append(h[name], value)
}

// test reads a request and what the rules must say about it.
func (p *parser) test(n *yaml.Node) {
	t := Test{
		Source: fmt.Sprintf("%s:%d:%d", p.file.Name, n.Line, n.Column), Entry: DefaultEntry,
		Headers: HeaderMap{}, line: n.Line, column: n.Column,
	}
	var request, expect bool
	p.mapping(n, "a test", map[string]reader{
		"request": func(v *yaml.Node) {
			request = true
			text, _ := p.text(v)
			method, uri, found := strings.Cut(text, " ")
			if !found {
				p.fault(v, "write a method and a URI: GET /path?name=value")
			}
			t.Method, t.URI = method, uri
		},
		"entry": func(v *yaml.Node) { t.Entry, _ = p.text(v) },
		"headers": func(v *yaml.Node) {
			p.pairs(v, "headers", func(key, value *yaml.Node) {
				text, _ := p.text(value)
				t.Headers.add(key.Value, text)
			})
		},
		"expect": func(v *yaml.Node) {
			expect = true
			p.expectation(v, &t.Expect)
		},
	})
	if n.Kind == yaml.MappingNode && (!request || !expect) {
		p.fault(n, "a test has request and expect")
	}
	p.file.Tests = append(p.file.Tests, t)
}

func (p *parser) expectation(n *yaml.Node, e *Expectation) {
	flag := func(into **bool) reader {
		return func(v *yaml.Node) {
			*into = new(bool)
			p.flag(v, *into)
		}
	}
	text := func(into **string) reader {
		return func(v *yaml.Node) {
			s, _ := p.text(v)
			*into = &s
		}
	}
	p.mapping(n, "expect", map[string]reader{
		"rule": func(v *yaml.Node) {
			number, err := strconv.Atoi(v.Value)
			if v.Kind != yaml.ScalarNode || err != nil || number < 1 {
				p.fault(v, "expected the number of a rule, from 1")
			}
			e.Rule = &number
		},
		"refused": func(v *yaml.Node) {
			s, _ := p.text(v)
			known := []fault.Kind{fault.RouteUnknown, fault.PathAmbiguous, fault.ApplicationForbidden}
			if !slices.Contains(known, fault.Kind(s)) {
				p.fault(v, "use route_unknown, path_ambiguous or application_forbidden")
			}
			e.Refused = &s
		},
		"scopes":           func(v *yaml.Node) { e.Scopes, e.AnyScope = p.scopes(v, positions{}) },
		"any_key":          flag(&e.AnyKey),
		"public":           flag(&e.Public),
		"application":      text(&e.Application),
		"all_applications": flag(&e.AllApplications),
		"session_only":     flag(&e.SessionOnly),
		"tenant":           text(&e.Tenant),
	})
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		p.fault(n, "the test expects nothing: name at least one member")
	}
}

// Run runs the test and returns what differs from its expectation, in words; nil if nothing does.
func (f *File) Run(t Test) []string {
	e := f.Entry(t.Entry)
	if e == nil {
		return []string{"there is no entry " + strconv.Quote(t.Entry)}
	}
	return t.Expect.compare(e.Explain(t.Method, t.URI, t.Headers))
}

// compare returns the differences between what is expected and an outcome. A request that is
// refused, and one for which any key suffices, has no rule: then the members of a rule are empty.
func (e Expectation) compare(o Outcome) []string {
	var differences []string
	differ := func(name string, want, got any) {
		if want != got {
			differences = append(differences, fmt.Sprintf("%s is %v, expected %v", name, got, want))
		}
	}
	r := o.Rule
	number := o.Index + 1
	if r == nil {
		r, number = &Rule{}, 0
	}
	if e.Refused == nil {
		differ("refused", fault.Kind(""), o.Refused)
	} else {
		differ("refused", fault.Kind(*e.Refused), o.Refused)
	}
	if e.Rule != nil {
		differ("rule", *e.Rule, number)
	}
	if e.Scopes != nil {
		differ("scopes", scopesText(e.Scopes, e.AnyScope), scopesText(r.Scopes, r.AnyScope))
	}
	for _, text := range []struct {
		name string
		want *string
		got  string
	}{{"application", e.Application, o.Application}, {"tenant", e.Tenant, string(r.Tenant)}} {
		if text.want != nil {
			differ(text.name, *text.want, text.got)
		}
	}
	for _, flag := range []struct {
		name string
		want *bool
		got  bool
	}{
		{"any_key", e.AnyKey, o.AnyKey},
		{"public", e.Public, r.Public},
		{"all_applications", e.AllApplications, r.AllApplications},
		{"session_only", e.SessionOnly, r.SessionOnly},
	} {
		if flag.want != nil {
			differ(flag.name, *flag.want, flag.got)
		}
	}
	return differences
}

// scopesText returns scopes in a form in which equal demands are equal.
func scopesText(names []scope.Scope, anyScope bool) string {
	text := strings.Join(scope.NewSet(names...).Strings(), " ")
	if anyScope && len(names) > 1 {
		return "any of " + text
	}
	return text
}
