package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/text"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	serviceAccountPath = "/t/{tenant}/service-accounts/{service_account}"
	// maxResolved is how many e-mail addresses of stewards are looked for. It is more than a
	// service account has.
	maxResolved = 20
)

// serviceAccountRoutes are those of the service accounts of a tenant.
func (c *Console) serviceAccountRoutes() []web.Route {
	return slices.Concat(
		c.page("/t/{tenant}/service-accounts", c.listServiceAccounts),
		c.form("/t/{tenant}/service-accounts/new", c.showNewServiceAccount, c.createServiceAccount),
		c.page(serviceAccountPath, c.showServiceAccount),
		c.form(serviceAccountPath+"/edit", c.showEditServiceAccount, c.editServiceAccount),
		c.ending(serviceAccountPath+"/disable", c.confirmDisableServiceAccount, c.disableServiceAccount),
		c.action(serviceAccountPath+"/enable", c.enableServiceAccount),
		c.ending(serviceAccountPath+"/delete", c.confirmDeleteServiceAccount, c.deleteServiceAccount),
	)
}

// listServiceAccounts lists the service accounts of a tenant.
func (c *Console) listServiceAccounts(k *call) (response, error) {
	t, err := k.tenant()
	if err != nil {
		return response{}, err
	}
	page, err := k.position()
	if err != nil {
		return response{}, err
	}
	all, err := k.listedServiceAccounts(t, page)
	if err != nil {
		return response{}, err
	}
	shown, next := pageOf(k, all, func(a machine.ServiceAccount) (time.Time, string) {
		return a.CreatedAt, string(a.ID)
	})
	owners, ids := make([]ident.PartyID, len(shown)), make([]ident.ServiceAccountID, len(shown))
	for i, a := range shown {
		owners[i], ids[i] = ident.PartyID(a.ID), a.ID
	}
	held, err := c.Keys.Held(k.Context(), k.who, t.ID, owners...)
	if err != nil {
		return response{}, err
	}
	table := &view.Table{
		Columns: columns("Service account", "Role", "API keys", "Management keys", "Stewards", "Last used", "Status"),
		Empty:   "No service account yet. Create one for a program: its keys stay when people leave.",
	}
	management, err := c.ManagementKeys.CountLive(k.Context(), k.who, t.ID, ids...)
	if err != nil {
		return response{}, err
	}
	for _, a := range shown {
		table.Rows = append(table.Rows, k.serviceAccountRow(t, a, held[ident.PartyID(a.ID)], management[a.ID]))
	}
	path := inTenant(t.ID, "service-accounts")
	filter := k.nameFilter(path, "Name", table)
	filter.Chips = k.chips("show", view.Choice{Text: "All"}, view.Choice{Value: noSteward, Text: "No steward"})
	if k.URL.Query().Get("show") == noSteward {
		filter.Reset = path
		table.Empty = "Each service account has a steward."
	}
	panel := view.Panel{
		ID: "list", Heading: "Service accounts", Table: table, Next: next, Prev: k.previous(),
		Filter: filter,
		Shown:  k.shownOf(t, len(shown), "service account", "service-accounts"),
		Intro: "Disabling a service account blocks its keys at once; enabling it brings back exactly what was. " +
			"Stewards get its notifications and see its keys.",
	}
	p := view.Overview{
		Heading: "Service accounts",
		Intro: "Machines that own keys in " + t.Name + ". Their keys keep working when the people who created them " +
			"leave.",
		Panels: []view.Panel{panel},
	}
	if k.isAdmin(t) {
		p.Actions = []view.Action{{
			Text: "New service account", Icon: "plus", Class: "primary", Path: inTenant(t.ID, "service-accounts/new"),
		}}
	}
	return response{page: p, title: "Service accounts of " + t.Name, current: path}, nil
}

// listedServiceAccounts returns the service accounts that the list shows.
func (k *call) listedServiceAccounts(t tenancy.Tenant, page paging.Page) ([]machine.ServiceAccount, error) {
	show, err := k.oneOf("show", view.Choice{Value: noSteward})
	if err != nil {
		return nil, err
	}
	if show == noSteward {
		return k.console.ServiceAccounts.WithoutSteward(k.Context(), k.who, t.ID)
	}
	if words := k.URL.Query().Get("q"); words != "" {
		return k.console.ServiceAccounts.Found(k.Context(), k.who, t.ID, text.NewWordQuery(words), k.rows())
	}
	return k.console.ServiceAccounts.List(k.Context(), k.who, t.ID, page)
}

// noSteward is the filter for service accounts that have no steward.
const noSteward = "no-steward"

// chips are links to a list with each value of a filter, and without a search.
func (k *call) chips(name string, choices ...view.Choice) (list []view.Tab) {
	for _, c := range choices {
		to := k.onlyOrder()
		if c.Value != "" {
			to.Set(name, c.Value)
		}
		list = append(list, view.Tab{
			Link:    view.Link{Text: c.Text, Path: withQuery(k.URL.Path, to)},
			Current: c.Value == k.URL.Query().Get(name) && k.URL.Query().Get("q") == "",
		})
	}
	return list
}

// nameFilter is the form above a list that can be searched for words. If it is, an empty table says
// so.
func (k *call) nameFilter(path, hint string, table *view.Table) *view.Filter {
	f := &view.Filter{Path: path, Query: k.URL.Query().Get("q"), Hint: hint}
	if f.Query != "" {
		f.Reset = path
		table.Empty = "Nothing matches “" + f.Query + "”."
	}
	return f
}

// serviceAccountRow returns a service account as the list shows it.
func (k *call) serviceAccountRow(t tenancy.Tenant, a machine.ServiceAccount, held key.Holding,
	management int,
) view.TableRow {
	path := serviceAccountURL(a)
	row := view.TableRow{Cells: []view.Cell{
		{Text: a.Name, Note: a.Description, Path: path},
		{Text: string(a.Role)},
		{Text: strconv.Itoa(held.Keys)},
		{Text: fmt.Sprintf("%d of %d", management, machine.MaxManagementKeys)},
		{Text: cmp.Or(stewardNames(a), "–")},
		{When: k.ago(held.LastUsedAt)},
		{Badge: onOff(a.Disabled)},
	}}
	if !k.isAdmin(t) {
		return row
	}
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

func serviceAccountURL(a machine.ServiceAccount) string {
	return inTenant(a.Tenant, "service-accounts/"+string(a.ID))
}

// stewardNames lists the stewards of a service account.
func stewardNames(a machine.ServiceAccount) string {
	var names []string
	for _, p := range a.Stewards {
		names = append(names, cmp.Or(p.Name, p.Email, string(p.ID)))
	}
	return strings.Join(names, ", ")
}

// serviceAccountIDs returns the tenant and the service account in the path.
func (k *call) serviceAccountIDs() (ident.TenantID, ident.ServiceAccountID) {
	return ident.TenantID(k.PathValue("tenant")), ident.ServiceAccountID(k.PathValue("service_account"))
}

// shownServiceAccount returns the service account in the path, and its tenant, to those who may
// read it.
func (k *call) shownServiceAccount() (t tenancy.Tenant, a machine.ServiceAccount, err error) {
	t, err = k.tenant()
	if err != nil {
		return t, a, err
	}
	tenant, id := k.serviceAccountIDs()
	a, err = k.console.ServiceAccounts.ServiceAccount(k.Context(), k.who, tenant, id)
	return t, a, err
}

// changeableServiceAccount is shownServiceAccount for admins.
func (k *call) changeableServiceAccount() (t tenancy.Tenant, a machine.ServiceAccount, err error) {
	if _, err := k.adminTenant(); err != nil {
		return t, a, err
	}
	return k.shownServiceAccount()
}

// showServiceAccount shows a service account with its keys.
func (c *Console) showServiceAccount(k *call) (response, error) {
	t, a, err := k.shownServiceAccount()
	if err != nil {
		return response{}, err
	}
	keys, err := k.ownedPanel(t, ident.PartyID(a.ID), a.Disabled)
	if err != nil {
		return response{}, err
	}
	management, err := k.managementPanel(t, a)
	if err != nil {
		return response{}, err
	}
	history, err := k.historyPanel(t.ID, string(a.ID))
	if err != nil {
		return response{}, err
	}
	facts := []view.Fact{{Name: "Role", Value: string(a.Role), Note: "· its keys never exceed the scopes of that role"}}
	if a.Description != "" {
		facts = append([]view.Fact{{Name: "Description", Value: a.Description}}, facts...)
	}
	if names := stewardNames(a); names != "" {
		facts = append(facts, view.Fact{
			Name: "Stewards", Value: names, Note: "· they get its notifications and see its keys",
		})
	}
	facts = append(facts, view.Fact{Name: "Created", When: k.at(a.CreatedAt), Note: byParty(a.CreatedBy)},
		view.Fact{Name: "ID", Value: string(a.ID), Mono: true})
	list := inTenant(t.ID, "service-accounts")
	p := view.Overview{
		Crumb: view.Link{Text: "Service accounts", Path: list}, Heading: a.Name, Badge: onOff(a.Disabled),
		Panels: []view.Panel{{ID: "about", Heading: "About", Facts: facts}, keys, management, history},
	}
	if k.isAdmin(t) {
		p.Actions = k.serviceAccountRow(t, a, key.Holding{}, 0).Actions
	}
	return response{page: p, title: a.Name, current: list}, nil
}

// byParty names who created something: "by Ines Okafor".
func byParty(p principal.Party) string { return "by " + cmp.Or(p.Name, p.Email, string(p.ID)) }

// ownedPanel lists the keys of an owner that is not a person.
func (k *call) ownedPanel(t tenancy.Tenant, owner ident.PartyID, disabled bool) (view.Panel, error) {
	panel := view.Panel{ID: "keys", Heading: "API keys"}
	page, err := k.keyPosition()
	if err != nil {
		return panel, err
	}
	filter := key.Filter{Owner: owner}
	listing, err := k.console.Keys.List(k.Context(), k.who, t.ID, filter, page)
	if err != nil {
		return panel, err
	}
	held, err := k.console.Keys.Held(k.Context(), k.who, t.ID, owner)
	if err != nil {
		return panel, err
	}
	panel.Note = heldWords(t, owner.Type(), held[owner].Keys)
	panel.Table = &view.Table{
		Columns: columns("Key", "Status", "Created", "Last used", "Expires"), Empty: "No key yet.",
	}
	for _, v := range listing.Views {
		row := k.row(v)
		r := view.TableRow{Ended: row.Ended, Cells: []view.Cell{
			{Key: &row},
			{Badge: &row.Badge},
			{When: row.Created, Note: row.CreatedNote},
			{When: row.LastUsed, Note: row.LastUsedNote},
			{Expires: &row},
		}}
		if row.Action.Text != "" {
			r.Actions = []view.Action{{Text: row.Action.Text, Object: row.Name, Path: row.Action.Path}}
		}
		panel.Table.Rows = append(panel.Table.Rows, r)
	}
	panel.Prev = k.previous()
	if listing.Next != nil {
		panel.Next = k.next(listing.Next.BeforeTime, string(listing.Next.BeforeID))
	}
	if !disabled && key.MayCreateFor(k.who.RoleIn(t.ID, t.Account), t.Settings, owner.Type()) == nil {
		panel.Actions = []view.Action{{
			Text: "New API key", Icon: "plus", Class: "small", Path: newKeyFor(t.ID, owner),
		}}
	}
	return panel, nil
}

// machineRoles are the roles of service accounts.
var machineRoles = []view.Choice{
	{Value: string(scope.Member), Text: "Member", Note: "its keys have scopes of members"},
	{Value: string(scope.Admin), Text: "Admin", Note: "its keys have scopes of admins"},
	{Value: string(scope.Auditor), Text: "Auditor", Note: "its keys have scopes of auditors"},
}

// serviceAccountForm returns the form, filled in with values, with what is wrong. role is the role
// that the service account has; "" for a new one.
func (k *call) serviceAccountForm(t tenancy.Tenant, p view.Editor, values url.Values, role scope.Role,
	faults view.Faults,
) response {
	list := inTenant(t.ID, "service-accounts")
	if p.Crumb.Text == "" {
		p.Crumb = view.Link{Text: "Service accounts", Path: list}
	}
	p.Cancel = view.Link{Text: "Discard", Path: p.Crumb.Path}
	p.Action, p.Faults = k.URL.Path, faults
	roles := chosen(machineRoles, cmp.Or(values.Get("role"), string(cmp.Or(role, scope.Member))))
	for i := range roles {
		if roles[i].Value == string(scope.Admin) && role != scope.Admin && !k.who.AccountRole(t.Account).Valid() {
			roles[i].Off = true
			roles[i].Note = "an owner or admin of the account gives it"
		}
	}
	p.Parts = []view.Part{
		{Heading: "Name", Controls: []view.Control{
			nameControl(values.Get("name")), descriptionControl(values.Get("description")),
		}},
		{Heading: "Role", Intro: "Its keys never exceed the scopes of the role.", Controls: []view.Control{
			{Kind: view.KindRadios, Name: "role", Label: "Role in " + t.Name, Choices: roles},
		}},
		{
			Heading: "Stewards", Intro: "They get its notifications and see its keys.", Controls: []view.Control{{
				Kind: view.KindTextarea, Name: "stewards", Label: "E-mail addresses", Optional: true, Width: "short",
				Hint: "Members of the tenant, one on each line.", Value: values.Get("stewards"),
			}},
		},
	}
	return response{page: p, title: p.Heading, narrow: true, current: list, status: statusOf(faults)}
}

// stewards reads the stewards in the form. known are those that the service account has.
func (k *call) stewards(t tenancy.Tenant, known []principal.Person) (
	ids []ident.UserID, faults view.Faults, err error,
) {
	lines := linesOf(k.form.Get("stewards"))
	for _, email := range lines {
		canonical := identity.CanonicalEmail(email)
		i := slices.IndexFunc(known, func(p principal.Person) bool {
			return identity.CanonicalEmail(p.Email) == canonical
		})
		switch {
		case len(lines) > maxResolved: // the domain says how many are allowed
			ids = append(ids, ident.UserID(email))
			continue
		case i >= 0:
			ids = append(ids, known[i].ID)
			continue
		}
		m, err := k.findMember(t, email)
		if err != nil {
			return nil, nil, err
		}
		if m.User.ID == "" {
			faults = append(faults, view.Fault{
				Field: "stewards", Message: "No member of the tenant has the e-mail address " + email + ".",
			})
		}
		ids = append(ids, m.User.ID)
	}
	return ids, faults, nil
}

func (c *Console) showNewServiceAccount(k *call) (response, error) {
	return k.newServiceAccountForm(nil)
}

func (k *call) newServiceAccountForm(faults view.Faults) (response, error) {
	t, err := k.adminTenant()
	if err != nil {
		return response{}, err
	}
	return k.serviceAccountForm(t, view.Editor{
		Heading: "New service account", Button: "Create service account", Once: rand.Text(),
		Intro: "A program owns its keys through it, and they stay when people leave.",
	}, k.form, "", faults), nil
}

func (c *Console) createServiceAccount(k *call) (response, error) {
	t, err := k.adminTenant()
	if err != nil {
		return response{}, err
	}
	stewards, faults, err := k.stewards(t, nil)
	if err != nil {
		return response{}, err
	}
	if faults != nil {
		return k.newServiceAccountForm(faults)
	}
	var made machine.ServiceAccount
	earlier, err := k.change("new", func(ctx context.Context) (err error) {
		made, err = c.ServiceAccounts.Create(ctx, k.who, t.ID, machine.NewServiceAccount{
			Name: k.form.Get("name"), Description: k.form.Get("description"), Role: scope.Role(k.form.Get("role")),
			Stewards: stewards,
		})
		return err
	})
	if faults := formFaults(err); faults != nil {
		return k.newServiceAccountForm(faults)
	}
	if err != nil {
		return response{}, err
	}
	id := cmp.Or(earlier, string(made.ID))
	return did(inTenant(t.ID, "service-accounts/"+id), "service-account.new"), nil
}

func (c *Console) showEditServiceAccount(k *call) (response, error) {
	return k.editServiceAccountForm(k.form, nil)
}

func (k *call) editServiceAccountForm(values url.Values, faults view.Faults) (response, error) {
	t, a, err := k.changeableServiceAccount()
	if err != nil {
		return response{}, err
	}
	if len(values) == 0 {
		var emails []string
		for _, p := range a.Stewards {
			emails = append(emails, p.Email)
		}
		values = url.Values{
			"name": {a.Name}, "description": {a.Description}, "role": {string(a.Role)},
			"stewards": {strings.Join(emails, "\n")},
		}
	}
	return k.serviceAccountForm(t, view.Editor{
		Crumb: view.Link{Text: a.Name, Path: serviceAccountURL(a)}, Heading: "Edit " + a.Name, Button: "Save",
		Version: version(values, a.Version()),
	}, values, a.Role, faults), nil
}

func (c *Console) editServiceAccount(k *call) (response, error) {
	t, a, err := k.changeableServiceAccount()
	if err != nil {
		return response{}, err
	}
	stewards, faults, err := k.stewards(t, a.Stewards)
	if err != nil {
		return response{}, err
	}
	if faults != nil {
		return k.editServiceAccountForm(k.form, faults)
	}
	name, description := k.form.Get("name"), k.form.Get("description")
	role := scope.Role(k.form.Get("role"))
	_, err = c.ServiceAccounts.Edit(k.Context(), k.who, t.ID, a.ID, machine.ServiceAccountChange{
		Expected: k.expected(), Name: &name, Description: &description, Role: &role, Stewards: &stewards,
	})
	faults = formFaults(err)
	if errors.Is(err, etag.ErrChanged) {
		faults = k.changedMeanwhile("name", "service account")
	}
	if faults != nil {
		return k.editServiceAccountForm(k.form, faults)
	}
	if err != nil {
		return response{}, err
	}
	return did(serviceAccountURL(a), "service-account.edit"), nil
}

// ownedFacts says how many keys an owner has that would be refused.
func (k *call) ownedFacts(tenant ident.TenantID, owner ident.PartyID) ([]view.Fact, error) {
	held, err := k.console.Keys.Held(k.Context(), k.who, tenant, owner)
	return []view.Fact{
		{Name: "API keys", Value: count(held[owner].Keys, "API key")},
		{Name: "Last used", When: k.ago(held[owner].LastUsedAt)},
	}, err
}

// confirmServiceAccount asks before the service account in the path ends.
func (k *call) confirmServiceAccount(p view.Confirm) (response, error) {
	_, a, err := k.changeableServiceAccount()
	if err != nil {
		return response{}, err
	}
	facts, err := k.ownedFacts(a.Tenant, ident.PartyID(a.ID))
	if err != nil {
		return response{}, err
	}
	management, err := k.liveManagementKeys(a)
	if err != nil {
		return response{}, err
	}
	facts = append(facts, view.Fact{Name: "Management keys", Value: count(management, "management key")})
	if p.Phrase != "" {
		p.Phrase = a.Name
	}
	answer := k.confirmation(p, a.Name, serviceAccountURL(a), facts)
	answer.current = inTenant(a.Tenant, "service-accounts")
	return answer, nil
}

func (c *Console) confirmDisableServiceAccount(k *call) (response, error) {
	return k.confirmServiceAccount(view.Confirm{
		Heading: "Disable “%s”?", Button: "Disable this service account", Keep: view.Link{Text: "Keep it enabled"},
		Lead: "Requests with its keys and its management keys are refused from that moment on, and are told " +
			"`api_key_disabled`. The keys are not changed: once it is enabled again, each is what it was.",
	})
}

func (c *Console) disableServiceAccount(k *call) (response, error) {
	return k.setServiceAccountDisabled(true, "service-account.disable")
}

func (c *Console) enableServiceAccount(k *call) (response, error) {
	return k.setServiceAccountDisabled(false, "service-account.enable")
}

func (k *call) setServiceAccountDisabled(disabled bool, what string) (response, error) {
	tenant, id := k.serviceAccountIDs()
	a, err := k.console.ServiceAccounts.SetDisabled(k.Context(), k.who, tenant, id, disabled)
	if err != nil {
		return response{}, err
	}
	return did(serviceAccountURL(a), what), nil
}

func (c *Console) confirmDeleteServiceAccount(k *call) (response, error) {
	return k.deleteServiceAccountPage(nil)
}

func (k *call) deleteServiceAccountPage(faults view.Faults) (response, error) {
	return k.confirmServiceAccount(view.Confirm{
		Heading: "Delete “%s”?", Button: "Delete this service account", Phrase: "name", Faults: faults,
		Lead: "Its keys and management keys are revoked at once, and requests with them are told `api_key_revoked`. " +
			"This cannot be undone: another service account with the same name has none of them.",
	})
}

func (c *Console) deleteServiceAccount(k *call) (response, error) {
	_, a, err := k.changeableServiceAccount()
	if err != nil {
		return response{}, err
	}
	if faults := k.sure(a.Name); faults != nil {
		return k.deleteServiceAccountPage(faults)
	}
	if err := c.ServiceAccounts.Delete(k.Context(), k.who, a.Tenant, a.ID); err != nil {
		return response{}, err
	}
	return did(inTenant(a.Tenant, "service-accounts"), "service-account.delete"), nil
}
