package manageapi

import (
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
)

const (
	schemaPrefix = "#/components/schemas/"
	jsonType     = "application/json"
	problemType  = "application/problem+json"
)

// content describes a body of one of the types; nil where there are none.
func content(h huma.API, mediaType string, types ...reflect.Type) map[string]*huma.MediaType {
	if len(types) == 0 {
		return nil
	}
	var forms []*huma.Schema
	for _, t := range types {
		forms = append(forms, h.OpenAPI().Components.Schemas.Schema(t, true, ""))
	}
	form := forms[0]
	if len(forms) > 1 {
		form = &huma.Schema{OneOf: forms}
	}
	return map[string]*huma.MediaType{mediaType: {Schema: form}}
}

func typesOf(values []any) []reflect.Type {
	types := make([]reflect.Type, len(values))
	for i, v := range values {
		types[i] = reflect.TypeOf(v)
	}
	return types
}

// mendSchemas adds to huma's schemas what it does not see in our types: objects that can be null, members that only some callers are
// shown, and the comments.
func mendSchemas(schemas huma.Registry) {
	said := comments()
	for name, schema := range schemas.Map() {
		t := schemas.TypeFromRef(schemaPrefix + name)
		schema.Description = said.of(t, "")
		for _, f := range reflect.VisibleFields(t) {
			mendMember(schema, t, f, said)
		}
	}
}

func mendMember(schema *huma.Schema, t reflect.Type, f reflect.StructField, said remarks) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	member := schema.Properties[name]
	if member == nil {
		return
	}
	if f.Type.Kind() == reflect.Pointer && member.Ref != "" && !strings.Contains(options, "omit") {
		member = &huma.Schema{OneOf: []*huma.Schema{member, {Type: "null"}}, Description: member.Description}
		schema.Properties[name] = member
	}
	owner, optional := ownerOf(t, f)
	if optional {
		schema.Required = slices.DeleteFunc(schema.Required, func(r string) bool { return r == name })
	}
	if text := said.of(owner, f.Name); text != "" {
		member.Description = text
	}
}

// ownerOf gives the struct that has the member itself: the type, or one embedded in it. Where a pointer embeds it, the member can be missing.
func ownerOf(t reflect.Type, f reflect.StructField) (owner reflect.Type, optional bool) {
	for _, i := range f.Index[:len(f.Index)-1] {
		t = t.Field(i).Type
		if t.Kind() == reflect.Pointer {
			t, optional = t.Elem(), true
		}
	}
	return t, optional
}

// remarks are the comments on package api's types and members, by "Type" and "Type.Member".
type remarks map[string]string

// of gives the remark on a type, or on a member of it.
func (said remarks) of(t reflect.Type, member string) string {
	if t.PkgPath() != reflect.TypeFor[api.Problem]().PkgPath() {
		return ""
	}
	name, _, _ := strings.Cut(t.Name(), "[") // a generic type, without what it is of
	if member != "" {
		name += "." + member
	}
	return said[name]
}
