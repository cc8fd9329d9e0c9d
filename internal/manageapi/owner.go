package manageapi

import (
	"strings"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/verify"
)

// keyOwnerOf returns the owner that a request to create a key names; "" for the caller.
func keyOwnerOf(n api.CreateKeyRequest) (ident.PartyID, []fault.Field) {
	switch {
	case n.Owner == nil:
		return userOwner("owner_id", n.OwnerID)
	case n.OwnerID != "":
		return "", []fault.Field{{
			Name: "owner", Code: "exclusive", Message: "Send owner_id or owner, not both.",
		}}
	case n.Owner.Type == api.PartyUser:
		return userOwner("owner.id", n.Owner.ID)
	}
	return partyOwner("owner.id", ident.PartyType(n.Owner.Type), n.Owner.ID)
}

// userOwner checks the id of a user; "" is no user.
func userOwner(field, id string) (ident.PartyID, []fault.Field) {
	if _, err := ident.Parse[ident.UserID](id); err != nil && id != "" {
		return "", []fault.Field{{
			Name: field, Code: "form", Message: "Use the id of a user, which begins with usr_.",
		}}
	}
	return ident.PartyID(id), nil
}

// partyOwner checks the id of a service account or a subject.
func partyOwner(field string, of ident.PartyType, id string) (ident.PartyID, []fault.Field) {
	var err error
	form := "Use the id of a service account, which begins with sva_."
	switch of {
	case ident.ServiceAccountParty:
		err = isID[ident.ServiceAccountID](id)
	case ident.SubjectParty:
		err = isID[ident.SubjectID](id)
		form = "Use the id of a subject, which begins with sub_."
	default:
		return "", []fault.Field{{
			Name: "owner.type", Code: "unknown", Message: "Use user, service_account or subject.",
		}}
	}
	if err != nil {
		return "", []fault.Field{{Name: field, Code: "form", Message: form}}
	}
	return ident.PartyID(id), nil
}

// ownerFilter returns the owner whose keys a list is to contain: me, the id of a user, or the type
// and id of any owner (service_account:sva_…); "" for all owners.
func ownerFilter(caller verify.Caller, text string) (ident.PartyID, []fault.Field) {
	of, id, typed := strings.Cut(text, ":")
	switch {
	case !typed:
		user, faults := personOf(caller, "owner", text)
		return ident.PartyID(user), faults
	case ident.PartyType(of) == ident.UserParty:
		return userOwner("owner", id)
	case !ident.PartyType(of).OwnsKeys():
		return "", []fault.Field{{
			Name: "owner", Code: "unknown",
			Message: "Use me, the id of a user, or the type and id of an owner, such as service_account:sva_….",
		}}
	}
	return partyOwner("owner", ident.PartyType(of), id)
}
