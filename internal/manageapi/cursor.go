package manageapi

import (
	"encoding/json"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/verify"
)

// place is where a page of a list ended.
type place struct {
	Time time.Time `json:"t"`
	ID   string    `json:"i"`
}

// PageInput are the parameters of every list. It is exported because huma sees no others when embedded.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Items of a page."`
	Cursor string `query:"cursor" doc:"The next_cursor of the page before."`
}

// binding ties a cursor to the list it came from: caller, path and filters. On any other list it does not open.
func binding(c verify.Caller, list string, filters ...string) []string {
	return append([]string{callerID(c), list}, filters...)
}

// callerID is the id of the key or of the person that asks.
func callerID(c verify.Caller) string {
	if k, ok := c.Key(); ok {
		return string(k.ID)
	}
	s, _ := c.Session()
	return string(s.User.ID)
}

func sealCursor(k *credential.Keyring, at place, bound []string) (string, error) {
	plain, err := json.Marshal(at)
	if err != nil {
		return "", err
	}
	return k.SealCursor(plain, bound...), nil
}

// openCursor gives the place of a cursor; "" is the beginning.
func openCursor(k *credential.Keyring, cursor string, bound []string) (at place, err error) {
	if cursor == "" {
		return place{}, nil
	}
	plain, ok := k.OpenCursor(cursor, bound...)
	if !ok || json.Unmarshal(plain, &at) != nil {
		return place{}, fault.Refuse(fault.Field{Name: "cursor", Code: "invalid", Message: "Use the next_cursor of the same list with the same filters, unchanged."})
	}
	return at, nil
}
