package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/url"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

// tenantRoutes are those of the tenants of an account.
func (c *Console) tenantRoutes() []web.Route {
	return slices.Concat(
		c.page("/a/{account}/tenants", c.listTenants),
		c.form("/a/{account}/tenants/new", c.showNewTenant, c.createTenant),
	)
}

// listTenants lists the tenants of an account.
func (c *Console) listTenants(k *call) (response, error) {
	a, err := k.account()
	if err != nil {
		return response{}, err
	}
	page, err := k.position()
	if err != nil {
		return response{}, err
	}
	all, err := k.tenantsOf(a, page)
	if err != nil {
		return response{}, err
	}
	shown, next := pageOf(k, all, func(t tenancy.Tenant) (time.Time, string) { return t.CreatedAt, string(t.ID) })
	list := inAccount(a.ID, "tenants")
	panel := view.Panel{ID: "list", Heading: "Tenants", Next: next, Prev: k.previous(), Table: &view.Table{
		Columns: columns("Tenant", "Preset", "Keys", "Members", "Created", "Status"),
		Empty:   "No tenant yet. A tenant has its own members, applications and keys.",
	}}
	for _, t := range shown {
		counts := k.countsOf(t, false)
		panel.Table.Rows = append(panel.Table.Rows, view.TableRow{
			Cells: []view.Cell{
				{Text: t.Name, Path: inTenant(t.ID, "keys"), ID: string(t.ID)},
				{Text: string(t.Preset)},
				{Number: counts.countOf("")},
				{Number: counts.countOn("members")},
				{When: k.on(t.CreatedAt)},
				{Badge: onOff(t.Disabled)},
			},
			Actions: []view.Action{{Text: "Settings", Object: t.Name, Path: inTenant(t.ID, "settings")}},
		})
	}
	return response{page: view.Overview{
		Heading: "Tenants", Intro: "The workspaces of " + a.Name + ", each with its own members and keys.",
		Actions: []view.Action{{Text: "New tenant", Icon: "plus", Class: "primary", Path: list + "/new"}},
		Panels:  []view.Panel{panel},
	}, title: "Tenants of " + a.Name, current: list}, nil
}

// tenantsOf lists the tenants of an account. The person may see those of other accounts too, which
// it leaves out.
func (k *call) tenantsOf(a account.Account, page paging.Page) (list []tenancy.Tenant, err error) {
	for len(list) < page.Limit {
		part, err := k.console.Tenancy.Tenants(k.Context(), k.who, page)
		if err != nil {
			return nil, err
		}
		for _, t := range part {
			if t.Account == a.ID {
				list = append(list, t)
			}
		}
		if len(part) < page.Limit {
			return list, nil
		}
		last := part[len(part)-1]
		page.BeforeTime, page.BeforeID = last.CreatedAt, string(last.ID)
	}
	return list[:page.Limit], nil
}

// The fields of the form for a tenant, with the value of the choice that copies another one.
const (
	presetField = "preset"
	copyField   = "copy_settings_from"
	copyChoice  = "copy"
)

// presetNotes say what the presets are for.
var presetNotes = map[policy.Preset]string{
	policy.Standard: "recommended", policy.BlazeMeter: "as BlazeMeter", policy.LoadRunner: "as LoadRunner Cloud",
	policy.Blazeauth: "as Blazeauth", policy.Blancco: "as Blancco",
}

func (c *Console) showNewTenant(k *call) (response, error) { return k.newTenantForm(nil) }

func (k *call) newTenantForm(faults view.Faults) (response, error) {
	a, err := k.account()
	if err != nil {
		return response{}, err
	}
	others, err := k.tenantsOf(a, paging.Page{Limit: maxTenants})
	if err != nil {
		return response{}, err
	}
	table, err := presetTable(nil)
	if err != nil {
		return response{}, err
	}
	list := inAccount(a.ID, "tenants")
	p := view.Editor{
		Crumb: view.Link{Text: "Tenants", Path: list}, Heading: "New tenant", Action: k.URL.Path, Once: rand.Text(),
		Intro:  "You become its first admin. Every setting can be changed later.",
		Faults: faults, Button: "Create", Cancel: view.Link{Text: "Discard", Path: list},
		Parts: []view.Part{
			{Heading: "Name", Controls: []view.Control{nameControl(k.form.Get("name"))}},
			{Heading: "Settings", Controls: newTenantControls(k.form, others)},
		},
		Panels: []view.Panel{{ID: "presets", Heading: "Presets side by side", Table: table}},
	}
	return response{page: p, title: p.Heading, narrow: true, current: list, status: statusOf(faults)}, nil
}

// newTenantControls ask where the settings of a tenant come from.
func newTenantControls(values url.Values, others []tenancy.Tenant) []view.Control {
	source := view.Control{Kind: view.KindRadios, Name: presetField, Label: "Set up like"}
	for _, p := range policy.Presets() {
		source.Choices = append(source.Choices, view.Choice{Value: string(p), Text: string(p), Note: presetNotes[p]})
	}
	from := view.Control{
		Kind: view.KindSelect, Name: copyField, Label: "Tenant whose settings and scopes are copied", Width: "short",
	}
	if len(others) > 0 {
		source.Choices = append(source.Choices, view.Choice{
			Value: copyChoice, Text: "another tenant", Note: "chosen below, with its own scopes",
		})
	}
	source.Choices = chosen(source.Choices, cmp.Or(values.Get(presetField), string(policy.Standard)))
	if len(others) == 0 {
		return []view.Control{source}
	}
	for _, t := range slices.Backward(others) {
		from.Choices = append(from.Choices, view.Choice{Value: string(t.ID), Text: t.Name})
	}
	from.Choices = chosen(from.Choices, values.Get(copyField))
	return []view.Control{source, from}
}

func (c *Console) createTenant(k *call) (response, error) {
	in := ident.AccountID(k.PathValue("account"))
	_, err := k.change("new", func(ctx context.Context) (err error) {
		name := k.form.Get("name")
		if k.form.Get(presetField) == copyChoice {
			_, err = c.Tenancy.CreateTenantLike(ctx, k.who, in, name, ident.TenantID(k.form.Get(copyField)))
		} else {
			_, err = c.Tenancy.CreateTenant(ctx, k.who, in, name, policy.Preset(k.form.Get(presetField)), nil)
		}
		return err
	})
	if faults := formFaults(err); faults != nil {
		return k.newTenantForm(faults)
	}
	if err != nil {
		return response{}, err
	}
	return did(inAccount(in, "tenants"), "tenant.new"), nil
}
