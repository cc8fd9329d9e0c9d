package metadata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claviger-dev/claviger/internal/fault"
)

// The values of an object while it is read or changed. A scalar is the canonical text of a string,
// a number, true, false or null.
type (
	object map[string]any
	list   []any
	scalar string
)

const null scalar = "null"

// The messages of the faults that name a limit.
var (
	tooLarge  = fmt.Sprintf("Use at most %d bytes of JSON, not counting white space.", MaxBytes)
	tooDeep   = fmt.Sprintf("Nest objects and lists at most %d deep, the outermost object included.", MaxDepth)
	tooMany   = fmt.Sprintf("Use at most %d members, those of nested objects included.", MaxMembers)
	wrongName = fmt.Sprintf("Name members with 1 to %d letters of a to z, digits, dots, hyphens and underscores.",
		MaxName)
	wrongNumber = fmt.Sprintf("Use a number of at most %d characters, between -1.7e308 and 1.7e308. "+
		"Send other numbers as strings.", maxNumber)
)

// validName matches the name of a member, of any length.
var validName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// ValidName reports whether a member can have the name.
func ValidName(name string) bool { return len(name) <= MaxName && validName.MatchString(name) }

// reader reads a value and stops at the first fault.
type reader struct {
	decoder *jsontext.Decoder
	// path leads to the value that is read: the field, then names and indexes.
	path []string
}

// errField is the fault at which a reader stopped.
type errField struct{ fault.Field }

// Error returns the code of the fault.
func (e errField) Error() string { return e.Code }

// read reads an object and returns what is wrong with it, apart from its size.
func read(field string, raw json.RawMessage) (object, []fault.Field) {
	r := reader{decoder: jsontext.NewDecoder(bytes.NewReader(raw)), path: []string{field}}
	root, err := r.root()
	if err == nil {
		return root, nil
	}
	if e, ok := errors.AsType[errField](err); ok {
		return nil, []fault.Field{e.Field}
	}
	return nil, []fault.Field{{
		Name: field, Code: "form",
		Message: "Use JSON in UTF-8, without half a surrogate pair such as \\ud800.",
	}}
}

// root reads the one value of the text, an object.
func (r *reader) root() (object, error) {
	if kind := r.decoder.PeekKind(); kind != '{' && kind != jsontext.KindInvalid {
		return nil, r.fault("object", `Use a JSON object, such as {"team": "build"}.`)
	}
	root, err := r.object(1)
	if err != nil {
		return nil, err
	}
	if _, err := r.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return root, nil
}

// value reads a value that is in so many objects and lists.
func (r *reader) value(depth int) (any, error) {
	switch r.decoder.PeekKind() {
	case '{':
		return r.object(depth + 1)
	case '[':
		return r.list(depth + 1)
	case '"':
		return r.text()
	case '0':
		return r.number()
	}
	raw, err := r.decoder.ReadValue()
	return scalar(raw), err
}

func (r *reader) object(depth int) (object, error) {
	if err := r.begin(depth); err != nil {
		return nil, err
	}
	members := object{}
	for r.decoder.PeekKind() == '"' {
		token, err := r.decoder.ReadToken()
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return nil, r.fault("duplicate", "Use each name once in an object.")
		}
		if err != nil {
			return nil, err
		}
		name := token.String()
		if !ValidName(name) {
			return nil, r.fault("name", wrongName)
		}
		members[name], err = r.member(name, depth)
		if err != nil {
			return nil, err
		}
	}
	_, err := r.decoder.ReadToken() // }, or a syntax error
	return members, err
}

func (r *reader) list(depth int) (list, error) {
	if err := r.begin(depth); err != nil {
		return nil, err
	}
	items := list{}
	for kind := r.decoder.PeekKind(); kind != ']' && kind != jsontext.KindInvalid; kind = r.decoder.PeekKind() {
		item, err := r.member(strconv.Itoa(len(items)), depth)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	_, err := r.decoder.ReadToken() // ], or a syntax error
	return items, err
}

// member reads a member of an object or an item of a list.
func (r *reader) member(name string, depth int) (any, error) {
	r.path = append(r.path, name)
	value, err := r.value(depth)
	if err == nil {
		r.path = r.path[:len(r.path)-1]
	}
	return value, err
}

// begin reads the beginning of an object or a list of this depth.
func (r *reader) begin(depth int) error {
	if depth > MaxDepth {
		return r.fault("too_deep", tooDeep)
	}
	_, err := r.decoder.ReadToken()
	return err
}

// text reads a string. PostgreSQL stores no NUL, and a reader in C would end at it.
func (r *reader) text() (scalar, error) {
	token, err := r.decoder.ReadToken()
	if err != nil {
		return "", err
	}
	text := token.String()
	if strings.ContainsRune(text, 0) {
		return "", r.fault("character", "Remove the NUL characters (\\u0000).")
	}
	return scalar(appendString(nil, text)), nil
}

// number reads a number. It is kept as it is written, because a program may need more digits than a
// float64 has.
func (r *reader) number() (scalar, error) {
	raw, err := r.decoder.ReadValue()
	if err != nil {
		return "", err
	}
	if _, err := strconv.ParseFloat(string(raw), 64); err != nil || len(raw) > maxNumber {
		return "", r.fault("number", wrongNumber)
	}
	return scalar(raw), nil
}

// maxShownName is the length of the longest name that a fault repeats. A longer one might be a
// password or a key in the wrong place.
const maxShownName = 12

// fault returns a fault of the value that is read.
func (r *reader) fault(code, message string) error {
	path := r.path[0]
	for _, name := range r.path[1:] {
		if len(name) > maxShownName {
			name = "…"
		}
		path += "." + name
	}
	return errField{fault.Field{Name: path, Code: code, Message: message}}
}
