package console

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/metadata"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

const subjectPath = "/t/{tenant}/subjects/{subject}"

// subjectRoutes are those of the subjects of a tenant.
func (c *Console) subjectRoutes() []web.Route {
	return slices.Concat(
		c.page("/t/{tenant}/subjects", c.listSubjects),
		c.page("/t/{tenant}/subjects.csv", c.exportSubjects),
		c.form("/t/{tenant}/subjects/new", c.showNewSubject, c.createSubject),
		c.page(subjectPath, c.showSubject),
		c.form(subjectPath+"/edit", c.showEditSubject, c.editSubject),
		c.form(subjectPath+"/plan", c.showMoveSubject, c.moveSubject),
		c.ending(subjectPath+"/disable", c.confirmDisableSubject, c.disableSubject),
		c.action(subjectPath+"/enable", c.enableSubject),
		c.ending(subjectPath+"/delete", c.confirmDeleteSubject, c.deleteSubject),
	)
}

// listSubjects lists the subjects of a tenant.
func (c *Console) listSubjects(k *call) (response, error) {
	t, err := k.tenant()
	if err != nil {
		return response{}, err
	}
	page, err := k.position()
	if err != nil {
		return response{}, err
	}
	page.Limit = k.rows()
	filter := k.subjectFilter()
	found, err := c.Subjects.List(k.Context(), k.who, t.ID, filter, page)
	if err != nil {
		return response{}, err
	}
	plans, err := k.planChoices(t, filter.Plan, "Every plan")
	if err != nil {
		return response{}, err
	}
	plans = append(plans, view.Choice{Value: withoutPlan, Text: "No plan", Checked: filter.WithoutPlan})
	list := inTenant(t.ID, "subjects")
	panel := view.Panel{
		ID: "list", Heading: "Subjects",
		Filter: &view.Filter{
			Path: list, Query: filter.Query, Hint: "Name or external ID", Selects: []view.Control{
				{Name: "external_id", Label: "External ID", Value: filter.ExternalID},
				{Kind: view.KindSelect, Name: "plan", Label: "Plan", Choices: plans},
			},
		},
		Table: &view.Table{
			Columns: columns("Subject", "Plan", "Keys", "Last used", "Status", "Created"),
			Empty:   "No subject yet. Add one for each customer of your API, by the ID that your system has for it.",
		},
	}
	if filter != (machine.SubjectFilter{}) {
		panel.Filter.Reset = list
		panel.Table.Empty = "No subject matches."
	}
	owners := make([]ident.PartyID, len(found.Subjects))
	for i, s := range found.Subjects {
		owners[i] = ident.PartyID(s.ID)
	}
	held, err := c.Keys.Held(k.Context(), k.who, t.ID, owners...)
	if err != nil {
		return response{}, err
	}
	for _, s := range found.Subjects {
		panel.Table.Rows = append(panel.Table.Rows, k.subjectRow(t, s, held[ident.PartyID(s.ID)]))
	}
	if filter == (machine.SubjectFilter{}) {
		panel.Shown = k.shownOf(t, len(found.Subjects), "subject", "subjects")
	}
	panel.Prev = k.previous()
	if next := found.Next; next != nil {
		panel.Next = k.next(next.BeforeTime, next.BeforeID)
	}
	p := view.Overview{
		Heading: "Subjects",
		Intro:   "Customers of " + t.Name + ", known by your own external ID. They own keys and never sign in here.",
		Panels:  []view.Panel{panel},
	}
	p.Actions = []view.Action{{Text: "Export CSV", Icon: "save", Path: k.withFilters(list + ".csv")}}
	if k.isAdmin(t) {
		p.Actions = append(p.Actions, view.Action{
			Text: "New subject", Icon: "plus", Class: "primary", Path: inTenant(t.ID, "subjects/new"),
		})
	}
	return response{page: p, title: "Subjects of " + t.Name, current: list}, nil
}

// subjectFilter returns the filter in the query string.
func (k *call) subjectFilter() machine.SubjectFilter {
	query := k.URL.Query()
	f := machine.SubjectFilter{
		ExternalID: query.Get("external_id"), Plan: query.Get("plan"), Query: query.Get("q"),
	}
	if f.Plan == withoutPlan {
		f.Plan, f.WithoutPlan = "", true
	}
	return f
}

// withoutPlan is what the filter by plan says for subjects that have none. It is no name of a plan.
const withoutPlan = "-"

// exportSubjects returns the subjects of a tenant as a file, with the filters of the list.
func (c *Console) exportSubjects(k *call) (response, error) {
	t, err := k.tenant()
	if err != nil {
		return response{}, err
	}
	filter := k.subjectFilter()
	return response{export: &export{
		name:    "subjects.csv",
		columns: []string{"id", "external_id", "name", "plan", "status", "created_at", "metadata"},
		read: func(ctx context.Context, row func(...string), part func() error) error {
			page := paging.Page{Limit: partLimit}
			for {
				found, err := c.Subjects.List(ctx, k.who, t.ID, filter, page)
				if err != nil {
					return err
				}
				for _, s := range found.Subjects {
					status := "active"
					if s.Disabled {
						status = "disabled"
					}
					row(string(s.ID), s.ExternalID, s.Name, s.Plan, status, stamp(s.CreatedAt), s.Metadata.Text())
				}
				if err := part(); err != nil || found.Next == nil {
					return err
				}
				page.BeforeTime, page.BeforeID = found.Next.BeforeTime, found.Next.BeforeID
			}
		},
	}}, nil
}

// planChoices returns the plans of a tenant as choices, of which one is made. none is the choice of
// no plan.
func (k *call) planChoices(t tenancy.Tenant, plan, none string) ([]view.Choice, error) {
	plans, err := k.console.Plans.List(k.Context(), k.who, t.ID, paging.Page{Limit: maxPlansListed})
	choices := []view.Choice{{Text: none}}
	for _, p := range plans {
		choices = append(choices, view.Choice{Value: p.Name, Text: p.Name})
	}
	return chosen(choices, plan), err
}

// subjectName returns how people call a subject.
func subjectName(s machine.Subject) string { return cmp.Or(s.Name, s.ExternalID) }

func subjectURL(s machine.Subject) string { return inTenant(s.Tenant, "subjects/"+string(s.ID)) }

// subjectRow returns a subject as the list shows it.
func (k *call) subjectRow(t tenancy.Tenant, s machine.Subject, held key.Holding) view.TableRow {
	plan := view.Cell{Text: s.Plan, Mono: true}
	if s.Plan == "" {
		plan = view.Cell{Text: "none"}
	}
	name := subjectName(s)
	row := view.TableRow{Cells: []view.Cell{
		{Text: name, Note: s.ExternalID, Path: subjectURL(s)},
		plan,
		{Text: strconv.Itoa(held.Keys)},
		{When: k.ago(held.LastUsedAt)},
		{Badge: onOff(s.Disabled)},
		{When: k.on(s.CreatedAt)},
	}}
	if k.isAdmin(t) {
		row.Actions = subjectActions(s)
	}
	return row
}

// subjectActions are what an admin does with a subject.
func subjectActions(s machine.Subject) []view.Action {
	name, path := subjectName(s), subjectURL(s)
	toggle := view.Action{Text: "Disable…", Object: name, Path: path + "/disable"}
	if s.Disabled {
		toggle = view.Action{Text: "Enable", Object: name, Path: path + "/enable", Post: true}
	}
	return []view.Action{
		{Text: "Edit", Object: name, Path: path + "/edit"},
		{Text: "Move to plan…", Object: name, Path: path + "/plan"},
		toggle,
		{Text: "Delete…", Class: "ends", Object: name, Path: path + "/delete"},
	}
}

// subjectIDs returns the tenant and the subject in the path.
func (k *call) subjectIDs() (ident.TenantID, ident.SubjectID) {
	return ident.TenantID(k.PathValue("tenant")), ident.SubjectID(k.PathValue("subject"))
}

// shownSubject returns the subject in the path, and its tenant, to those who may read it.
func (k *call) shownSubject() (t tenancy.Tenant, s machine.Subject, err error) {
	t, err = k.tenant()
	if err != nil {
		return t, s, err
	}
	tenant, id := k.subjectIDs()
	s, err = k.console.Subjects.Subject(k.Context(), k.who, tenant, id)
	return t, s, err
}

// changeableSubject is shownSubject for admins.
func (k *call) changeableSubject() (t tenancy.Tenant, s machine.Subject, err error) {
	if _, err := k.adminTenant(); err != nil {
		return t, s, err
	}
	return k.shownSubject()
}

// showSubject shows a subject with its keys.
func (c *Console) showSubject(k *call) (response, error) {
	t, s, err := k.shownSubject()
	if err != nil {
		return response{}, err
	}
	keys, err := k.ownedPanel(t, ident.PartyID(s.ID), s.Disabled)
	if err != nil {
		return response{}, err
	}
	history, err := k.historyPanel(t.ID, string(s.ID))
	if err != nil {
		return response{}, err
	}
	list := inTenant(t.ID, "subjects")
	plan := view.Fact{
		Name: "Plan", Value: "none", Note: "· its keys may have the scopes of this tenant that members may",
	}
	if s.Plan != "" {
		plan = view.Fact{Name: "Plan", Value: s.Plan, Path: inTenant(t.ID, "plans")}
	}
	facts := []view.Fact{{Name: "External ID", Value: s.ExternalID, Mono: true}, plan}
	if s.Disabled && s.DisabledByAdmin {
		facts = append(facts, view.Fact{Name: "Disabled", Value: "by an admin: no program can enable it"})
	}
	if !s.Metadata.Empty() {
		facts = append(facts, view.Fact{Name: "Metadata", Value: s.Metadata.String(), Mono: true})
	}
	facts = append(facts, view.Fact{Name: "Created", When: k.at(s.CreatedAt)},
		view.Fact{Name: "ID", Value: string(s.ID), Mono: true})
	p := view.Overview{
		Crumb: view.Link{Text: "Subjects", Path: list}, Heading: subjectName(s), Badge: onOff(s.Disabled),
		Panels: []view.Panel{{ID: "about", Heading: "About", Facts: facts}, keys, history},
	}
	if k.isAdmin(t) {
		p.Actions = subjectActions(s)
	}
	return response{page: p, title: subjectName(s), current: list}, nil
}

// subjectFields are the fields that a subject has besides its external ID and its plan.
func subjectFields(values url.Values) []view.Part {
	name := nameControl(values.Get("name"))
	name.Optional = true
	return []view.Part{
		{Heading: "Name", Intro: "For people. Without one, the external ID is shown.", Controls: []view.Control{name}},
		{Heading: "Metadata", Intro: "What your programs note. Claviger never reads it.", Controls: []view.Control{{
			Kind: view.KindTextarea, Name: "metadata", Label: "JSON object", Value: values.Get("metadata"),
			Optional: true, Mono: true,
		}}},
	}
}

// metadataOf reads the metadata in the form.
func (k *call) metadataOf() (metadata.Metadata, view.Faults) {
	noted, wrong := metadata.Parse("metadata", json.RawMessage(strings.TrimSpace(k.form.Get("metadata"))))
	return noted, formFaults(fault.Refuse(wrong...))
}

// indented returns metadata as people edit it; "" for none.
func indented(m metadata.Metadata) string {
	if m.Empty() {
		return ""
	}
	var text bytes.Buffer
	if json.Indent(&text, m.JSON(), "", "  ") != nil {
		return m.String()
	}
	return text.String()
}

// subjectEditor completes a form about a subject.
func (k *call) subjectEditor(t tenancy.Tenant, p view.Editor, crumb view.Link, faults view.Faults) response {
	p.Crumb, p.Cancel = crumb, view.Link{Text: "Discard", Path: crumb.Path}
	p.Action, p.Faults = k.URL.Path, faults
	return response{
		page: p, title: p.Heading, narrow: true, current: inTenant(t.ID, "subjects"), status: statusOf(faults),
	}
}

func (c *Console) showNewSubject(k *call) (response, error) { return k.newSubjectForm(nil) }

func (k *call) newSubjectForm(faults view.Faults) (response, error) {
	t, err := k.adminTenant()
	if err != nil {
		return response{}, err
	}
	plans, err := k.planChoices(t, k.form.Get("plan"), "No plan")
	if err != nil {
		return response{}, err
	}
	parts := append([]view.Part{{Heading: "Subject", Controls: []view.Control{
		{
			Name: "external_id", Label: "External ID", Value: k.form.Get("external_id"), MaxLength: "200",
			Width: "short", Autocomplete: "off",
			Hint: "The ID by which your own system knows the customer. It cannot be changed.",
		},
		{
			Kind: view.KindSelect, Name: "plan", Label: "Plan", Choices: plans, Width: "short",
			Hint: "The most that its keys may do.",
		},
	}}}, subjectFields(k.form)...)
	return k.subjectEditor(t, view.Editor{
		Heading: "New subject", Intro: "A customer of your API who owns keys.", Button: "Create subject",
		Once: rand.Text(), Parts: parts,
	}, view.Link{Text: "Subjects", Path: inTenant(t.ID, "subjects")}, faults), nil
}

func (c *Console) createSubject(k *call) (response, error) {
	tenant, _ := k.subjectIDs()
	noted, faults := k.metadataOf()
	if faults != nil {
		return k.newSubjectForm(faults)
	}
	var made machine.Subject
	earlier, err := k.change("new", func(ctx context.Context) (err error) {
		made, err = c.Subjects.Create(ctx, k.who, tenant, machine.NewSubject{
			ExternalID: strings.TrimSpace(k.form.Get("external_id")), Name: strings.TrimSpace(k.form.Get("name")),
			Plan: k.form.Get("plan"), Metadata: noted,
		})
		return err
	})
	faults = formFaults(err)
	if errors.Is(err, fault.Conflict) {
		faults = view.Faults{{Field: "external_id", Message: fault.Message(err)}}
	}
	if faults != nil {
		return k.newSubjectForm(faults)
	}
	if err != nil {
		return response{}, err
	}
	return did(inTenant(tenant, "subjects/"+cmp.Or(earlier, string(made.ID))), "subject.new"), nil
}

func (c *Console) showEditSubject(k *call) (response, error) { return k.editSubjectForm(k.form, nil) }

func (k *call) editSubjectForm(values url.Values, faults view.Faults) (response, error) {
	t, s, err := k.changeableSubject()
	if err != nil {
		return response{}, err
	}
	if len(values) == 0 {
		values = url.Values{"name": {s.Name}, "metadata": {indented(s.Metadata)}}
	}
	return k.subjectEditor(t, view.Editor{
		Heading: "Edit " + subjectName(s), Button: "Save", Version: version(values, s.Version()),
		Parts: subjectFields(values),
	}, view.Link{Text: subjectName(s), Path: subjectURL(s)}, faults), nil
}

func (c *Console) editSubject(k *call) (response, error) {
	noted, faults := k.metadataOf()
	if faults != nil {
		return k.editSubjectForm(k.form, faults)
	}
	name, whole := strings.TrimSpace(k.form.Get("name")), metadata.Replacement(noted)
	s, err := k.changeSubject(machine.SubjectChange{Expected: k.expected(), Name: &name, Metadata: &whole})
	faults = formFaults(err)
	if errors.Is(err, etag.ErrChanged) {
		faults = k.changedMeanwhile("name", "subject")
	}
	if faults != nil {
		return k.editSubjectForm(k.form, faults)
	}
	return doneWithSubject(s, "subject.edit", err)
}

// changeSubject changes the subject in the path.
func (k *call) changeSubject(change machine.SubjectChange) (machine.Subject, error) {
	tenant, id := k.subjectIDs()
	return k.console.Subjects.Edit(k.Context(), k.who, tenant, id, change)
}

// doneWithSubject goes to the page of a subject, if the change was made.
func doneWithSubject(s machine.Subject, what string, err error) (response, error) {
	if err != nil {
		return response{}, err
	}
	return did(subjectURL(s), what), nil
}

func (c *Console) showMoveSubject(k *call) (response, error) { return k.moveSubjectForm(k.form, nil) }

// moveSubjectForm returns the form for the plan of a subject.
func (k *call) moveSubjectForm(values url.Values, faults view.Faults) (response, error) {
	t, s, err := k.changeableSubject()
	if err != nil {
		return response{}, err
	}
	plan := s.Plan
	if values.Has("plan") {
		plan = values.Get("plan")
	}
	plans, err := k.planChoices(t, plan, "No plan")
	if err != nil {
		return response{}, err
	}
	held, err := k.held(t, ident.PartyID(s.ID))
	if err != nil {
		return response{}, err
	}
	return k.subjectEditor(t, view.Editor{
		Heading: "Move " + subjectName(s) + " to a plan", Button: "Move to this plan",
		Version: version(values, s.Version()),
		Intro: held + " From then on, its keys are allowed no more than the plan allows. Without a plan, they may " +
			"have the scopes of this tenant that members may have.",
		Parts: []view.Part{{Heading: "Plan", Controls: []view.Control{{
			Kind: view.KindSelect, Name: "plan", Label: "Plan", Choices: plans, Width: "short",
		}}}},
	}, view.Link{Text: subjectName(s), Path: subjectURL(s)}, faults), nil
}

func (c *Console) moveSubject(k *call) (response, error) {
	plan := k.form.Get("plan")
	s, err := k.changeSubject(machine.SubjectChange{Expected: k.expected(), Plan: &plan})
	faults := formFaults(err)
	if errors.Is(err, etag.ErrChanged) {
		faults = k.changedMeanwhile("plan", "subject")
	}
	if faults != nil {
		return k.moveSubjectForm(k.form, faults)
	}
	return doneWithSubject(s, "subject.plan", err)
}

// confirmSubject asks before the subject in the path ends.
func (k *call) confirmSubject(p view.Confirm) (response, error) {
	t, s, err := k.changeableSubject()
	if err != nil {
		return response{}, err
	}
	facts, err := k.ownedFacts(t.ID, ident.PartyID(s.ID))
	if err != nil {
		return response{}, err
	}
	facts = append([]view.Fact{{Name: "External ID", Value: s.ExternalID, Mono: true}}, facts...)
	answer := k.confirmation(p, subjectName(s), subjectURL(s), facts)
	answer.current = inTenant(t.ID, "subjects")
	return answer, nil
}

func (c *Console) confirmDisableSubject(k *call) (response, error) {
	return k.confirmSubject(view.Confirm{
		Heading: "Disable “%s”?", Button: "Disable this subject", Keep: view.Link{Text: "Keep it enabled"},
		Lead: "Requests with its keys are refused from that moment on, and are told `api_key_disabled`. The keys are " +
			"not changed: once it is enabled again, each is what it was. No program can enable it, only an admin.",
	})
}

func (c *Console) disableSubject(k *call) (response, error) {
	tenant, id := k.subjectIDs()
	s, err := c.Subjects.Disable(k.Context(), k.who, tenant, id)
	return doneWithSubject(s, "subject.disable", err)
}

func (c *Console) enableSubject(k *call) (response, error) {
	tenant, id := k.subjectIDs()
	s, err := c.Subjects.Enable(k.Context(), k.who, tenant, id)
	return doneWithSubject(s, "subject.enable", err)
}

func (c *Console) confirmDeleteSubject(k *call) (response, error) {
	return k.confirmSubject(view.Confirm{
		Heading: "Delete “%s”?", Button: "Delete this subject",
		Lead: "Its keys are revoked at once, and requests with them are told `api_key_revoked`. Name and metadata " +
			"are removed. This cannot be undone: a new subject with the same external ID has none of the keys.",
	})
}

func (c *Console) deleteSubject(k *call) (response, error) {
	tenant, id := k.subjectIDs()
	if err := c.Subjects.Delete(k.Context(), k.who, tenant, id); err != nil {
		return response{}, err
	}
	return did(inTenant(tenant, "subjects"), "subject.delete"), nil
}
