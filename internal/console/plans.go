package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

const planPath = "/t/{tenant}/plans/{plan}"

// planRoutes are those of the plans of a tenant. A plan has no page of its own, since its name
// could be that of another page.
func (c *Console) planRoutes() []web.Route {
	return slices.Concat(
		c.page("/t/{tenant}/plans", c.listPlans),
		c.form("/t/{tenant}/plans/new", c.showNewPlan, c.createPlan),
		c.form(planPath+"/edit", c.showEditPlan, c.editPlan),
		c.ending(planPath+"/delete", c.confirmDeletePlan, c.deletePlan),
	)
}

// listPlans lists the plans of a tenant, in the order of their names.
func (c *Console) listPlans(k *call) (response, error) {
	t, err := k.tenant()
	if err != nil {
		return response{}, err
	}
	page, err := k.position()
	if err != nil {
		return response{}, err
	}
	all, err := c.Plans.List(k.Context(), k.who, t.ID, page)
	if err != nil {
		return response{}, err
	}
	applications, err := k.applicationNames(t)
	if err != nil {
		return response{}, err
	}
	shown, next := pageOf(k, all, func(p machine.Plan) (time.Time, string) { return time.Time{}, p.Name })
	table := &view.Table{
		Columns: columns("Plan", "Scopes", "Applications", "Subjects", "Keys"),
		Empty:   "No plan yet. Add one for each level of service: it is the most that keys of its subjects may do.",
	}
	groups := make([]key.Group, len(shown))
	for i, p := range shown {
		groups[i] = key.Group{Plan: p.Name}
	}
	held := k.keysIn(t, "plans from "+firstName(shown), groups, func(g key.Group) string { return g.Plan })
	subjects := k.groupCounts(t, "subjects from "+firstName(shown), func(ctx context.Context) (map[string]int, error) {
		return c.subjectsOnPlans(ctx, k.who, shown)
	})
	for _, p := range shown {
		row := k.planRow(t, p, applications)
		row.Cells = append(row.Cells, numberCell(subjects, p.Name), numberCell(held, p.Name))
		table.Rows = append(table.Rows, row)
	}
	p := view.Overview{
		Heading: "Plans",
		Intro: "The upper limit for keys of subjects: scopes and applications. A change takes effect at once for " +
			"every key of the plan.",
		Panels: []view.Panel{{
			ID: "list", Heading: "Plans", Table: table, Next: next, Prev: k.previous(),
			Intro: "A subject without a plan may have the scopes of this tenant that members may.",
		}},
	}
	if k.isAdmin(t) {
		p.Actions = []view.Action{{
			Text: "New plan", Icon: "plus", Class: "primary", Path: inTenant(t.ID, "plans/new"),
		}}
	}
	return response{page: p, title: "Plans of " + t.Name, current: inTenant(t.ID, "plans")}, nil
}

// firstName returns the name of the first plan; "" for none.
func firstName(plans []machine.Plan) string {
	if len(plans) == 0 {
		return ""
	}
	return plans[0].Name
}

// subjectsOnPlans counts the subjects with each of the plans.
func (c *Console) subjectsOnPlans(ctx context.Context, who principal.Principal, plans []machine.Plan) (
	counts map[string]int, err error,
) {
	counts = make(map[string]int, len(plans))
	for _, p := range plans {
		counts[p.Name], err = c.Subjects.CountOn(ctx, who, p.Tenant, p.Name, maxCount+1)
		if err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// applicationNames returns the names of the applications of a tenant by their ids.
func (k *call) applicationNames(t tenancy.Tenant) (map[string]string, error) {
	list, err := k.console.Applications.Applications(k.Context(), k.who, t.ID,
		paging.Page{Limit: application.MaxPerTenant})
	names := map[string]string{}
	for _, a := range list {
		names[string(a.ID)] = a.Name
	}
	return names, err
}

// named returns the names of applications; "all" for all of them.
func named(a scope.Applications, names map[string]string) string {
	if a.All {
		return "all"
	}
	var list []string
	for _, id := range a.IDs {
		list = append(list, cmp.Or(names[id], id))
	}
	return listWords(list)
}

// planRow returns a plan as the list shows it.
func (k *call) planRow(t tenancy.Tenant, p machine.Plan, applications map[string]string) view.TableRow {
	scopes := view.Cell{Tags: p.Scopes.Strings()}
	if slices.Contains(p.Scopes, scope.Every) {
		scopes = view.Cell{Text: "All scopes of the tenant, including later ones"}
	}
	row := view.TableRow{
		Cells: []view.Cell{
			{Text: p.Name, Mono: true}, scopes, {Text: named(p.Applications, applications)},
		},
		Actions: []view.Action{{
			Text: "Its subjects", Object: p.Name, Path: inTenant(t.ID, "subjects?plan="+url.QueryEscape(p.Name)),
		}},
	}
	if k.isAdmin(t) {
		path := planURL(p)
		row.Actions = append(row.Actions, view.Action{Text: "Edit", Object: p.Name, Path: path + "/edit"},
			view.Action{Text: "Delete…", Class: "ends", Object: p.Name, Path: path + "/delete"})
	}
	return row
}

func planURL(p machine.Plan) string { return inTenant(p.Tenant, "plans/"+p.Name) }

// changeablePlan returns the tenant and the plan in the path to admins.
func (k *call) changeablePlan() (t tenancy.Tenant, p machine.Plan, err error) {
	t, err = k.adminTenant()
	if err != nil {
		return t, p, err
	}
	p, err = k.console.Plans.Plan(k.Context(), k.who, t.ID, k.PathValue("plan"))
	return t, p, err
}

// planForm returns the form, filled in with values. first is the part with the name; held are the
// scopes that the plan has.
func (k *call) planForm(t tenancy.Tenant, p view.Editor, first []view.Part, values url.Values, held scope.Set,
	faults view.Faults,
) (response, error) {
	entries, err := k.console.Tenancy.Scopes(k.Context(), k.who, t.ID)
	if err != nil {
		return response{}, err
	}
	applications, err := k.console.Applications.Applications(k.Context(), k.who, t.ID,
		paging.Page{Limit: application.MaxPerTenant})
	if err != nil {
		return response{}, err
	}
	own := slices.DeleteFunc(slices.Clone(entries), func(e scope.Entry) bool { return e.BuiltIn })
	for _, name := range held { // it stays until somebody removes it
		known := slices.ContainsFunc(own, func(e scope.Entry) bool { return e.Name == name })
		if !known && name != scope.Every {
			own = append(own, scope.Entry{Name: name, Description: "no longer a scope of the tenant"})
		}
	}
	ways, each := applicationChoices(values, applications)
	for i := range ways {
		if ways[i].Value == accessSome {
			ways[i].ID = "apps-some"
		}
	}
	every := values.Get("access") == accessAll
	g := grants{has: func(scope.Entry) bool { return true }}
	list := inTenant(t.ID, "plans")
	p.Crumb, p.Cancel = view.Link{Text: "Plans", Path: list}, view.Link{Text: "Discard", Path: list}
	p.Action, p.Faults = k.URL.Path, faults
	p.Parts = append(first,
		view.Part{Heading: "Scopes", Intro: "Scopes of Claviger itself cannot be in a plan.", Controls: []view.Control{
			{Kind: view.KindRadios, Name: "access", Label: "What its keys may do at most", Choices: []view.Choice{
				{Value: accessSome, Text: "Only these", Note: "choose scopes", ID: "access-some", Checked: !every},
				{Value: accessAll, Text: "All scopes of the tenant", Note: "including later ones", Checked: every},
			}},
			{
				Kind: view.KindScopes, Name: "scope", Label: "Scopes", If: "if-some",
				Groups: scopeGroups(own, g, values["scope"]),
			},
		}},
		view.Part{Heading: "Applications", Intro: "Any other application is refused.", Controls: []view.Control{
			{Kind: view.KindRadios, Name: "applications", Label: "Where its keys work", Choices: ways},
			{Kind: view.KindChecks, Name: "application", Label: "Applications", Choices: each, If: "if-apps"},
		}})
	return response{page: p, title: p.Heading, narrow: true, current: list, status: statusOf(faults)}, nil
}

// planFaults returns what is wrong with the fields of the form; nil for another failure.
func planFaults(err error) view.Faults {
	faults := formFaults(err)
	fields := map[string]string{"scopes": "access", "application_ids": "applications"}
	for i, f := range faults {
		faults[i].Field = cmp.Or(fields[f.Field], f.Field)
	}
	return faults
}

// planGrants reads the scopes and applications in the form.
func (k *call) planGrants() (scopes []scope.Scope, all bool, applications []string) {
	scopes = append([]scope.Scope{}, web.TextsAs[scope.Scope](k.form["scope"])...)
	if k.form.Get("access") == accessAll {
		scopes = []scope.Scope{scope.Every}
	}
	all = k.form.Get("applications") == accessAll
	if all {
		return scopes, true, nil
	}
	return scopes, false, append([]string{}, k.form["application"]...)
}

func (c *Console) showNewPlan(k *call) (response, error) { return k.newPlanForm(nil) }

func (k *call) newPlanForm(faults view.Faults) (response, error) {
	t, err := k.adminTenant()
	if err != nil {
		return response{}, err
	}
	return k.planForm(t, view.Editor{
		Heading: "New plan", Intro: "The most that keys of subjects with the plan may do.", Button: "Create plan",
		Once: rand.Text(),
	}, []view.Part{{Heading: "Name", Controls: []view.Control{{
		Name: "name", Label: "Name", Value: k.form.Get("name"), MaxLength: "64", Width: "short", Mono: true,
		Hint: "Lower-case letters, digits, - and _. It cannot be changed.", Autocomplete: "off",
	}}}}, k.form, nil, faults)
}

func (c *Console) createPlan(k *call) (response, error) {
	tenant, name := ident.TenantID(k.PathValue("tenant")), strings.TrimSpace(k.form.Get("name"))
	scopes, all, applications := k.planGrants()
	_, err := k.change("new", func(ctx context.Context) error {
		_, err := c.Plans.Create(ctx, k.who, tenant, machine.NewPlan{
			Name: name, Scopes: scopes, AllApplications: all, ApplicationIDs: applications,
		})
		return err
	})
	faults := planFaults(err)
	if errors.Is(err, fault.Conflict) {
		faults = view.Faults{{Field: "name", Message: fault.Message(err)}}
	}
	if faults != nil {
		return k.newPlanForm(faults)
	}
	if err != nil {
		return response{}, err
	}
	return did(inTenant(tenant, "plans"), "plan.new"), nil
}

func (c *Console) showEditPlan(k *call) (response, error) { return k.editPlanForm(k.form, nil, nil) }

// editPlanForm returns the form, filled in with values. effect is what it would take away; nil for
// nothing.
func (k *call) editPlanForm(values url.Values, faults view.Faults, effect *view.Effect) (response, error) {
	t, p, err := k.changeablePlan()
	if err != nil {
		return response{}, err
	}
	if len(values) == 0 {
		values = url.Values{
			"access": {accessSome}, "scope": p.Scopes.Strings(), "applications": {accessSome},
			"application": p.Applications.IDs,
		}
		if slices.Contains(p.Scopes, scope.Every) {
			values.Set("access", accessAll)
		}
		if p.Applications.All {
			values.Set("applications", accessAll)
		}
	}
	on, err := k.subjectsOn(p)
	if err != nil {
		return response{}, err
	}
	page := view.Editor{
		Heading: "Edit the plan " + p.Name, Button: "Save plan", Version: version(values, p.Version()),
		Notices: []view.Message{{
			Tone: "info", Icon: "info",
			Text: "On the plan: " + on + ". Their keys lose at once what you take away. Requests that need it are " +
				"then refused with `insufficient_scope`. You see the effect before anything is saved.",
		}},
	}
	if effect != nil {
		page.Effect = effect
		page.Hidden = []view.Field{{Name: previewedField, Value: planPreviewed(values)}}
	}
	return k.planForm(t, page, nil, values, p.Scopes, faults)
}

// subjectsOn says how many subjects have a plan.
func (k *call) subjectsOn(p machine.Plan) (string, error) {
	n, err := k.console.Subjects.CountOn(k.Context(), k.who, p.Tenant, p.Name, maxCount+1)
	if n > maxCount {
		return capped(n, false) + " subjects", err
	}
	return count(n, "subject"), err
}

func (c *Console) editPlan(k *call) (response, error) {
	t, p, err := k.changeablePlan()
	if err != nil {
		return response{}, err
	}
	change := machine.PlanChange{Expected: k.expected()}
	scopes, all, applications := k.planGrants()
	// What stays as it is, is not sent: the plan may have what the tenant has no longer.
	if !slices.Equal(scope.NewSet(scopes...), p.Scopes) {
		change.Scopes = scopes
	}
	if all != p.Applications.All || !slices.Equal(slices.Sorted(slices.Values(applications)), p.Applications.IDs) {
		change.AllApplications, change.ApplicationIDs = &all, applications
	}
	if k.form.Get("version") == string(p.Version()) && k.form.Get(previewedField) != planPreviewed(k.form) {
		effect, err := k.planEffect(t, p, scopes, all, applications)
		if err != nil {
			return response{}, err
		}
		if effect != nil {
			return k.editPlanForm(k.form, nil, effect)
		}
	}
	_, err = c.Plans.Edit(k.Context(), k.who, t.ID, p.Name, change)
	faults := planFaults(err)
	if errors.Is(err, etag.ErrChanged) {
		faults = k.changedMeanwhile("access", "plan")
	}
	if faults != nil {
		return k.editPlanForm(k.form, faults, nil)
	}
	if err != nil {
		return response{}, err
	}
	return did(inTenant(t.ID, "plans"), "plan.edit"), nil
}

func (c *Console) confirmDeletePlan(k *call) (response, error) {
	t, p, err := k.changeablePlan()
	if err != nil {
		return response{}, err
	}
	on, err := k.subjectsOn(p)
	if err != nil {
		return response{}, err
	}
	return k.confirmation(view.Confirm{
		Heading: "Delete the plan “%s”?", Button: "Delete this plan",
		Lead: "A plan that a subject has cannot be deleted: move its subjects to another plan first. This cannot be " +
			"undone.",
	}, p.Name, inTenant(t.ID, "plans"), []view.Fact{{Name: "On the plan", Value: on}}), nil
}

func (c *Console) deletePlan(k *call) (response, error) {
	tenant := ident.TenantID(k.PathValue("tenant"))
	if err := c.Plans.Delete(k.Context(), k.who, tenant, k.PathValue("plan")); err != nil {
		return response{}, err
	}
	return did(inTenant(tenant, "plans"), "plan.delete"), nil
}
