package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/paging"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// accountsAndTenantsChange renames, disables and configures accounts, tenants and applications.
func (sc *scenario) accountsAndTenantsChange(who principal.Principal, a account.Account, bob principal.Person) {
	renamed, err := sc.accounts.RenameAccount(sc.Context(), who, a.ID, "Acme again", "")
	record(sc, "rename account", renamed, err)
	for _, off := range []bool{true, true, false} {
		switched, err := sc.accounts.SetAccountDisabled(sc.Context(), sc.operator, a.ID, off)
		record(sc, "switch account", switched, err)
	}
	for _, c := range []policy.Change{
		{MaxLifetimeDays: new(30), SessionIdleMinutes: new(15)},
		{MaxLifetimeDays: new(30)}, // nothing to do
		{AutoExpiry: new(false)},   // unknowingly
		{AutoExpiryDays: new(120), SessionIdleMinutes: new(0), SessionAbsoluteHours: new(24)},
	} {
		changed, err := sc.accounts.ChangePolicy(sc.Context(), who, a.ID, c, "")
		record(sc, "change policy", changed, err)
	}
	record(sc, "unmake bob", "", sc.accounts.RemoveAccountMember(sc.Context(), who, a.ID, bob.ID))
	record(sc, "unmake bob again", "", sc.accounts.RemoveAccountMember(sc.Context(), who, a.ID, bob.ID))
	t, err := sc.tenancy.CreateTenant(sc.Context(), who, a.ID, "Settled", policy.Blancco, nil)
	record(sc, "create tenant as a person", t, err)
	name := "Resettled"
	off := true
	on := false
	for _, c := range []tenancy.TenantChange{
		{Name: &name},
		{Disabled: &off},
		{Disabled: &on, Settings: func(s *policy.Settings) { s.KeysPerUser = 5 }},
		{Settings: func(s *policy.Settings) { s.KeyHeader = "X-Settled-Key" }},
		{},
		{Settings: func(s *policy.Settings) { s.DefaultScopes = []scope.Scope{"no:such"} }},
	} {
		changed, err := sc.tenancy.ChangeTenant(sc.Context(), who, t.ID, c)
		record(sc, "change tenant", changed, err)
	}
	own := []scope.Entry{{Name: "orders:read"}, {Name: "orders:write", Roles: []scope.Role{scope.Admin}}}
	for range 2 {
		entries, err := sc.tenancy.ReplaceScopes(sc.Context(), who, t.ID, own, "")
		record(sc, "replace scopes", entries, err)
	}
	sc.applicationsChange(who, t)
}

func (sc *scenario) applicationsChange(who principal.Principal, t tenancy.Tenant) {
	a, err := sc.applications.CreateApplication(sc.Context(), who, t.ID, "An application", "")
	record(sc, "create application", a, err)
	name, off := "Another name", true
	for range 2 { // the second time there is nothing to do
		changed, err := sc.applications.ChangeApplication(sc.Context(), who, t.ID, a.ID,
			application.Change{Name: &name, Disabled: &off})
		record(sc, "change application", changed, err)
	}
	sc.routesChange(who, t, a)
	k := sc.create(who, t, anyKey())
	byKey := principal.OfKey(&principal.Key{ID: k.ID, Tenant: t.ID, Account: t.Account, Serial: 1})
	record(sc, "delete application by a key", "", sc.applications.DeleteApplication(sc.Context(), byKey, t.ID, a.ID))
	record(sc, "delete application", "", sc.applications.DeleteApplication(sc.Context(), who, t.ID, a.ID))
	record(sc, "delete application again", "", sc.applications.DeleteApplication(sc.Context(), who, t.ID, a.ID))
}

// routesChange sets the route rules of an application, and creates, changes and deletes an entry.
func (sc *scenario) routesChange(who principal.Principal, t tenancy.Tenant, a application.Application) {
	for _, rules := range [][]route.Rule{{filmsRule()}, {filmsRule()}, nil} { // the second time there is nothing to do
		_, err := sc.applications.SetRoutes(sc.Context(), who, t.ID, a.ID, rules, "")
		record(sc, "set routes", "", err)
	}
	for range 2 { // the second time there is one
		e, err := sc.applications.CreateEntry(sc.Context(), sc.operator, "films", t.ID, route.AnyKey)
		record(sc, "create entry", e, err)
	}
	for range 2 { // the second time there is nothing to do
		e, err := sc.applications.EditEntry(sc.Context(), sc.operator, "films", route.Refuse, "")
		record(sc, "edit entry", e, err)
	}
	for range 2 { // the second time there is none
		record(sc, "delete entry", "", sc.applications.DeleteEntry(sc.Context(), sc.operator, "films"))
	}
}

// membersJoinAndLeave invites a person, who joins, is changed, and is removed with their keys.
func (sc *scenario) membersJoinAndLeave(who principal.Principal, t tenancy.Tenant) {
	_, void, err := sc.tenancy.Invite(sc.Context(), who, t.ID, "Eve@Claviger.Example", scope.Member)
	record(sc, "invite", "", err)
	i, token, err := sc.tenancy.Invite(sc.Context(), who, t.ID, "eve@claviger.example", scope.Admin)
	record(sc, "invite again", i, err)
	password := credential.NewSecret("correct horse battery staple")
	var eve identity.User
	for _, token := range []credential.Secret{void, token, token} {
		u, err := sc.tenancy.AcceptInvitation(sc.Context(), token.Reveal(), "Eve", password, principal.Origin{})
		record(sc, "accept", u, err)
		if err == nil {
			eve = u
		}
	}
	_, _, err = sc.tenancy.Invite(sc.Context(), who, t.ID, eve.Email, scope.Member)
	record(sc, "invite a member", "", err)
	spec := anyKey()
	spec.Owner = ident.PartyID(eve.ID)
	sc.create(who, t, spec)
	member, off := scope.Member, true
	for _, c := range []tenancy.MemberChange{{Role: &member}, {Role: &member}, {Disabled: &off}} {
		m, err := sc.tenancy.ChangeMember(sc.Context(), who, t.ID, eve.ID, c)
		record(sc, "change member", m, err)
	}
	ada, _ := who.Session()
	for _, user := range []ident.UserID{eve.ID, eve.ID, ada.User.ID} {
		record(sc, "remove member", user, sc.tenancy.RemoveMember(sc.Context(), who, t.ID, user))
	}
}

// linksAreMailed invites people and delivers a key while a mail server delivers the links. One of
// the invited people has an address that they never proved, and loses it to a person who proves it.
func (sc *scenario) linksAreMailed(who principal.Principal, t tenancy.Tenant, bob principal.Person) {
	_, shown, err := sc.tenancy.Invite(sc.Context(), who, t.ID, "kim@claviger.example", scope.Member)
	record(sc, "invite without mail", "", err)
	u, err := sc.tenancy.AcceptInvitation(sc.Context(), shown.Reveal(), "Kim",
		credential.NewSecret("correct horse battery staple"), principal.Origin{})
	record(sc, "accept an address that is not theirs", u, err)
	other := sc.createTenant("of Kim", account.Account{ID: t.Account}, nil, bob)

	sc.tenancy.Mails, sc.keys.Mails = true, true
	defer func() { sc.tenancy.Mails, sc.keys.Mails = false, false }()
	i, none, err := sc.tenancy.Invite(sc.Context(), who, other.ID, "kim@claviger.example", scope.Member)
	record(sc, "invite by mail", fmt.Sprint(i.MailedAt, none.IsZero()), err)
	for _, id := range []ident.LinkID{i.ID, "lnk_none"} {
		i, _, err := sc.tenancy.ResendInvitation(sc.Context(), who, other.ID, id)
		record(sc, "resend", i, err)
	}
	list, err := sc.tenancy.Invitations(sc.Context(), who, other.ID, paging.Page{Limit: 10})
	record(sc, "invitations", list, err)
	i, _, err = sc.tenancy.ResendInvitation(sc.Context(), who, other.ID, i.ID)
	record(sc, "resend again", i, err)
	mailed := sc.tenancy.Keyring.DeriveLinkToken(credential.InvitationToken, i.ID, i.MailedAt)
	for range 2 { // the second time it was used
		kim, err := sc.tenancy.AcceptInvitation(sc.Context(), mailed.Reveal(), "Kim",
			credential.NewSecret("a long password of her own"), principal.Origin{})
		record(sc, "accept by mail", kim, err)
	}
	i, _, err = sc.tenancy.Invite(sc.Context(), who, t.ID, "lee@claviger.example", scope.Member)
	record(sc, "invite another", i, err)
	for range 2 { // the second time there is none
		record(sc, "cancel", "", sc.tenancy.CancelInvitation(sc.Context(), who, t.ID, i.ID))
	}
	record(sc, "join", bob, sc.tenancy.AddMember(sc.Context(), sc.operator, t, bob, scope.Member))
	spec := anyKey()
	spec.Owner, spec.Delivery = ident.PartyID(bob.ID), key.ByLink
	sc.create(who, t, spec)
}

// setUpServer makes the first account with a set-up link.
func (sc *scenario) setUpServer() {
	_, void, err := sc.setupLink()
	record(sc, "set-up link", "", err)
	var token credential.Secret
	for range 2 { // the second time it is the same
		var l tenancy.SetupLink
		l, token, err = sc.tenancy.FirstSetupLink(sc.Context(), sc.operator)
		record(sc, "first set-up link", l, err)
	}
	n := tenancy.Setup{
		Account: "Initech", Email: "peter@claviger.example", Name: "Peter",
		Password: credential.NewSecret("correct horse battery staple"),
	}
	for _, token := range []credential.Secret{void, token, token} {
		record(sc, "check set-up link", "", sc.tenancy.CheckSetup(sc.Context(), token.Reveal()))
		u, err := sc.tenancy.SetUp(sc.Context(), token.Reveal(), n, principal.Origin{})
		record(sc, "set up", fmt.Sprint(u.ID != ""), err)
	}
	_, token, err = sc.tenancy.FirstSetupLink(sc.Context(), sc.operator)
	record(sc, "first set-up link where there is an account", token.IsZero(), err)
	l, token, err := sc.setupLink()
	record(sc, "set-up link where there is an account", l, err)
	record(sc, "check it", "", sc.tenancy.CheckSetup(sc.Context(), token.Reveal()))
}

// setupLink creates a set-up link. The service does so only while there is no account.
func (sc *scenario) setupLink() (l tenancy.SetupLink, token credential.Secret, err error) {
	s := sc.tenancy
	now := s.Now()
	l = tenancy.SetupLink{ID: ident.New[ident.LinkID](now, s.Rand), CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour)}
	token = s.Keyring.DeriveSetupToken(l.ID)
	err = s.Ledgers.Openings.Write(sc.Context(), sc.operator,
		func(ctx context.Context, tx tenancy.OpenTx) (audit.Event, error) {
			e := audit.By(sc.operator, audit.ActionSetupLink, audit.Target{Type: "setup", ID: string(l.ID)})
			return e, tx.InsertSetup(ctx, l, credential.HashToken(token.Reveal()))
		})
	return l, token, err
}

func (sc *scenario) openAccount() {
	o, err := sc.tenancy.OpenAccount(sc.Context(), sc.operator,
		tenancy.AccountSpec{
			Name: "Hooli", OwnerEmail: "gavin@claviger.example", OwnerName: "Gavin",
			Preset: policy.Blancco,
		})
	record(sc, "open account", o, err)
	for range 2 { // the second time it was used
		u, err := sc.tenancy.AcceptInvitation(sc.Context(), o.Token.Reveal(), "",
			credential.NewSecret("correct horse battery staple"), principal.Origin{})
		record(sc, "accept", u, err)
	}
}
