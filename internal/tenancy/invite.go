package tenancy

import (
	"context"
	"errors"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Invite makes an invitation, for admins of the tenant, and returns its token once. The token is
// zero where the link is mailed to the person: nobody else sees it then. An earlier invitation of
// the same address becomes void. The answer does not depend on whether the server knows the
// address.
func (s *Service) Invite(ctx context.Context, who principal.Principal, tenant ident.TenantID, email string,
	role scope.Role,
) (Invitation, credential.Secret, error) {
	faults := identity.EmailFaults(email)
	if !role.Valid() {
		faults = append(faults, fault.Fields(errRole)...)
	}
	if err := fault.Refuse(faults...); err != nil {
		return Invitation{}, credential.Secret{}, err
	}
	i, token := s.newInvitation(who, tenant, email, role)
	err := s.inviting(ctx, who, tenant, func(ctx context.Context, tx InvitationTx, t Tenant) (audit.Event, error) {
		if err := checkAdmin(ctx, tx, who, t); err != nil {
			return audit.Event{}, err
		}
		if err := checkNoMember(ctx, tx, i); err != nil {
			return audit.Event{}, err
		}
		if err := s.checkReplaces(ctx, tx, who, i); err != nil {
			return audit.Event{}, err
		}
		if err := checkInvitationLimit(ctx, tx, i); err != nil {
			return audit.Event{}, err
		}
		if err := tx.InsertInvitation(ctx, i, credential.HashToken(token.Reveal())); err != nil {
			return audit.Event{}, err
		}
		return i.event(who, audit.ActionMemberInvite).With("role", string(role)), i.planMail(ctx, tx, who)
	})
	return i, i.shown(token), err
}

// ResendInvitation replaces the link of a pending invitation, for admins of the tenant. The new
// link works for seven days from now, and the old one no longer. The caller becomes the inviter.
// The token is returned as by Invite.
func (s *Service) ResendInvitation(
	ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.LinkID,
) (i Invitation, token credential.Secret, err error) {
	by, _ := who.Session()
	now := s.Now()
	next := Invitation{ID: id, By: by.User.ID}
	token = s.issueToken(&next, now)
	err = s.inviting(ctx, who, tenant, func(ctx context.Context, tx InvitationTx, t Tenant) (audit.Event, error) {
		i, err = s.pendingInvitation(ctx, tx, who, t, id)
		if err != nil {
			return audit.Event{}, err
		}
		if err := checkNoMember(ctx, tx, i); err != nil {
			return audit.Event{}, err
		}
		i.By = next.By
		i.MailedAt = next.MailedAt
		i.ExpiresAt = now.Add(invitationLifetime)
		if err := tx.RenewInvitation(ctx, i, credential.HashToken(token.Reveal())); err != nil {
			return audit.Event{}, err
		}
		return i.event(who, audit.ActionInvitationResend).With("role", string(i.Role)), i.planMail(ctx, tx, who)
	})
	return i, i.shown(token), err
}

// CancelInvitation voids a pending invitation, for admins of the tenant.
func (s *Service) CancelInvitation(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.LinkID,
) error {
	return s.inviting(ctx, who, tenant, func(ctx context.Context, tx InvitationTx, t Tenant) (audit.Event, error) {
		i, err := s.pendingInvitation(ctx, tx, who, t, id)
		if err != nil {
			return audit.Event{}, err
		}
		return i.event(who, audit.ActionInvitationCancel).With("role", string(i.Role)),
			tx.VoidInvitation(ctx, tenant, id, s.Now())
	})
}

// inviting runs a change of invitations with the tenant locked.
func (s *Service) inviting(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	change func(context.Context, InvitationTx, Tenant) (audit.Event, error),
) error {
	return InTenant(ctx, s.Ledgers.Invitations, who, tenant, change)
}

var (
	errAlreadyMember = fault.New(fault.Conflict, "This person is already a member of the tenant.")
	errInvitedOwner  = fault.New(fault.Forbidden,
		"The pending invitation makes the person an owner of the account. Ask an owner of the account to do this.")
)

// checkNoMember refuses an invitation of somebody who is a member already.
func checkNoMember(ctx context.Context, tx InvitationTx, i Invitation) error {
	_, err := tx.MemberByEmail(ctx, i.Tenant, identity.CanonicalEmail(i.Email))
	switch {
	case errors.Is(err, fault.NotFound):
		return nil
	case err == nil:
		return errAlreadyMember
	}
	return err
}

// pendingInvitation returns a pending invitation for a caller who may replace or cancel it. The
// tenant is locked, and the invitation with it.
func (s *Service) pendingInvitation(ctx context.Context, tx InvitationTx, who principal.Principal, t Tenant,
	id ident.LinkID,
) (Invitation, error) {
	if err := checkAdmin(ctx, tx, who, t); err != nil {
		return Invitation{}, err
	}
	i, err := tx.PendingInvitation(ctx, t.ID, id, s.Now())
	if err == nil {
		err = checkEnds(ctx, tx, who, i)
	}
	return i, err
}

// checkReplaces refuses an invitation that would replace one which the caller may not end.
func (s *Service) checkReplaces(ctx context.Context, tx InvitationTx, who principal.Principal, i Invitation) error {
	earlier, err := tx.OwnersInvitation(ctx, i.Tenant, i.Email, s.Now())
	if errors.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return checkEnds(ctx, tx, who, earlier)
}

// checkEnds refuses to end an invitation that makes an owner of an account, unless the caller is an
// owner of it or the operator.
func checkEnds(ctx context.Context, tx InvitationTx, who principal.Principal, i Invitation) error {
	if i.Owns == "" || who.Kind() == principal.KindOperator {
		return nil
	}
	own, _ := who.Session()
	r, err := tx.AccountRole(ctx, i.Owns, own.User.ID)
	if err == nil && r != scope.AccountOwner {
		err = errInvitedOwner
	}
	return err
}
