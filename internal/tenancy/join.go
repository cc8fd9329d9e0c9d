package tenancy

import (
	"cmp"
	"context"
	"errors"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

var errLink = fault.New(fault.LinkInvalid,
	"This link cannot be used: it was used before, has expired, or is not complete. Ask for another one.")

// CheckInvitation reports whether an invitation is pending: nil, or fault.LinkInvalid. It changes
// nothing, and reads nothing for a token that this server did not make.
func (s *Service) CheckInvitation(ctx context.Context, token string) error {
	if !s.Keyring.TokenTagged(credential.InvitationToken, token) {
		return errLink
	}
	_, err := s.Store.Invitation(ctx, credential.HashToken(token), s.Now())
	return linkFault(err)
}

// AcceptInvitation makes the holder of the token a member, and an owner of the account where the
// invitation says so. The invitation works once. It returns the user to sign in.
//
// A person who is new to the server gets the name and the password. A known person proves with the
// password who they are. A link that proves the address replaces a user who holds the address
// without having proven it, unless the password is theirs.
func (s *Service) AcceptInvitation(ctx context.Context, token, name string, password credential.Secret,
	from principal.Origin,
) (identity.User, error) {
	if !s.Keyring.TokenTagged(credential.InvitationToken, token) {
		return identity.User{}, errLink
	}
	hash := credential.HashToken(token)
	i, err := s.Store.Invitation(ctx, hash, s.Now())
	if err != nil {
		return identity.User{}, linkFault(err)
	}
	n := identity.NewUser{Email: i.Email, Name: cmp.Or(name, i.Name), Password: password, EmailProven: i.provesEmail()}
	u, enrol, err := s.People.Enrol(ctx, from, n, s.replaceUnproven(from, i, hash))
	if err != nil {
		return identity.User{}, err
	}
	who := invited(u, from)
	err = s.accepting(ctx, who, i, func(ctx context.Context, tx AcceptTx, t Tenant) (audit.Event, error) {
		if err := tx.LockPeople(ctx, i.By, u.ID); err != nil {
			return audit.Event{}, err
		}
		if err := checkStillValid(ctx, tx, t, i); err != nil {
			return audit.Event{}, err
		}
		if _, err := tx.UseInvitation(ctx, hash, s.Now()); err != nil {
			return audit.Event{}, linkFault(err)
		}
		u.Number, err = enrol(ctx, tx)
		if err != nil {
			return audit.Event{}, err
		}
		m := Member{Tenant: t.ID, User: u.Person(), Role: i.Role, CreatedAt: s.Now()}
		e := m.event(who, audit.ActionMemberJoin).With("invitation",
			string(i.ID)).WithEffects(m.effect(audit.EffectMemberEnabled))
		if err := join(ctx, tx, m); err != nil || i.Owns == "" {
			return e, err
		}
		if err := account.CheckMemberLimit(ctx, tx, i.Owns); err != nil {
			return e, err
		}
		e = e.With("account_role", string(scope.AccountOwner)).WithEffects(audit.Effect{
			Kind: audit.EffectAccountRoleSet, Account: i.Owns, User: u.ID, Role: string(scope.AccountOwner),
		})
		return e, tx.SetAccountMember(ctx, i.Owns, u.ID, scope.AccountOwner, m.CreatedAt)
	})
	return u, err
}

// replaceUnproven returns the function by which Enrol removes a user who holds the address without
// having proven it; nil where the invitation does not prove the address. The function first checks
// that the invitation can still be accepted.
func (s *Service) replaceUnproven(from principal.Origin, i Invitation,
	hash credential.TokenHash,
) func(context.Context, identity.User) error {
	if !i.provesEmail() {
		return nil
	}
	return func(ctx context.Context, u identity.User) error {
		who := invited(u, from)
		err := s.accepting(ctx, who, i, func(ctx context.Context, tx AcceptTx, t Tenant) (audit.Event, error) {
			if err := checkStillValid(ctx, tx, t, i); err != nil {
				return audit.Event{}, err
			}
			return audit.Event{}, audit.ErrNothing
		})
		if err != nil {
			return err
		}
		return s.People.DeleteUnproven(ctx, from, u.ID, hash)
	}
}

// accepting runs a change on behalf of an invited person, with the tenant locked. The invitation is
// their permission. Where it makes them an owner of the account, the account and its tenants are
// locked first.
func (s *Service) accepting(
	ctx context.Context, who principal.Principal, i Invitation,
	change func(context.Context, AcceptTx, Tenant) (audit.Event, error),
) error {
	if i.Owns == "" {
		return InTenant(ctx, s.Ledgers.Acceptances, who, i.Tenant, change)
	}
	inAccount := account.Change[AcceptTx](func(ctx context.Context, tx AcceptTx, a account.Account,
		_ scope.AccountRole,
	) (audit.Event, error) {
		t, err := tx.LockTenant(ctx, i.Tenant)
		if err != nil {
			return audit.Event{}, err
		}
		e, err := change(ctx, tx, t)
		return e.In(t.ID, a.ID), err
	})
	return s.Ledgers.Acceptances.Write(ctx, who, func(ctx context.Context, tx AcceptTx) (audit.Event, error) {
		return inAccount.Run(ctx, tx, principal.Operator(), i.Owns, "")
	})
}

// checkStillValid refuses an invitation to a tenant that is disabled, itself or with its account,
// one by a person who is no longer an admin of the tenant, and one that makes an owner of the
// account, by a person who is no owner of it.
func checkStillValid(ctx context.Context, tx AcceptTx, t Tenant, i Invitation) error {
	rules, err := tx.TenantRules(ctx, t.ID)
	switch {
	case err != nil:
		return err
	case !rules.Active:
		return errLink
	case i.By == "":
		return nil
	}
	by, err := tx.Authority(ctx, t.ID, i.By)
	if err == nil && by.EffectiveRole() != scope.Admin {
		err = errLink
	}
	if err != nil || i.Owns == "" {
		return err
	}
	role, err := tx.AccountRole(ctx, i.Owns, i.By)
	if err == nil && role != scope.AccountOwner {
		err = errLink
	}
	return err
}

// linkFault turns fault.NotFound of a link into fault.LinkInvalid.
func linkFault(err error) error {
	if errors.Is(err, fault.NotFound) {
		return errLink
	}
	return err
}

// invited returns a person who acts by a link, before any sign-in.
func invited(u identity.User, from principal.Origin) principal.Principal {
	return principal.OfSession(&principal.Session{User: u.Person()}).WithOrigin(from)
}
