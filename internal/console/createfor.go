package console

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

const (
	// maxSuggested is how many members, or subjects, the form suggests.
	maxSuggested = 200
	// maxServiceAccounts is how many service accounts the form lists: all that a tenant has.
	maxServiceAccounts = 200
)

// ownerType is a type of owner in the form. id is that of its choice, and field that of its field.
type ownerType struct {
	party                      ident.PartyType
	text, note, id, field, has string
}

var ownerTypes = []ownerType{
	{ident.UserParty, "Person", "a member of this tenant", "owner-person", "person", "if-person"},
	{
		ident.ServiceAccountParty, "Service account", "a machine; its keys outlive people", "owner-machine",
		"service_account", "if-machine",
	},
	{ident.SubjectParty, "Subject", "your customer, by external ID", "owner-subject", "external_id", "if-subject"},
}

// ownerTypeOf returns a type of owner.
func ownerTypeOf(party ident.PartyType) ownerType {
	return ownerTypes[slices.IndexFunc(ownerTypes, func(t ownerType) bool { return t.party == party })]
}

// newKeyFor returns the path of the form for a key of an owner; "" for an owner that is not chosen
// yet.
func newKeyFor(t ident.TenantID, owner ident.PartyID) string {
	if owner == "" {
		return inTenant(t, "keys/new")
	}
	return inTenant(t, "keys/new") + "?owner=" + url.QueryEscape(string(owner))
}

// othersTypes returns the types of owners for whom the person may create keys, and why it is none.
func (k *call) othersTypes(t tenancy.Tenant) (list []ident.PartyType, err error) {
	for _, of := range ident.OwnerTypes() {
		refused := key.MayCreateFor(k.who.RoleIn(t.ID, t.Account), t.Settings, of)
		if refused == nil {
			list = append(list, of)
		}
		err = cmp.Or(err, refused)
	}
	if len(list) > 0 {
		err = nil
	}
	return list, err
}

// keyOwner is somebody else for whom a key is created.
type keyOwner struct {
	id         ident.PartyID
	name, note string
	grants
	// linkOnly is set if nobody but the owner may see the secret, as far as the person may know.
	linkOnly bool
}

// showNewKeyFor shows the form for a key of another owner: first the choice of the owner.
func (c *Console) showNewKeyFor(k *call) (response, error) {
	values := k.form
	if values == nil {
		values = k.URL.Query()
	}
	if !k.isFromHere() { // a link of somebody else chooses nothing
		values = nil
	}
	return k.keyForForm(values, nil)
}

// keyForForm returns the form, filled in, with what is wrong.
func (k *call) keyForForm(values url.Values, faults view.Faults) (response, error) {
	t, err := k.adminTenant()
	if err != nil {
		return response{}, err
	}
	id := ident.PartyID(values.Get("owner"))
	if id == "" {
		return k.ownerForm(t, values, faults)
	}
	if id == ident.PartyID(k.session.User.ID) {
		return goTo(newKeyPath + "?tenant=" + string(t.ID)), nil
	}
	owner, err := k.keyOwner(t, id)
	if err != nil {
		return response{}, err
	}
	of := ownerTypeOf(id.Type())
	page := view.NewKey{
		Crumb: view.Link{Text: "All API keys", Path: tenantPath(t.ID)}, Heading: "New API key for " + owner.name,
		Intro: "Its scopes are at most those of its owner.", Button: "Create", Action: inTenant(t.ID, "keys/new"),
		Faults: faults, Visible: visibleWords(owner.name, t),
		Owner: &view.KeyOwner{
			ID: string(id), Type: strings.ToLower(of.text), Name: owner.name, Note: owner.note,
			Change: newKeyFor(t.ID, "") + "?owner_type=" + string(of.party),
		},
	}
	if of.party == ident.UserParty {
		setDelivery(&page, owner, values.Get("delivery"))
	}
	if err := k.fillKeyForm(&page, t, values, owner.grants); err != nil {
		return response{}, err
	}
	if err := k.summarize(&page, t, id, "their"); err != nil {
		return response{}, err
	}
	page.Summary.Secret = secretWords(page.Delivery, owner.name)
	return response{
		page: page, title: page.Heading, narrow: true, current: tenantPath(t.ID), status: statusOf(faults),
	}, nil
}

// setDelivery sets how a person can get the secret of their key.
func setDelivery(page *view.NewKey, owner keyOwner, chosen string) {
	page.Delivery = []view.Choice{{
		Value: string(key.ByLink), Text: "By a link that only they can use", Checked: true,
		Note: "You never see the secret. It is generated when they open the link, signed in, within " +
			span(key.ClaimPeriod) + ".",
	}}
	if owner.linkOnly {
		page.DeliveryNote = "An owner or admin of the account: nobody but them may see the secret."
		return
	}
	direct := chosen == string(key.Direct)
	page.Delivery[0].Checked = !direct
	page.Delivery = append(page.Delivery, view.Choice{
		Value: string(key.Direct), Text: "Show it to me now, once", Note: "You pass the secret on yourself.",
		Checked: direct,
	})
}

// secretWords says who sees the secret of a new key of another owner.
func secretWords(delivery []view.Choice, owner string) string {
	if chosenOf(delivery) == string(key.ByLink) {
		return owner + " gets the secret by a link. You never see it."
	}
	return "You see the secret once, and pass it on."
}

// ownerForm returns the form in which an owner is chosen.
func (k *call) ownerForm(t tenancy.Tenant, values url.Values, faults view.Faults) (response, error) {
	types, err := k.othersTypes(t)
	if err != nil {
		return response{}, err
	}
	chosen := ident.PartyType(values.Get("owner_type"))
	if !slices.Contains(types, chosen) {
		chosen = types[0]
	}
	choice := view.Control{Kind: view.KindRadios, Name: "owner_type", Label: "Type of owner"}
	fields := []view.Control{choice}
	for _, of := range types {
		shown := ownerTypeOf(of)
		fields[0].Choices = append(fields[0].Choices, view.Choice{
			Value: string(of), Text: shown.text, Note: shown.note, ID: shown.id, Checked: of == chosen,
		})
		field, err := k.ownerField(t, shown, values.Get(shown.field))
		if err != nil {
			return response{}, err
		}
		fields = append(fields, field)
	}
	page := view.Editor{
		Crumb: view.Link{Text: "All API keys", Path: tenantPath(t.ID)}, Heading: "New API key", Faults: faults,
		Intro: "Whose key it is decides which scopes it can have and who gets the secret.", Action: k.URL.Path,
		Parts: []view.Part{{Heading: "Owner", Controls: fields}}, Button: "Continue",
		Cancel: view.Link{Text: "Discard", Path: tenantPath(t.ID)},
	}
	return response{
		page: page, title: "New API key", narrow: true, current: tenantPath(t.ID), status: statusOf(faults),
	}, nil
}

// ownerField returns the field in which an owner of a type is named.
func (k *call) ownerField(t tenancy.Tenant, of ownerType, value string) (view.Control, error) {
	field := view.Control{Name: of.field, Label: of.text, Value: value, If: of.has, Width: "short"}
	page := paging.Page{Limit: maxSuggested}
	switch of.party {
	case ident.UserParty:
		field.Kind, field.Autocomplete = view.KindEmail, "off"
		field.Hint = "The e-mail address of a member."
		members, err := k.console.Tenancy.Members(k.Context(), k.who, t.ID, page)
		for _, m := range members {
			if !m.Disabled {
				field.Choices = append(field.Choices, view.Choice{Value: m.User.Email, Text: m.User.Name})
			}
		}
		return field, err
	case ident.ServiceAccountParty:
		field.Kind = view.KindSelect
		page.Limit = maxServiceAccounts
		list, err := k.console.ServiceAccounts.List(k.Context(), k.who, t.ID, page)
		for _, a := range list {
			field.Choices = append(field.Choices, view.Choice{
				Value: string(a.ID), Text: a.Name, Checked: string(a.ID) == value,
			})
		}
		if len(list) == 0 {
			field.Hint = "The tenant has no service account. Create one first."
		}
		return field, err
	}
	field.Label, field.Hint = "External ID", "The ID by which your own system knows the subject."
	field.Autocomplete = "off"
	found, err := k.console.Subjects.List(k.Context(), k.who, t.ID, machine.SubjectFilter{}, page)
	for _, s := range found.Subjects {
		field.Choices = append(field.Choices, view.Choice{Value: s.ExternalID, Text: s.Name})
	}
	return field, err
}

// chooseOwner goes on to the form for a key of the owner that the person has named.
func (k *call) chooseOwner(t tenancy.Tenant) (response, error) {
	of := ident.PartyType(k.form.Get("owner_type"))
	if !of.OwnsKeys() {
		return k.keyForForm(k.form, view.Faults{{Field: "owner_type", Message: "Choose a type of owner."}})
	}
	shown := ownerTypeOf(of)
	named := strings.TrimSpace(k.form.Get(shown.field))
	id, unknown, err := k.findOwner(t, of, named)
	if faults := formFaults(err); faults != nil {
		return k.keyForForm(k.form, faults)
	}
	if err != nil {
		return response{}, err
	}
	if id == "" {
		return k.keyForForm(k.form, view.Faults{{Field: shown.field, Message: unknown}})
	}
	return goTo(newKeyFor(t.ID, id)), nil
}

// findOwner returns the id of an owner that the person has named; "" if there is none, and what to
// say then.
func (k *call) findOwner(t tenancy.Tenant, of ident.PartyType, named string) (
	id ident.PartyID, unknown string, err error,
) {
	switch of {
	case ident.UserParty:
		m, err := k.findMember(t, named)
		unknown = "No member of the tenant has this e-mail address. Invite the person first."
		return ident.PartyID(m.User.ID), unknown, err
	case ident.ServiceAccountParty:
		return ident.PartyID(named), "Choose a service account.", nil
	}
	if named == "" {
		return "", "Write the external ID of a subject.", nil
	}
	found, err := k.console.Subjects.List(k.Context(), k.who, t.ID, machine.SubjectFilter{ExternalID: named},
		paging.Page{Limit: 1})
	for _, s := range found.Subjects {
		id = ident.PartyID(s.ID)
	}
	return id, "The tenant has no subject with this external ID. Add the subject first.", err
}

// findMember returns the member of a tenant with an e-mail address; the zero value for none.
func (k *call) findMember(t tenancy.Tenant, email string) (tenancy.Member, error) {
	m, err := k.console.Tenancy.MemberByEmail(k.Context(), k.who, t.ID, email)
	if errors.Is(err, fault.NotFound) {
		return tenancy.Member{}, nil
	}
	return m, err
}

// keyOwner returns the owner with the id, of a type that the tenant allows.
func (k *call) keyOwner(t tenancy.Tenant, id ident.PartyID) (keyOwner, error) {
	o, err := k.anyOwner(t, id)
	if err == nil {
		err = key.MayCreateFor(k.who.RoleIn(t.ID, t.Account), t.Settings, id.Type())
	}
	if err != nil {
		return keyOwner{}, err
	}
	held, err := k.held(t, id)
	o.note = strings.TrimSpace(held + " " + o.note)
	return o, err
}

// anyOwner returns the owner with the id, and the scopes that their keys may have.
func (k *call) anyOwner(t tenancy.Tenant, id ident.PartyID) (o keyOwner, err error) {
	o.id = id
	switch id.Type() {
	case ident.UserParty:
		err = k.personOwner(t, &o)
	case ident.ServiceAccountParty:
		a, failed := k.console.ServiceAccounts.ServiceAccount(k.Context(), k.who, t.ID, ident.ServiceAccountID(id))
		o.name, o.note = a.Name, "Role: "+string(a.Role)+"."
		o.grants, err = roleGrants(a.Role, "its"), failed
	case ident.SubjectParty:
		err = k.subjectOwner(t, &o)
	default:
		err = fault.NotFound
	}
	return o, err
}

// personOwner fills in a person as the owner of a key. Only owners and admins of the account know
// who else is one.
func (k *call) personOwner(t tenancy.Tenant, o *keyOwner) error {
	m, err := k.console.Tenancy.Member(k.Context(), k.who, t.ID, o.id.User())
	if err != nil {
		return err
	}
	role := m.Role
	if k.who.AccountRole(t.Account).Valid() {
		people, err := k.console.Accounts.AccountMembers(k.Context(), k.who, t.Account, paging.Page{Limit: maxTenants})
		if err != nil {
			return err
		}
		for _, p := range people {
			if p.User.ID == m.User.ID {
				o.linkOnly = true
				role = scope.Admin
			}
		}
	}
	o.name, o.note = cmp.Or(m.User.Name, m.User.Email), "Role: "+string(role)+"."
	o.grants = roleGrants(role, "their")
	return nil
}

// subjectOwner fills in a subject as the owner of a key.
func (k *call) subjectOwner(t tenancy.Tenant, o *keyOwner) error {
	s, err := k.console.Subjects.Subject(k.Context(), k.who, t.ID, ident.SubjectID(o.id))
	if err != nil {
		return err
	}
	entries, err := k.console.Tenancy.Scopes(k.Context(), k.who, t.ID)
	if err != nil {
		return err
	}
	rights, note := policy.OwnerRights{Subject: true}, "Without a plan."
	if s.Plan != "" {
		p, err := k.console.Plans.Plan(k.Context(), k.who, t.ID, s.Plan)
		if err != nil {
			return err
		}
		rights.Plan = &p.Plan
		note = "On the plan " + s.Plan + "."
	}
	catalogue := scope.NewCatalogue(entries)
	o.name, o.note = cmp.Or(s.Name, s.ExternalID), note
	o.grants = grants{
		has: func(e scope.Entry) bool { return rights.GrantFault(catalogue, e.Name) == "" },
		all: "All scopes that it may have", other: "not for this subject. ",
	}
	return nil
}

// held says how many keys an owner has: "2 of 3 keys in use."
func (k *call) held(t tenancy.Tenant, owner ident.PartyID) (string, error) {
	held, err := k.console.Keys.Held(k.Context(), k.who, t.ID, owner)
	if err != nil {
		return "", err
	}
	words := heldWords(t, owner.Type(), held[owner].Keys)
	if most, _ := t.Settings.KeyLimit(owner.Type()); most > 0 {
		words += " in use"
	}
	return words + ".", nil
}

// heldWords says how many keys an owner has: "2 of 3 keys".
func heldWords(t tenancy.Tenant, owner ident.PartyType, keys int) string {
	n := strconv.Itoa(keys)
	if most, _ := t.Settings.KeyLimit(owner); most > 0 {
		return n + " of " + count(most, "key")
	}
	if keys == 1 {
		return "1 key, no limit"
	}
	return n + " keys, no limit"
}

// createKeyFor creates a key for another owner, or goes on from the choice of the owner.
func (c *Console) createKeyFor(k *call) (response, error) {
	t, err := k.adminTenant()
	if err != nil {
		return response{}, err
	}
	if k.form.Get("owner") == "" {
		return k.chooseOwner(t)
	}
	owner, err := k.keyOwner(t, ident.PartyID(k.form.Get("owner")))
	if err != nil {
		return response{}, err
	}
	spec, faults, err := k.specOf(t, owner.grants)
	if err != nil {
		return response{}, err
	}
	if len(faults) > 0 {
		return k.keyForForm(k.form, faults)
	}
	spec.Owner, spec.Delivery = owner.id, key.Delivery(k.form.Get("delivery"))
	idempotent, once, err := k.once("new for another")
	if err != nil {
		return response{}, err
	}
	issued, err := c.Keys.Create(idempotent, k.who, t.ID, spec)
	if errors.Is(err, audit.ErrAlreadyReserved) {
		return k.createdBefore(once, t.ID)
	}
	if faults := formFaults(err); faults != nil {
		for i := range faults {
			if faults[i].Field == "owner_id" {
				faults[i].Field = "owner"
			}
		}
		return k.keyForForm(k.form, faults)
	}
	if err != nil {
		return response{}, err
	}
	return k.created(owner, issued), nil
}

// created shows the secret of a key for another owner, or says how the owner gets it.
func (k *call) created(owner keyOwner, issued key.Issued) response {
	var answer response
	switch {
	case issued.Key.Delivery != key.ByLink:
		answer = k.secretPage("The new API key", issued)
	case issued.Link.Token.IsZero():
		return did(pathOf(issued.Key), "mailed")
	default:
		return k.claimLinkPage("The link to the new API key", owner.name, issued)
	}
	answer.current = tenantPath(issued.Key.Tenant)
	return answer
}

// claimLinkPage shows the link to a key, once, to the admin who passes it on.
func (k *call) claimLinkPage(heading, owner string, issued key.Issued) response {
	path := pathOf(issued.Key)
	page := view.Secret{
		Heading: heading, Name: issued.Key.Name, KeyPath: path, Done: path,
		Lead: "Pass this link on to " + owner, Kept: "Done, I have passed it on",
		Text: "This server sends no mail. Only " + owner + " can use the link, signed in, once, until " +
			k.at(issued.Link.ExpiresAt).Text + ". It is shown this one time.",
		Values: []view.Value{{
			Name: "Link", Text: k.console.BaseURL + "/claims/" + issued.Link.Token.Reveal(), Main: true,
		}},
	}
	return response{page: page, title: page.Heading, narrow: true, current: tenantPath(issued.Key.Tenant)}
}

// renewClaim makes another link for a key that its owner has not claimed.
func (c *Console) renewClaim(k *call) (response, error) {
	tenant, id := k.ids()
	idempotent, once, err := k.once("claim link")
	if err != nil {
		return response{}, err
	}
	renewed, err := c.Keys.RenewClaim(idempotent, k.who, tenant, id)
	if errors.Is(err, audit.ErrAlreadyReserved) {
		return k.linkShownBefore(once, tenant, "claim-link")
	}
	if err != nil {
		return response{}, err
	}
	if renewed.Link.Token.IsZero() {
		return did(k.keyURL(), "claim-link"), nil
	}
	owner, _ := ownerWords(renewed.Key)
	return k.claimLinkPage("The new link to the API key", owner, renewed), nil
}

// createdBefore answers a form that was sent again.
func (k *call) createdBefore(once audit.IdempotencyKey, tenant ident.TenantID) (response, error) {
	if key.Delivery(k.form.Get("delivery")) == key.ByLink {
		return k.linkShownBefore(once, tenant, "mailed")
	}
	answer, err := k.shownBefore(once, tenant)
	answer.current = tenantPath(tenant)
	return answer, err
}

// linkShownBefore answers a form that was sent again and that made a link. mailed is the message
// where links are mailed.
func (k *call) linkShownBefore(once audit.IdempotencyKey, tenant ident.TenantID, mailed string) (response, error) {
	answer, err := k.shownBefore(once, tenant)
	if err != nil {
		return response{}, err
	}
	answer.current = tenantPath(tenant)
	page := answer.page.(view.Secret)
	if k.console.Keys.Mails {
		return did(page.KeyPath, mailed), nil
	}
	page.Heading, page.Lead = "The link was shown", "This link was shown once, "+page.Shown+"."
	page.Lost = "If it is lost, make a new one on the page of the key."
	answer.page, answer.title = page, page.Heading
	return answer, nil
}
