package console

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

const (
	// maxDescription is how many characters a description has at most.
	maxDescription = 1000
	newKeyPath     = "/settings/keys/new"
)

// byPolicyNote is said of the expiry by the policy of the account.
const byPolicyNote = ", by policy"

// The choices of the form for a new key.
const (
	expiryDate = "date"
	// expiryPolicy leaves the key without a date of its own: automatic expiration ends it.
	expiryPolicy = "policy"
	expiryNever  = "never"
	accessRead   = "read"
	accessSome   = "some"
	accessAll    = "all"
)

// expiryDays are the lifetimes that are offered, as far as the account's policy allows them.
var expiryDays = []int{7, 30, 90, 180, 365}

// usualDays is the lifetime that is chosen first.
const usualDays = 90

// newKey shows the form for a key.
func (c *Console) newKey(k *call) (response, error) {
	values := k.form
	if values == nil {
		values = k.URL.Query()
	}
	if !k.isFromHere() { // a link of somebody else chooses nothing
		values = url.Values{"tenant": values["tenant"]}
	}
	return k.keyForm(values, nil)
}

// keyForm returns the form, filled in, with what is wrong.
func (k *call) keyForm(values url.Values, faults view.Faults) (response, error) {
	tenants, err := k.creatable()
	if err != nil {
		return response{}, err
	}
	if len(tenants) == 0 {
		return response{}, fault.New(fault.Forbidden,
			"No tenant of yours lets you create a key. Ask an administrator of the tenant to create one for you.")
	}
	t, err := chosenTenant(tenants, values.Get("tenant"))
	if err != nil {
		return response{}, err
	}
	page := view.NewKey{
		Crumb: view.Link{Text: "API keys", Path: "/settings/keys"}, Heading: "New API key",
		Intro: "It is usable immediately.", Button: "Generate", Action: newKeyPath, Faults: faults,
		Tenant: string(t.ID), Visible: visibleWords("You", t),
	}
	page.Others = k.othersForm(t)
	for _, one := range tenants {
		page.Tenants = append(page.Tenants, view.Choice{
			Value: string(one.ID), Text: one.Name, Checked: one.ID == t.ID,
		})
	}
	if err := k.fillKeyForm(&page, t, values, roleGrants(k.who.RoleIn(t.ID, t.Account), "your")); err != nil {
		return response{}, err
	}
	if err := k.summarize(&page, t, ident.PartyID(k.session.User.ID), "your"); err != nil {
		return response{}, err
	}
	return response{
		page: page, title: page.Heading, narrow: true, current: "/settings/keys", status: statusOf(faults),
	}, nil
}

// othersForm returns where the person creates a key for somebody else in a tenant; "" if they may
// not.
func (k *call) othersForm(t tenancy.Tenant) string {
	if _, err := k.othersTypes(t); err != nil || !k.isAdmin(t) {
		return ""
	}
	return newKeyFor(t.ID, "")
}

// fillKeyForm fills in what the form for a key has for every owner.
func (k *call) fillKeyForm(page *view.NewKey, t tenancy.Tenant, values url.Values, g grants) error {
	entries, err := k.console.Tenancy.Scopes(k.Context(), k.who, t.ID)
	if err != nil {
		return err
	}
	applications, err := k.console.Applications.Applications(k.Context(), k.who, t.ID,
		paging.Page{Limit: application.MaxPerTenant})
	if err != nil {
		return err
	}
	limit, err := k.lifetimeLimit(t)
	if err != nil {
		return err
	}
	page.Once, page.Name = rand.Text(), values.Get("name")
	page.Description = values.Get("description")
	page.DescriptionLeft = maxDescription - utf8.RuneCountInString(page.Description)
	page.Date, page.Addresses = values.Get("date"), values.Get("allowed_cidrs")
	page.Metadata = values.Get("metadata")
	page.MinDate = k.now.In(k.zone).AddDate(0, 0, 1).Format(time.DateOnly)
	if limit.days > 0 {
		page.MaxDate = k.now.In(k.zone).AddDate(0, 0, limit.days).Format(time.DateOnly)
	}
	page.Limit, page.Expiry = limit.words, k.expiryChoices(values.Get("expiry"), limit)
	page.Access = accessChoices(values.Get("access"), t, g)
	page.Scopes = scopeGroups(entries, g, values["scope"])
	page.ApplicationChoices, page.Applications = applicationChoices(values, applications)
	return nil
}

// grants are the scopes that a key of an owner may have.
type grants struct {
	has func(scope.Entry) bool
	// all names the choice of all of them, and other is said of a scope that is none of them.
	all, other string
}

// roleGrants returns the scopes that a role allows. whose says of whom the role is: "your".
func roleGrants(role scope.Role, whose string) grants {
	return grants{
		has: func(e scope.Entry) bool { return slices.Contains(e.Roles, role) },
		all: "All scopes " + whose + " role allows", other: "for another role. ",
	}
}

// creatable returns the tenants in which the person may create a key of their own.
func (k *call) creatable() (list []tenancy.Tenant, err error) {
	tenants, err := k.console.Tenancy.Tenants(k.Context(), k.who, paging.Page{Limit: maxTenants})
	for _, t := range slices.Backward(tenants) {
		if key.MayCreateOwn(k.who, t.ID, t.Account, t.Settings) == nil {
			list = append(list, t)
		}
	}
	return list, err
}

// chosenTenant returns the tenant with the id, or the first if none is chosen. A form for one
// tenant never becomes one for another.
func chosenTenant(tenants []tenancy.Tenant, id string) (tenancy.Tenant, error) {
	for _, t := range tenants {
		if string(t.ID) == id || id == "" {
			return t, nil
		}
	}
	return tenancy.Tenant{}, fault.New(fault.NotFound, "You can create no key in this tenant.")
}

// visibleWords says who sees name and description of a key of the owner.
func visibleWords(owner string, t tenancy.Tenant) string {
	if t.Settings.Visibility == policy.SeeAll {
		return "Everybody in " + t.Name + " sees name and description."
	}
	return owner + " and the administrators of " + t.Name + " see name and description."
}

// limit is what the account's policy says about the lifetime of a new key.
type limit struct {
	// days is the longest lifetime that can be chosen; 0 for any.
	days int
	// byPolicy is set where automatic expiration ends keys after these days.
	byPolicy bool
	words    string
}

// lifetimeLimit returns the limit of the account of a tenant.
func (k *call) lifetimeLimit(t tenancy.Tenant) (limit, error) {
	p, err := k.console.Accounts.Policy(k.Context(), k.who, t.Account)
	if err != nil {
		return limit{}, err
	}
	most := policy.InForce(p.Rules, policy.ByMaxLifetime).Days
	auto := policy.InForce(p.Rules, policy.ByAutoExpiry).Days
	l := limit{days: most, words: "No policy limits the lifetime of keys."}
	if auto > 0 && (most == 0 || auto <= most) {
		l.days, l.byPolicy = auto, true
		l.words = fmt.Sprintf("Secrets expire %d days after they are set: automatic expiration of the account.", auto)
	} else if most > 0 {
		l.words = fmt.Sprintf("The account allows at most %d days.", most)
	}
	return l, nil
}

// expiryChoices returns the lifetimes within the limit, each with its date. Where automatic
// expiration ends keys, the longest one is that of the policy: the key then follows the policy,
// also when that changes.
func (k *call) expiryChoices(chosen string, l limit) (list []view.Choice) {
	add := func(value, text, note string) {
		list = append(list, view.Choice{Value: value, Text: text, Note: note, Checked: value == chosen})
	}
	dateIn := func(days int) string { return k.date(k.now.Add(time.Duration(days) * day)) }
	for _, days := range expiryDays {
		if l.days == 0 || days < l.days || days == l.days && !l.byPolicy {
			add(strconv.Itoa(days), count(days, "day"), dateIn(days))
		}
	}
	if l.byPolicy {
		add(expiryPolicy, count(l.days, "day"), dateIn(l.days)+byPolicyNote)
	}
	add(expiryDate, "Another day", "choose it below")
	if l.days == 0 {
		add(expiryNever, "Never", "not recommended")
	}
	if slices.ContainsFunc(list, func(c view.Choice) bool { return c.Checked }) {
		return list
	}
	best := 0
	for i, c := range list {
		days, err := strconv.Atoi(c.Value)
		if err == nil && days <= usualDays || c.Value == expiryPolicy && l.days <= usualDays {
			best = i
		}
	}
	list[best].Checked = true
	return list
}

// accessChoices returns the ways to choose scopes.
func accessChoices(chosen string, t tenancy.Tenant, g grants) []view.Choice {
	if chosen == "" {
		chosen = accessRead
		if slices.Contains(t.Settings.DefaultScopes, scope.Every) {
			chosen = accessAll
		}
	}
	return []view.Choice{
		{Value: accessRead, Text: "Read only", Note: "every scope that ends in :read", Checked: chosen == accessRead},
		{Value: accessSome, Text: "Only these", Note: "choose scopes", Checked: chosen == accessSome},
		{
			Value: accessAll, Text: g.all, Note: "including later ones",
			Checked: chosen == accessAll,
		},
	}
}

// scopeGroups returns the scopes by resource, those of the tenant first. Those that the owner may
// not have cannot be chosen.
func scopeGroups(entries []scope.Entry, g grants, chosen []string) (groups []view.ScopeGroup) {
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b scope.Entry) int {
		switch {
		case a.BuiltIn == b.BuiltIn:
			return 0
		case a.BuiltIn:
			return 1
		}
		return -1
	})
	at := map[string]int{}
	for _, e := range entries {
		resource, _, _ := strings.Cut(string(e.Name), ":")
		i, known := at[resource]
		if !known {
			i = len(groups)
			at[resource] = i
			groups = append(groups, view.ScopeGroup{Resource: resource})
		}
		choice := view.Choice{
			Value: string(e.Name), Text: string(e.Name), Note: e.Description,
			Checked: slices.Contains(chosen, string(e.Name)), Off: !g.has(e),
		}
		if choice.Off {
			choice.Note = strings.TrimSpace(g.other + e.Description)
			choice.Checked = false
		}
		groups[i].Scopes = append(groups[i].Scopes, choice)
	}
	return groups
}

// applicationChoices returns the ways to choose applications, and the applications.
func applicationChoices(values url.Values, list []application.Application) (ways, each []view.Choice) {
	some := values.Get("applications") == accessSome && len(list) > 0
	ways = []view.Choice{{
		Value: accessAll, Text: "All applications", Note: "including later ones", Checked: !some,
	}}
	if len(list) > 0 {
		ways = append(ways, view.Choice{
			Value: accessSome, Text: "Only these", Note: "choose applications", Checked: some,
		})
	}
	for _, a := range list {
		c := view.Choice{
			Value: string(a.ID), Text: a.Name, Checked: slices.Contains(values["application"], string(a.ID)),
		}
		if a.Disabled {
			c.Note = "disabled"
		}
		each = append(each, c)
	}
	return ways, each
}

// createKey creates a key from the form, and shows its secret.
func (c *Console) createKey(k *call) (response, error) {
	tenant := ident.TenantID(k.form.Get("tenant"))
	t, err := c.Tenancy.Tenant(k.Context(), k.who, tenant)
	if err != nil {
		return response{}, err
	}
	spec, faults, err := k.specOf(t, roleGrants(k.who.RoleIn(t.ID, t.Account), "your"))
	if err != nil {
		return response{}, err
	}
	again := func(faults view.Faults) (response, error) { return k.keyForm(k.form, faults) }
	if len(faults) > 0 {
		return again(faults)
	}
	return k.issueKey(tenant, spec, again)
}

// issueKey creates a key and shows its secret. again returns the form with what is wrong in it.
func (k *call) issueKey(tenant ident.TenantID, spec key.Spec,
	again func(view.Faults) (response, error),
) (response, error) {
	idempotent, once, err := k.once("new")
	if err != nil {
		return response{}, err
	}
	issued, err := k.console.Keys.Create(idempotent, k.who, tenant, spec)
	if errors.Is(err, audit.ErrAlreadyReserved) {
		return k.shownBefore(once, tenant)
	}
	if faults := formFaults(err); faults != nil {
		return again(faults)
	}
	if err != nil {
		return response{}, err
	}
	return k.secretPage("Your new API key", issued), nil
}

// specOf reads the form. What is wrong with it is in faults.
func (k *call) specOf(t tenancy.Tenant, g grants) (spec key.Spec, faults view.Faults, err error) {
	spec = key.Spec{Name: k.form.Get("name"), Description: k.form.Get("description")}
	spec.ExpiresAt, faults = k.expiryOf(faults)
	spec.Addresses = linesOf(k.form.Get("allowed_cidrs"))
	spec.Metadata = json.RawMessage(strings.TrimSpace(k.form.Get("metadata")))
	switch k.form.Get("applications") {
	case accessAll:
		spec.AllApplications = true
	case accessSome:
		spec.ApplicationIDs = k.form["application"]
	}
	if !spec.AllApplications && len(spec.ApplicationIDs) == 0 {
		faults = append(faults, view.Fault{Field: "application_ids", Message: "Choose at least one application."})
	}
	spec.Scopes, err = k.scopesOf(t.ID, g)
	if err == nil && len(spec.Scopes) == 0 {
		faults = append(faults, view.Fault{Field: "scopes", Message: "Choose at least one scope."})
	}
	if err != nil {
		return spec, nil, err
	}
	faults, err = k.checkPolicyExpiry(t, faults)
	return spec, faults, err
}

// checkPolicyExpiry adds a fault if the form leaves the expiry to a policy that has been switched
// off since: the key would never expire.
func (k *call) checkPolicyExpiry(t tenancy.Tenant, faults view.Faults) (view.Faults, error) {
	if k.form.Get("expiry") != expiryPolicy {
		return faults, nil
	}
	l, err := k.lifetimeLimit(t)
	if err == nil && !l.byPolicy {
		faults = append(faults, view.Fault{
			Field: "expires_at", Message: "The policy expires no keys any more. Choose when the key expires.",
		})
	}
	return faults, err
}

// scopesOf returns the scopes that the form chooses.
func (k *call) scopesOf(tenant ident.TenantID, g grants) (list []scope.Scope, err error) {
	switch k.form.Get("access") {
	case accessAll:
		return []scope.Scope{scope.Every}, nil
	case accessSome:
		for _, name := range k.form["scope"] {
			list = append(list, scope.Scope(name))
		}
	case accessRead:
		return k.readScopes(tenant, g)
	}
	return list, nil
}

// readScopes returns the scopes that only read and that a key of the owner may have.
func (k *call) readScopes(tenant ident.TenantID, g grants) (list []scope.Scope, err error) {
	entries, err := k.console.Tenancy.Scopes(k.Context(), k.who, tenant)
	for _, e := range entries {
		if strings.HasSuffix(string(e.Name), ":read") && g.has(e) {
			list = append(list, e.Name)
		}
	}
	return list, err
}

// expiryOf reads when the key expires; nil for never.
func (k *call) expiryOf(faults view.Faults) (*time.Time, view.Faults) {
	switch chosen := k.form.Get("expiry"); chosen {
	case expiryNever, expiryPolicy:
		return nil, faults
	case expiryDate:
		at, err := time.ParseInLocation(time.DateOnly, k.form.Get("date"), k.zone)
		if err != nil {
			return nil, append(faults, view.Fault{Field: "expires_at", Message: "Choose a day."})
		}
		at = at.UTC()
		return &at, faults
	default:
		days, err := strconv.Atoi(chosen)
		if err != nil || !slices.Contains(expiryDays, days) {
			return nil, append(faults, view.Fault{Field: "expires_at", Message: "Choose when the key expires."})
		}
		at := k.now.Add(time.Duration(days) * day)
		return &at, faults
	}
}
