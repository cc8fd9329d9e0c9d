package web

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Answer writes a value as JSON for its caller alone.
func Answer(w http.ResponseWriter, status int, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	PrivateJSON(w.Header())
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may be gone
	return nil
}

// List gives the wire form of each.
func List[From, To any](from []From, wire func(From) To) api.List[To] {
	all := api.List[To]{Items: make([]To, len(from))}
	for i, item := range from {
		all.Items[i] = wire(item)
	}
	return all
}

// Status names whether what can be switched off is on.
func Status(off bool) string {
	if off {
		return string(policy.Disabled)
	}
	return string(policy.Active)
}

// Off reads a status as whether that which has it is to be switched off, or says what is wrong with it.
func Off(status string) (bool, []fault.Field) {
	switch policy.Status(status) {
	case policy.Active:
		return false, nil
	case policy.Disabled:
		return true, nil
	}
	return false, []fault.Field{{Name: "status", Code: "unknown", Message: "Use active or disabled."}}
}

// Person gives a person's wire form; a deleted one has null for e-mail and name.
func Person(p principal.Person) api.Person {
	return api.Person{ID: string(p.ID), Email: Optional(p.Email), Name: Optional(p.Name)}
}

// Optional gives null for "".
func Optional[T ~string](text T) *string {
	if text == "" {
		return nil
	}
	s := string(text)
	return &s
}

// Time gives null for the zero time, and UTC otherwise.
func Time(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Memberships gives the wire form of what a signed-in person belongs to.
func Memberships(s principal.Session) ([]api.Membership, []api.Standing) {
	memberships := make([]api.Membership, len(s.Memberships))
	for i, m := range s.Memberships {
		memberships[i] = api.Membership{TenantID: string(m.Tenant), AccountID: string(m.Account), Role: string(m.Role)}
	}
	standings := make([]api.Standing, len(s.Standings))
	for i, st := range s.Standings {
		standings[i] = api.Standing{AccountID: string(st.Account), Role: string(st.Role)}
	}
	return memberships, standings
}

// Strings gives an empty list rather than null.
func Strings(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
