package api

import "encoding/json"

// Optional is a member of a PATCH: absent keeps what is there, null clears it, a value replaces it. Tag it omitzero, so that an absent one is not sent.
type Optional[T any] struct {
	// Set is true where the member stood in the body, also as null.
	Set bool
	// Null is true where it was null.
	Null  bool
	Value T
}

// To is a member that replaces.
func To[T any](value T) Optional[T] { return Optional[T]{Set: true, Value: value} }

// Cleared is a member that clears.
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

// MarshalJSON implements json.Marshaler.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if !o.Set || o.Null {
		return []byte("null"), nil
	}
	return json.Marshal(o.Value)
}
