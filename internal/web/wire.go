package web

import (
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/principal"
)

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
