// Package etag makes versions of objects, so that an edit never overwrites another one unseen.
//
// A [Tag] is a hash of what an edit can change in an object. The editor of an object sends the tag
// of what they have read, and the edit is refused with [ErrChanged] if the object has another one
// by then. The domain compares the tags inside the transaction, after it has locked the object, and
// returns the present object together with the error.
//
// On the wire a tag is the ETag of the object, and the tag that an edit expects is in If-Match
// (RFC 9110 sections 8.8.3 and 13.1.1).
package etag

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
)

// Tag is the version of an object: an opaque text of letters, digits, - and _.
//
// As the expectation of an edit it may also be "", which accepts every object and none, [Any],
// [Absent], or several versions with spaces between them, of which the object must have one.
type Tag string

// Any expects an object that exists, in whatever version.
const Any Tag = "*"

// never expects a version that no object has.
const never Tag = "-"

// Absent expects that the object does not exist.
const Absent Tag = "!"

// ErrChanged refuses an edit of an object that has changed since its editor read it.
var ErrChanged = fault.New(fault.Conflict,
	"The object was changed since you read it. Read it again, then repeat your change.")

// Check returns [ErrChanged] if the object that is edited has another version than expected.
func (expected Tag) Check(current Tag) error {
	if expected == "" || expected == Any || slices.Contains(strings.Fields(string(expected)), string(current)) {
		return nil
	}
	return ErrChanged
}

// CheckAbsent returns [ErrChanged] if the edit of an object that does not exist expects one.
func (expected Tag) CheckAbsent() error {
	if expected == "" || expected == Absent {
		return nil
	}
	return ErrChanged
}

// Quoted returns the tag as the value of the header ETag.
func (t Tag) Quoted() string { return `"` + string(t) + `"` }

// ParseIfMatch returns what the values of the header If-Match expect. Weak tags match nothing, and
// neither do tags that no object can have. It reports whether the values are well formed.
func ParseIfMatch(values []string) (expected Tag, ok bool) {
	text := strings.Trim(strings.Join(values, ","), " \t")
	if text == "" || text == string(Any) {
		return Tag(text), len(values) == 0 || text != ""
	}
	var tags []string
	for text != "" {
		tag, rest, ok := cutTag(text)
		if !ok {
			return "", false
		}
		if tag != "" {
			tags = append(tags, tag)
		}
		text = rest
	}
	if len(tags) == 0 {
		return never, true
	}
	return Tag(strings.Join(tags, " ")), true
}

// cutTag cuts the first entity tag off a list. The tag is "" if it is one that no object can have,
// and where the list has an empty element.
func cutTag(list string) (tag, rest string, ok bool) {
	list, weak := strings.CutPrefix(strings.TrimLeft(list, " \t"), "W/")
	opaque, quoted := strings.CutPrefix(list, `"`)
	if quoted {
		opaque, list, ok = strings.Cut(opaque, `"`)
		if !ok || strings.ContainsFunc(opaque, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return "", "", false
		}
	} else if weak {
		return "", "", false
	}
	list = strings.TrimLeft(list, " \t")
	rest, more := strings.CutPrefix(list, ",")
	if list != "" && !more {
		return "", "", false
	}
	foreign := func(r rune) bool { return !strings.ContainsRune(alphabet, r) }
	if !quoted || weak || strings.ContainsFunc(opaque, foreign) {
		opaque = ""
	}
	return opaque, rest, true
}

// alphabet has the characters of a tag.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// size is how many bytes of the hash a tag has. Nobody gains anything by a collision: the people
// who can choose the fields of an object may edit it without any tag.
const size = 12

// Of returns the tag of an object with these fields: booleans, numbers, texts and times, and lists,
// structs and pointers of them. Nil lists and empty ones are the same, and so are times within one
// microsecond, because the database cannot tell them apart. Fields of a struct that have their zero
// value are left out, so that a struct can get more fields and keep its tag.
func Of(fields ...any) Tag {
	sum := sha256.Sum256(appendValue(nil, reflect.ValueOf(fields)))
	return Tag(base64.RawURLEncoding.EncodeToString(sum[:size]))
}

// appendValue appends the value in a form that no other value has: its kind, and its length where
// that is not fixed.
func appendValue(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(b, 't')
		}
		return append(b, 'f')
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return appendNumber(b, 'i', v.Int())
	case reflect.String:
		return append(appendNumber(b, 's', int64(v.Len())), v.String()...)
	case reflect.Slice:
		b = appendNumber(b, 'l', int64(v.Len()))
		for i := range v.Len() {
			b = appendValue(b, v.Index(i))
		}
		return b
	case reflect.Struct:
		if at, ok := v.Interface().(time.Time); ok {
			return appendNumber(b, 'a', at.UnixMicro())
		}
		return appendStruct(b, v)
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return append(b, 'n')
		}
		return appendValue(append(b, 'p'), v.Elem())
	}
	panic(fmt.Sprintf("etag: a field has the type %s", v.Type()))
}

// appendStruct appends the fields that are set, with their names.
func appendStruct(b []byte, v reflect.Value) []byte {
	b = append(b, '{')
	for i := range v.NumField() {
		field := v.Field(i)
		if field.IsZero() || field.Kind() == reflect.Slice && field.Len() == 0 {
			continue
		}
		b = appendValue(b, reflect.ValueOf(v.Type().Field(i).Name))
		b = appendValue(b, field)
	}
	return append(b, '}')
}

// appendNumber appends a number with the letter of its kind.
func appendNumber(b []byte, kind byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, kind), uint64(n))
}
