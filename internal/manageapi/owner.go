package manageapi

import (
	"strings"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/verify"
)

// keyOwner is the owner that a request to create a key names. It is zero for the caller.
type keyOwner struct {
	id ident.PartyID
	// subject is set for a subject that is named by its external id.
	subject *machine.NewSubject
}

// keyOwnerOf returns the owner that a request to create a key names.
func keyOwnerOf(n api.CreateKeyRequest) (owner keyOwner, faults []fault.Field) {
	switch {
	case n.Owner == nil:
		owner.id, faults = userOwner("owner_id", n.OwnerID)
	case n.OwnerID != "":
		faults = []fault.Field{{Name: "owner", Code: "exclusive", Message: "Send owner_id or owner, not both."}}
	case n.Owner.ExternalID != "" || n.Owner.Name != "" || n.Owner.Plan != "":
		owner.subject, faults = subjectOwner(*n.Owner)
	case n.Owner.Type == api.PartyUser && n.Owner.ID == "":
		faults = []fault.Field{{Name: "owner.id", Code: "required", Message: "Send the id of the user."}}
	case n.Owner.Type == api.PartyUser:
		owner.id, faults = userOwner("owner.id", n.Owner.ID)
	default:
		owner.id, faults = partyOwner("owner.id", ident.PartyType(n.Owner.Type), n.Owner.ID)
	}
	return owner, faults
}

// subjectOwner returns the subject that is named by its external id.
func subjectOwner(o api.KeyOwner) (*machine.NewSubject, []fault.Field) {
	switch {
	case o.Type != api.PartySubject:
		return nil, []fault.Field{{
			Name: "owner.type", Code: "subject_only", Message: "Only a subject has external_id, name and plan here.",
		}}
	case o.ID != "":
		return nil, []fault.Field{{
			Name: "owner.id", Code: "exclusive",
			Message: "Send the id of a subject alone, or external_id with or without name and plan.",
		}}
	}
	return &machine.NewSubject{ExternalID: o.ExternalID, Name: o.Name, Plan: o.Plan}, nil
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

// ownerFilter sets the owner whose keys a list is to contain: me, the id of a user, the type and id
// of any owner (service_account:sva_…), or the external id of a subject (external_id:…); "" for all
// owners.
func ownerFilter(caller verify.Caller, text string, f *key.Filter) (faults []fault.Field) {
	of, id, typed := strings.Cut(text, ":")
	switch {
	case of == "external_id":
		faults = machine.ExternalIDFaults("owner", id)
		f.ExternalID = id
	case !typed:
		var user ident.UserID
		user, faults = personOf(caller, "owner", text)
		f.Owner = ident.PartyID(user)
	case ident.PartyType(of) == ident.UserParty:
		f.Owner, faults = userOwner("owner", id)
	case !ident.PartyType(of).OwnsKeys():
		faults = []fault.Field{{
			Name: "owner", Code: "unknown",
			Message: "Use me, the id of a user, the type and id of an owner, such as service_account:sva_…, or " +
				"external_id: and the external id of a subject.",
		}}
	default:
		f.Owner, faults = partyOwner("owner", ident.PartyType(of), id)
	}
	return faults
}

// creatorFilter returns the party that created the keys of a list: me, the id of a user, the type
// and id of another party (management_key:mgk_…), operator or system; "" for all.
func creatorFilter(caller verify.Caller, text string) (ident.PartyID, []fault.Field) {
	of, id, typed := strings.Cut(text, ":")
	party := ident.PartyID(id)
	switch {
	case text == string(ident.OperatorParty), text == string(ident.SystemParty):
		return ident.PartyID(text), nil
	case !typed:
		user, faults := personOf(caller, "created_by", text)
		return ident.PartyID(user), faults
	case ident.PartyType(of) == ident.UserParty && isID[ident.UserID](id) == nil,
		ident.PartyType(of) == ident.ManagementKeyParty && isID[ident.ManagementKeyID](id) == nil:
		return party, nil
	}
	return "", []fault.Field{{
		Name: "created_by", Code: "form",
		Message: "Use me, the id of a user, or the type and id of a party, such as management_key:mgk_….",
	}}
}
