package console

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

const applicationPath = "/t/{tenant}/applications/{application}"

// applicationRoutes are those of the protected APIs of a tenant.
func (c *Console) applicationRoutes() []web.Route {
	return slices.Concat(
		c.page("/t/{tenant}/applications", c.listApplications),
		c.form("/t/{tenant}/applications/new", c.showNewApplication, c.createApplication),
		c.form(applicationPath+"/edit", c.showEditApplication, c.editApplication),
		c.ending(applicationPath+"/disable", c.confirmDisableApplication, c.disableApplication),
		c.action(applicationPath+"/enable", c.enableApplication),
		c.ending(applicationPath+"/delete", c.confirmDeleteApplication, c.deleteApplication),
	)
}

// listApplications lists the applications of a tenant.
func (c *Console) listApplications(k *call) (response, error) {
	t, err := k.tenant()
	if err != nil {
		return response{}, err
	}
	page, err := k.position()
	if err != nil {
		return response{}, err
	}
	all, err := c.Applications.Applications(k.Context(), k.who, t.ID, page)
	if err != nil {
		return response{}, err
	}
	shown, next := pageOf(k, all, func(a application.Application) (time.Time, string) {
		return a.CreatedAt, string(a.ID)
	})
	panel := view.Panel{ID: "list", Heading: "Applications", Next: next, Prev: k.previous()}
	panel.Table = &view.Table{
		Columns: columns("Application", "Status", "Changed"),
		Empty: "No application yet. Add one for each API that checks keys of this tenant. A key can then be " +
			"restricted to some of them.",
	}
	changes, sees := k.isAdmin(t), k.seesKeys(t)
	groups := make([]key.Group, len(shown))
	for i, a := range shown {
		groups[i] = key.Group{Application: string(a.ID)}
	}
	if sees {
		panel.Table.Columns = columns("Application", "Keys", "Status", "Changed")
		panel.Intro = "Keys are those restricted to the application. Keys with all applications work there too."
	}
	from := ""
	if len(shown) > 0 {
		from = string(shown[0].ID)
	}
	held := k.keysIn(t, "applications from "+from, groups, func(g key.Group) string { return g.Application })
	for _, a := range shown {
		row := k.applicationRow(a, changes)
		if sees {
			row.Cells = slices.Insert(row.Cells, 1, numberCell(held, string(a.ID)))
		}
		panel.Table.Rows = append(panel.Table.Rows, row)
	}
	p := view.Overview{
		Heading: "Applications", Intro: "The APIs that keys of " + t.Name + " are checked for.",
		Panels: []view.Panel{panel},
	}
	if changes {
		p.Actions = []view.Action{{
			Text: "Add application", Icon: "plus", Class: "primary", Path: inTenant(t.ID, "applications/new"),
		}}
	}
	return response{page: p, title: "Applications of " + t.Name, current: inTenant(t.ID, "applications")}, nil
}

// applicationRow returns an application as the list shows it.
func (k *call) applicationRow(a application.Application, changes bool) view.TableRow {
	row := view.TableRow{Cells: []view.Cell{
		{Text: a.Name, Note: a.Description}, {Badge: onOff(a.Disabled)}, {When: k.ago(a.UpdatedAt)},
	}}
	if !changes {
		return row
	}
	path := applicationURL(a)
	toggle := view.Action{Text: "Disable…", Object: a.Name, Path: path + "/disable"}
	if a.Disabled {
		toggle = view.Action{Text: "Enable", Object: a.Name, Path: path + "/enable", Post: true}
	}
	row.Actions = []view.Action{
		{Text: "Edit", Object: a.Name, Path: path + "/edit"},
		toggle,
		{Text: "Delete…", Class: "ends", Object: a.Name, Path: path + "/delete"},
	}
	return row
}

func applicationURL(a application.Application) string {
	return inTenant(a.Tenant, "applications/"+string(a.ID))
}

// shownApplication returns the application in the path.
func (k *call) shownApplication() (application.Application, error) {
	return k.console.Applications.Application(k.Context(), k.who, ident.TenantID(k.PathValue("tenant")),
		ident.ApplicationID(k.PathValue("application")))
}

// applicationForm returns the form, filled in with values, with what is wrong.
func (k *call) applicationForm(t tenancy.Tenant, p view.Editor, values url.Values, faults view.Faults) response {
	list := inTenant(t.ID, "applications")
	p.Crumb, p.Cancel = view.Link{Text: "Applications", Path: list}, view.Link{Text: "Discard", Path: list}
	p.Action, p.Faults = k.URL.Path, faults
	p.Parts = []view.Part{{Heading: "Name", Controls: []view.Control{
		nameControl(values.Get("name")), descriptionControl(values.Get("description")),
	}}}
	return response{page: p, title: p.Heading, narrow: true, current: list, status: statusOf(faults)}
}

func (c *Console) showNewApplication(k *call) (response, error) { return k.newApplicationForm(nil) }

func (k *call) newApplicationForm(faults view.Faults) (response, error) {
	t, err := k.adminTenant()
	if err != nil {
		return response{}, err
	}
	return k.applicationForm(t, view.Editor{
		Heading: "Add an application", Button: "Add", Once: rand.Text(),
		Intro: "Your API names it by its ID when it asks whether a key is valid.",
	}, k.form, faults), nil
}

func (c *Console) createApplication(k *call) (response, error) {
	tenant := ident.TenantID(k.PathValue("tenant"))
	_, err := k.change("new", func(ctx context.Context) error {
		_, err := c.Applications.CreateApplication(ctx, k.who, tenant, k.form.Get("name"), k.form.Get("description"))
		return err
	})
	if faults := formFaults(err); faults != nil {
		return k.newApplicationForm(faults)
	}
	if err != nil {
		return response{}, err
	}
	return did(inTenant(tenant, "applications"), "application.new"), nil
}

func (c *Console) showEditApplication(k *call) (response, error) {
	return k.editApplicationForm(k.form, nil)
}

func (k *call) editApplicationForm(values url.Values, faults view.Faults) (response, error) {
	t, err := k.adminTenant()
	if err != nil {
		return response{}, err
	}
	a, err := k.shownApplication()
	if err != nil {
		return response{}, err
	}
	if len(values) == 0 {
		values = url.Values{"name": {a.Name}, "description": {a.Description}}
	}
	return k.applicationForm(t, view.Editor{
		Heading: "Edit " + a.Name, Button: "Save", Version: version(values, a.Version()),
	}, values, faults), nil
}

func (c *Console) editApplication(k *call) (response, error) {
	name, description := k.form.Get("name"), k.form.Get("description")
	err := k.changeApplication(application.Change{
		Expected: k.expected(), Name: &name, Description: &description,
	})
	if errors.Is(err, etag.ErrChanged) {
		return k.editApplicationForm(k.form, k.changedMeanwhile("name", "application"))
	}
	if faults := formFaults(err); faults != nil {
		return k.editApplicationForm(k.form, faults)
	}
	return k.doneWithApplication("application.edit", err)
}

// changeApplication changes the application in the path.
func (k *call) changeApplication(change application.Change) error {
	_, err := k.console.Applications.ChangeApplication(k.Context(), k.who, ident.TenantID(k.PathValue("tenant")),
		ident.ApplicationID(k.PathValue("application")), change)
	return err
}

// doneWithApplication goes back to the list, if the change was made.
func (k *call) doneWithApplication(what string, err error) (response, error) {
	if err != nil {
		return response{}, err
	}
	return did(inTenant(ident.TenantID(k.PathValue("tenant")), "applications"), what), nil
}

func (c *Console) confirmDisableApplication(k *call) (response, error) {
	return k.confirmApplication(view.Confirm{
		Heading: "Disable “%s”?", Button: "Disable this application",
		Lead: "Every request for it is refused from that moment on, and is told `application_forbidden`. It can be " +
			"enabled again.",
	})
}

func (c *Console) disableApplication(k *call) (response, error) {
	off := true
	return k.doneWithApplication("application.disable", k.changeApplication(application.Change{Disabled: &off}))
}

func (c *Console) enableApplication(k *call) (response, error) {
	off := false
	return k.doneWithApplication("application.enable", k.changeApplication(application.Change{Disabled: &off}))
}

func (c *Console) confirmDeleteApplication(k *call) (response, error) {
	return k.confirmApplication(view.Confirm{
		Heading: "Delete “%s”?", Button: "Delete this application",
		Lead: "Every request for it is refused from that moment on. It is removed from the keys that are restricted " +
			"to it; a key that has no other application is refused everywhere. This cannot be undone.",
	})
}

// confirmApplication asks before the application in the path ends. The heading has a place for its
// name.
func (k *call) confirmApplication(p view.Confirm) (response, error) {
	if _, err := k.adminTenant(); err != nil {
		return response{}, err
	}
	a, err := k.shownApplication()
	if err != nil {
		return response{}, err
	}
	return k.confirmation(p, a.Name, inTenant(a.Tenant, "applications"), []view.Fact{
		{Name: "Application", Value: a.Name}, {Name: "Created", When: k.at(a.CreatedAt)},
	}), nil
}

func (c *Console) deleteApplication(k *call) (response, error) {
	err := c.Applications.DeleteApplication(k.Context(), k.who, ident.TenantID(k.PathValue("tenant")),
		ident.ApplicationID(k.PathValue("application")))
	return k.doneWithApplication("application.delete", err)
}
