package console

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

// permissionWords say what a permission allows.
var permissionWords = map[policy.Permission]string{
	policy.MayReadKeys:         "List and read keys, key health",
	policy.MayCreateKeys:       "Create keys within the limits below",
	policy.MayUpdateKeys:       "Change name, scopes, expiry, metadata",
	policy.MayRefreshKeys:      "Replace the secret",
	policy.MayDisableKeys:      "Disable, and enable what a management key disabled",
	policy.MayRevokeKeys:       "Revoke, delete, end the old secret",
	policy.MayReadSubjects:     "List subjects and plans",
	policy.MayWriteSubjects:    "Create, change and delete subjects",
	policy.MayReadApplications: "List applications",
	policy.MayReadScopes:       "List scopes",
	policy.MayReadAudit:        "Read the audit log of keys and subjects",
	policy.MayReadUsage:        "Read how much the keys are used",
}

// permissionGroups are the headings of the permissions, by the word before the colon.
var permissionGroups = map[string]string{"keys": "Keys", "subjects": "Subjects"}

// permissionChoices returns the permissions in groups. held are those that an edit can leave; nil
// for a new management key of a service account with the role.
func permissionChoices(made []string, held []policy.Permission, role scope.Role) (groups []view.ScopeGroup) {
	for _, p := range policy.Permissions() {
		noun, _, _ := strings.Cut(string(p), ":")
		heading := cmp.Or(permissionGroups[noun], "Tenant")
		if len(groups) == 0 || groups[len(groups)-1].Resource != heading {
			groups = append(groups, view.ScopeGroup{Resource: heading})
		}
		choice := view.Choice{
			Value: string(p), Text: string(p), Note: permissionWords[p], Checked: slices.Contains(made, string(p)),
		}
		switch {
		case held != nil:
			choice.Off = !slices.Contains(held, p)
		case !p.WithinRole(role):
			choice.Off, choice.Checked = true, false
			choice.Note += ". The role of the service account does not include it"
		}
		last := &groups[len(groups)-1]
		last.Scopes = append(last.Scopes, choice)
	}
	return groups
}

// managementOwnerChoices are the types of owners for whose keys a management key may act.
var managementOwnerChoices = []view.Choice{
	{Value: string(ident.SubjectParty), Text: "Subjects", Note: "customers of your API"},
	{Value: string(ident.ServiceAccountParty), Text: "Service accounts", Note: "machines of this tenant"},
	{
		Value: string(ident.UserParty), Text: "People",
		Note: "only `keys:read`, `keys:disable` and `keys:revoke` apply",
	},
}

// noPlan is the value of the choice that a subject has no plan. No plan has the name.
const noPlan = "-"

// ceilingChoices are what the form offers as limits of the keys.
type ceilingChoices struct {
	scopes                          []view.ScopeGroup
	applicationWays, apps, planList []view.Choice
}

// ceilingsOf returns what the form offers as limits. held are the limits that an edit can narrow;
// nil for a new management key.
func (k *call) ceilingsOf(t tenancy.Tenant, values url.Values, held *policy.Ceilings) (c ceilingChoices, err error) {
	entries, err := k.console.Tenancy.Scopes(k.Context(), k.who, t.ID)
	if err != nil {
		return c, err
	}
	applications, err := k.console.Applications.Applications(k.Context(), k.who, t.ID,
		paging.Page{Limit: application.MaxPerTenant})
	if err != nil {
		return c, err
	}
	plans, err := k.console.Plans.List(k.Context(), k.who, t.ID, paging.Page{Limit: maxPlansListed})
	if err != nil {
		return c, err
	}
	g := grants{has: func(scope.Entry) bool { return true }}
	if held != nil {
		for _, name := range held.Scopes { // it stays until somebody removes it
			known := slices.ContainsFunc(entries, func(e scope.Entry) bool { return e.Name == name })
			if !known && name != scope.Every {
				entries = append(entries, scope.Entry{Name: name, Description: "no longer a scope of the tenant"})
			}
		}
		every := slices.Contains(held.Scopes, scope.Every)
		g.has = func(e scope.Entry) bool { return every || slices.Contains(held.Scopes, e.Name) }
		g.other = "not in the limits. "
	}
	c.scopes = scopeGroups(entries, g, values["scope"])
	c.applicationWays, c.apps = applicationChoices(values, applications)
	if held != nil {
		c.narrowApplications(values, held.Applications)
	}
	c.planList = []view.Choice{{Value: noPlan, Text: "No plan"}}
	for _, p := range plans {
		c.planList = append(c.planList, view.Choice{Value: p.Name, Text: p.Name})
	}
	if held != nil {
		for _, name := range held.Plans {
			known := func(o view.Choice) bool { return o.Value == cmp.Or(name, noPlan) }
			if !slices.ContainsFunc(c.planList, known) {
				c.planList = append(c.planList, view.Choice{Value: name, Text: name, Note: "deleted"})
			}
		}
		for i, o := range c.planList {
			c.planList[i].Off = !slices.Contains(held.Plans, strings.TrimPrefix(o.Value, noPlan))
		}
	}
	c.planList = chosen(c.planList, values["plans"]...)
	return c, nil
}

// narrowApplications leaves those choices of applications that an edit can make.
func (c *ceilingChoices) narrowApplications(values url.Values, held scope.Applications) {
	if held.All {
		return
	}
	c.applicationWays = []view.Choice{{
		Value: accessSome, Text: "Only these", Note: "choose applications", Checked: true,
	}}
	for _, id := range held.IDs {
		if !slices.ContainsFunc(c.apps, func(o view.Choice) bool { return o.Value == id }) {
			c.apps = append(c.apps, view.Choice{
				Value: id, Text: id, Note: "deleted", Checked: slices.Contains(values["application"], id),
			})
		}
	}
	for i, o := range c.apps {
		c.apps[i].Off = !slices.Contains(held.IDs, o.Value)
	}
}

// managementForm returns the form, filled in with values, with what is wrong. held is the
// management key that is edited; nil for a new one.
func (k *call) managementForm(t tenancy.Tenant, a machine.ServiceAccount, p view.Editor, values url.Values,
	held *machine.ManagementKeyView, faults view.Faults,
) (response, error) {
	var permissions []policy.Permission
	var limits *policy.Ceilings
	owners := chosen(managementOwnerChoices, values["owners"]...)
	if held != nil {
		permissions, limits = held.Rights.Permissions, &held.Rights.Ceilings
		for i, o := range owners {
			owners[i].Off = !slices.Contains(held.Rights.Owners, ident.PartyType(o.Value))
		}
	}
	c, err := k.ceilingsOf(t, values, limits)
	if err != nil {
		return response{}, err
	}
	expiry, err := k.managementExpiry(t, values, held)
	if err != nil {
		return response{}, err
	}
	p.Action, p.Faults = k.URL.Path, faults
	p.Parts = []view.Part{
		{Heading: "Name", Controls: []view.Control{nameControl(values.Get("name"))}},
		{
			Heading: "Permissions",
			Intro: "Never included: to show an existing secret, claims, links, people, settings, other management " +
				"keys.",
			Controls: []view.Control{{
				Kind: view.KindScopes, Name: "permissions", Label: "What it may do",
				Groups: permissionChoices(values["permissions"], permissions, a.Role),
			}},
		},
		{Heading: "Owner types", Intro: "Whose keys it may manage.", Controls: []view.Control{
			{Kind: view.KindChecks, Name: "owners", Label: "Keys of", Choices: owners},
		}},
		{
			Heading: "Limits", Intro: "A key that it creates or changes must be within them.",
			Controls: ceilingControls(values, c, limits),
		},
		{Heading: "Addresses", Intro: "From which it may be used.", Controls: []view.Control{
			addressControl("allowed_cidrs", "Allowed addresses", values),
		}},
		expiry,
	}
	return response{
		page: p, title: p.Heading, narrow: true, current: inTenant(t.ID, "service-accounts"), status: statusOf(faults),
	}, nil
}

func addressControl(name, label string, values url.Values) view.Control {
	return view.Control{
		Kind: view.KindTextarea, Name: name, Label: label, Value: values.Get(name), Optional: true, Mono: true,
		Width: "short", Hint: "One network in CIDR notation on each line. Empty means every address.",
	}
}

// ceilingControls are the fields of the limits.
func ceilingControls(values url.Values, c ceilingChoices, held *policy.Ceilings) []view.Control {
	some := values.Get("access") != accessAll
	access := []view.Choice{{
		Value: accessSome, Text: "Only these", Note: "choose scopes", ID: "access-some", Checked: some,
	}}
	if held == nil || slices.Contains(held.Scopes, scope.Every) {
		access = append(access, view.Choice{
			Value: accessAll, Text: "All scopes", Note: "including later ones", Checked: !some,
		})
	}
	for i := range c.applicationWays {
		if c.applicationWays[i].Value == accessSome {
			c.applicationWays[i].ID = "apps-some"
		}
	}
	return []view.Control{
		{Kind: view.KindRadios, Name: "access", Label: "Scopes that it may assign", Choices: access},
		{Kind: view.KindScopes, Name: "scope", Label: "Scopes", Groups: c.scopes, If: "if-some"},
		{
			Kind: view.KindRadios, Name: "applications", Label: "Applications that it may assign",
			Choices: c.applicationWays,
		},
		{Kind: view.KindChecks, Name: "application", Label: "Applications", Choices: c.apps, If: "if-apps"},
		{Kind: view.KindChecks, Name: "plans", Label: "Plans that it may assign to subjects", Choices: c.planList},
		{
			Kind: view.KindNumber, Name: "max_lifetime_days", Label: "Longest lifetime of a secret, in days", Min: "1",
			Value: values.Get("max_lifetime_days"), Width: "mini", Optional: true, Hint: "Empty means any lifetime.",
		},
		{
			Kind: view.KindNumber, Name: "creates_per_hour", Label: "Creates per hour", Min: "1",
			Value: values.Get("creates_per_hour"), Width: "mini",
			Hint: "New keys, new secrets and new subjects count. Beyond it, the API answers `rate_limited`.",
		},
		addressControl("key_cidrs", "Addresses that its keys may have", values),
	}
}

// managementExpiry returns the part of the form about the expiry.
func (k *call) managementExpiry(t tenancy.Tenant, values url.Values, held *machine.ManagementKeyView) (
	view.Part, error,
) {
	l, err := k.lifetimeLimit(t)
	if err != nil {
		return view.Part{}, err
	}
	if l.days == 0 || l.days > policy.MaxManagementDays {
		l = limit{days: policy.MaxManagementDays, words: fmt.Sprintf("At most %d days.", policy.MaxManagementDays)}
	}
	last := k.now.In(k.zone).AddDate(0, 0, l.days)
	l.byPolicy = false // a management key has a date of its own
	choices := k.expiryChoices(values.Get("expiry"), l)
	if held != nil {
		keep := view.Choice{Value: expiryKeep, Text: "As it is", Note: k.date(held.ExpiresAt), Checked: true}
		last = held.ExpiresAt.In(k.zone)
		choices = []view.Choice{keep, {
			Value: expiryDate, Text: "An earlier day", Note: "choose it below",
		}}
		if values.Get("expiry") == expiryDate {
			choices[0].Checked, choices[1].Checked = false, true
		}
		l.words = "It can only be moved to an earlier day. Regenerate it to use it longer."
	}
	for i := range choices {
		if choices[i].Value == expiryDate {
			choices[i].ID = "exp-date"
		}
	}
	return view.Part{Heading: "Expires", Intro: l.words, Controls: []view.Control{
		{Kind: view.KindRadios, Name: "expiry", Label: "Expires after", Choices: choices},
		{
			Kind: view.KindDate, Name: "date", Label: "Day", Value: values.Get("date"), If: "if-date", Width: "mini",
			Min: k.now.In(k.zone).AddDate(0, 0, 1).Format(time.DateOnly), Max: last.Format(time.DateOnly),
		},
	}}, nil
}

// managementRights reads the rights in the form.
func (k *call) managementRights() (r policy.ManagementRights, faults view.Faults) {
	r.Permissions = web.TextsAs[policy.Permission](k.form["permissions"])
	r.Owners = web.TextsAs[ident.PartyType](k.form["owners"])
	var wrong []fault.Field
	r.Addresses, wrong = policy.ParseAddresses("allowed_cidrs", linesOf(k.form.Get("allowed_cidrs")))
	faults = managementFaults(fault.Refuse(wrong...))
	c := &r.Ceilings
	c.Addresses, wrong = policy.ParseAddresses("ceilings.allowed_cidrs", linesOf(k.form.Get("key_cidrs")))
	faults = append(faults, managementFaults(fault.Refuse(wrong...))...)
	if k.form.Get("access") == accessAll {
		c.Scopes = scope.Set{scope.Every}
	} else {
		c.Scopes = web.TextsAs[scope.Scope](k.form["scope"])
	}
	c.Applications.All = k.form.Get("applications") == accessAll
	if !c.Applications.All {
		c.Applications.IDs = k.form["application"]
	}
	for _, name := range k.form["plans"] {
		c.Plans = append(c.Plans, strings.TrimPrefix(name, noPlan))
	}
	for name, n := range map[string]*int{
		"max_lifetime_days": &c.MaxLifetimeDays, "creates_per_hour": &c.CreatesPerHour,
	} {
		text := strings.TrimSpace(k.form.Get(name))
		if text == "" {
			continue
		}
		var err error
		*n, err = strconv.Atoi(text)
		if err != nil {
			faults = append(faults, view.Fault{Field: name, Message: "Write a number."})
		}
		if *n == 0 { // which is no bound in the domain
			*n = -1
		}
	}
	return r, faults
}

// managementFields are the fields of the form for the fields of a management key.
var managementFields = map[string]string{
	"ceilings.scopes": "access", "ceilings.application_ids": "applications", "ceilings.allowed_cidrs": "key_cidrs",
	"expires_at": "expiry", "overlap_seconds": "overlap",
}

// managementFaults returns what is wrong with the fields of the form; nil for another failure.
func managementFaults(err error) (faults view.Faults) {
	fields := fault.Fields(err)
	if len(fields) == 0 {
		return formFaults(err)
	}
	for _, f := range fields {
		parts := strings.Split(f.Name, ".")
		name := parts[0]
		if name == "ceilings" && len(parts) > 1 {
			name = parts[1]
		}
		for full, field := range managementFields {
			if f.Name == full || strings.HasPrefix(f.Name, full+".") {
				name = field
			}
		}
		faults = append(faults, view.Fault{Field: name, Message: f.Message})
	}
	return faults
}
