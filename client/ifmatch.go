package client

import (
	"encoding/json"
	"errors"

	"github.com/claviger-dev/claviger/api"
)

const matchHeader = "If-Match"

// WithIfMatch returns a client whose edits are refused with api.Conflict if the object has another
// version than this one, which is the Version of the object as it was read. [Present] returns the
// object as it is then. Use the client for one edit: its other changes are refused, since nothing
// would be compared.
func (c *Client) WithIfMatch(version string) *Client {
	other := *c
	other.header = c.header.Clone()
	other.header.Del(matchHeader)
	return other.WithHeader(matchHeader, `"`+version+`"`)
}

// Present returns the object as it is, if the error is that of an edit by [Client.WithIfMatch]
// which was refused because the object has another version. T is the type of the object, such as
// api.Key.
func Present[T any](err error) (object T, ok bool) {
	p, ok := errors.AsType[*api.Problem](err)
	if !ok || len(p.Present) == 0 {
		return object, false
	}
	ok = json.Unmarshal(p.Present, &object) == nil
	return object, ok
}
