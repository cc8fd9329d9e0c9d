package console

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

const scopePath = "/t/{tenant}/scopes/{scope}"

// scopeRoutes are those of the scope catalogue of a tenant.
func (c *Console) scopeRoutes() []web.Route {
	return slices.Concat(
		c.page("/t/{tenant}/scopes", c.listScopes),
		c.form("/t/{tenant}/scopes/new", c.showNewScope, c.addScope),
		c.form(scopePath+"/edit", c.showEditScope, c.editScope),
		c.ending(scopePath+"/remove", c.confirmRemoveScope, c.removeScope),
	)
}

// listScopes lists the scope catalogue: the tenant's own scopes first.
func (c *Console) listScopes(k *call) (response, error) {
	t, err := k.tenant()
	if err != nil {
		return response{}, err
	}
	entries, err := c.Tenancy.Scopes(k.Context(), k.who, t.ID)
	if err != nil {
		return response{}, err
	}
	groups := make([]key.Group, len(entries))
	for i, e := range entries {
		groups[i] = key.Group{Scope: e.Name}
	}
	heads := columns("Scope", "Allowed roles")
	if k.seesKeys(t) {
		heads = columns("Scope", "Allowed roles", "Keys")
	}
	held := k.keysIn(t, "scopes", groups, func(g key.Group) string { return string(g.Scope) })
	own := view.Panel{ID: "own", Heading: "Scopes of " + t.Name, Table: &view.Table{
		Columns: heads, Same: true,
		Empty: "No scope yet. Add one for each thing that your API lets a key do, such as `rates:read`.",
	}}
	builtIn := view.Panel{
		ID: "built-in", Heading: "Built in", Intro: "For keys that call Claviger itself. They cannot be changed.",
		Table: &view.Table{Columns: heads, Same: true},
	}
	if k.seesKeys(t) {
		own.Intro = "Keys are those that have the scope by name. Keys with all scopes of their role have it too."
	}
	for _, e := range entries {
		panel := &own
		if e.BuiltIn {
			panel = &builtIn
		}
		row := scopeRow(t, e, k.isAdmin(t) && !e.BuiltIn)
		if k.seesKeys(t) {
			row.Cells = append(row.Cells, numberCell(held, string(e.Name)))
		}
		panel.Table.Rows = append(panel.Table.Rows, row)
	}
	p := view.Overview{
		Heading: "Scopes", Intro: "What a key of " + t.Name + " can be allowed to do. Your API asks for them by name.",
		Panels: []view.Panel{own, builtIn},
	}
	if k.isAdmin(t) {
		p.Actions = []view.Action{{
			Text: "Add scope", Icon: "plus", Class: "primary", Path: inTenant(t.ID, "scopes/new"),
		}}
	}
	return response{page: p, title: "Scopes of " + t.Name, current: inTenant(t.ID, "scopes")}, nil
}

// scopeRow returns a scope as the list shows it.
func scopeRow(t tenancy.Tenant, e scope.Entry, changes bool) view.TableRow {
	name := string(e.Name)
	row := view.TableRow{Cells: []view.Cell{
		{Text: name, Mono: true, Note: e.Description}, {Text: roleList(e.Roles)},
	}}
	if changes {
		path := inTenant(t.ID, "scopes/"+name)
		row.Actions = []view.Action{
			{Text: "Edit", Object: name, Path: path + "/edit"},
			{Text: "Remove…", Class: "ends", Object: name, Path: path + "/remove"},
		}
	}
	return row
}

// roleList returns roles in one order for all scopes.
func roleList(roles []scope.Role) string {
	var list []string
	for _, role := range []scope.Role{scope.Admin, scope.Member, scope.Auditor} {
		if slices.Contains(roles, role) {
			list = append(list, string(role))
		}
	}
	return strings.Join(list, ", ")
}

// scopeForm returns the form, filled in with values. Its first field is the name of a new scope, or
// the text that says the name of one that is edited.
func (k *call) scopeForm(t tenancy.Tenant, p view.Editor, name view.Control, values url.Values,
	faults view.Faults,
) response {
	list := inTenant(t.ID, "scopes")
	p.Crumb, p.Cancel = view.Link{Text: "Scopes", Path: list}, view.Link{Text: "Discard", Path: list}
	p.Action, p.Faults = k.URL.Path, faults
	p.Parts = []view.Part{
		{Heading: "Scope", Controls: []view.Control{name, descriptionControl(values.Get("description"))}},
		{
			Heading: "Allowed roles", Intro: "Keys of people with another role cannot have it.",
			Controls: []view.Control{{
				Kind: view.KindChecks, Name: "roles", Label: "Whose keys can have it",
				Choices: chosen([]view.Choice{
					{Value: string(scope.Admin), Text: "Admins"},
					{Value: string(scope.Member), Text: "Members"},
					{Value: string(scope.Auditor), Text: "Auditors"},
				}, values["roles"]...),
			}},
		},
	}
	return response{page: p, title: p.Heading, narrow: true, current: list, status: statusOf(faults)}
}

func (c *Console) showNewScope(k *call) (response, error) {
	values := k.form
	if values == nil {
		values = url.Values{"roles": web.TextsAs[string](scope.DefaultRoles())}
	}
	return k.newScopeForm(values, nil)
}

func (k *call) newScopeForm(values url.Values, faults view.Faults) (response, error) {
	t, err := k.adminTenant()
	if err != nil {
		return response{}, err
	}
	return k.scopeForm(t, view.Editor{
		Heading: "Add a scope", Button: "Add", Once: rand.Text(),
		Intro: "Keys can have it from then on. Existing keys do not get it, unless they have all scopes of their role.",
	}, view.Control{
		Name: "name", Label: "Name", Hint: "What, and what may be done with it, such as `rates:read`.", Mono: true,
		Value: values.Get("name"), Placeholder: "resource:action", MaxLength: "64", Width: "short",
	}, values, faults), nil
}

// enteredScope returns the scope that the form describes.
func (k *call) enteredScope(name string) scope.Entry {
	e := scope.Entry{Name: scope.Scope(name), Description: k.form.Get("description"), Roles: []scope.Role{}}
	for _, role := range k.form["roles"] {
		e.Roles = append(e.Roles, scope.Role(role))
	}
	return e
}

func (c *Console) addScope(k *call) (response, error) {
	tenant := ident.TenantID(k.PathValue("tenant"))
	_, err := k.change("new", func(ctx context.Context) error {
		return c.Tenancy.AddScope(ctx, k.who, tenant, k.enteredScope(k.form.Get("name")))
	})
	if faults := formFaults(err); faults != nil {
		return k.newScopeForm(k.form, faults)
	}
	return k.doneWithScope("scope.new", err)
}

// doneWithScope goes back to the list, if the change was made.
func (k *call) doneWithScope(what string, err error) (response, error) {
	if err != nil {
		return response{}, err
	}
	return did(inTenant(ident.TenantID(k.PathValue("tenant")), "scopes"), what), nil
}

// shownScope returns the tenant and its own scope in the path to an admin.
func (k *call) shownScope() (t tenancy.Tenant, e scope.Entry, err error) {
	t, err = k.adminTenant()
	if err != nil {
		return t, e, err
	}
	entries, err := k.console.Tenancy.Scopes(k.Context(), k.who, t.ID)
	for _, e := range entries.Own() {
		if string(e.Name) == k.PathValue("scope") {
			return t, e, err
		}
	}
	if err == nil {
		err = fault.NotFound
	}
	return t, e, err
}

func (c *Console) showEditScope(k *call) (response, error) { return k.editScopeForm(k.form, nil) }

func (k *call) editScopeForm(values url.Values, faults view.Faults) (response, error) {
	t, e, err := k.shownScope()
	if err != nil {
		return response{}, err
	}
	if len(values) == 0 {
		values = url.Values{"description": {e.Description}, "roles": web.TextsAs[string](e.Roles)}
	}
	return k.scopeForm(t, view.Editor{
		Heading: "Edit " + string(e.Name), Button: "Save", Version: version(values, e.Version()),
		Intro: "The change applies from the next request on, to existing keys too.",
	}, view.Control{Kind: view.KindText, Label: "Name", Value: string(e.Name), Mono: true}, values, faults), nil
}

func (c *Console) editScope(k *call) (response, error) {
	tenant := ident.TenantID(k.PathValue("tenant"))
	_, err := c.Tenancy.PutScope(k.Context(), k.who, tenant, k.enteredScope(k.PathValue("scope")), k.expected())
	faults := formFaults(err)
	if errors.Is(err, etag.ErrChanged) {
		faults = k.changedMeanwhile("description", "scope")
	}
	if faults != nil {
		return k.editScopeForm(k.form, faults)
	}
	return k.doneWithScope("scope.edit", err)
}

// maxLosing is how many of the keys that lose a scope are listed.
const maxLosing = 50

func (c *Console) confirmRemoveScope(k *call) (response, error) {
	t, e, err := k.shownScope()
	if err != nil {
		return response{}, err
	}
	losing, more, err := k.usableKeys(t.ID, key.Filter{Scope: e.Name}, maxLosing)
	if err != nil {
		return response{}, err
	}
	p := view.Confirm{
		Heading: "Remove the scope %s?", Button: "Remove this scope",
		Lead: "Requests that need it are refused from that moment on, and are told `insufficient_scope`. A key that " +
			"names it gets it back if you add the scope again.",
	}
	number := count(len(losing), "key")
	switch {
	case more && len(losing) < maxLosing:
		number = "at least " + number
		p.Lead += " " + notExamined
	case more:
		number = "more than " + number
	}
	if len(losing) > 0 {
		p.Table = k.keyTable(losing)
	}
	return k.confirmation(p, string(e.Name), inTenant(t.ID, "scopes"), []view.Fact{
		{Name: "Scope", Value: string(e.Name), Note: e.Description, Mono: true},
		{Name: "Keys that lose it", Value: number, Note: "and those with all scopes of their role"},
	}), nil
}

func (c *Console) removeScope(k *call) (response, error) {
	err := c.Tenancy.RemoveScope(k.Context(), k.who, ident.TenantID(k.PathValue("tenant")),
		scope.Scope(k.PathValue("scope")))
	return k.doneWithScope("scope.remove", err)
}
