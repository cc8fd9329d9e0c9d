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
	"time"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/text"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	memberPath     = "/t/{tenant}/members/{user}"
	invitationPath = "/t/{tenant}/invitations/{invitation}"
)

// memberRoutes are those of the people of a tenant.
func (c *Console) memberRoutes() []web.Route {
	return slices.Concat(
		c.form("/t/{tenant}/members", c.listMembers, c.invite),
		c.page("/t/{tenant}/invitations", c.listInvitations),
		c.action(invitationPath+"/resend", c.resendInvitation),
		c.ending(invitationPath+"/cancel", c.confirmCancelInvitation, c.cancelInvitation),
		c.form(memberPath+"/role", c.showRole, c.setRole),
		c.reduction(memberPath+"/disable", c.disableMember),
		c.action(memberPath+"/enable", c.enableMember),
		c.ending(memberPath+"/remove", c.confirmRemoveMember, c.removeMember),
		c.page(memberPath+"/known", c.listKnown),
		c.ending(memberPath+"/known/revoke", c.confirmRevokeKnown, c.revokeKnown),
		c.ending("/t/{tenant}/leave", c.confirmLeave, c.leave),
	)
}

// roleChoices are the roles of a tenant, with what they may do.
var roleChoices = []view.Choice{
	{Value: string(scope.Member), Text: "Member", Note: "creates and manages their own keys"},
	{Value: string(scope.Admin), Text: "Admin", Note: "manages all keys, members, applications and scopes"},
	{Value: string(scope.Auditor), Text: "Auditor", Note: "reads everything, changes nothing"},
}

// roleOf returns the choices with the role chosen.
func roleOf(role string) []view.Choice { return chosen(roleChoices, role) }

func (c *Console) listMembers(k *call) (response, error) {
	return k.membersPage(nil, nil, view.Overview{})
}

// membersPage returns the list of members. p has what the page shows above it, and values and
// faults are those of the form that invites.
func (k *call) membersPage(values url.Values, faults view.Faults, p view.Overview) (response, error) {
	c := k.console
	t, err := k.tenant()
	if err != nil {
		return response{}, err
	}
	people, err := k.peoplePanel(t)
	if err != nil {
		return response{}, err
	}
	n, err := c.Tenancy.CountMembers(k.Context(), k.who, t.ID)
	if err != nil {
		return response{}, err
	}
	p.Heading = "Members"
	p.Intro = peopleCount(n) + " in " + t.Name + "."
	if k.isAdmin(t) {
		p.Intro += " Removing somebody revokes their keys here."
	}
	if isMember(k, t.ID) {
		p.Actions = []view.Action{{Text: "Leave this tenant…", Class: "ends", Path: inTenant(t.ID, "leave")}}
	}
	if k.isAdmin(t) {
		open, err := k.invitationsPanel(t, paging.Page{Limit: shownInvitations + 1})
		if err != nil {
			return response{}, err
		}
		if len(open.Table.Rows) > shownInvitations {
			open.Table.Rows = open.Table.Rows[:shownInvitations]
			open.Shown, open.Next = "The newest invitations", inTenant(t.ID, "invitations")
		}
		p.Panels = append(p.Panels, k.invitePanel(t, values, faults))
		if len(open.Table.Rows) > 0 {
			p.Panels = append(p.Panels, open)
		}
	}
	p.Panels = append(p.Panels, people)
	return response{
		page: p, title: "Members of " + t.Name, current: inTenant(t.ID, "members"), status: statusOf(faults),
	}, nil
}

// shownInvitations is how many invitations the page of members shows.
const shownInvitations = 10

// peopleCount returns a number of people in words.
func peopleCount(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}

// peoplePanel lists the members of a tenant.
func (k *call) peoplePanel(t tenancy.Tenant) (view.Panel, error) {
	page, err := k.position()
	if err != nil {
		return view.Panel{}, err
	}
	all, err := k.listedMembers(t, page)
	if err != nil {
		return view.Panel{}, err
	}
	shown, next := pageOf(k, all, func(m tenancy.Member) (time.Time, string) { return m.CreatedAt, string(m.User.ID) })
	panel := view.Panel{ID: "people", Heading: "People", Next: next, Prev: k.previous()}
	panel.Table = &view.Table{
		Columns: columns("Person", "Role", "Keys", "Member since", "Status"),
		Empty:   "Nobody is a member yet. Invite somebody.",
	}
	admin := k.isAdmin(t)
	if admin {
		panel.Table.Columns = columns("Person", "Role", "Keys", "Sign-in method", "Last seen", "Status")
	}
	panel.Shown = k.shownOf(t, len(shown), "member", "members")
	path := inTenant(t.ID, "members")
	panel.Filter = k.nameFilter(path, "Name or e-mail", panel.Table)
	chips := []view.Choice{
		{Text: "All"},
		{Value: string(scope.Admin), Text: "Admins"},
		{Value: string(scope.Member), Text: "Members"},
		{Value: string(scope.Auditor), Text: "Auditors"},
	}
	if admin {
		chips = append(chips, view.Choice{Value: passwordOnly, Text: "Password only"})
	}
	panel.Filter.Chips = k.chips("role", chips...)
	switch role := k.URL.Query().Get("role"); {
	case role == passwordOnly:
		panel.Filter.Reset = path
		panel.Table.Empty = "Everybody has a second factor."
	case role != "":
		panel.Filter.Reset = path
		panel.Table.Empty = "Nobody has this role."
	}
	owners := make([]ident.PartyID, len(shown))
	for i, m := range shown {
		owners[i] = ident.PartyID(m.User.ID)
	}
	held, err := k.heldKeys(t, owners)
	if err != nil {
		return view.Panel{}, err
	}
	facts, err := k.console.Tenancy.SignInFacts(k.Context(), k.who, t.ID, shown...)
	if err != nil {
		return view.Panel{}, err
	}
	for _, m := range shown {
		cells := []view.Cell{{Text: held(ident.PartyID(m.User.ID))}}
		if admin {
			cells = append(cells, k.signInCells(facts[m.User.ID])...)
		} else {
			cells = append(cells, view.Cell{When: k.on(m.CreatedAt)})
		}
		panel.Table.Rows = append(panel.Table.Rows, k.memberRow(m, cells, admin))
	}
	return panel, nil
}

// passwordOnly is the filter for members without a second factor.
const passwordOnly = "password"

// signInCells say how a person signs in, and when they were last seen.
func (k *call) signInCells(f identity.SignInFacts) []view.Cell {
	method := view.Cell{Text: "password only", Tone: "warn"}
	if f.SecondFactor {
		method = view.Cell{Text: "two-factor"}
	}
	return []view.Cell{method, {When: k.ago(f.LastSeenAt)}}
}

// listedMembers returns the members that the list shows.
func (k *call) listedMembers(t tenancy.Tenant, page paging.Page) ([]tenancy.Member, error) {
	if words := k.URL.Query().Get("q"); words != "" {
		return k.console.Tenancy.FoundMembers(k.Context(), k.who, t.ID, text.NewWordQuery(words), k.rows())
	}
	switch role := k.URL.Query().Get("role"); role {
	case "":
		return k.console.Tenancy.Members(k.Context(), k.who, t.ID, page)
	case passwordOnly:
		return k.console.Tenancy.MembersWithoutFactor(k.Context(), k.who, t.ID, page)
	default:
		return k.console.Tenancy.MembersOfRole(k.Context(), k.who, t.ID, scope.Role(role), page)
	}
}

// memberRow returns a member as the list shows them. cells are those between role and status.
func (k *call) memberRow(m tenancy.Member, cells []view.Cell, changes bool) view.TableRow {
	name := personName(m)
	role := view.Cell{Text: string(m.Role), Note: "joined " + k.date(m.CreatedAt)}
	if !changes {
		role.Note = ""
	}
	row := view.TableRow{Cells: slices.Concat(
		[]view.Cell{{Text: name, Note: m.User.Email}, role}, cells, []view.Cell{{Badge: onOff(m.Disabled)}},
	)}
	own := m.User.ID == k.session.User.ID
	if own {
		row.Cells[0].Text += " (you)"
	}
	if !changes || own {
		return row
	}
	path := memberURL(m)
	toggle := view.Action{Text: "Disable here", Object: name, Path: path + "/disable", Post: true}
	if m.Disabled {
		toggle = view.Action{Text: "Enable here", Object: name, Path: path + "/enable", Post: true}
	}
	row.Actions = []view.Action{
		{Text: "Change role", Object: name, Path: path + "/role"},
		toggle,
		{Text: "Remove…", Class: "ends", Object: name, Path: path + "/remove"},
	}
	return row
}

func personName(m tenancy.Member) string { return cmp.Or(m.User.Name, m.User.Email, string(m.User.ID)) }

func memberURL(m tenancy.Member) string { return inTenant(m.Tenant, "members/"+string(m.User.ID)) }

// invitePanel is the form that invites, filled in with values.
func (k *call) invitePanel(t tenancy.Tenant, values url.Values, faults view.Faults) view.Panel {
	form := &view.Inline{
		Action: inTenant(t.ID, "members"), Once: rand.Text(), Button: "Invite", Faults: faults,
		Inputs: []view.Control{
			{
				Kind: view.KindEmail, Name: "email", Label: "E-mail", Value: values.Get("email"), Grow: true,
				Autocomplete: "off",
			},
			{
				Kind: view.KindSelect, Name: "role", Label: "Role",
				Choices: roleOf(cmp.Or(values.Get("role"), string(scope.Member))),
			},
		},
		After: "They get an e-mail with a link that works once, for 7 days.",
	}
	if !k.console.Tenancy.Mails {
		form.After = "You get a link to pass on. It works once, for 7 days. This server sends no mail."
	}
	return view.Panel{ID: "invite", Heading: "Invite a member", Form: form}
}

// invitationsPanel lists invitations that can still be accepted.
func (k *call) invitationsPanel(t tenancy.Tenant, page paging.Page) (view.Panel, error) {
	list, err := k.console.Tenancy.Invitations(k.Context(), k.who, t.ID, page)
	if err != nil {
		return view.Panel{}, err
	}
	panel := view.Panel{ID: "invitations", Heading: "Open invitations"}
	if len(list) == page.Limit && page.Limit > rowsPerPage {
		panel.Prev = k.previous()
		list, panel.Next = pageOf(k, list, func(i tenancy.Invitation) (time.Time, string) {
			return i.CreatedAt, string(i.ID)
		})
	}
	panel.Table = &view.Table{
		Columns: columns("E-mail", "Role", "Invited by", "Expires"), Empty: "No invitation is open.",
	}
	for _, i := range list {
		panel.Table.Rows = append(panel.Table.Rows, k.invitationRow(t.ID, i))
	}
	return panel, nil
}

// invitationRow returns an invitation as the lists show it.
func (k *call) invitationRow(in ident.TenantID, i tenancy.Invitation) view.TableRow {
	path := inTenant(in, "invitations/"+string(i.ID))
	again := "New link"
	if k.console.Tenancy.Mails {
		again = "Send again"
	}
	row := view.TableRow{
		Cells: []view.Cell{
			{Text: i.Email},
			{Text: string(i.Role)},
			{Text: k.inviter(i), Note: k.date(i.CreatedAt)},
			{When: k.in(i.ExpiresAt)},
		},
		Actions: []view.Action{
			{
				Text: again, Object: i.Email, Path: path + "/resend", Post: true,
				Hidden: []view.Field{{Name: "once", Value: rand.Text()}},
			},
			{Text: "Cancel…", Class: "ends", Object: i.Email, Path: path + "/cancel"},
		},
	}
	if i.Owns != "" {
		row.Cells[1].Note = "and owner of the account"
	}
	if i.ExpiresAt.Sub(k.now) < day {
		row.Cells[3].Tone = "warn"
	}
	return row
}

// inviter names who invites.
func (k *call) inviter(i tenancy.Invitation) string {
	switch i.Inviter.ID {
	case "":
		return "the operator"
	case k.session.User.ID:
		return "you"
	}
	return cmp.Or(i.Inviter.Name, i.Inviter.Email, "a deleted person")
}

// listInvitations lists all open invitations.
func (c *Console) listInvitations(k *call) (response, error) {
	t, err := k.adminTenant()
	if err != nil {
		return response{}, err
	}
	page, err := k.position()
	if err != nil {
		return response{}, err
	}
	panel, err := k.invitationsPanel(t, page)
	if err != nil {
		return response{}, err
	}
	members := inTenant(t.ID, "members")
	return response{page: view.Overview{
		Crumb: view.Link{Text: "Members", Path: members}, Heading: "Open invitations", Panels: []view.Panel{panel},
	}, title: "Invitations to " + t.Name, current: members}, nil
}

// invite invites a person. Where no mail brings the link, the page shows it once.
func (c *Console) invite(k *call) (response, error) {
	tenant := ident.TenantID(k.PathValue("tenant"))
	var made tenancy.Invitation
	var token credential.Secret
	earlier, err := k.change("invite", func(ctx context.Context) (err error) {
		made, token, err = c.Tenancy.Invite(ctx, k.who, tenant, k.form.Get("email"), scope.Role(k.form.Get("role")))
		return err
	})
	faults := formFaults(err)
	if errors.Is(err, fault.Conflict) {
		faults = view.Faults{{Field: "email", Message: fault.Message(err)}}
	}
	if faults != nil {
		return k.membersPage(k.form, faults, view.Overview{})
	}
	if err != nil {
		return response{}, err
	}
	return k.invited(tenant, made, token, earlier)
}

// resendInvitation makes another link of an invitation.
func (c *Console) resendInvitation(k *call) (response, error) {
	tenant, id := k.invitationIDs()
	var renewed tenancy.Invitation
	var token credential.Secret
	earlier, err := k.change("resend", func(ctx context.Context) (err error) {
		renewed, token, err = c.Tenancy.ResendInvitation(ctx, k.who, tenant, id)
		return err
	})
	if err != nil {
		return response{}, err
	}
	return k.invited(tenant, renewed, token, earlier)
}

// invited shows the link of an invitation, or says that it was mailed. earlier is set for a form
// that was sent before: its link was shown then.
func (k *call) invited(tenant ident.TenantID, i tenancy.Invitation, token credential.Secret,
	earlier string,
) (response, error) {
	members := inTenant(tenant, "members")
	switch {
	case k.console.Tenancy.Mails:
		return did(members, "member.invite"), nil
	case earlier != "":
		return k.membersPage(nil, nil, view.Overview{Notices: []view.Message{{
			Tone: "warn", Icon: "lock",
			Text: "This link was shown once, when this form was sent the first time. If it is lost, make a new one.",
		}}})
	}
	return k.membersPage(nil, nil, view.Overview{Once: &view.Once{
		Heading: "Pass this link on to " + i.Email,
		Text: "It is shown this one time. It works once, until " + k.at(i.ExpiresAt).Text +
			", and makes whoever opens it a member of this tenant.",
		Values: []view.Value{{Name: "Link", Text: k.console.BaseURL + "/invitations/" + token.Reveal(), Main: true}},
		Done:   view.Link{Text: "Done, I have passed it on", Path: members},
	}})
}

// invitationIDs returns the tenant and the invitation in the path.
func (k *call) invitationIDs() (ident.TenantID, ident.LinkID) {
	return ident.TenantID(k.PathValue("tenant")), ident.LinkID(k.PathValue("invitation"))
}

func (c *Console) confirmCancelInvitation(k *call) (response, error) {
	tenant, id := k.invitationIDs()
	i, err := c.Tenancy.Invitation(k.Context(), k.who, tenant, id)
	if err != nil {
		return response{}, err
	}
	return k.confirmation(view.Confirm{
		Heading: "Cancel the invitation of %s?", Button: "Cancel this invitation", Keep: view.Link{Text: "Keep it"},
		Lead: "Its link stops working at once. You can invite the person again.",
	}, i.Email, inTenant(tenant, "members"), []view.Fact{
		{Name: "Role", Value: string(i.Role)}, {Name: "Expires", When: k.at(i.ExpiresAt)},
	}), nil
}

func (c *Console) cancelInvitation(k *call) (response, error) {
	tenant, id := k.invitationIDs()
	if err := c.Tenancy.CancelInvitation(k.Context(), k.who, tenant, id); err != nil {
		return response{}, err
	}
	return did(inTenant(tenant, "members"), "invitation.cancel"), nil
}

// memberIDs returns the tenant and the person in the path.
func (k *call) memberIDs() (ident.TenantID, ident.UserID) {
	return ident.TenantID(k.PathValue("tenant")), ident.UserID(k.PathValue("user"))
}

// changeableMember returns the tenant and the member in the path to an admin.
func (k *call) changeableMember() (t tenancy.Tenant, m tenancy.Member, err error) {
	t, err = k.adminTenant()
	if err != nil {
		return t, m, err
	}
	tenant, user := k.memberIDs()
	m, err = k.console.Tenancy.Member(k.Context(), k.who, tenant, user)
	return t, m, err
}

func (c *Console) showRole(k *call) (response, error) { return k.roleForm(k.form, nil) }

// roleForm returns the form for the role of a member.
func (k *call) roleForm(values url.Values, faults view.Faults) (response, error) {
	t, m, err := k.changeableMember()
	if err != nil {
		return response{}, err
	}
	members := inTenant(t.ID, "members")
	p := view.Editor{
		Crumb: view.Link{Text: "Members", Path: members}, Heading: "Change the role of " + personName(m),
		Intro:  "The person's keys stay. From now on they are allowed what the new role allows.",
		Action: k.URL.Path, Version: version(values, m.Version()), Faults: faults,
		Button: "Change role", Cancel: view.Link{Text: "Discard", Path: members},
		Parts: []view.Part{{Heading: "Role", Controls: []view.Control{{
			Kind: view.KindRadios, Name: "role", Label: "Role in " + t.Name,
			Choices: roleOf(cmp.Or(values.Get("role"), string(m.Role))),
		}}}},
	}
	if m.Role == scope.Admin {
		known, err := k.known(t, m.User.ID)
		if err != nil {
			return response{}, err
		}
		p.Panels = known.panels(k, "Secrets that the person was shown",
			"They stay valid for whoever noted them, also after the role changes.")
	}
	return response{page: p, title: p.Heading, narrow: true, current: members, status: statusOf(faults)}, nil
}

func (c *Console) setRole(k *call) (response, error) {
	role := scope.Role(k.form.Get("role"))
	err := k.changeMember(tenancy.MemberChange{Expected: k.expected(), Role: &role})
	faults := formFaults(err)
	switch {
	case errors.Is(err, etag.ErrChanged):
		faults = k.changedMeanwhile("role", "membership")
	case errors.Is(err, fault.Conflict):
		faults = view.Faults{{Field: "role", Message: fault.Message(err)}}
	}
	if faults != nil {
		return k.roleForm(k.form, faults)
	}
	if err == nil && role != scope.Admin {
		return k.afterLosing("member.role")
	}
	return k.doneWithMember("member.role", err)
}

// changeMember changes the member in the path.
func (k *call) changeMember(change tenancy.MemberChange) error {
	tenant, user := k.memberIDs()
	_, err := k.console.Tenancy.ChangeMember(k.Context(), k.who, tenant, user, change)
	return err
}

// doneWithMember goes back to the list, if the change was made.
func (k *call) doneWithMember(what string, err error) (response, error) {
	if err != nil {
		return response{}, err
	}
	tenant, _ := k.memberIDs()
	return did(inTenant(tenant, "members"), what), nil
}

func (c *Console) disableMember(k *call) (response, error) {
	off := true
	return k.doneWithMember("member.disable", k.changeMember(tenancy.MemberChange{Disabled: &off}))
}

func (c *Console) enableMember(k *call) (response, error) {
	off := false
	return k.doneWithMember("member.enable", k.changeMember(tenancy.MemberChange{Disabled: &off}))
}

func (c *Console) confirmRemoveMember(k *call) (response, error) {
	t, m, err := k.changeableMember()
	if err != nil {
		return response{}, err
	}
	p := view.Confirm{
		Heading: "Remove %s?", Button: "Remove this member", Keep: view.Link{Text: "Keep the member"},
		Lead: "Their keys in this tenant are revoked at once, and stay revoked if the person joins again. Their keys " +
			"in other tenants stay.",
	}
	known, err := k.known(t, m.User.ID)
	if err != nil {
		return response{}, err
	}
	if !known.none() {
		p.Lead += " Secrets of other keys that the person was shown stay valid. You can revoke those keys next."
		p.Table = known.table(k)
		p.Table.Caption = "Keys of others whose secret the person knows"
	}
	if more := known.shown(); more != "" {
		p.Lead += " " + more
	}
	return k.confirmMember(p, t, m.User.ID, personName(m))
}

// confirmMember asks before a membership ends, with how many keys end with it.
func (k *call) confirmMember(p view.Confirm, t tenancy.Tenant, user ident.UserID, name string) (response, error) {
	n, err := k.countKeys(t, user)
	if err != nil {
		return response{}, err
	}
	facts := []view.Fact{{Name: "Keys that are revoked", Value: n}}
	return k.confirmation(p, name, inTenant(t.ID, "members"), facts), nil
}

// countKeys returns how many keys of a person work or could work again, in words.
func (k *call) countKeys(t tenancy.Tenant, user ident.UserID) (string, error) {
	held, err := k.console.Keys.Held(k.Context(), k.who, t.ID, ident.PartyID(user))
	return strconv.Itoa(held[ident.PartyID(user)].Keys), err
}

func (c *Console) removeMember(k *call) (response, error) {
	tenant, user := k.memberIDs()
	if err := c.Tenancy.RemoveMember(k.Context(), k.who, tenant, user); err != nil {
		return response{}, err
	}
	return k.afterLosing("member.remove")
}

// afterLosing goes on after a person lost the rights of an admin or the membership: to the secrets
// that they still know, or may know, or else to the list. It returns no errors, because the change
// is made.
func (k *call) afterLosing(what string) (response, error) {
	tenant, user := k.memberIDs()
	t, err := k.tenant()
	if err == nil {
		known, err := k.known(t, user)
		if err != nil || !known.none() {
			return did(inTenant(tenant, "members/"+string(user)+"/known"), what), nil
		}
	}
	return did(inTenant(tenant, "members"), what), nil
}

func (c *Console) confirmLeave(k *call) (response, error) {
	t, err := k.tenant()
	if err != nil {
		return response{}, err
	}
	if _, err := c.Tenancy.Member(k.Context(), k.who, t.ID, k.session.User.ID); err != nil {
		return response{}, err
	}
	return k.confirmMember(view.Confirm{
		Heading: "Leave %s?", Button: "Leave this tenant", Keep: view.Link{Text: "Stay"},
		Lead: "Your keys in this tenant are revoked at once, and stay revoked if you join again. Your keys in other " +
			"tenants stay.",
	}, t, k.session.User.ID, t.Name)
}

func (c *Console) leave(k *call) (response, error) {
	tenant := ident.TenantID(k.PathValue("tenant"))
	if err := c.Tenancy.RemoveMember(k.Context(), k.who, tenant, k.session.User.ID); err != nil {
		return response{}, err
	}
	return did("/settings/keys", "member.leave"), nil
}
