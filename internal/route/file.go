package route

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
)

// The bounds of a file.
const (
	// MaxFile is the length of the largest file, in bytes.
	MaxFile = 1 << 20
	// MaxEntries and MaxRules are how many entries a file has, and how many rules an entry.
	MaxEntries = 100
	MaxRules   = 2000
	// maxFaults is how many faults of a file are reported.
	maxFaults = 20
)

// File is the operator's file of entries and rules, compiled.
type File struct {
	Name    string
	Entries []Entry
	Tests   []Test
}

// Entry returns the entry with a name; nil if there is none.
func (f *File) Entry(name string) *Entry {
	for i := range f.Entries {
		if f.Entries[i].Name == name {
			return &f.Entries[i]
		}
	}
	return nil
}

// Test is a request in the file, and what the rules must say about it.
type Test struct {
	// Source is where the test was written: "routes.yaml:40:5".
	Source      string
	Method, URI string
	Entry       string
	Headers     HeaderMap
	Expect      Expectation

	line, column int
}

// Expectation is what a test expects. A member that the test does not name is not compared.
type Expectation struct {
	Rule            *int // counted from 1
	Refused         *string
	AnyKey          *bool
	Public          *bool
	Scopes          []scope.Scope
	AnyScope        bool
	Application     *string
	AllApplications *bool
	SessionOnly     *bool
	Tenant          *string
}

// FileFault is what is wrong at one position of a file.
type FileFault struct {
	File         string
	Line, Column int
	Message      string
}

// Error returns the position and the message: "routes.yaml:12:5: …".
func (f FileFault) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Message)
}

// FileFaults are the faults of a file, in the order of their positions, at most twenty.
type FileFaults []FileFault

// Error returns one fault on each line.
func (f FileFaults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// ParseFile reads and compiles a file of entries and rules. name is used in messages. The error is
// a [FileFaults].
func ParseFile(name string, text []byte) (File, error) {
	p := &parser{file: File{Name: name}}
	if root := p.document(text); root != nil {
		p.root(root)
	}
	if err := p.result(); err != nil {
		return File{}, err
	}
	return p.file, nil
}

// result returns the first faults, in the order of their positions; nil if there are none.
func (p *parser) result() error {
	if len(p.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(p.faults, func(a, b FileFault) int {
		return cmp.Or(a.Line-b.Line, a.Column-b.Column)
	})
	return p.faults[:min(len(p.faults), maxFaults)]
}

// parser reads the nodes of a file and collects its faults.
type parser struct {
	file   File
	faults FileFaults
}

func (p *parser) fault(n *yaml.Node, format string, values ...any) {
	p.faults = append(p.faults, FileFault{
		File: p.file.Name, Line: max(n.Line, 1), Column: max(n.Column, 1), Message: fmt.Sprintf(format, values...),
	})
}

// quoted matches what the YAML parser repeats of the file; atLine is how it names a line.
var (
	quoted = regexp.MustCompile(`'[^']*'`)
	atLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
)

// document returns the root of the one document of the file; nil if it has none or is malformed.
func (p *parser) document(text []byte) *yaml.Node {
	start := &yaml.Node{Line: 1, Column: 1}
	if len(text) > MaxFile {
		p.fault(start, "a file of rules has at most %d bytes", MaxFile)
		return nil
	}
	if !utf8.Valid(text) {
		p.fault(start, "the file is not UTF-8")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, more yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		p.fault(start, "the file is empty: write entries:")
		return nil
	case err != nil:
		p.malformed(err)
		return nil
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		p.fault(&more, "only one document is allowed: remove what follows the ---")
		return nil
	}
	return document.Content[0]
}

// malformed adds the fault of the YAML parser, which has no column.
func (p *parser) malformed(err error) {
	line := 1
	if m := atLine.FindStringSubmatch(err.Error()); m != nil && m[1] != "" {
		line, _ = strconv.Atoi(m[1])
	}
	message := quoted.ReplaceAllString(atLine.ReplaceAllString(err.Error(), ""), "'…'")
	p.fault(&yaml.Node{Line: line, Column: 1}, "not YAML: %s", message)
}

// A reader reads the value of one member of a mapping.
type reader = func(value *yaml.Node)

// mapping calls the reader of each member. Unknown and repeated members are faults.
func (p *parser) mapping(n *yaml.Node, what string, members map[string]reader) {
	p.pairs(n, what, func(key, value *yaml.Node) {
		read, known := members[key.Value]
		if !known {
			names := make([]string, 0, len(members))
			for name := range members {
				names = append(names, name)
			}
			slices.Sort(names)
			p.fault(key, "%s has no such member: use %s", what, strings.Join(names, ", "))
			return
		}
		read(value)
	})
}

// pairs calls a function for each member of a mapping.
func (p *parser) pairs(n *yaml.Node, what string, each func(key, value *yaml.Node)) {
	if !p.plain(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		p.fault(n, "expected names and values of %s", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case !p.plain(key):
		case key.Kind != yaml.ScalarNode || key.Tag == "!!merge":
			p.fault(key, "expected the name of a member of %s", what)
		case seen[key.Value]:
			p.fault(key, "the member occurs twice: remove one")
		default:
			seen[key.Value] = true
			each(key, value)
		}
	}
}

// plain reports whether the node is neither an alias nor an anchor, and has no tag of its own.
func (p *parser) plain(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		p.fault(n, "anchors and aliases are not allowed: write the value out")
		return false
	}
	if n.Style&yaml.TaggedStyle != 0 {
		p.fault(n, "tags are not allowed: remove it")
		return false
	}
	return true
}

// list calls a function for each item of a list.
func (p *parser) list(n *yaml.Node, what string, most int, each func(i int, item *yaml.Node)) {
	if !p.plain(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		p.fault(n, "expected a list of %s", what)
		return
	}
	if len(n.Content) > most {
		p.fault(n, "the list has at most %d %s", most, what)
		return
	}
	for i, item := range n.Content {
		each(i, item)
	}
}

// text reads a text, which is not empty.
func (p *parser) text(n *yaml.Node) (string, bool) {
	if !p.plain(n) {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		p.fault(n, "expected a text: put quotes around a number, true, false or null")
		return "", false
	}
	if n.Value == "" {
		p.fault(n, "the text is empty: write a value, or remove the member")
		return "", false
	}
	return n.Value, true
}

func (p *parser) flag(n *yaml.Node, into *bool) {
	if !p.plain(n) {
		return
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || (n.Value != "true" && n.Value != "false") {
		p.fault(n, "expected true or false")
		return
	}
	*into = n.Value == "true"
}

func (p *parser) root(n *yaml.Node) {
	var entries bool
	p.mapping(n, "the file", map[string]reader{
		"entries": func(v *yaml.Node) {
			entries = true
			p.list(v, "entries", MaxEntries, func(_ int, item *yaml.Node) { p.entry(item) })
		},
		"tests": func(v *yaml.Node) {
			p.list(v, "tests", MaxRules, func(_ int, item *yaml.Node) { p.test(item) })
		},
	})
	if !entries && n.Kind == yaml.MappingNode {
		p.fault(n, "the file has no entries: write entries:")
	}
	if len(p.faults) > 0 {
		return
	}
	for _, t := range p.file.Tests {
		if p.file.Entry(t.Entry) == nil {
			p.faults = append(p.faults, FileFault{
				File: p.file.Name, Line: t.line, Column: t.column,
				Message: "the file has no entry " + strconv.Quote(t.Entry),
			})
		}
	}
}

// positions are the nodes of an object by the names of its fields: "scopes.1", "headers.X-Team".
type positions map[string]*yaml.Node

// find returns the node of a field or, if there is none, of what the field is in.
func (p positions) find(name string, outer *yaml.Node) *yaml.Node {
	for name != "" {
		if n := p[name]; n != nil {
			return n
		}
		name = name[:max(strings.LastIndexByte(name, '.'), 0)]
	}
	return outer
}

func (p *parser) entry(n *yaml.Node) {
	before := len(p.faults)
	e := Entry{Otherwise: Refuse}
	var rules []Rule
	var where []ruleNode
	at := positions{}
	p.mapping(n, "an entry", map[string]reader{
		"name": func(v *yaml.Node) {
			at["name"] = v
			e.Name, _ = p.text(v)
		},
		"tenant": func(v *yaml.Node) {
			at["tenant"] = v
			text, _ := p.text(v)
			e.Tenant = ident.TenantID(text)
		},
		"dialect": func(v *yaml.Node) {
			at["dialect"] = v
			e.Dialect, _ = p.text(v)
		},
		"hosts": func(v *yaml.Node) {
			at["hosts"] = v
			p.list(v, "hosts", MaxHosts, func(i int, item *yaml.Node) {
				at[fmt.Sprintf("hosts.%d", i)] = item
				text, _ := p.text(item)
				e.Hosts = append(e.Hosts, text)
			})
		},
		"otherwise": func(v *yaml.Node) {
			at["otherwise"] = v
			text, _ := p.text(v)
			e.Otherwise = Otherwise(text)
		},
		"rules": func(v *yaml.Node) {
			p.list(v, "rules", MaxRules, func(_ int, item *yaml.Node) {
				r, node := p.rule(item)
				rules, where = append(rules, r), append(where, node)
			})
		},
	})
	if len(p.faults) > before {
		return // the checks below would report what follows from these faults
	}
	for _, f := range e.Check() {
		p.fault(at.find(f.Name, n), "%s", f.Message)
	}
	p.unique(e, at, n)
	for i := range rules {
		if rules[i].Tenant != "" && e.Tenant != "" {
			at := where[i].at.find("tenant", where[i].node)
			p.fault(at, "the entry is bound to a tenant already: remove one of both")
		}
	}
	table, problems := Compile(rules)
	for _, problem := range problems {
		node := where[problem.Rule]
		p.fault(node.at.find(problem.Name, node.node), "%s", problem.Message)
	}
	e.Rules = table
	p.file.Entries = append(p.file.Entries, e)
}

// unique adds faults for a name and hosts that an earlier entry has.
func (p *parser) unique(e Entry, at positions, n *yaml.Node) {
	for _, earlier := range p.file.Entries {
		if e.Name == earlier.Name {
			p.fault(at.find("name", n), "another entry has this name: use each name once")
		}
		for i, host := range e.Hosts {
			if slices.Contains(earlier.Hosts, host) {
				p.fault(at.find(fmt.Sprintf("hosts.%d", i), n), "another entry has this host: use each host once")
			}
		}
	}
}

// ruleNode is where a rule was written.
type ruleNode struct {
	node *yaml.Node
	at   positions
}

func (p *parser) rule(n *yaml.Node) (Rule, ruleNode) {
	r := Rule{Source: fmt.Sprintf("%s:%d:%d", p.file.Name, n.Line, n.Column)}
	at := positions{}
	noted := func(name string, read reader) reader {
		return func(v *yaml.Node) {
			at[name] = v
			read(v)
		}
	}
	var path bool
	p.mapping(n, "a rule", map[string]reader{
		"methods": noted("methods", func(v *yaml.Node) { r.Methods = p.methods(v, at) }),
		"path": noted("path", func(v *yaml.Node) {
			path = true
			r.Path = p.pattern(v)
		}),
		"public":  noted("public", func(v *yaml.Node) { p.flag(v, &r.Public) }),
		"tenant":  noted("tenant", func(v *yaml.Node) { r.Tenant = p.tenant(v) }),
		"dialect": noted("dialect", func(v *yaml.Node) { r.Dialect, _ = p.text(v) }),
		"scopes":  noted("scopes", func(v *yaml.Node) { r.Scopes, r.AnyScope = p.scopes(v, at) }),
		"application": noted("application", func(v *yaml.Node) {
			r.Application = p.application(v, at)
		}),
		"all_applications": noted("all_applications", func(v *yaml.Node) { p.flag(v, &r.AllApplications) }),
		"session_only":     noted("session_only", func(v *yaml.Node) { p.flag(v, &r.SessionOnly) }),
		"headers":          noted("headers", func(v *yaml.Node) { r.Headers = p.headers(v, at) }),
	})
	if !path && n.Kind == yaml.MappingNode {
		p.fault(n, "the rule has no path")
	}
	return r, ruleNode{node: n, at: at}
}

func (p *parser) pattern(n *yaml.Node) Pattern {
	text, ok := p.text(n)
	if !ok {
		return Pattern{}
	}
	pattern, err := ParsePattern(text)
	if err != nil {
		p.fault(n, "%v", err)
	}
	return pattern
}

func (p *parser) tenant(n *yaml.Node) ident.TenantID {
	text, ok := p.text(n)
	if !ok {
		return ""
	}
	id, err := ident.Parse[ident.TenantID](text)
	if err != nil {
		p.fault(n, "write the id of a tenant: ten_…")
	}
	return id
}

// methods reads a list of methods. An empty list is refused: it would match every method.
func (p *parser) methods(n *yaml.Node, at positions) []string {
	var methods []string
	p.list(n, "methods", MaxMethods, func(i int, item *yaml.Node) {
		at[fmt.Sprintf("methods.%d", i)] = item
		text, _ := p.text(item)
		methods = append(methods, text)
	})
	if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		p.fault(n, "the list is empty: name a method, or remove the member for every method")
	}
	return methods
}

// scopes reads a list, or {all: list}, or {any: list}.
func (p *parser) scopes(n *yaml.Node, at positions) (names []scope.Scope, anyScope bool) {
	read := func(v *yaml.Node) {
		p.list(v, "scopes", MaxScopes, func(i int, item *yaml.Node) {
			at[fmt.Sprintf("scopes.%d", i)] = item
			text, _ := p.text(item)
			names = append(names, scope.Scope(text))
		})
		if v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
			p.fault(v, "the list is empty: name a scope, or remove the member")
		}
	}
	if n.Kind != yaml.MappingNode {
		read(n)
		return names, false
	}
	p.mapping(n, "scopes", map[string]reader{
		"all": read,
		"any": func(v *yaml.Node) {
			anyScope = true
			read(v)
		},
	})
	if len(n.Content) != 2 {
		p.fault(n, "write one of all and any")
	}
	return names, anyScope
}

// application reads an id, or where a request has the id.
func (p *parser) application(n *yaml.Node, at positions) ApplicationSource {
	var a ApplicationSource
	if n.Kind != yaml.MappingNode {
		a.ID, _ = p.text(n)
		return a
	}
	into := func(name string, field *string) reader {
		return func(v *yaml.Node) {
			at["application."+name] = v
			*field, _ = p.text(v)
		}
	}
	p.mapping(n, "application", map[string]reader{
		"path": into("path", &a.Path), "query": into("query", &a.Query), "header": into("header", &a.Header),
	})
	if len(n.Content) != 2 {
		p.fault(n, "write one of path, query and header")
	}
	return a
}

func (p *parser) headers(n *yaml.Node, at positions) []Header {
	var headers []Header
	p.pairs(n, "headers", func(key, value *yaml.Node) {
		at["headers."+key.Value] = key
		text, ok := p.text(value)
		if !ok {
			return
		}
		h, err := ParseHeader(key.Value, text)
		if err != nil {
			p.fault(value, "%v", err)
		}
		headers = append(headers, h)
	})
	return headers
}

// ParseRules reads and compiles a file with the rules of an application: a mapping with the member
// "rules". What only the operator's file can say is refused. The error is a [FileFaults].
func ParseRules(name string, text []byte) ([]Rule, error) {
	p := &parser{file: File{Name: name}}
	var rules []Rule
	var where []ruleNode
	if root := p.document(text); root != nil {
		p.mapping(root, "the file", map[string]reader{
			"rules": func(v *yaml.Node) {
				p.list(v, "rules", MaxRules, func(_ int, item *yaml.Node) {
					r, node := p.rule(item)
					for _, only := range []string{"public", "tenant", "dialect"} {
						if n := node.at[only]; n != nil {
							p.fault(n, "only the operator's file can say %s: remove it", only)
						}
					}
					rules, where = append(rules, r), append(where, node)
				})
			},
		})
	}
	if len(p.faults) == 0 {
		_, problems := Compile(rules)
		for _, problem := range problems {
			node := where[problem.Rule]
			p.fault(node.at.find(problem.Name, node.node), "%s", problem.Message)
		}
	}
	return rules, p.result()
}
