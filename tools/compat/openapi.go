package compat

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// document is what this package reads of an OpenAPI 3.1 document.
type document struct {
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	Parameters []struct {
		Name     string `json:"name"`
		In       string `json:"in"`
		Required bool   `json:"required"`
	} `json:"parameters"`
	RequestBody *body           `json:"requestBody"`
	Responses   map[string]body `json:"responses"`
}

type body struct {
	Content map[string]struct {
		Schema schema `json:"schema"`
	} `json:"content"`
}

type schema struct {
	Ref        string            `json:"$ref"`
	Type       any               `json:"type"`
	Items      *schema           `json:"items"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Enum       []any             `json:"enum"`
	OneOf      []schema          `json:"oneOf"`
}

// OpenAPI returns the features of an OpenAPI document.
func OpenAPI(text []byte) ([]string, error) {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	r := reader{schemas: d.Components.Schemas, seen: map[string]bool{}}
	for path, item := range d.Paths {
		for method, op := range item {
			r.operation(strings.ToUpper(method)+" "+path, op)
		}
	}
	if len(r.features) == 0 {
		return nil, fmt.Errorf("the document has no operations")
	}
	return sorted(r.features), nil
}

// reader collects features.
type reader struct {
	schemas  map[string]schema
	seen     map[string]bool
	features []string
}

func (r *reader) add(words ...any) { r.features = append(r.features, line(words...)) }

func (r *reader) operation(name string, op operation) {
	for _, p := range op.Parameters {
		r.add(name, "takes", p.In, p.Name)
		if p.Required && p.In != "path" {
			r.add(name, "demands", p.In, p.Name)
		}
	}
	if op.RequestBody != nil {
		for _, content := range op.RequestBody.Content {
			r.add(name, "takes", r.form("request", content.Schema))
		}
	}
	for status, answer := range op.Responses {
		r.add(name, "answers", status)
		for _, content := range answer.Content {
			r.add(name, "answers", status, r.form("response", content.Schema))
		}
	}
}

// form returns the name of a schema's form, and collects the features of the schemas in it.
func (r *reader) form(side string, s schema) string {
	switch {
	case s.Ref != "":
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		r.object(side, name)
		return name
	case len(s.OneOf) > 0:
		var forms []string
		for _, one := range s.OneOf {
			forms = append(forms, r.form(side, one))
		}
		return strings.Join(forms, "|")
	case s.Items != nil:
		return "[" + r.form(side, *s.Items) + "]"
	}
	if list, ok := s.Type.([]any); ok {
		return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(list...), "[]")), "|")
	}
	return fmt.Sprint(s.Type)
}

// object collects the features of a named schema, once for each side.
func (r *reader) object(side, name string) {
	subject := side + " " + name
	if r.seen[subject] {
		return
	}
	r.seen[subject] = true
	s := r.schemas[name]
	for _, member := range slices.Sorted(maps.Keys(s.Properties)) {
		property := s.Properties[member]
		r.add(subject, "has", member+":", r.form(side, property))
		r.values(subject, member, property)
		if slices.Contains(s.Required, member) {
			if side == "request" {
				r.add(subject, "demands", member)
			} else {
				r.add(subject, "always has", member)
			}
		}
	}
}

// values collects the values of an enum that a request may send. A response may have new values.
func (r *reader) values(subject, member string, s schema) {
	enum := s.Enum
	if s.Items != nil {
		enum = s.Items.Enum
	}
	if !strings.HasPrefix(subject, "request ") {
		return
	}
	for _, value := range enum {
		r.add(subject, "lets", member, "be", value)
	}
}
