package docsite

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// document has the parts of an OpenAPI 3.1 document that the pages show.
type document struct {
	Info struct {
		Title, Version, Description string
	}
	Servers []struct{ URL string }
	Tags    []struct{ Name, Description string }
	// Paths has the operations by path and by method in lower case.
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

// content has the schemas of a body, and an example, by media type.
type content map[string]struct {
	Schema  *schema
	Example json.RawMessage
}

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

// additional is the schema of members whose names are not fixed; nil if there are none.
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
		panic("docsite: not an OpenAPI document: " + err.Error())
	}
	return d
}

const schemaPrefix = "#/components/schemas/"

// resolve returns the schema that a reference names, or the schema itself if it is no reference.
func (d *document) resolve(s *schema) *schema {
	if name, ok := strings.CutPrefix(s.Ref, schemaPrefix); ok {
		return d.Components.Schemas[name]
	}
	return s
}

// word is a part of the name of a type. Object is the object that it links to, or "".
type word struct{ Text, Object string }

// typeOf returns the name of a schema's type, such as "list of Key", "string (date-time) or null".
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

func anyOf(schemas []*schema) (words []word) {
	for i, schema := range schemas {
		if i > 0 {
			words = append(words, word{Text: " or "})
		}
		words = append(words, typeOf(schema)...)
	}
	return words
}

func orNull(s *schema) []word {
	if slices.Contains(s.Type, "null") {
		return []word{{Text: " or null"}}
	}
	return nil
}

// memberNames returns the names of an object's members: first the required ones in the document's
// order, then the others sorted by name.
func (s *schema) memberNames() []string {
	names := slices.Clone(s.Required)
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
