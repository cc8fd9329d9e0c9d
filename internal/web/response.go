package web

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Headers that need no allocation to set.
var (
	noStore  = []string{"no-store"}
	jsonType = []string{"application/json"}
	nosniff  = []string{"nosniff"}
)

// SetPrivate sets the headers of a response that only its client may keep or interpret.
func SetPrivate(h http.Header) {
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = nosniff
}

// SetPrivateJSON is SetPrivate for a response of JSON.
func SetPrivateJSON(h http.Header) {
	SetPrivate(h)
	h["Content-Type"] = jsonType
}

// WriteJSON writes a value as JSON that no cache may keep.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	SetPrivateJSON(w.Header())
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may be gone
	return nil
}

// List returns the wire form of a list.
func List[From, To any](from []From, wire func(From) To) api.List[To] {
	all := api.List[To]{Items: make([]To, len(from))}
	for i, item := range from {
		all.Items[i] = wire(item)
	}
	return all
}

// TextsAs returns a list of texts of one type as another, such as the type of the wire. It is never
// nil, which would be null.
func TextsAs[To, From ~string](list []From) []To {
	to := make([]To, len(list))
	for i, text := range list {
		to[i] = To(text)
	}
	return to
}

// Status returns the status of an object that can be disabled.
func Status(disabled bool) api.Status {
	if disabled {
		return api.StatusDisabled
	}
	return api.StatusActive
}

// ParseStatus reports whether a status is "disabled". It refuses every text but that and "active".
func ParseStatus(status api.Status) (disabled bool, faults []fault.Field) {
	switch status {
	case api.StatusActive:
		return false, nil
	case api.StatusDisabled:
		return true, nil
	}
	return false, []fault.Field{{Name: "status", Code: "unknown", Message: "Use active or disabled."}}
}

// Person returns the wire form of a person. Email and name of a deleted person are null.
func Person(p principal.Person) api.Person {
	return api.Person{ID: string(p.ID), Email: Optional(p.Email), Name: Optional(p.Name)}
}

// Party returns the wire form of a party.
func Party(p principal.Party) api.Party {
	return api.Party{
		Type: api.PartyType(p.Type()), ID: string(p.ID), Name: Optional(p.Name), Email: Optional(p.Email),
		ExternalID: Optional(p.ExternalID),
	}
}

// ProvenPerson is Person with whether the e-mail address is known to be the person's.
func ProvenPerson(p principal.Person, proven bool) api.Person {
	shown := Person(p)
	shown.EmailProven = &proven
	return shown
}

// Optional returns nil for "", which is null on the wire.
func Optional[T ~string](text T) *string { return OptionalAs[string](text) }

// OptionalAs is Optional for an enum of package api.
func OptionalAs[To, From ~string](text From) *To {
	if text == "" {
		return nil
	}
	to := To(text)
	return &to
}

// Time returns the time in UTC, and nil for the zero time, which is null on the wire.
func Time(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Memberships returns the tenants and accounts of a signed-in person in their wire form.
func Memberships(s principal.Session) ([]api.Membership, []api.AccountMembership) {
	memberships := make([]api.Membership, len(s.Memberships))
	for i, m := range s.Memberships {
		memberships[i] = api.Membership{
			TenantID: string(m.Tenant), AccountID: string(m.Account),
			Role: api.Role(m.Role),
		}
	}
	accounts := make([]api.AccountMembership, len(s.AccountMembers))
	for i, m := range s.AccountMembers {
		accounts[i] = api.AccountMembership{AccountID: string(m.Account), Role: api.Role(m.Role)}
	}
	return memberships, accounts
}

// Session returns a signed-in person in its wire form.
func Session(p principal.Principal) api.Session {
	s, _ := p.Session()
	memberships, accounts := Memberships(s)
	return api.Session{
		User: Person(s.User), Accounts: accounts, Memberships: memberships,
		EndedAccounts: TextsAs[string](s.Ended), ExpiresAt: s.ExpiresAt,
	}
}

// Strings returns an empty list for nil, which would be null on the wire.
func Strings(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
