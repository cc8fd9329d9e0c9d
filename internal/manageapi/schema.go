package manageapi

import (
	"encoding/json"
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

// content describes a body that has one of the types; nil for no type.
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

// typesOf returns the types of values.
func typesOf(values []any) []reflect.Type {
	types := make([]reflect.Type, len(values))
	for i, v := range values {
		types[i] = reflect.TypeOf(v)
	}
	return types
}

// patchSchemas adds to huma's schemas what huma does not see in the types: objects that can be
// null, members that only some callers see, and the doc comments.
func patchSchemas(schemas huma.Registry) {
	comments := readComments()
	for name, schema := range schemas.Map() {
		t := schemas.TypeFromRef(schemaPrefix + name)
		schema.Description = comments.of(t, "")
		for _, f := range reflect.VisibleFields(t) {
			patchMember(schema, t, f, comments)
		}
		if isPlainList(t) {
			delete(schema.Properties, "version")
		}
		if t == reflect.TypeFor[api.VerifyRequest]() {
			schema.Properties["headers"].AdditionalProperties = true // a header may have any type
		}
		if t == reflect.TypeFor[api.VerifyBatchItem]() {
			describeBatchItem(schema)
		}
	}
}

// describeBatchItem says that an item has one of three forms, which the Go type reads into one.
func describeBatchItem(item *huma.Schema) {
	*item = huma.Schema{Description: item.Description}
	for _, form := range []string{"Decision", "Refusal", "Problem"} {
		item.OneOf = append(item.OneOf, &huma.Schema{Ref: schemaPrefix + form})
	}
}

// patchMember does so for one member.
func patchMember(schema *huma.Schema, t reflect.Type, f reflect.StructField, comments docComments) {
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
	if text := comments.of(owner, f.Name); text != "" {
		member.Description = text
	}
	addEnum(member, f)
	describeObject(member, f)
}

// describeObject says that a member with JSON that this program does not read is an object.
func describeObject(member *huma.Schema, f reflect.StructField) {
	t := f.Type
	value, optional := optionalValue(t)
	if optional {
		t = value
	}
	if t == reflect.TypeFor[json.RawMessage]() {
		member.Type = huma.TypeObject
		member.AdditionalProperties = true
		member.Nullable = optional || f.Tag.Get("nullable") == "true"
	}
}

// addEnum lists the values of a member that is an enum of package api, or a list of them: those in
// the field's tag "values", or all.
func addEnum(member *huma.Schema, f reflect.StructField) {
	t, list := enumOf(f.Type)
	values := valuesOf(t)
	if values == nil {
		return
	}
	if tag := f.Tag.Get("values"); tag != "" {
		values = nil
		for value := range strings.SplitSeq(tag, ",") {
			values = append(values, value)
		}
	}
	if list {
		member = member.Items
	} else if f.Type.Kind() == reflect.Pointer {
		values = append(values, nil)
	}
	member.Enum = values
}

// enumOf returns the type that a field holds: itself, or what is in its pointer, list or Optional.
// list reports whether it is a list.
func enumOf(t reflect.Type) (of reflect.Type, list bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if value, ok := optionalValue(t); ok {
		t = value
	}
	if t.Kind() == reflect.Slice {
		return t.Elem(), true
	}
	return t, false
}

// optionalValue returns the type of the value of an api.Optional.
func optionalValue(t reflect.Type) (reflect.Type, bool) {
	if t.Kind() != reflect.Struct || !strings.HasPrefix(t.Name(), "Optional[") {
		return nil, false
	}
	f, ok := t.FieldByName("Value")
	return f.Type, ok
}

// valuesOf returns what the method Values of an enum of package api returns; nil for other types.
func valuesOf(t reflect.Type) (values []any) {
	method, ok := t.MethodByName("Values")
	if !ok || t.Kind() != reflect.String {
		return nil
	}
	list := method.Func.Call([]reflect.Value{reflect.Zero(t)})[0]
	for i := range list.Len() {
		values = append(values, list.Index(i).String())
	}
	return values
}

// ownerOf returns the struct that declares the member: the type, or one that is embedded in it. The
// member is optional if a pointer embeds the struct.
func ownerOf(t reflect.Type, f reflect.StructField) (owner reflect.Type, optional bool) {
	for _, i := range f.Index[:len(f.Index)-1] {
		t = t.Field(i).Type
		if t.Kind() == reflect.Pointer {
			t, optional = t.Elem(), true
		}
	}
	return t, optional
}
