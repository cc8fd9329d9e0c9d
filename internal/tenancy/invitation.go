package tenancy

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Invitation asks the holder of an e-mail address into a tenant. Whoever opens its link is taken for them.
type Invitation struct {
	ID     ident.LinkID
	Tenant ident.TenantID
	Email  string
	Role   scope.Role
	// Owns is the account that the person becomes an owner of, too; "" for none.
	Owns ident.AccountID
	// Name of the person where they give none; "" where they must.
	Name string
	// By is the admin who invites; "" for the operator.
	By                   ident.UserID
	CreatedAt, ExpiresAt time.Time
}

// inviting is how long an invitation can be accepted.
const inviting = 7 * 24 * time.Hour

// Invite makes an invitation and gives its ticket, once. An earlier one of the same address is void from then on. It says nothing about whether the address
// is known to the server.
func (s *Service) Invite(ctx context.Context, who principal.Principal, tenant ident.TenantID, email string, role scope.Role) (Invitation, credential.Secret, error) {
	faults := identity.EmailFaults(email)
	if !role.Valid() {
		faults = append(faults, fault.Fields(errRole)...)
	}
	if err := fault.Refuse(faults...); err != nil {
		return Invitation{}, credential.Secret{}, err
	}
	i, ticket := s.newInvitation(who, tenant, email, role)
	err := s.inTenant(ctx, who, tenant, func(ctx context.Context, tx Tx, t Tenant) (audit.Event, error) {
		if err := admin(ctx, tx, who, t); err != nil {
			return audit.Event{}, err
		}
		if _, err := tx.MemberByEmail(ctx, tenant, identity.CanonicalEmail(i.Email)); !errors.Is(err, fault.NotFound) {
			if err == nil {
				err = fault.New(fault.Conflict, "This person is a member already.")
			}
			return audit.Event{}, err
		}
		e := audit.By(who, audit.ActionMemberInvite, audit.Target{Type: "invitation", ID: string(i.ID), Name: i.Email}).With("role", string(role))
		return e, tx.InsertInvitation(ctx, i, credential.HashTicket(ticket.Reveal()))
	})
	return i, ticket, err
}

func (s *Service) newInvitation(who principal.Principal, tenant ident.TenantID, email string, role scope.Role) (Invitation, credential.Secret) {
	now := s.Now()
	by, _ := who.Session()
	i := Invitation{
		ID: ident.New[ident.LinkID](now, s.Rand), Tenant: tenant, Email: strings.TrimSpace(email), Role: role, By: by.User.ID, CreatedAt: now, ExpiresAt: now.Add(inviting),
	}
	return i, s.Keyring.MintTicket(credential.InvitationTicket)
}

// Invitation gives an invitation, without its ticket, to an admin of the tenant.
func (s *Service) Invitation(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.LinkID) (Invitation, error) {
	t, err := s.Tenant(ctx, who, tenant)
	if err != nil {
		return Invitation{}, err
	}
	if who.RoleIn(t.ID, t.Account) != scope.Admin {
		return Invitation{}, errNotAdmin
	}
	return s.Store.InvitationOf(ctx, tenant, id)
}

var errLink = fault.New(fault.LinkInvalid, "The link is used up, has expired or never was. Ask for another one.")

// AcceptInvitation makes the holder of the ticket a member, once, and gives the user to sign in; of an account that was opened for them they become an owner. A person who is new to the server gets the name and password; one who is
// not proves with the password who they are.
func (s *Service) AcceptInvitation(ctx context.Context, ticket, name string, password credential.Secret, from principal.Origin) (identity.User, error) {
	if !s.Keyring.OwnTicket(credential.InvitationTicket, ticket) {
		return identity.User{}, errLink
	}
	hash := credential.HashTicket(ticket)
	i, err := s.Store.Invitation(ctx, hash, s.Now())
	if err != nil {
		return identity.User{}, linkFault(err)
	}
	u, enrol, err := s.People.Enrol(ctx, from, identity.NewUser{Email: i.Email, Name: cmp.Or(name, i.Name), Password: password})
	if err != nil {
		return identity.User{}, err
	}
	err = s.inInvited(ctx, itself(u, from), i, func(ctx context.Context, tx Tx, t Tenant) (audit.Event, error) {
		if err := stands(ctx, tx, t, i); err != nil {
			return audit.Event{}, err
		}
		if _, err := tx.UseInvitation(ctx, hash, s.Now()); err != nil {
			return audit.Event{}, linkFault(err)
		}
		if u.Number, err = enrol(ctx, tx); err != nil {
			return audit.Event{}, err
		}
		m := Member{Tenant: t.ID, User: u.Person(), Role: i.Role, CreatedAt: s.Now()}
		e := m.event(itself(u, from), audit.ActionMemberJoin).With("invitation", string(i.ID)).WithEffects(m.effect(audit.EffectMemberEnabled))
		if err := tx.InsertMember(ctx, m); err != nil || i.Owns == "" {
			return e, err
		}
		return e.With("account_role", string(scope.AccountOwner)), tx.SetStanding(ctx, i.Owns, u.ID, scope.AccountOwner, m.CreatedAt)
	})
	return u, err
}

// inInvited is inTenant for the tenant of an invitation, on behalf of the invited person. The invitation is their
// permission. An account that it makes them own is locked before, with its tenants.
func (s *Service) inInvited(
	ctx context.Context, invited principal.Principal, i Invitation, change func(context.Context, Tx, Tenant) (audit.Event, error),
) error {
	if i.Owns == "" {
		return s.inTenant(ctx, invited, i.Tenant, change)
	}
	whole := accountChange(func(ctx context.Context, tx Tx, a Account, _ scope.AccountRole) (audit.Event, error) {
		t, err := tx.LockTenant(ctx, i.Tenant)
		if err != nil {
			return audit.Event{}, err
		}
		e, err := change(ctx, tx, t)
		return e.In(t.ID, a.ID), err
	})
	return s.Ledger.Write(ctx, invited, func(ctx context.Context, tx Tx) (audit.Event, error) {
		return whole.run(ctx, tx, principal.Operator(), i.Owns, "")
	})
}

// stands refuses an invitation into a tenant that is disabled, itself or with its account, or by someone who is no admin of it any more.
func stands(ctx context.Context, tx Tx, t Tenant, i Invitation) error {
	rules, err := tx.TenantRules(ctx, t.ID)
	switch {
	case err != nil:
		return err
	case !rules.Open:
		return errLink
	case i.By == "":
		return nil
	}
	by, err := tx.Authority(ctx, t.ID, i.By)
	if err == nil && by.Acting() != scope.Admin {
		err = errLink
	}
	return err
}

func linkFault(err error) error {
	if errors.Is(err, fault.NotFound) {
		return errLink
	}
	return err
}

// itself is a person who acts by a link, before any sign-in.
func itself(u identity.User, from principal.Origin) principal.Principal {
	return principal.OfSession(&principal.Session{User: u.Person()}).From(from)
}
