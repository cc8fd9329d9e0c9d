package api

import (
	"encoding/json"
	"reflect"
)

// Optional is a member of a PATCH body: if it is absent, the present value stays; null clears the
// value; any other value replaces it. Tag it omitzero, so that an absent member is not written.
type Optional[T any] struct {
	// Set is true if the member is present, also as null.
	Set bool
	// Null is true if the member is null.
	Null  bool
	Value T
}

// To returns a member that replaces the present value.
func To[T any](value T) Optional[T] { return Optional[T]{Set: true, Value: value} }

// Cleared returns a member that clears the present value.
func Cleared[T any]() Optional[T] { return Optional[T]{Set: true, Null: true} }

// UnmarshalJSON implements json.Unmarshaler.
func (o *Optional[T]) UnmarshalJSON(text []byte) error {
	o.Set = true
	if string(text) == "null" {
		o.Null = true
		return nil
	}
	return json.Unmarshal(text, &o.Value)
}

// MarshalJSON implements json.Marshaler. It writes a list that is nil as the empty list, because
// null would clear the value.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if !o.Set || o.Null {
		return []byte("null"), nil
	}
	text, err := json.Marshal(o.Value)
	if err == nil && string(text) == "null" && reflect.TypeFor[T]().Kind() == reflect.Slice {
		text = []byte("[]")
	}
	return text, err
}
