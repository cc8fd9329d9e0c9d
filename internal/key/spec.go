package key

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// Bounds of a key's lists.
const (
	maxScopes       = 200
	maxApplications = 500
)

// Spec is what somebody asks a new key to be.
type Spec struct {
	Name        string
	Description string
	// Owner is "" for the caller.
	Owner ident.UserID
	// Scopes is nil for the tenant's default.
	Scopes []scope.Scope
	// AllApplications, or at least one of ApplicationIDs.
	AllApplications bool
	ApplicationIDs  []string
	// ExpiresAt is nil for none.
	ExpiresAt *time.Time
	// Delivery is "" for Direct.
	Delivery Delivery
}

// Validate normalises the texts and lists and says what is wrong, as far as it can be told without the tenant.
func (s *Spec) Validate(now time.Time) []fault.Field {
	var faults, more []fault.Field
	s.Name, faults = text.Name("name", s.Name)
	s.Description, more = text.Description("description", s.Description)
	faults = append(faults, more...)
	if s.Owner != "" {
		if _, err := ident.Parse[ident.UserID](string(s.Owner)); err != nil {
			faults = append(faults, fault.Field{Name: "owner_id", Code: "form", Message: "Use a user's id."})
		}
	}
	faults = append(faults, scopeFaults(s.Scopes)...)
	faults = append(faults, applicationFaults(s.AllApplications, s.ApplicationIDs)...)
	return append(faults, expiryFaults(s.ExpiresAt, now)...)
}

// linkFaults judges the delivery: a link hands a key over to somebody else.
func (s *Spec) linkFaults(caller ident.UserID) []fault.Field {
	switch s.Delivery {
	case "":
		s.Delivery = Direct
	case Direct:
	case ByLink:
		if s.Owner == "" || s.Owner == caller {
			return []fault.Field{{Name: "delivery", Code: "self", Message: "Use direct for a key of your own; a link is for another owner_id."}}
		}
	default:
		return []fault.Field{{Name: "delivery", Code: "unknown", Message: "Use direct or link."}}
	}
	return nil
}

// lastYear is the last that RFC 3339 can write.
const lastYear = 9999

func expiryFaults(at *time.Time, now time.Time) []fault.Field {
	switch {
	case at == nil:
		return nil
	case !at.After(now):
		return []fault.Field{{Name: "expires_at", Code: "past", Message: "Use a time in the future."}}
	case at.UTC().Year() > lastYear:
		return []fault.Field{{Name: "expires_at", Code: "range", Message: "Use a time before the year 10000 in UTC."}}
	}
	return nil
}

// scopeFaults judges the form of a list of scopes; nil is none at all.
func scopeFaults(scopes []scope.Scope) (faults []fault.Field) {
	if scopes == nil {
		return nil
	}
	if len(scopes) == 0 || len(scopes) > maxScopes {
		return []fault.Field{{Name: "scopes", Code: "length", Message: fmt.Sprintf("Name 1 to %d scopes.", maxScopes)}}
	}
	if slices.Contains(scopes, scope.Every) {
		if len(scopes) > 1 {
			return []fault.Field{{Name: "scopes", Code: "every", Message: "* stands alone."}}
		}
		return nil
	}
	for i, name := range scopes {
		if !name.Valid() {
			faults = append(faults, at("scopes", i, "form", "Use resource:action in lower case."))
		}
	}
	return faults
}

func applicationFaults(all bool, ids []string) (faults []fault.Field) {
	if all && len(ids) > 0 {
		return []fault.Field{{Name: "application_ids", Code: "exclusive", Message: "Give all_applications: true or application_ids, not both."}}
	}
	if len(ids) > maxApplications {
		return []fault.Field{{Name: "application_ids", Code: "length", Message: fmt.Sprintf("Name at most %d applications.", maxApplications)}}
	}
	for i, id := range ids {
		if _, err := ident.Parse[ident.ApplicationID](id); err != nil {
			faults = append(faults, at("application_ids", i, "form", "Use an application's id."))
		}
	}
	return faults
}

var noApplications = fault.Field{Name: "application_ids", Code: "required", Message: "Give all_applications: true or at least one application id."}

// fitTenant fills in the tenant's defaults and says what its catalogue, its policy and the owner's role refuse.
func (s *Spec) fitTenant(t policy.Tenant, owner scope.Role, now time.Time) []fault.Field {
	var faults []fault.Field
	if s.Scopes == nil {
		s.Scopes = t.Settings.DefaultScopes
		if len(s.Scopes) == 0 {
			faults = append(faults, fault.Field{Name: "scopes", Code: "required", Message: "Name the scopes the key needs."})
		}
	}
	if !s.AllApplications && len(s.ApplicationIDs) == 0 {
		if s.AllApplications = slices.Contains(t.Settings.DefaultScopes, scope.Every); !s.AllApplications {
			faults = append(faults, noApplications)
		}
	}
	faults = append(faults, unheld(t, owner, s.Scopes)...)
	return append(faults, beyondPolicy(t.Rules, s.ExpiresAt, now)...)
}

// unheld says which scopes the catalogue or the owner's role refuses.
func unheld(t policy.Tenant, owner scope.Role, scopes []scope.Scope) (faults []fault.Field) {
	for i, name := range scopes {
		switch {
		case name == scope.Every:
		case !t.Catalogue.Knows(name):
			faults = append(faults, at("scopes", i, "unknown", "Use a scope of the tenant's catalogue."))
		case !t.Catalogue.Holds(owner, name):
			faults = append(faults, at("scopes", i, "beyond_role", "The owner's role may not hold this scope."))
		}
	}
	return faults
}

// beyondPolicy refuses an expiry beyond the account's maximum for a secret set at the given time.
func beyondPolicy(rules []policy.Rule, at *time.Time, secretSetAt time.Time) []fault.Field {
	limit := maximum(rules, secretSetAt)
	if at == nil || limit.IsZero() || !at.After(limit) {
		return nil
	}
	message := "Use a time within the account's maximum lifetime, at the latest " + limit.UTC().Format(time.RFC3339) + "."
	return []fault.Field{{Name: "expires_at", Code: "beyond_policy", Message: message}}
}

// maximum gives the latest expiry that the account's maximum lifetime allows for a secret set at the given time; zero for no bound.
func maximum(rules []policy.Rule, secretSetAt time.Time) time.Time {
	var bounds []policy.Rule
	for _, r := range rules {
		if r.Reason == policy.ByMaxLifetime && r.Until.IsZero() {
			bounds = append(bounds, r)
		}
	}
	return policy.EffectiveExpiry(time.Time{}, secretSetAt, bounds).At
}

// stored gives an expiry as it is kept, in microseconds; zero for none.
func stored(at *time.Time) time.Time {
	if at == nil {
		return time.Time{}
	}
	return at.UTC().Truncate(time.Microsecond)
}

func at(list string, i int, code, message string) fault.Field {
	return fault.Field{Name: list + "." + strconv.Itoa(i), Code: code, Message: message}
}
