package docs

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// document is what the pages show of an OpenAPI 3.1 document.
type document struct {
	Info struct {
		Title, Version, Description string
	}
	Servers []struct{ URL string }
	Tags    []struct{ Name, Description string }
	// Paths has operations by path and by method in lower case.
	Paths      map[string]map[string]*operation
	Components struct {
		Schemas         map[string]*schema
		SecuritySchemes map[string]securityScheme
	}
}

type operation struct {
	OperationID, Summary, Description string
	Tags                              []string
	Parameters                        []parameter
	RequestBody                       *struct {
		Required bool
		Content  content
	}
	Responses map[string]response
	Security  []map[string][]string
}

type parameter struct {
	Name, In, Description string
	Required              bool
	Schema                *schema
}

type response struct {
	Description string
	Headers     map[string]any
	Content     content
	Codes       []string `json:"x-codes"`
}

// content has the forms of a body by media type.
type content map[string]struct{ Schema *schema }

type schema struct {
	Ref                  string `json:"$ref"`
	Type                 oneOrMore
	Format, Description  string
	Required             []string
	Properties           map[string]*schema
	Items                *schema
	AdditionalProperties additional
	OneOf                []*schema
	Enum                 []any
	Default              any
	Minimum, Maximum     *float64
}

type securityScheme struct {
	Type, In, Name, Scheme, Description string
}

// oneOrMore is the `type` of a schema: one word, or a list of them.
type oneOrMore []string

func (t *oneOrMore) UnmarshalJSON(text []byte) error {
	var one string
	if err := json.Unmarshal(text, &one); err == nil {
		*t = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(t))
}

// additional is the form of members without a name of their own; nil where there are none.
type additional struct{ *schema }

func (a *additional) UnmarshalJSON(text []byte) error {
	if text[0] != '{' {
		return nil // true or false
	}
	return json.Unmarshal(text, &a.schema)
}

func parse(text []byte) *document {
	d := new(document)
	if err := json.Unmarshal(text, d); err != nil {
		panic("docs: not an OpenAPI document: " + err.Error())
	}
	return d
}

const schemaPrefix = "#/components/schemas/"

// resolve follows a reference.
func (d *document) resolve(s *schema) *schema {
	if name, ok := strings.CutPrefix(s.Ref, schemaPrefix); ok {
		return d.Components.Schemas[name]
	}
	return s
}

// word is a piece of the name of a type, and the object it links to, if any.
type word struct{ Text, Object string }

// typeOf says what a schema takes: "list of Key", "string (date-time) or null".
func typeOf(s *schema) []word {
	if name, ok := strings.CutPrefix(s.Ref, schemaPrefix); ok {
		return []word{{Text: name, Object: name}}
	}
	switch {
	case len(s.OneOf) > 0:
		return anyOf(s.OneOf)
	case s.Items != nil:
		return append(append([]word{{Text: "list of "}}, typeOf(s.Items)...), orNull(s)...)
	case s.AdditionalProperties.schema != nil:
		return append([]word{{Text: "object of "}}, typeOf(s.AdditionalProperties.schema)...)
	}
	text := strings.Join(s.Type, " or ")
	if s.Format != "" && slices.Contains(s.Type, "string") {
		text = strings.Replace(text, "string", s.Format, 1)
	}
	return []word{{Text: text}}
}

func anyOf(forms []*schema) (words []word) {
	for i, form := range forms {
		if i > 0 {
			words = append(words, word{Text: " or "})
		}
		words = append(words, typeOf(form)...)
	}
	return words
}

func orNull(s *schema) []word {
	if slices.Contains(s.Type, "null") {
		return []word{{Text: " or null"}}
	}
	return nil
}

// memberNames gives the members of an object: those that are always there in the document's order, then the others by name.
func (s *schema) memberNames() []string {
	names := slices.Clone(s.Required)
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
