package console

import (
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// tenants returns the tenants of the person, which a call reads once.
func (k *call) tenants() (list []tenancy.Tenant, err error) {
	if k.seen == nil {
		list, err = k.console.Tenancy.Tenants(k.Context(), k.who, paging.Page{Limit: maxTenants})
		if err != nil {
			return nil, err
		}
		k.seen = append([]tenancy.Tenant{}, list...)
	}
	return k.seen, nil
}

// tenant returns the tenant in the path.
func (k *call) tenant() (tenancy.Tenant, error) {
	seen, err := k.tenants()
	if err != nil {
		return tenancy.Tenant{}, err
	}
	for _, t := range seen {
		if string(t.ID) == k.PathValue("tenant") {
			return t, nil
		}
	}
	return k.console.Tenancy.Tenant(k.Context(), k.who, ident.TenantID(k.PathValue("tenant")))
}

// isAdmin reports whether the person is an admin of the tenant, or an owner or admin of its
// account.
func (k *call) isAdmin(t tenancy.Tenant) bool { return k.who.RoleIn(t.ID, t.Account) == scope.Admin }

// seesKeys reports whether the person sees all keys of the tenant in full.
func (k *call) seesKeys(t tenancy.Tenant) bool {
	role := k.who.RoleIn(t.ID, t.Account)
	return role == scope.Admin || role == scope.Auditor
}

// adminTenant returns the tenant in the path to its admins. A form that the person could not send
// is not shown; whether they may send it is decided again when they do.
func (k *call) adminTenant() (tenancy.Tenant, error) {
	t, err := k.tenant()
	if err == nil && !k.isAdmin(t) {
		err = tenancy.ErrNotAdmin
	}
	return t, err
}

const (
	// searchedParts bounds in how many parts of the list of keys some of them are searched for.
	searchedParts = 10
	// partLimit is how many keys such a part has at most.
	partLimit = 200
)

// usableKeys returns up to most keys of a tenant that match the filter and are active or disabled.
// more is set if there may be further ones: also if there are fewer, since only so many keys are
// examined.
func (k *call) usableKeys(tenant ident.TenantID, filter key.Filter, most int) (list []key.View, more bool, err error) {
	filter.Usable = true
	page := key.Page{Limit: partLimit}
	for range searchedParts {
		l, err := k.console.Keys.List(k.Context(), k.who, tenant, filter, page)
		if err != nil {
			return nil, false, err
		}
		for _, v := range l.Views {
			if len(list) == most {
				return list, true, nil
			}
			list = append(list, v)
		}
		if l.Next == nil {
			return list, false, nil
		}
		page = *l.Next
	}
	return list, true, nil
}

// keyTable lists keys with their owners.
func (k *call) keyTable(keys []key.View) *view.Table {
	table := &view.Table{Columns: columns("Key", "Owner", "Last used", "Status")}
	for _, v := range keys {
		row, badge := k.row(v), badgeOf(v)
		owner, note := ownerWords(v.Key)
		table.Rows = append(table.Rows, view.TableRow{Cells: []view.Cell{
			{Key: &row},
			{Text: owner, Note: note},
			{When: k.ago(v.Key.LastUsedAt), Note: v.Key.LastUsedIP},
			{Badge: &badge},
		}})
	}
	return table
}

// chosen returns the choices, of which those with the values are made.
func chosen(choices []view.Choice, values ...string) []view.Choice {
	choices = slices.Clone(choices)
	for i := range choices {
		choices[i].Checked = slices.Contains(values, choices[i].Value)
	}
	return choices
}

// columns returns the heads of a table.
func columns(names ...string) (list []view.Column) {
	for _, name := range names {
		list = append(list, view.Column{Text: name})
	}
	return list
}

// onOff returns the status of an object that can be disabled.
func onOff(disabled bool) *view.Badge {
	if disabled {
		return &view.Badge{Text: "Disabled", Icon: "pause", Class: "disabled"}
	}
	return &view.Badge{Text: "Active", Icon: "check", Class: "active"}
}

// nameControl and descriptionControl are the fields that most objects have.
func nameControl(value string) view.Control {
	return view.Control{Name: "name", Label: "Name", Value: value, MaxLength: "64", Width: "short"}
}

func descriptionControl(value string) view.Control {
	return view.Control{
		Kind: view.KindTextarea, Name: "description", Label: "Description", Value: value, MaxLength: "1000",
		Optional: true,
	}
}

// confirmation completes a page that asks before something ends. %s in the heading stands for the
// name, and keep is where the person goes who does not go on.
func (k *call) confirmation(p view.Confirm, name, keep string, facts []view.Fact) response {
	p.Heading = strings.Replace(p.Heading, "%s", name, 1)
	p.Action, p.Facts = k.URL.Path, facts
	if p.Keep.Text == "" {
		p.Keep.Text = "Keep it"
	}
	p.Keep.Path = keep
	return response{page: p, title: p.Heading, narrow: true, current: keep, status: statusOf(p.Faults)}
}
