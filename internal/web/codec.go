package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
)

const (
	// MaxBody is the largest body that is read, in bytes.
	MaxBody = 64 << 10
	// MaxLargeBody is the largest body that ReadLargeBody reads, in bytes.
	MaxLargeBody = 256 << 10
)

// Body is the body of a request in a pooled buffer. It is released when it is no longer needed.
type Body struct {
	buf *bytes.Buffer
	// pool is where the buffer comes from.
	pool *sync.Pool
}

// buffers are for bodies of at most MaxBody bytes, largeBuffers for those of ReadLargeBody.
var buffers, largeBuffers sync.Pool

// newBody returns an empty body whose buffer is from the pool.
func newBody(pool *sync.Pool) Body {
	buf, pooled := pool.Get().(*bytes.Buffer)
	if !pooled {
		buf = new(bytes.Buffer)
	}
	return Body{buf, pool}
}

// ReadBody reads a whole body of JSON. It refuses another media type, an encoding, and more than
// MaxBody bytes. The Body must be released even if there is an error.
func ReadBody(r *http.Request) (Body, error) {
	b := newBody(&buffers)
	return b, b.read(r, MaxBody, fault.TooLarge)
}

// ReadLargeBody is ReadBody for a body of at most MaxLargeBody bytes, whose length the request must
// state in advance. Nothing is read of a body that is longer.
func ReadLargeBody(r *http.Request) (Body, error) {
	b := newBody(&largeBuffers)
	tooLarge := fault.New(fault.TooLarge, fmt.Sprintf("The body has more than %d KiB.", MaxLargeBody>>10))
	switch {
	case r.ContentLength < 0:
		return b, fault.New(fault.Malformed, "Send the length of the body in Content-Length.")
	case r.ContentLength > MaxLargeBody:
		return b, tooLarge
	}
	return b, b.read(r, MaxLargeBody, tooLarge)
}

// read reads a whole body of JSON with at most most bytes, or returns tooLarge.
func (b Body) read(r *http.Request, most int, tooLarge error) error {
	if err := PlainContent(r.Header); err != nil {
		return err
	}
	if err := jsonContent(r.Header); err != nil {
		return err
	}
	switch _, err := b.buf.ReadFrom(io.LimitReader(r.Body, int64(most)+1)); {
	case b.buf.Len() > most:
		return tooLarge
	case err != nil:
		return errCutShort(err)
	}
	return nil
}

// Bytes returns the body. It is valid until Release.
func (b Body) Bytes() []byte { return b.buf.Bytes() }

// Release clears the buffer, which may hold a credential, and returns it to the pool.
func (b Body) Release() {
	if b.buf == nil {
		return
	}
	clear(b.buf.Bytes())
	b.buf.Reset()
	b.pool.Put(b.buf)
}

// Decode reads the one JSON value of a body into v. It is strict: it refuses unknown and duplicate
// members, a name in another case, a wrong type, a second value, and more than MaxBody bytes. Its
// errors never repeat what was sent.
func Decode(r *http.Request, v any) error {
	body, err := ReadBody(r)
	defer body.Release()
	if err != nil {
		return err
	}
	return Unmarshal(body.Bytes(), v)
}

// ReadBodyFirst reads a body into memory, from where handlers read it again. It returns an error
// only if the request ended with its body. Any other error appears when the body is decoded.
func ReadBodyFirst(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(text), failing{err}))
	if err != nil && r.Context().Err() != nil {
		return text, errCutShort(err)
	}
	return text, nil
}

// ReadWhole reads a body of at most MaxBody bytes, without an encoding. It fails if the body does
// not arrive completely.
func ReadWhole(r *http.Request) ([]byte, error) {
	if !hasBody(r) {
		return nil, nil
	}
	if err := PlainContent(r.Header); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	switch {
	case len(text) > MaxBody:
		return nil, fault.TooLarge
	case err != nil:
		return nil, errCutShort(err)
	}
	return text, nil
}

// errCutShort refuses a request whose body did not arrive completely, or not in time.
func errCutShort(err error) error {
	return fault.Wrap(fault.Malformed, err, "The body was cut short.")
}

// failing is the end of a buffered body: the error with which reading it ended, or io.EOF.
type failing struct{ err error }

// Read implements io.Reader.
func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}

// strict are the options for reading bodies: unknown members are refused, and times are read by
// api.ParseTime.
var strict = json.JoinOptions(json.RejectUnknownMembers(true), json.WithUnmarshalers(json.JoinUnmarshalers(
	json.UnmarshalFromFunc(readTime),
	json.UnmarshalFromFunc(func(d *jsontext.Decoder, o *api.Optional[time.Time]) error {
		if err := readTime(d, &o.Value); err != nil {
			return err
		}
		o.Set = true
		return nil
	}),
)))

// readTime reads a string as a time. Other values are left to the usual rules.
func readTime(d *jsontext.Decoder, at *time.Time) error {
	if d.PeekKind() != '"' {
		return errors.ErrUnsupported
	}
	token, err := d.ReadToken()
	if err != nil {
		return err
	}
	*at, err = api.ParseTime(token.String())
	return err
}

// TimeField returns what is wrong with a field whose time api.ParseTime refused with err. code is
// for a text that is no time.
func TimeField(name, code string, err error) fault.Field {
	if errors.Is(err, api.ErrTimePrecision) {
		return fault.Field{Name: name, Code: "precision", Message: sentence(api.ErrTimePrecision)}
	}
	return fault.Field{Name: name, Code: code, Message: sentence(api.ErrTimeForm)}
}

// sentence returns an error's text as a sentence.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// Unmarshal reads one JSON value strictly; see [Decode].
func Unmarshal(text []byte, v any) error {
	err := json.Unmarshal(text, v, strict)
	if err == nil {
		return nil
	}
	known := wireNames(reflect.TypeOf(v))
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		return fault.Refuse(semantic(e, known))
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(e, jsontext.ErrDuplicateName) {
		return fault.New(fault.Malformed, "An object has a member twice: "+field(e.JSONPointer, known)+".")
	}
	return fault.New(fault.Malformed, "The body is not one JSON value.")
}

// PlainContent refuses a body in an encoding, such as gzip. None is decoded: a limit on the encoded
// bytes would not limit the decoded ones.
func PlainContent(h http.Header) error {
	for _, line := range h["Content-Encoding"] {
		for coding := range strings.SplitSeq(line, ",") {
			coding = strings.TrimSpace(coding)
			if coding != "" && !strings.EqualFold(coding, "identity") {
				return fault.New(fault.UnsupportedMediaType, "Send the body without Content-Encoding.")
			}
		}
	}
	return nil
}

// maxContentType is the length of the longest media type that is parsed, in bytes.
const maxContentType = 256

// jsonContent refuses a body that is not declared as application/json in UTF-8.
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
	kind, params, err := mime.ParseMediaType(withoutEmptyParameters(sent[0]))
	if err != nil || kind != "application/json" || params["charset"] != "" && !strings.EqualFold(params["charset"],
		"utf-8") {
		return fault.UnsupportedMediaType
	}
	return nil
}

// withoutEmptyParameters removes empty parameters from a media type. RFC 9110 section 5.6.6 allows
// them, and mime.ParseMediaType does not.
func withoutEmptyParameters(mediaType string) string {
	parts := strings.Split(mediaType, ";")
	kept := parts[:1]
	for _, part := range parts[1:] {
		if TrimField(part) != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, ";")
}

// semantic returns what is wrong with a member.
func semantic(e *json.SemanticError, known []string) fault.Field {
	name := field(e.JSONPointer, known)
	if errors.Is(e, json.ErrUnknownName) {
		return fault.Field{
			Name: name, Code: "unknown",
			Message: "Unknown member: leave it out. Names are case-sensitive.",
		}
	}
	if errors.Is(e, api.ErrTimePrecision) || errors.Is(e, api.ErrTimeForm) {
		return TimeField(name, "type", e)
	}
	return fault.Field{Name: name, Code: "type", Message: "Use " + wanted(e) + "."}
}

// wanted returns which JSON would have been right.
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
	case kind == "*string", e.GoType.Kind() == reflect.String:
		return "a string"
	case kind == "bool", kind == "*bool":
		return "true or false"
	case e.GoType.Kind() == reflect.Slice && e.GoType.Elem().Kind() == reflect.String:
		return "a list of strings"
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "*int"):
		return "a whole number"
	}
	return "an object"
}

// maxUnknownName is the length of the longest unknown name that an error repeats, in bytes. A
// longer one might be a password or a key in the wrong place.
const maxUnknownName = 12

// unknownName returns an unknown name as an error may repeat it.
func unknownName(name string) string {
	if len(name) > maxUnknownName {
		return "…"
	}
	return strings.ToValidUTF8(name, "…")
}

// field returns a JSON pointer as a dotted path.
func field(p jsontext.Pointer, known []string) string {
	var parts []string
	for part := range p.Tokens() {
		ours := slices.ContainsFunc(known, func(name string) bool { return strings.EqualFold(name, part) })
		if !ours {
			part = unknownName(part)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ".")
}

// wireNames returns the JSON names of a type's members, at every depth.
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
