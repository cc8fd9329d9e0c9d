package route

import (
	"fmt"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/fault"
)

// Table is an ordered list of rules, compiled. It never changes. The zero value has no rules.
//
// The rules are in a tree by the segments of their patterns, so that a request is compared with few
// of them. Where several branches match, the rule with the lowest index applies.
type Table struct {
	rules []compiledRule
	root  *node
}

// Match is the rule that applies to a request.
type Match struct {
	Rule *Rule
	// Index is the position of the rule in its table, from 0.
	Index int
	// Application is the id of the application that the request is about, as the request names it;
	// "" if the rule is about none. Whether there is such an application is not known.
	Application string
}

// Headers returns the values of a request header, as http.Header does.
type Headers interface {
	Values(name string) []string
}

// Problem is a fault in a list of rules.
type Problem struct {
	// Rule is the index of the rule.
	Rule int
	// Field is the member of the rule, and the word and the message for it.
	fault.Field
}

type compiledRule struct {
	Rule
	methods methods
	// applicationSegment is the index of the segment that names the application; -1 for none.
	applicationSegment int
}

// node is a point in the tree: the rules whose patterns have the same segments up to here.
type node struct {
	// first is the lowest index of a rule in this node and below.
	first      int
	literals   map[string]*node
	parameters *node
	// ends are the rules whose pattern ends here, rests are those that take all further segments.
	ends, rests []int
}

// Compile checks rules and makes a table of them. It returns no table but problems if a rule
// contradicts itself, or if a rule can never apply because earlier ones match all its requests.
func Compile(rules []Rule) (*Table, []Problem) {
	t := &Table{rules: make([]compiledRule, len(rules)), root: &node{}}
	var problems []Problem
	for i, r := range rules {
		for _, field := range r.check() {
			problems = append(problems, Problem{Rule: i, Field: field})
		}
		t.rules[i] = compiledRule{Rule: r, methods: newMethods(r.Methods), applicationSegment: -1}
		if name := r.Application.Path; name != "" {
			t.rules[i].applicationSegment = r.Path.index(name)
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	for i := range t.rules {
		if earlier := t.hiddenBy(i); earlier != nil {
			problems = append(problems, Problem{Rule: i, Field: fault.Field{
				Name: "path", Code: "unreachable", Message: t.hiddenMessage(earlier),
			}})
			continue
		}
		t.root.insert(i, t.rules[i].Path.segments)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return t, nil
}

// Merge makes a table of rules that were checked when they were written, such as the rules of
// several applications. It does not look for rules that can never apply, because each list was
// written without the others. A rule that contradicts itself matches nothing.
func Merge(rules []Rule) *Table {
	t := &Table{rules: make([]compiledRule, len(rules)), root: &node{}}
	for i, r := range rules {
		t.rules[i] = compiledRule{Rule: r, methods: newMethods(r.Methods), applicationSegment: -1}
		if name := r.Application.Path; name != "" {
			t.rules[i].applicationSegment = r.Path.index(name)
		}
		if len(r.check()) == 0 {
			t.root.insert(i, r.Path.segments)
		}
	}
	return t
}

// hiddenBy returns the indexes of the earlier rules that together match every request that a rule
// matches; nil if it can apply.
func (t *Table) hiddenBy(index int) []int {
	r := &t.rules[index]
	var earlier []int
	left := r.methods
	for i := range index {
		before := &t.rules[i]
		if !before.Path.Covers(r.Path) || !before.methods.overlaps(left) {
			continue
		}
		earlier = append(earlier, i)
		left = left.minus(before.methods)
		if left.empty() {
			return earlier
		}
	}
	return nil
}

func (t *Table) hiddenMessage(earlier []int) string {
	sources := make([]string, len(earlier))
	for i, index := range earlier {
		sources[i] = t.rules[index].source(index)
	}
	return fmt.Sprintf("The rule can never apply, because what comes first matches all its requests: %s. "+
		"Move it up, or remove it.", strings.Join(sources, ", "))
}

// source returns where a rule was written.
func (r *Rule) source(index int) string {
	if r.Source != "" {
		return r.Source
	}
	return fmt.Sprintf("rule %d", index+1)
}

func (n *node) insert(index int, segments []segment) {
	if n.literals == nil && n.parameters == nil && n.ends == nil && n.rests == nil {
		n.first = index
	}
	if len(segments) == 0 {
		n.ends = append(n.ends, index)
		return
	}
	var next *node
	switch s := segments[0]; s.kind {
	case rest:
		n.rests = append(n.rests, index)
		return
	case parameter:
		if n.parameters == nil {
			n.parameters = &node{}
		}
		next = n.parameters
	case literal:
		if n.literals == nil {
			n.literals = map[string]*node{}
		}
		if n.literals[s.text] == nil {
			n.literals[s.text] = &node{}
		}
		next = n.literals[s.text]
	}
	next.insert(index, segments[1:])
}

// HeaderNames returns the names of all headers that a rule of the table sets.
func (t *Table) HeaderNames() (names []string) {
	for i := range t.rules {
		for _, header := range t.rules[i].Headers {
			if !slices.Contains(names, header.Name) {
				names = append(names, header.Name)
			}
		}
	}
	return names
}

// Len returns the number of rules.
func (t *Table) Len() int { return len(t.rules) }

// Rule returns the rule with an index.
func (t *Table) Rule(index int) *Rule { return &t.rules[index].Rule }

// Match returns the first rule that matches method and path of a request, and reports whether there
// is one. Methods are compared with regard to case.
//
// It returns an error if the request does not say clearly which application it is about, and the
// rule needs to know: fault.PathAmbiguous if it names one twice, and fault.ApplicationForbidden if
// it names none.
func (t *Table) Match(method string, target Target, headers Headers) (Match, bool, error) {
	if t.root == nil || target.path == "" {
		return Match{}, false, nil
	}
	search := search{table: t, method: method, best: len(t.rules)}
	search.visit(t.root, target.path[1:], true)
	if search.best == len(t.rules) {
		return Match{}, false, nil
	}
	r := &t.rules[search.best]
	m := Match{Rule: &r.Rule, Index: search.best}
	application, err := r.application(target, headers)
	if err != nil {
		return m, true, err
	}
	m.Application = application
	return m, true, nil
}

// search looks for the matching rule with the lowest index.
type search struct {
	table  *Table
	method string
	best   int
}

// visit looks in a node for rules that match the remaining path. more is not set if nothing remains
// of the path, not even an empty segment.
func (s *search) visit(n *node, path string, more bool) {
	if n.first >= s.best {
		return
	}
	if !more {
		s.choose(n.ends)
		return
	}
	s.choose(n.rests)
	text, after, more := strings.Cut(path, "/")
	if next := n.literals[text]; next != nil {
		s.visit(next, after, more)
	}
	if n.parameters != nil && text != "" {
		s.visit(n.parameters, after, more)
	}
}

// choose takes the first rule of the list that matches the method, if it is the best so far.
func (s *search) choose(indexes []int) {
	for _, i := range indexes {
		if i >= s.best {
			return
		}
		if s.table.rules[i].methods.has(s.method) {
			s.best = i
			return
		}
	}
}

// application returns the id of the application that a request is about.
func (r *compiledRule) application(t Target, headers Headers) (id string, err error) {
	switch source := r.Application; {
	case source.ID != "":
		return source.ID, nil
	case source.Path != "":
		id = t.segment(r.applicationSegment)
	case source.Query != "":
		id, _, err = t.parameter(source.Query)
		if err != nil {
			return "", err
		}
	case source.Header != "":
		values := headers.Values(source.Header)
		if len(values) > 1 {
			return "", ambiguous("The request names the application in a header that it has twice.")
		}
		if len(values) == 1 {
			id = values[0]
		}
	default:
		return "", nil
	}
	if id == "" {
		return "", fault.New(fault.ApplicationForbidden, "The request does not name the application that it is about.")
	}
	if strings.Contains(id, ",") {
		return "", ambiguous("The request names more than one application.")
	}
	return id, nil
}

// The methods that have a meaning of their own.
const (
	methodGet     = "GET"
	methodHead    = "HEAD"
	methodOptions = "OPTIONS"
)

// methods is a set of methods: those of the list or, if every is set, all but OPTIONS.
type methods struct {
	every bool
	list  []string
}

// newMethods returns the set for the methods of a rule. GET stands for HEAD too, as in net/http.
// No method stands for all but OPTIONS: a preflight has no credential, and what a rule for
// everything else demands is not meant for it.
func newMethods(list []string) methods {
	if len(list) == 0 {
		return methods{every: true}
	}
	set := slices.Clone(list)
	if slices.Contains(set, methodGet) && !slices.Contains(set, methodHead) {
		set = append(set, methodHead)
	}
	return methods{list: set}
}

func (m methods) has(method string) bool {
	if m.every {
		return method != "" && method != methodOptions
	}
	return slices.Contains(m.list, method)
}

func (m methods) empty() bool { return !m.every && len(m.list) == 0 }

// minus returns the methods that are not in the other set. No list has every method.
func (m methods) minus(other methods) methods {
	switch {
	case !m.every:
		return methods{list: slices.DeleteFunc(slices.Clone(m.list), other.has)}
	case other.every:
		return methods{}
	default:
		return m
	}
}

// overlaps reports whether the other set has some of the methods.
func (m methods) overlaps(other methods) bool {
	if m.every {
		return other.every || slices.ContainsFunc(other.list, m.has)
	}
	return slices.ContainsFunc(m.list, other.has)
}
