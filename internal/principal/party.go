package principal

import "github.com/claviger-dev/claviger/internal/ident"

// Party is who a key belongs to, or who created an object, as others see them. A deleted party has
// only its id.
type Party struct {
	ID   ident.PartyID
	Name string
	// Email is that of a user.
	Email string
	// ExternalID is the id that the host application gave a subject.
	ExternalID string
}

// Party returns the person as a party.
func (p Person) Party() Party { return Party{ID: ident.PartyID(p.ID), Name: p.Name, Email: p.Email} }

// Type returns the type of the party.
func (p Party) Type() ident.PartyType { return p.ID.Type() }

// User returns the id of the user that the party is; "" for any other party.
func (p Party) User() ident.UserID { return p.ID.User() }

// Is reports whether the party is this user.
func (p Party) Is(user ident.UserID) bool { return user != "" && p.ID == ident.PartyID(user) }

// Label returns the text by which people recognise the party: its e-mail address, its external id,
// or else its name.
func (p Party) Label() string {
	switch {
	case p.Email != "":
		return p.Email
	case p.ExternalID != "":
		return p.ExternalID
	}
	return p.Name
}
