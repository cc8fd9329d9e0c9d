package manageapi

import (
	"context"
	"errors"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	ifMatchHeader = "If-Match"
	etagHeader    = "ETag"
)

// ifMatchParam documents the header.
func ifMatchParam() *huma.Param {
	return &huma.Param{
		Name: ifMatchHeader, In: "header",
		Description: "The version that the object must have, as its ETag: in quotes. If the object has another one, " +
			"nothing changes, and the response is `conflict` with the object in `present`. Several versions are " +
			"separated by commas. `*` accepts every version of an object that exists. Without the header every " +
			"version is accepted.",
		Schema: &huma.Schema{Type: huma.TypeString},
	}
}

// expectedKey is the key of the expected version in a request's context.
type expectedKey struct{}

// expectedOf returns the version that the request expects of the object that it edits.
func expectedOf(ctx context.Context) etag.Tag {
	expected, _ := ctx.Value(expectedKey{}).(etag.Tag)
	return expected
}

// withExpected adds what If-Match expects to the context of a change. It refuses the header where
// nothing would be compared: its sender relies on it.
func withExpected(ctx huma.Context, needs requirement) (huma.Context, error) {
	r, _ := humago.Unwrap(ctx)
	values := r.Header[ifMatchHeader]
	if len(values) > 0 && !needs.versioned {
		return ctx, fault.Refuse(fault.Field{
			Name: ifMatchHeader, Code: "unsupported", Message: "This operation compares no versions. Leave it out.",
		})
	}
	expected, ok := etag.ParseIfMatch(values)
	if !ok {
		return ctx, fault.Refuse(fault.Field{
			Name: ifMatchHeader, Code: "form",
			Message: "Send the version in double quotes, several of them with commas between, or *.",
		})
	}
	return huma.WithValue(ctx, expectedKey{}, expected), nil
}

// edited returns the response to an edit: the object or, if it has another version than expected,
// the refusal with the object as it is. wire returns its wire form.
func edited[From, To any](object From, err error, wire func(From) To) (*output[To], error) {
	switch {
	case errors.Is(err, etag.ErrChanged):
		return nil, web.WithPresent(err, wire(object))
	case err != nil:
		return nil, err
	}
	return &output[To]{wire(object)}, nil
}

// setETag sets the ETag of a response whose body is an object with a version. It is a
// [huma.Transformer], so that no operation can forget it.
func setETag(ctx huma.Context, _ string, body any) (any, error) {
	if version := versionOf(body); version != "" {
		ctx.SetHeader(etagHeader, etag.Tag(version).Quoted())
	}
	return body, nil
}

// versionOf returns the version of an object in its wire form; "" if it has none.
func versionOf(object any) string {
	v := reflect.ValueOf(object)
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return ""
	}
	f, ok := versionField(v.Type())
	if !ok {
		return ""
	}
	version, err := v.FieldByIndexErr(f.Index)
	if err != nil { // an embedded part that this caller does not see
		return ""
	}
	return version.String()
}

// versionField returns the field of the version of wire forms of this type.
func versionField(t reflect.Type) (reflect.StructField, bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || isPlainList(t) {
		return reflect.StructField{}, false
	}
	f, ok := t.FieldByName("Version")
	return f, ok && f.Type.Kind() == reflect.String
}

// isPlainList reports whether the type is a list that is not edited as a whole: every list but the
// scope catalogue.
func isPlainList(t reflect.Type) bool {
	return strings.HasPrefix(t.Name(), "List[") && t != reflect.TypeFor[api.List[api.Scope]]()
}

// describeETag documents the header of the operation's responses if their body has a version.
func describeETag[Out any](op *huma.Operation) {
	t := reflect.TypeFor[Out]()
	if t.Kind() != reflect.Struct {
		return
	}
	body, ok := t.FieldByName("Body")
	if !ok {
		return
	}
	if _, ok := versionField(body.Type); !ok {
		return
	}
	for status, r := range op.Responses {
		if status >= "300" || len(r.Content) == 0 {
			continue
		}
		if r.Headers == nil {
			r.Headers = map[string]*huma.Param{}
		}
		r.Headers[etagHeader] = &huma.Param{
			Description: "The version of the object, in quotes.", Schema: &huma.Schema{Type: huma.TypeString},
		}
	}
}
