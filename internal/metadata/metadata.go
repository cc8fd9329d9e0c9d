// Package metadata keeps what a tenant's own programs note about a key or a subject: a small JSON
// object that Claviger stores and returns, and never interprets.
//
// [Parse] accepts an object of at most 4096 bytes, 4 levels and 64 members, and nothing that one of
// the programs behind it could read in another way: no duplicate names, no NUL, no half of a
// surrogate pair, no number that a float64 cannot hold. [Metadata] is the object in canonical form:
// without white space, members sorted by name, strings with as few escapes as possible, numbers as
// they were sent.
package metadata

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claviger-dev/claviger/internal/fault"
)

// The bounds of an object.
const (
	// MaxBytes is the length of the longest object, in bytes of its canonical form.
	MaxBytes = 4096
	// MaxDepth is how deep objects and lists are nested, the outermost object included.
	MaxDepth = 4
	// MaxMembers is how many members an object has, those of nested objects included.
	MaxMembers = 64
	// MaxName is the length of the longest name of a member.
	MaxName = 64
	// maxNumber is the length of the longest number.
	maxNumber = 32
)

// Metadata is a JSON object in canonical form. The zero value is the object without members. Equal
// objects are ==.
type Metadata struct {
	text string // "" for the object without members
}

// Parse reads an object that somebody sent under the given field, and returns what is wrong with
// it. Nothing, or null, is the object without members.
func Parse(field string, raw json.RawMessage) (Metadata, []fault.Field) {
	if isNull(raw) {
		return Metadata{}, nil
	}
	root, faults := read(field, raw)
	if len(faults) > 0 {
		return Metadata{}, faults
	}
	return bounded(field, root)
}

// isNull reports whether there is no value, or null.
func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// Stored returns the object with the text that [Metadata.Text] returned. It returns an error for
// any other text.
func Stored(text string) (Metadata, error) {
	if text == "" {
		return Metadata{}, nil
	}
	root, faults := read("metadata", json.RawMessage(text))
	if len(faults) > 0 || len(root) == 0 || string(appendValue(nil, root)) != text {
		return Metadata{}, errStored
	}
	return Metadata{text}, nil
}

var errStored = errors.New("the stored metadata is not an object that this program writes")

// Empty reports whether the object has no members.
func (m Metadata) Empty() bool { return m.text == "" }

// Equal reports whether both are the same object.
func (m Metadata) Equal(other Metadata) bool { return m == other }

// Text returns the object as it is stored: "" for the object without members.
func (m Metadata) Text() string { return m.text }

// String returns the object in canonical form.
func (m Metadata) String() string {
	if m.Empty() {
		return "{}"
	}
	return m.text
}

// JSON returns the object in canonical form.
func (m Metadata) JSON() json.RawMessage { return json.RawMessage(m.String()) }

// Patch changes an object by the rules of RFC 7396. The zero value changes nothing.
type Patch struct {
	field string
	// clear removes all members before the changes.
	clear   bool
	changes object
	// whole is put in the place of the object; nil for a change of members.
	whole *Metadata
}

// Replacement returns the change that puts the object in the place of any other.
func Replacement(m Metadata) Patch { return Patch{whole: &m} }

// ParsePatch reads a change that somebody sent under the given field, and returns what is wrong
// with it: a member with the value null is removed, an object is merged with the present one, and
// any other value takes the place of the present one. null removes all members.
func ParsePatch(field string, raw json.RawMessage) (Patch, []fault.Field) {
	if isNull(raw) {
		return Patch{field: field, clear: true}, nil
	}
	changes, faults := read(field, raw)
	return Patch{field: field, changes: changes}, faults
}

// Merge returns the object that the patch makes of m, and what is wrong with that object.
func (m Metadata) Merge(p Patch) (Metadata, []fault.Field) {
	switch {
	case p.whole != nil:
		return *p.whole, nil
	case !p.clear && len(p.changes) == 0:
		return m, nil
	}
	present := object{}
	if !p.clear {
		present, _ = read(p.field, m.JSON()) // without fault: it was read before
	}
	return bounded(p.field, merged(present, p.changes).(object))
}

// merged returns the value that a change of it becomes. It is the function MergePatch of RFC 7396.
func merged(present, change any) any {
	changes, ok := change.(object)
	if !ok {
		return change
	}
	result := object{}
	if o, ok := present.(object); ok {
		maps.Copy(result, o)
	}
	for name, value := range changes {
		if value == null {
			delete(result, name)
		} else {
			result[name] = merged(result[name], value)
		}
	}
	return result
}

// bounded returns the object, or a fault if it has too many members or bytes. Merging makes no
// other fault: a merged object is as deep as the deeper one of the two.
func bounded(field string, root object) (Metadata, []fault.Field) {
	text := string(appendValue(nil, root))
	switch {
	case countMembers(root) > MaxMembers:
		return Metadata{}, []fault.Field{{Name: field, Code: "too_many", Message: tooMany}}
	case len(text) > MaxBytes:
		return Metadata{}, []fault.Field{{Name: field, Code: "too_large", Message: tooLarge}}
	case len(root) == 0:
		return Metadata{}, nil
	}
	return Metadata{text}, nil
}

// countMembers counts the members of a value, at every level.
func countMembers(value any) (n int) {
	switch v := value.(type) {
	case object:
		n = len(v)
		for _, inner := range v {
			n += countMembers(inner)
		}
	case list:
		for _, inner := range v {
			n += countMembers(inner)
		}
	}
	return n
}

// appendValue appends the canonical form of a value.
func appendValue(dst []byte, value any) []byte {
	switch v := value.(type) {
	case object:
		dst = append(dst, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, name)
			dst = append(dst, ':')
			dst = appendValue(dst, v[name])
		}
		return append(dst, '}')
	case list:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, item)
		}
		return append(dst, ']')
	case scalar:
		dst = append(dst, v...)
	}
	return dst
}

// appendString appends the canonical form of a string, which is valid UTF-8.
func appendString(dst []byte, text string) []byte {
	dst, err := jsontext.AppendQuote(dst, text)
	if err != nil {
		panic("metadata: a string that was read is not valid: " + err.Error())
	}
	return dst
}
