package policy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Ceilings are what the keys that a management key creates, changes or refreshes may have at most.
// They are stored as JSON.
type Ceilings struct {
	// Scopes are names of scopes, or only scope.Every.
	Scopes       scope.Set
	Applications scope.Applications
	// Plans are those that it may give to subjects, sorted; "" is no plan.
	Plans []string
	// MaxLifetimeDays is how long a secret lives at most; 0 for any time.
	MaxLifetimeDays int
	// CreatesPerHour bounds the keys that it creates, the secrets that it refreshes and the
	// subjects that it creates, together.
	CreatesPerHour int
	// Addresses are the widest list of addresses that its keys may have.
	Addresses Addresses
}

// storedCeilings is the stored form of ceilings.
type storedCeilings struct {
	Scopes          scope.Set `json:"scopes"`
	AllApplications bool      `json:"all_applications"`
	ApplicationIDs  []string  `json:"application_ids"`
	Plans           []string  `json:"plans"`
	MaxLifetimeDays int       `json:"max_lifetime_days"`
	CreatesPerHour  int       `json:"creates_per_hour"`
	Addresses       Addresses `json:"allowed_cidrs"`
}

// MarshalJSON returns the stored form.
func (c Ceilings) MarshalJSON() ([]byte, error) {
	return json.Marshal(storedCeilings{
		c.Scopes, c.Applications.All, c.Applications.IDs, c.Plans, c.MaxLifetimeDays, c.CreatesPerHour, c.Addresses,
	})
}

// UnmarshalJSON reads the stored form. It refuses members that this version does not write: to skip
// a ceiling would widen what a management key may do.
func (c *Ceilings) UnmarshalJSON(text []byte) error {
	var s storedCeilings
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return err
	}
	*c = Ceilings{
		s.Scopes,
		scope.Applications{All: s.AllApplications, IDs: s.ApplicationIDs},
		s.Plans, s.MaxLifetimeDays,
		s.CreatesPerHour, s.Addresses,
	}
	return nil
}

// The bounds of a management key's numbers.
const (
	defaultCreatesPerHour = 1000
	maxCreatesPerHour     = 100_000
	maxCeilingEntries     = 500

	// DefaultManagementDays is how long a management key lives if nobody says, MaxManagementDays
	// how long it lives at most.
	DefaultManagementDays = 90
	MaxManagementDays     = 365
)

// WithDefaults returns the ceilings with the default in the place of 0.
func (c Ceilings) WithDefaults() Ceilings {
	c.CreatesPerHour = cmp.Or(c.CreatesPerHour, defaultCreatesPerHour)
	return c
}

// KeyGrant is what a key has, or would have.
type KeyGrant struct {
	Scopes       scope.Set
	Applications scope.Applications
	Addresses    Addresses
	// Lifetime is the time from the setting of the secret to the key's own expiry; 0 for a key that
	// has none.
	Lifetime time.Duration
}

// Excess says in which field something is beyond a ceiling, and what the ceiling is.
type Excess struct{ Field, Limit string }

// Within returns in what the grant is beyond the ceilings; the zero value if it is within them.
// Scopes and applications that stand for all are within ceilings that have the same.
func (g KeyGrant) Within(c Ceilings) Excess {
	switch {
	case !scopesWithin(g.Scopes, c.Scopes):
		return Excess{"scopes", limitText(c.Scopes.Strings())}
	case !applicationsWithin(g.Applications, c.Applications):
		return Excess{"application_ids", applicationsText(c.Applications)}
	case !g.Addresses.Within(c.Addresses):
		return Excess{"allowed_cidrs", limitText(c.Addresses.Strings())}
	case c.MaxLifetimeDays > 0 && (g.Lifetime <= 0 || g.Lifetime > c.Lifetime()):
		return Excess{"expires_at", fmt.Sprintf("%d days", c.MaxLifetimeDays)}
	}
	return Excess{}
}

// Lifetime returns the longest lifetime of a secret; 0 for any.
func (c Ceilings) Lifetime() time.Duration { return time.Duration(c.MaxLifetimeDays) * Day }

// AssignsPlan returns an excess if a subject may not be given the plan; "" is no plan.
func (c Ceilings) AssignsPlan(plan string) Excess {
	if slices.Contains(c.Plans, plan) {
		return Excess{}
	}
	texts := make([]string, len(c.Plans))
	for i, name := range c.Plans {
		texts[i] = cmp.Or(name, "null")
	}
	return Excess{"plan", limitText(texts)}
}

// Fault returns the refusal of what is beyond a ceiling; nil for the zero value.
func (e Excess) Fault() error {
	if e == (Excess{}) {
		return nil
	}
	return fault.New(fault.Forbidden, fmt.Sprintf(
		"The ceilings of this management key do not allow this: `%s` must be within %s.", e.Field, e.Limit))
}

// scopesWithin reports whether all of the scopes are in the ceiling.
func scopesWithin(own, ceiling scope.Set) bool {
	if isEvery(ceiling) {
		return true
	}
	return !slices.ContainsFunc(own, func(name scope.Scope) bool { return !slices.Contains(ceiling, name) })
}

func isEvery(s scope.Set) bool { return len(s) == 1 && s[0] == scope.Every }

func applicationsWithin(own, ceiling scope.Applications) bool {
	if ceiling.All {
		return true
	}
	return !own.All && !slices.ContainsFunc(own.IDs, func(id string) bool { return !slices.Contains(ceiling.IDs, id) })
}

func applicationsText(a scope.Applications) string {
	if a.All {
		return "all applications"
	}
	return limitText(a.IDs)
}

// maxLimitNames is how many names a message lists.
const maxLimitNames = 8

// limitText lists names for a message.
func limitText(names []string) string {
	switch {
	case len(names) == 0:
		return "nothing"
	case len(names) > maxLimitNames:
		return strings.Join(names[:maxLimitNames], ", ") + " and " + strconv.Itoa(len(names)-maxLimitNames) + " others"
	}
	return strings.Join(names, ", ")
}

// Faults returns what is wrong with the rights of a management key of a service account with the
// role. The rights are as they were sent; see [ManagementRights.Normal].
func (r ManagementRights) Faults(role scope.Role) []fault.Field {
	faults := r.permissionFaults(role)
	faults = append(faults, listFaults("owners", r.Owners, ident.OwnerTypes())...)
	return append(faults, r.Ceilings.faults("ceilings.")...)
}

func (r ManagementRights) permissionFaults(role scope.Role) []fault.Field {
	faults := listFaults("permissions", r.Permissions, Permissions())
	for i, p := range r.Permissions {
		if slices.Contains(Permissions(), p) && !p.WithinRole(role) {
			faults = append(faults, fault.Field{
				Name: fmt.Sprintf("permissions.%d", i), Code: "beyond_role",
				Message: "The role of the service account does not include this. " +
					"Leave it out, or change the role first.",
			})
		}
	}
	return faults
}

// faults returns what is wrong with the ceilings. The names of the fields begin with the prefix.
func (c Ceilings) faults(prefix string) (faults []fault.Field) {
	add := func(name, code, message string) {
		faults = append(faults, fault.Field{Name: prefix + name, Code: code, Message: message})
	}
	switch {
	case len(c.Scopes) > maxCeilingEntries:
		add("scopes", "length", fmt.Sprintf("List at most %d scopes.", maxCeilingEntries))
	case slices.Contains(c.Scopes, scope.Every) && len(c.Scopes) > 1:
		add("scopes", "every", "* means every scope. List it alone, or list single scopes.")
	}
	for i, name := range c.Scopes {
		if name != scope.Every && !name.Valid() {
			add(fmt.Sprintf("scopes.%d", i), "form", "Use the form resource:action, in lower case.")
		}
	}
	switch {
	case c.Applications.All && len(c.Applications.IDs) > 0:
		add("application_ids", "exclusive", "Send all_applications: true or application_ids, not both.")
	case len(c.Applications.IDs) > maxCeilingEntries:
		add("application_ids", "length", fmt.Sprintf("List at most %d applications.", maxCeilingEntries))
	}
	for i, id := range c.Applications.IDs {
		if _, err := ident.Parse[ident.ApplicationID](id); err != nil {
			add(fmt.Sprintf("application_ids.%d", i), "form", "Use the id of an application, which begins with app_.")
		}
	}
	if len(c.Plans) > maxCeilingEntries {
		add("plans", "length", fmt.Sprintf("List at most %d plans.", maxCeilingEntries))
	}
	for i, name := range c.Plans {
		if len(name) > maxPlanName {
			add(fmt.Sprintf("plans.%d", i), "form", "Use the name of a plan, or null for no plan.")
		}
	}
	if c.MaxLifetimeDays < 0 || c.MaxLifetimeDays > maxLifetime {
		add("max_lifetime_days", "range", fmt.Sprintf("Use 1 to %d days, or null for any lifetime.", maxLifetime))
	}
	if c.CreatesPerHour < 0 || c.CreatesPerHour > maxCreatesPerHour {
		add("creates_per_hour", "range", fmt.Sprintf("Use 1 to %d, or leave it out for %d.", maxCreatesPerHour,
			defaultCreatesPerHour))
	}
	return faults
}

// maxPlanName is the length of the longest name of a plan, in characters.
const maxPlanName = 64

// Normal returns the rights as they are stored: lists sorted, each entry once, and the default in
// the place of 0.
func (r ManagementRights) Normal() ManagementRights {
	r.Permissions = sortedOnce(r.Permissions)
	r.Owners = sortedOnce(r.Owners)
	r.Ceilings = r.Ceilings.WithDefaults()
	r.Ceilings.Scopes = scope.NewSet(r.Ceilings.Scopes...)
	r.Ceilings.Applications.IDs = sortedOnce(r.Ceilings.Applications.IDs)
	r.Ceilings.Plans = sortedOnce(r.Ceilings.Plans)
	return r
}

func sortedOnce[T cmp.Ordered](list []T) []T {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

// WidenedFaults returns in what rights are more than these: a management key is only ever narrowed.
func (r ManagementRights) WidenedFaults(to ManagementRights) (faults []fault.Field) {
	for _, f := range []struct {
		name   string
		within bool
	}{
		{"permissions", containsAll(r.Permissions, to.Permissions)},
		{"owners", containsAll(r.Owners, to.Owners)},
		{"ceilings.scopes", scopesWithin(to.Ceilings.Scopes, r.Ceilings.Scopes)},
		{"ceilings.application_ids", applicationsWithin(to.Ceilings.Applications, r.Ceilings.Applications)},
		{"ceilings.plans", containsAll(r.Ceilings.Plans, to.Ceilings.Plans)},
		{"ceilings.max_lifetime_days", limitWithin(to.Ceilings.MaxLifetimeDays, r.Ceilings.MaxLifetimeDays)},
		{"ceilings.creates_per_hour", limitWithin(to.Ceilings.CreatesPerHour, r.Ceilings.CreatesPerHour)},
		{"ceilings.allowed_cidrs", to.Ceilings.Addresses.Within(r.Ceilings.Addresses)},
		{"allowed_cidrs", to.Addresses.Within(r.Addresses)},
	} {
		if !f.within {
			faults = append(faults, fault.Field{
				Name: f.name, Code: "widened",
				Message: "A management key can only be narrowed. Create another one to allow more.",
			})
		}
	}
	return faults
}

func containsAll[T comparable](all, some []T) bool {
	return !slices.ContainsFunc(some, func(v T) bool { return !slices.Contains(all, v) })
}

// limitWithin reports whether a limit is no higher than a ceiling; 0 is no limit.
func limitWithin(limit, ceiling int) bool { return ceiling == 0 || limit > 0 && limit <= ceiling }

// Narrowed returns the rights that both have. A restore narrows what the backup has to what the
// journal says.
func (r ManagementRights) Narrowed(to ManagementRights) ManagementRights {
	return ManagementRights{
		Permissions: intersection(r.Permissions, to.Permissions),
		Owners:      intersection(r.Owners, to.Owners),
		Ceilings: Ceilings{
			Scopes:          r.Ceilings.Scopes.Narrowed(to.Ceilings.Scopes),
			Applications:    r.Ceilings.Applications.Narrowed(to.Ceilings.Applications),
			Plans:           intersection(r.Ceilings.Plans, to.Ceilings.Plans),
			MaxLifetimeDays: lowerLimit(r.Ceilings.MaxLifetimeDays, to.Ceilings.MaxLifetimeDays),
			CreatesPerHour:  lowerLimit(r.Ceilings.CreatesPerHour, to.Ceilings.CreatesPerHour),
			Addresses:       r.Ceilings.Addresses.Narrowed(to.Ceilings.Addresses),
		},
		Addresses: r.Addresses.Narrowed(to.Addresses),
	}
}
