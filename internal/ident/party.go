package ident

import (
	"slices"
	"strings"
)

// PartyID is the id of anything that can own a key or create an object: a user, a service account,
// a subject, a management key, the operator or the system.
type PartyID string

// PartyType is a type of party.
type PartyType string

// The types of parties. Keys belong to users, service accounts and subjects.
const (
	UserParty           PartyType = "user"
	ServiceAccountParty PartyType = "service_account"
	SubjectParty        PartyType = "subject"
	ManagementKeyParty  PartyType = "management_key"
	OperatorParty       PartyType = "operator"
	SystemParty         PartyType = "system"
)

// OwnerTypes returns the types of parties that can own keys.
func OwnerTypes() []PartyType { return []PartyType{UserParty, ServiceAccountParty, SubjectParty} }

// OwnsKeys reports whether parties of the type own keys.
func (t PartyType) OwnsKeys() bool { return slices.Contains(OwnerTypes(), t) }

// Type returns the type of the party that has the id; "" for an id of anything else. The operator
// and the system have ids that are equal to their types.
func (id PartyID) Type() PartyType {
	text := string(id)
	switch {
	case strings.HasPrefix(text, UserID("").form().prefix):
		return UserParty
	case strings.HasPrefix(text, ServiceAccountID("").form().prefix):
		return ServiceAccountParty
	case strings.HasPrefix(text, SubjectID("").form().prefix):
		return SubjectParty
	case strings.HasPrefix(text, ManagementKeyID("").form().prefix):
		return ManagementKeyParty
	case id == PartyID(OperatorParty), id == PartyID(SystemParty):
		return PartyType(id)
	}
	return ""
}

// User returns the id as that of a user; "" if the party is not a user.
func (id PartyID) User() UserID {
	if id.Type() != UserParty {
		return ""
	}
	return UserID(id)
}
