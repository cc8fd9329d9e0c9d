package docsite

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// reference is the content of the reference: every operation and every object.
type reference struct {
	Document *document
	Groups   []group
	Objects  []object
}

// group has the operations of one tag.
type group struct {
	Name, ID, Description string
	Entries               []entry
}

// entry is one operation.
type entry struct {
	ID, Method, Path, Summary, Description string
	Requirement                            requirement
	Parameters                             []member
	Body                                   *object
	Responses, Errors                      []reply
	// Samples call the operation, and Answer is an example of what it answers; "" for no body.
	Samples []sample
	Answer  string
}

// requirement says which credential an operation requires.
type requirement struct {
	// Anyone is set if the operation requires no credential.
	Anyone bool
	// Keys is set if a key is accepted as well as a session. The key needs Scope if it is not "".
	Keys  bool
	Scope string
}

// member is a parameter, or a member of an object.
type member struct {
	Name, In, Description string
	Type                  []word
	Required              bool
	Limits                string
}

// object is a JSON object, or another JSON value.
type object struct {
	Name, Description string
	Type              []word
	Required          bool
	Members           []member
}

// reply describes the responses with one status.
type reply struct {
	Status, Description string
	Type                []word
	Headers, Codes      []string
}

func referenceOf(d *document) reference {
	r := reference{Document: d}
	for _, tag := range d.Tags {
		id := strings.Join(strings.FieldsFunc(strings.ToLower(tag.Name), notInSlug), "-")
		r.Groups = append(r.Groups,
			group{Name: tag.Name, ID: id, Description: tag.Description, Entries: d.entries(tag.Name)})
	}
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		r.Objects = append(r.Objects, d.object(name, d.Components.Schemas[name]))
	}
	return r
}

// notInSlug reports whether a character separates the words of a path.
func notInSlug(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }

// methods lists the HTTP methods in the order in which the operations of a path are shown.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

func (d *document) entries(tag string) (list []entry) {
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range methods {
			op := d.Paths[path][strings.ToLower(method)]
			if op != nil && slices.Contains(op.Tags, tag) {
				list = append(list, d.entry(method, path, op))
			}
		}
	}
	return list
}

func (d *document) entry(method, path string, op *operation) entry {
	e := entry{
		ID: op.OperationID, Method: method, Path: path, Summary: op.Summary, Description: op.Description,
		Requirement: requirementOf(op.Security),
	}
	for _, p := range op.Parameters {
		e.Parameters = append(e.Parameters, member{
			Name: p.Name, In: p.In, Description: p.Description, Type: typeOf(p.Schema), Required: p.Required,
			Limits: limits(p.Schema),
		})
	}
	slices.SortStableFunc(e.Parameters, func(a, b member) int { return cmp.Compare(a.In, b.In) }) // path before query
	if op.RequestBody != nil {
		sent, found := op.RequestBody.Content[jsonBody]
		if !found {
			sent, found = op.RequestBody.Content[formBody]
		}
		if !found {
			sent = op.RequestBody.Content[pngBody]
		}
		body := d.object("", sent.Schema)
		body.Required = op.RequestBody.Required
		e.Body = &body
	}
	c := call{method: method, path: path, needs: e.Requirement}
	for _, server := range d.Servers {
		c.base = server.URL
	}
	if op.RequestBody != nil {
		c.kind, c.body = exampleOf(op.RequestBody.Content)
		if _, file := op.RequestBody.Content[pngBody]; file {
			c.kind, c.body = pngBody, pngFile
		}
	}
	e.Samples = samplesOf(c)
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		if r := replyOf(status, op.Responses[status]); status < "3" {
			e.Responses = append(e.Responses, r)
			if e.Answer == "" {
				_, e.Answer = exampleOf(op.Responses[status].Content)
			}
		} else {
			e.Errors = append(e.Errors, r)
		}
	}
	return e
}

func requirementOf(security []map[string][]string) requirement {
	n := requirement{Anyone: len(security) == 0}
	for _, alternative := range security {
		for scheme, scopes := range alternative {
			n.Keys = n.Keys || scheme != "session"
			n.Scope = cmp.Or(n.Scope, strings.Join(scopes, " "))
		}
	}
	return n
}

func replyOf(status string, r response) reply {
	reply := reply{
		Status: status, Description: r.Description, Headers: slices.Sorted(maps.Keys(r.Headers)),
		Codes: r.Codes,
	}
	if body, ok := r.Content[jsonBody]; ok {
		reply.Type = typeOf(body.Schema)
	}
	return reply
}

// object returns the description of a schema. A reference has the members of its target.
func (d *document) object(name string, s *schema) object {
	form := d.resolve(s)
	o := object{Name: name, Description: form.Description, Type: typeOf(s)}
	for _, name := range form.memberNames() {
		m := form.Properties[name]
		o.Members = append(o.Members, member{
			Name: name, Description: m.Description, Type: typeOf(m), Required: slices.Contains(form.Required, name),
			Limits: limits(m),
		})
	}
	return o
}

// limits returns the limits of a schema in words.
func limits(s *schema) string {
	var parts []string
	if len(s.Enum) > 0 {
		parts = append(parts, "one of "+strings.Trim(fmt.Sprint(s.Enum), "[]"))
	}
	if s.Minimum != nil {
		parts = append(parts, fmt.Sprintf("at least %v", *s.Minimum))
	}
	if s.Maximum != nil {
		parts = append(parts, fmt.Sprintf("at most %v", *s.Maximum))
	}
	if s.Default != nil {
		parts = append(parts, fmt.Sprintf("default %v", s.Default))
	}
	return strings.Join(parts, ", ")
}
