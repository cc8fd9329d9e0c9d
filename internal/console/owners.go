package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/web"
)

const ownerPath = "/a/{account}/people/{user}"

// ownerRoutes are those of the owners and admins of an account.
func (c *Console) ownerRoutes() []web.Route {
	return slices.Concat(
		c.form("/a/{account}/people", c.listOwners, c.addOwner),
		c.form(ownerPath+"/role", c.showOwnerRole, c.setOwnerRole),
		c.ending(ownerPath+"/remove", c.confirmRemoveOwner, c.removeOwner),
	)
}

// accountRoles are the roles of an account, with what they may do.
var accountRoles = []view.Choice{
	{Value: string(scope.AccountAdmin), Text: "Admin", Note: "everything in the account, but no owners"},
	{Value: string(scope.AccountOwner), Text: "Owner", Note: "everything, and who owns the account"},
}

func (c *Console) listOwners(k *call) (response, error) { return k.ownersPage(k.form, nil) }

// ownersPage lists the owners and admins of an account. values and faults are those of the form
// that adds one.
func (k *call) ownersPage(values url.Values, faults view.Faults) (response, error) {
	a, err := k.account()
	if err != nil {
		return response{}, err
	}
	page, err := k.position()
	if err != nil {
		return response{}, err
	}
	all, err := k.console.Accounts.AccountMembers(k.Context(), k.who, a.ID, page)
	if err != nil {
		return response{}, err
	}
	shown, next := pageOf(k, all, func(m account.Member) (time.Time, string) { return m.CreatedAt, string(m.User.ID) })
	list := inAccount(a.ID, "people")
	panel := view.Panel{ID: "people", Heading: "People", Next: next, Prev: k.previous(), Table: &view.Table{
		Columns: columns("Person", "Role", "Since", "Status"), Empty: "Nobody owns this account. Ask the operator.",
	}}
	for _, m := range shown {
		panel.Table.Rows = append(panel.Table.Rows, k.ownerRow(m))
	}
	add := view.Panel{ID: "add", Heading: "Add an owner or admin", Form: &view.Inline{
		Action: list, Once: rand.Text(), Button: "Add", Faults: faults,
		Inputs: []view.Control{
			{
				Kind: view.KindEmail, Name: "email", Label: "E-mail", Value: values.Get("email"), Grow: true,
				Autocomplete: "off",
			},
			{
				Kind: view.KindSelect, Name: "role", Label: "Role",
				Choices: chosen(accountRoles, cmp.Or(values.Get("role"), string(scope.AccountAdmin))),
			},
		},
		After: "The person must be a member of one of the tenants of " + a.Name + ". Invite them there first.",
	}}
	return response{page: view.Overview{
		Heading: "Owners and admins",
		Intro:   "They change the policy of " + a.Name + ", and are admins of all its tenants.",
		Panels:  []view.Panel{add, panel},
	}, title: "Owners and admins of " + a.Name, current: list, status: statusOf(faults)}, nil
}

// ownerRow returns an owner or admin as the list shows them. Only owners change owners.
func (k *call) ownerRow(m account.Member) view.TableRow {
	name := cmp.Or(m.User.Name, m.User.Email, string(m.User.ID))
	row := view.TableRow{Cells: []view.Cell{
		{Text: name, Note: m.User.Email}, {Text: string(m.Role)}, {When: k.on(m.CreatedAt)}, {Badge: onOff(m.Disabled)},
	}}
	if m.User.ID == k.session.User.ID {
		row.Cells[0].Text += " (you)"
	}
	if m.Role == scope.AccountOwner && k.who.AccountRole(m.Account) != scope.AccountOwner {
		return row
	}
	path := inAccount(m.Account, "people/"+string(m.User.ID))
	row.Actions = []view.Action{
		{Text: "Change role", Object: name, Path: path + "/role"},
		{Text: "Remove…", Class: "ends", Object: name, Path: path + "/remove"},
	}
	return row
}

// addOwner makes a person an owner or admin. It changes nobody who is one already.
func (c *Console) addOwner(k *call) (response, error) {
	in := ident.AccountID(k.PathValue("account"))
	m, err := c.Accounts.Candidate(k.Context(), k.who, in, identity.CanonicalEmail(k.form.Get("email")))
	switch {
	case errors.Is(err, fault.NotFound) && k.who.AccountRole(in).Valid():
		return k.ownersPage(k.form, view.Faults{{
			Field: "email", Message: "No member of a tenant of this account has this e-mail address.",
		}})
	case err != nil:
		return response{}, err
	}
	_, err = k.change("add", func(ctx context.Context) error {
		_, err := c.Accounts.SetAccountMember(ctx, k.who, in, m.User.ID, scope.AccountRole(k.form.Get("role")),
			etag.Absent)
		return err
	})
	faults := formFaults(err)
	switch {
	case errors.Is(err, etag.ErrChanged):
		faults = view.Faults{{Field: "email", Message: "This person has a role in the account already."}}
	case errors.Is(err, fault.Conflict), errors.Is(err, fault.Forbidden):
		faults = view.Faults{{Field: "role", Message: fault.Message(err)}}
	}
	if faults != nil {
		return k.ownersPage(k.form, faults)
	}
	return k.doneWithOwner("owner.new", err)
}

// doneWithOwner goes back to the list, if the change was made.
func (k *call) doneWithOwner(what string, err error) (response, error) {
	if err != nil {
		return response{}, err
	}
	return did(inAccount(ident.AccountID(k.PathValue("account")), "people"), what), nil
}

// shownOwner returns the account and the owner or admin in the path, to those who may change them.
func (k *call) shownOwner() (a account.Account, m account.Member, err error) {
	a, err = k.account()
	if err != nil {
		return a, m, err
	}
	m, err = k.console.Accounts.AccountMember(k.Context(), k.who, a.ID, ident.UserID(k.PathValue("user")))
	return a, m, err
}

func (c *Console) showOwnerRole(k *call) (response, error) { return k.ownerRoleForm(k.form, nil) }

func (k *call) ownerRoleForm(values url.Values, faults view.Faults) (response, error) {
	a, m, err := k.shownOwner()
	if err != nil {
		return response{}, err
	}
	list := inAccount(a.ID, "people")
	p := view.Editor{
		Crumb:   view.Link{Text: "Owners and admins", Path: list},
		Heading: "Change the role of " + cmp.Or(m.User.Name, m.User.Email),
		Action:  k.URL.Path, Version: version(values, m.Version()), Faults: faults,
		Button: "Change role", Cancel: view.Link{Text: "Discard", Path: list},
		Parts: []view.Part{{Heading: "Role", Controls: []view.Control{{
			Kind: view.KindRadios, Name: "role", Label: "Role in " + a.Name,
			Choices: chosen(accountRoles, cmp.Or(values.Get("role"), string(m.Role))),
		}}}},
	}
	return response{page: p, title: p.Heading, narrow: true, current: list, status: statusOf(faults)}, nil
}

func (c *Console) setOwnerRole(k *call) (response, error) {
	_, err := c.Accounts.SetAccountMember(k.Context(), k.who, ident.AccountID(k.PathValue("account")),
		ident.UserID(k.PathValue("user")), scope.AccountRole(k.form.Get("role")), k.expected())
	faults := formFaults(err)
	switch {
	case errors.Is(err, etag.ErrChanged):
		faults = k.changedMeanwhile("role", "role")
	case errors.Is(err, fault.Conflict):
		faults = view.Faults{{Field: "role", Message: fault.Message(err)}}
	}
	if faults != nil {
		return k.ownerRoleForm(k.form, faults)
	}
	return k.doneWithOwner("owner.role", err)
}

func (c *Console) confirmRemoveOwner(k *call) (response, error) {
	a, m, err := k.shownOwner()
	if err != nil {
		return response{}, err
	}
	return k.confirmation(view.Confirm{
		Heading: "Remove %s?", Button: "Remove this person", Keep: view.Link{Text: "Keep the person"},
		Lead: "The person stops being " + string(m.Role) + " of the account, and stays a member of its tenants, " +
			"with their keys. Secrets of other keys that they were shown stay valid: each tenant lists them at its " +
			"members.",
	}, cmp.Or(m.User.Name, m.User.Email), inAccount(a.ID, "people"), []view.Fact{
		{Name: "Role", Value: string(m.Role)}, {Name: "Since", When: k.at(m.CreatedAt)},
	}), nil
}

func (c *Console) removeOwner(k *call) (response, error) {
	err := c.Accounts.RemoveAccountMember(k.Context(), k.who, ident.AccountID(k.PathValue("account")),
		ident.UserID(k.PathValue("user")))
	return k.doneWithOwner("owner.remove", err)
}
