package web

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claviger-dev/claviger/internal/fault"
)

// MaxBody is the largest body that is read, in bytes.
const MaxBody = 64 << 10

// Body is what was read of a request's body. It is released once it is no longer needed.
type Body struct{ buf *bytes.Buffer }

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Read reads a body of JSON whole, at most MaxBody of it. The Body must be released also where there is an error.
func Read(r *http.Request) (Body, error) {
	b := Body{buffers.Get().(*bytes.Buffer)}
	if err := jsonContent(r.Header); err != nil {
		return b, err
	}
	switch _, err := b.buf.ReadFrom(io.LimitReader(r.Body, MaxBody+1)); {
	case b.buf.Len() > MaxBody:
		return b, fault.TooLarge
	case err != nil:
		return b, fault.Wrap(fault.Malformed, err, "The body was cut short.")
	}
	return b, nil
}

// Bytes of the body, until it is released.
func (b Body) Bytes() []byte { return b.buf.Bytes() }

// Release gives the buffer back, emptied: it may have held a credential.
func (b Body) Release() {
	if b.buf == nil {
		return
	}
	clear(b.buf.Bytes())
	b.buf.Reset()
	buffers.Put(b.buf)
}

// Decode reads the one JSON value of a body into v, exactly: unknown and duplicate members, another case of a name, a wrong type, a
// second value and anything over MaxBody are refused, and what was sent is never repeated.
func Decode(r *http.Request, v any) error {
	body, err := Read(r)
	defer body.Release()
	if err != nil {
		return err
	}
	return Unmarshal(body.Bytes(), v)
}

// Buffer reads a body into memory. It gives what it read; what was wrong with it shows when it is decoded.
func Buffer(r *http.Request) []byte {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(text), failing{err}))
	return text
}

// failing ends a body the way it ended when it was read.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}

// Unmarshal reads one JSON value exactly; see Decode.
func Unmarshal(text []byte, v any) error {
	err := json.Unmarshal(text, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	known := wireNames(reflect.TypeOf(v))
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		return fault.Refuse(semantic(e, known))
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(e, jsontext.ErrDuplicateName) {
		return fault.New(fault.Malformed, "A member stands twice in one object: "+field(e.JSONPointer, known)+".")
	}
	return fault.New(fault.Malformed, "The body is not one JSON value.")
}

// maxContentType is the length of the longest media type that is looked at, in bytes.
const maxContentType = 256

// jsonContent accepts application/json in UTF-8.
func jsonContent(h http.Header) error {
	sent := h["Content-Type"]
	if len(sent) == 1 && len(sent[0]) > maxContentType {
		return fault.UnsupportedMediaType
	}
	if len(sent) == 1 && sent[0] == "application/json" {
		return nil
	}
	if len(sent) != 1 {
		return fault.UnsupportedMediaType
	}
	kind, params, err := mime.ParseMediaType(sent[0])
	if err != nil || kind != "application/json" || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return fault.UnsupportedMediaType
	}
	return nil
}

func semantic(e *json.SemanticError, known []string) fault.Field {
	name := field(e.JSONPointer, known)
	if errors.Is(e, json.ErrUnknownName) {
		return fault.Field{Name: name, Code: "unknown", Message: "Leave this member out: it is not known here. Names are matched exactly."}
	}
	return fault.Field{Name: name, Code: "type", Message: "Use " + wanted(e) + "."}
}

// wanted says which JSON would have been right.
func wanted(e *json.SemanticError) string {
	if e.GoType == nil {
		return "another type"
	}
	kind := e.GoType.String()
	if inner, ok := strings.CutPrefix(kind, "api.Optional["); ok {
		kind = strings.TrimSuffix(inner, "]")
	}
	switch {
	case strings.HasSuffix(kind, "time.Time"):
		return "a time in RFC 3339, for example 2027-01-31T12:00:00Z"
	case kind == "string", kind == "*string":
		return "a string"
	case kind == "bool", kind == "*bool":
		return "true or false"
	case kind == "[]string":
		return "a list of strings"
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "*int"):
		return "a whole number"
	}
	return "an object"
}

// maxUnknownName bounds what is repeated of a name that is none of ours: what is longer might be a password or a key in the wrong place.
const maxUnknownName = 12

// UnknownName gives what may be repeated of a name that is none of ours.
func UnknownName(name string) string {
	if len(name) > maxUnknownName {
		return "…"
	}
	return strings.ToValidUTF8(name, "…")
}

// field turns a JSON pointer into a dotted path.
func field(p jsontext.Pointer, known []string) string {
	var parts []string
	for part := range p.Tokens() {
		ours := slices.ContainsFunc(known, func(name string) bool { return strings.EqualFold(name, part) })
		if !ours {
			part = UnknownName(part)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ".")
}

// wireNames lists the JSON names of a type's members, at every depth.
func wireNames(t reflect.Type) (names []string) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return wireNames(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
				names = append(names, name)
				names = append(names, wireNames(f.Type)...)
			}
		}
	}
	return names
}
