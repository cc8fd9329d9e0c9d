package key

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/metadata"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// Spec is what a person asks a new key to be.
type Spec struct {
	Name        string
	Description string
	// Owner is "" for the caller, and where Subject is set.
	Owner ident.PartyID
	// Subject names a subject by its external id; nil for another owner. A subject that does not
	// exist is created together with the key. For one that exists, name and plan are left out, or
	// equal to what it has.
	Subject *machine.NewSubject
	// Scopes is nil for the default of the tenant.
	Scopes []scope.Scope
	// AllApplications is set, or ApplicationIDs has at least one id. Neither asks for the default
	// of the tenant, if it has one.
	AllApplications bool
	ApplicationIDs  []string
	// ExpiresAt is nil for none.
	ExpiresAt *time.Time
	// Addresses are the networks from which the key may be used, in CIDR notation; nil for every
	// address.
	Addresses []string
	// Metadata is a JSON object; nil for one without members.
	Metadata json.RawMessage
	// Delivery is "" for Direct.
	Delivery Delivery

	// addresses and metadata are what Validate read in Addresses and Metadata.
	addresses policy.Addresses
	metadata  metadata.Metadata
}

// Validate normalises the texts and returns what is wrong without regard to the tenant.
func (s *Spec) Validate(now time.Time) []fault.Field {
	var faults, more []fault.Field
	s.Name, faults = text.Name("name", s.Name)
	s.Description, more = text.Description("description", s.Description)
	faults = append(faults, more...)
	if s.Owner != "" && !s.Owner.Type().OwnsKeys() {
		faults = append(faults, fault.Field{
			Name: "owner_id", Code: "form", Message: "Use the id of a user, which begins with usr_.",
		})
	}
	if s.Subject != nil {
		subject := *s.Subject
		faults = append(faults, subject.Normalize("owner.")...)
		s.Subject = &subject
	}
	faults = append(faults, scopeFaults(s.Scopes)...)
	faults = append(faults, applicationFaults(s.AllApplications, s.ApplicationIDs)...)
	s.addresses, more = policy.ParseAddresses(addressField, s.Addresses)
	faults = append(faults, more...)
	s.metadata, more = metadata.Parse(metadataField, s.Metadata)
	faults = append(faults, more...)
	return append(faults, expiryFaults(s.ExpiresAt, now)...)
}

// requiresUpgrade reports whether a node of the version before does not understand the key.
func (s *Spec) requiresUpgrade() bool {
	return s.addresses.Restricted() || !s.metadata.Empty() || !s.forUser()
}

// forUser reports whether the owner of the key is a user.
func (s *Spec) forUser() bool {
	return s.Subject == nil && (s.Owner == "" || s.Owner.Type() == ident.UserParty)
}

// deliveryFaults sets the default delivery and checks it: a link gives a key to another person.
func (s *Spec) deliveryFaults(caller ident.UserID) []fault.Field {
	switch s.Delivery {
	case "":
		s.Delivery = Direct
	case Direct:
	case ByLink:
		switch {
		case !s.forUser():
			return []fault.Field{{
				Name: "delivery", Code: "user_only",
				Message: "Only a user can open a link. Use direct for a key of a service account or a subject.",
			}}
		case s.Owner == "" || s.Owner == ident.PartyID(caller):
			return []fault.Field{{
				Name: "delivery", Code: "self",
				Message: "A link is for a key of another owner_id. Use direct for a key of your own.",
			}}
		}
	default:
		return []fault.Field{{Name: "delivery", Code: "unknown", Message: "Use direct or link."}}
	}
	return nil
}

// linkRequiredFaults refuses to show the secret to the creator of a key if the owner is an owner or
// admin of the account: with the secret, the creator could act with that role.
func (s *Spec) linkRequiredFaults(by principal.Authority, owner Owner) []fault.Field {
	if !owner.Account.Valid() || owner.Is(by.Person.ID) || s.Delivery == ByLink {
		return nil
	}
	return []fault.Field{{
		Name: "delivery", Code: "link_required",
		Message: "The owner of this key is an owner or admin of the account. Only they may see its secret: use link.",
	}}
}

// validateInTenant fills in the tenant's defaults and returns what its catalogue, the policy of its
// account and the owner's role refuse.
func (s *Spec) validateInTenant(t policy.Tenant, owner policy.OwnerRights, now time.Time) []fault.Field {
	var faults []fault.Field
	if s.Scopes == nil {
		s.Scopes = t.Settings.DefaultScopes
		if len(s.Scopes) == 0 {
			faults = append(faults, fault.Field{
				Name: "scopes", Code: "required",
				Message: "This tenant has no default_scopes. List the scopes that the key needs.",
			})
		}
	}
	if !s.AllApplications && len(s.ApplicationIDs) == 0 {
		s.AllApplications = slices.Contains(t.Settings.DefaultScopes, scope.Every)
		if !s.AllApplications {
			faults = append(faults, noApplications)
		}
	}
	faults = append(faults, scopeGrantFaults(t, owner, s.Scopes)...)
	return append(faults, lifetimeFaults(t.Rules, s.ExpiresAt, now)...)
}
