package manageapi

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/verify"
)

// position is where a page of a list ends: creation time and id of its last item. A cursor holds
// it.
type position struct {
	Time time.Time `json:"t"`
	ID   string    `json:"i"`
}

// PageInput are the parameters of every list. It is exported because huma sees no other embedded
// types.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Maximum number of items in the page."`
	Cursor string `query:"cursor" doc:"The next_cursor of the previous page."`
}

// Resolve refuses a number that is not written as JSON writes it. It implements huma.Resolver.
func (*PageInput) Resolve(ctx huma.Context) []error {
	sent := ctx.Query("limit")
	if n, err := strconv.Atoi(sent); err != nil || strconv.Itoa(n) == sent {
		return nil // huma refuses a text that is no number
	}
	return []error{fault.Refuse(fault.Field{
		Name: "limit", Code: "form", Message: "Write a whole number in digits, without a sign or a leading zero.",
	})}
}

// binding returns what a cursor is bound to: the caller, the list and its filters. The cursor opens
// with no other binding.
func binding(c verify.Caller, list string, filters ...string) []string {
	return append([]string{callerID(c), list}, filters...)
}

// callerID returns the id of the calling key, person or service account.
func callerID(c verify.Caller) string {
	if k, ok := c.Key(); ok {
		return string(k.ID)
	}
	if m, ok := c.ManagementKey(); ok {
		return string(m.ServiceAccount.ID)
	}
	s, _ := c.Session()
	return string(s.User.ID)
}

// sealCursor returns the cursor of a position.
func sealCursor(k *credential.Keyring, at position, binding []string) (string, error) {
	plain, err := json.Marshal(at)
	if err != nil {
		return "", err
	}
	return k.SealCursor(plain, binding...), nil
}

// openCursor returns the position of a cursor. "" is the beginning of the list.
func openCursor(k *credential.Keyring, cursor string, binding []string) (at position, err error) {
	if cursor == "" {
		return position{}, nil
	}
	plain, ok := k.OpenCursor(cursor, binding...)
	if !ok || json.Unmarshal(plain, &at) != nil {
		return position{},
			fault.Refuse(fault.Field{
				Name: "cursor", Code: "invalid",
				Message: "Use the next_cursor of the same list with the same filters, unchanged.",
			})
	}
	return at, nil
}
