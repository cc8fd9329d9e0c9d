package route

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
)

// DefaultEntry is the name of the entry for requests that name none.
const DefaultEntry = "default"

// MaxHosts is how many hosts an entry has at most.
const MaxHosts = 32

var (
	entryName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
	hostName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
)

// Check returns what is wrong with the entry apart from its rules. The fields are name, tenant,
// dialect, hosts.0 and otherwise.
func (e *Entry) Check() []fault.Field {
	var fields []fault.Field
	add := func(name, code, message string) {
		fields = append(fields, fault.Field{Name: name, Code: code, Message: message})
	}
	if len(e.Name) > maxName || !entryName.MatchString(e.Name) {
		add("name", "invalid", "Use 1 to 64 lower-case letters, digits, hyphens and underscores. "+
			"Begin with a letter.")
	}
	if e.Tenant != "" {
		if _, err := ident.Parse[ident.TenantID](string(e.Tenant)); err != nil {
			add("tenant", "invalid", "Write the id of a tenant: ten_…")
		}
	}
	if e.Dialect != "" && !slices.Contains(dialects, e.Dialect) {
		add("dialect", "unknown", "Use one of "+strings.Join(dialects, ", ")+".")
	}
	if len(e.Hosts) > MaxHosts {
		add("hosts", "too_many", fmt.Sprintf("List at most %d hosts.", MaxHosts))
	}
	for i, host := range e.Hosts {
		name := fmt.Sprintf("hosts.%d", i)
		if len(host) > 253 || !hostName.MatchString(host) {
			add(name, "invalid", "Write a host name in lower case, without a port: api.example.com.")
		} else if slices.Contains(e.Hosts[:i], host) {
			add(name, "duplicate", "List each host once.")
		}
	}
	switch {
	case e.Otherwise != Refuse && e.Otherwise != AnyKey:
		add("otherwise", "invalid", "Use refuse or any-key.")
	case e.Otherwise == AnyKey && e.Tenant == "":
		add("otherwise", "contradiction", "any-key needs a tenant. Without one, the keys of all tenants "+
			"would be accepted.")
	}
	return fields
}

// Match returns the first of the entry's own rules that matches, as [Table.Match] does. An entry
// without rules has none.
func (e *Entry) Match(method string, target Target, headers Headers) (Match, bool, error) {
	if e.Rules == nil {
		return Match{}, false, nil
	}
	return e.Rules.Match(method, target, headers)
}

// Outcome is what the rules say about a request.
type Outcome struct {
	// Rule is the rule that applies, and Index its position; nil if none does.
	Rule  *Rule
	Index int
	// Application is the id of the application that the request is about.
	Application string
	// AnyKey is set if no rule matches and the entry accepts every valid credential.
	AnyKey bool
	// Refused is the code with which the request is refused, whatever its credential is.
	Refused fault.Kind
}

// Source returns where the rule that applies was written; "" if none applies.
func (o Outcome) Source() string {
	if o.Rule == nil {
		return ""
	}
	return o.Rule.source(o.Index)
}

// Needs returns what the request to the entry needs, in words for messages; "" if it is refused
// whatever its credential is.
func (o Outcome) Needs(e *Entry) string {
	switch {
	case o.Rule != nil:
		return o.Rule.Needs()
	case o.AnyKey:
		return "a valid credential of " + string(e.Tenant) + ": no rule matches, and the entry says any-key"
	}
	return ""
}

// Explain returns what the entry says about a request. The tables are looked at after the entry's
// own rules. headers are those of the request.
func (e *Entry) Explain(method, uri string, headers Headers, tables ...*Table) Outcome {
	target, err := ParseTarget(uri)
	if err != nil {
		return Outcome{Refused: fault.KindOf(err)}
	}
	for _, t := range append([]*Table{e.Rules}, tables...) {
		if t == nil {
			continue
		}
		m, found, err := t.Match(method, target, headers)
		if !found {
			continue
		}
		o := Outcome{Rule: m.Rule, Index: m.Index, Application: m.Application}
		if err != nil {
			o.Refused = fault.KindOf(err)
		}
		return o
	}
	if e.Otherwise == AnyKey {
		return Outcome{AnyKey: true}
	}
	return Outcome{Refused: fault.RouteUnknown}
}

// Needs returns what the rule demands, in words for messages.
func (r *Rule) Needs() string {
	if r.Public {
		return "nothing: the rule is public"
	}
	var needs []string
	if r.Tenant != "" {
		needs = append(needs, "a credential of "+string(r.Tenant))
	}
	if r.SessionOnly {
		needs = append(needs, "a session")
	}
	if len(r.Scopes) > 0 {
		how := "all scopes of "
		if r.AnyScope {
			how = "one scope of "
		}
		needs = append(needs, how+strings.Join(scope.Set(r.Scopes).Strings(), " "))
	}
	switch a := r.Application; {
	case a.ID != "":
		needs = append(needs, "access to application "+a.ID)
	case a.Path != "":
		needs = append(needs, "access to the application in {"+a.Path+"}")
	case a.Query != "":
		needs = append(needs, "access to the application in the query parameter "+a.Query)
	case a.Header != "":
		needs = append(needs, "access to the application in the header "+a.Header)
	}
	if r.AllApplications {
		needs = append(needs, "access to all applications")
	}
	if len(needs) == 0 {
		return "a valid credential"
	}
	return strings.Join(needs, ", ")
}

// ParseHeader reads where the value of a header comes from: "key.team.name" or "owner.tier".
func ParseHeader(name, source string) (Header, error) {
	parts := strings.Split(source, ".")
	if (parts[0] != "key" && parts[0] != "owner") || len(parts) < 2 {
		return Header{}, errors.New("write key.NAME or owner.NAME, with the name of a member of the metadata")
	}
	return Header{Name: name, Owner: parts[0] == "owner", Path: parts[1:]}, nil
}

// Text returns where the value of the header comes from, as [ParseHeader] reads it.
func (h Header) Text() string {
	if h.Owner {
		return "owner." + strings.Join(h.Path, ".")
	}
	return "key." + strings.Join(h.Path, ".")
}
