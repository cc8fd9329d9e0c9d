// Package etag makes versions of objects, so that an edit never overwrites another one unseen.
//
// A [Tag] is a hash of what an edit can change in an object. The editor of an object sends the tag
// of what they have read, and the edit is refused with [ErrChanged] if the object has another one
// by then. The domain compares the tags inside the transaction, after it has locked the object.
package etag

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"reflect"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
)

// Tag is the version of an object: an opaque text. As the expectation of an edit, "" accepts every
// version.
type Tag string

// ErrChanged refuses an edit of an object that has changed since its editor read it.
var ErrChanged = fault.New(fault.Conflict,
	"The object was changed since you read it. Read it again, then repeat your change.")

// Check returns [ErrChanged] if the object that is edited has another version than expected.
func (expected Tag) Check(current Tag) error {
	if expected == "" || expected == current {
		return nil
	}
	return ErrChanged
}

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
