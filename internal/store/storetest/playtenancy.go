package storetest

import (
	"fmt"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// placesChange renames, switches and settles accounts, tenants and applications.
func (p *player) placesChange(who principal.Principal, a tenancy.Account, bob principal.Person) {
	renamed, err := p.tenancy.RenameAccount(p.Context(), who, a.ID, "Acme again")
	note(p, "rename account", renamed, err)
	for _, off := range []bool{true, true, false} {
		switched, err := p.tenancy.SetAccountDisabled(p.Context(), p.operator, a.ID, off)
		note(p, "switch account", switched, err)
	}
	for _, c := range []policy.Change{
		{MaxLifetimeDays: new(30), SessionIdleMinutes: new(15)},
		{MaxLifetimeDays: new(30)}, // nothing to do
		{AutoExpiry: new(false)},   // unknowingly
		{AutoExpiryDays: new(120), SessionIdleMinutes: new(0), SessionAbsoluteHours: new(24)},
	} {
		changed, err := p.tenancy.ChangePolicy(p.Context(), who, a.ID, c)
		note(p, "change policy", changed, err)
	}
	note(p, "unmake bob", "", p.tenancy.RemoveStanding(p.Context(), who, a.ID, bob.ID))
	note(p, "unmake bob again", "", p.tenancy.RemoveStanding(p.Context(), who, a.ID, bob.ID))
	t, err := p.tenancy.CreateTenant(p.Context(), who, a.ID, "Settled", policy.Blancco, nil)
	note(p, "create tenant as a person", t, err)
	name, off, on := "Resettled", true, false
	for _, c := range []tenancy.TenantChange{
		{Name: &name},
		{Disabled: &off},
		{Disabled: &on, Settings: func(s *policy.Settings) { s.KeysPerUser = 5 }},
		{Settings: func(s *policy.Settings) { s.KeyHeader = "X-Settled-Key" }},
		{},
		{Settings: func(s *policy.Settings) { s.DefaultScopes = []scope.Scope{"no:such"} }},
	} {
		changed, err := p.tenancy.ChangeTenant(p.Context(), who, t.ID, c)
		note(p, "change tenant", changed, err)
	}
	own := []scope.Entry{{Name: "orders:read"}, {Name: "orders:write", Roles: []scope.Role{scope.Admin}}}
	for range 2 {
		entries, err := p.tenancy.ReplaceScopes(p.Context(), who, t.ID, own)
		note(p, "replace scopes", entries, err)
	}
	p.applicationsChange(who, t)
}

func (p *player) applicationsChange(who principal.Principal, t tenancy.Tenant) {
	a, err := p.tenancy.CreateApplication(p.Context(), who, t.ID, "An application", "")
	note(p, "create application", a, err)
	name, off := "Another name", true
	for range 2 { // the second time there is nothing to do
		changed, err := p.tenancy.ChangeApplication(p.Context(), who, t.ID, a.ID, tenancy.ApplicationChange{Name: &name, Disabled: &off})
		note(p, "change application", changed, err)
	}
	k := p.create(who, t, anyKey())
	byKey := principal.OfKey(&principal.Key{ID: k.ID, Tenant: t.ID, Account: t.Account, Serial: 1})
	note(p, "delete application by a key", "", p.tenancy.DeleteApplication(p.Context(), byKey, t.ID, a.ID))
	note(p, "delete application", "", p.tenancy.DeleteApplication(p.Context(), who, t.ID, a.ID))
	note(p, "delete application again", "", p.tenancy.DeleteApplication(p.Context(), who, t.ID, a.ID))
}

// peopleComeAndGo invites one person, lets them in, changes what they are and removes them with their keys.
func (p *player) peopleComeAndGo(who principal.Principal, t tenancy.Tenant) {
	_, void, err := p.tenancy.Invite(p.Context(), who, t.ID, "Eve@Claviger.Example", scope.Member)
	note(p, "invite", "", err)
	i, ticket, err := p.tenancy.Invite(p.Context(), who, t.ID, "eve@claviger.example", scope.Admin)
	note(p, "invite again", i, err)
	password := credential.NewSecret("correct horse battery staple")
	var eve identity.User
	for _, ticket := range []credential.Secret{void, ticket, ticket} {
		u, err := p.tenancy.AcceptInvitation(p.Context(), ticket.Reveal(), "Eve", password, principal.Origin{})
		if note(p, "accept", u, err); err == nil {
			eve = u
		}
	}
	_, _, err = p.tenancy.Invite(p.Context(), who, t.ID, eve.Email, scope.Member)
	note(p, "invite a member", "", err)
	spec := anyKey()
	spec.Owner = eve.ID
	p.create(who, t, spec)
	member, off := scope.Member, true
	for _, c := range []tenancy.MemberChange{{Role: &member}, {Role: &member}, {Disabled: &off}} {
		m, err := p.tenancy.ChangeMember(p.Context(), who, t.ID, eve.ID, c)
		note(p, "change member", m, err)
	}
	ada, _ := who.Session()
	for _, user := range []ident.UserID{eve.ID, eve.ID, ada.User.ID} {
		note(p, "remove member", user, p.tenancy.RemoveMember(p.Context(), who, t.ID, user))
	}
}

func (p *player) setUp() {
	_, void, err := p.tenancy.NewSetupLink(p.Context(), p.operator)
	note(p, "set-up link", "", err)
	l, ticket, err := p.tenancy.NewSetupLink(p.Context(), p.operator)
	note(p, "another set-up link", l, err)
	_, _, err = p.tenancy.FirstSetupLink(p.Context(), p.operator)
	note(p, "first set-up link where there is an account", "", err)
	n := tenancy.NewHouse{Account: "Initech", Email: "peter@claviger.example", Name: "Peter", Password: credential.NewSecret("correct horse battery staple")}
	for _, ticket := range []credential.Secret{void, ticket, ticket} {
		u, err := p.tenancy.SetUp(p.Context(), ticket.Reveal(), n, principal.Origin{})
		note(p, "set up", fmt.Sprint(u.ID != ""), err)
	}
	p.openAccount()
}

func (p *player) openAccount() {
	o, err := p.tenancy.OpenAccount(p.Context(), p.operator, tenancy.Opening{Name: "Hooli", OwnerEmail: "gavin@claviger.example", OwnerName: "Gavin", Preset: policy.Blancco})
	note(p, "open account", o, err)
	for range 2 { // the second time it was used
		u, err := p.tenancy.AcceptInvitation(p.Context(), o.Ticket.Reveal(), "", credential.NewSecret("correct horse battery staple"), principal.Origin{})
		note(p, "accept", u, err)
	}
}
