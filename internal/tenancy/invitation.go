package tenancy

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Invitation invites the holder of an e-mail address to a tenant. The server takes the person who
// accepts the link for that holder.
type Invitation struct {
	ID     ident.LinkID
	Tenant ident.TenantID
	Email  string
	Role   scope.Role
	// Owns is the account of which the person also becomes an owner; "" for none.
	Owns ident.AccountID
	// Name is the person's name where they give none; "" where they must give one.
	Name string
	// By is the admin who invites; "" for the operator.
	By ident.UserID
	// Inviter is By as others see them. Only lists fill it.
	Inviter principal.Person
	// MailedAt is when the link was handed to the outbox; zero where it was shown to the inviter.
	MailedAt             time.Time
	CreatedAt, ExpiresAt time.Time
}

// provesEmail reports whether using the link proves the address: the link was mailed there, or the
// operator hands it over and vouches for the address.
func (i Invitation) provesEmail() bool { return !i.MailedAt.IsZero() || i.By == "" }

// invitationLifetime is how long an invitation can be accepted.
const invitationLifetime = 7 * 24 * time.Hour

// newInvitation returns an invitation that is not yet written, and its token.
func (s *Service) newInvitation(who principal.Principal, tenant ident.TenantID, email string,
	role scope.Role,
) (i Invitation, token credential.Secret) {
	now := s.Now()
	by, _ := who.Session()
	i = Invitation{
		ID: ident.New[ident.LinkID](now, s.Rand), Tenant: tenant, Email: identity.NormalEmail(email), Role: role,
		By: by.User.ID, CreatedAt: now, ExpiresAt: now.Add(invitationLifetime),
	}
	token = s.issueToken(&i, now)
	return i, token
}

// issueToken returns a new token of the invitation, and sets MailedAt where the link is to be
// mailed. Links that the operator makes are never mailed, but shown to the operator.
func (s *Service) issueToken(i *Invitation, now time.Time) credential.Secret {
	if !s.Mails || i.By == "" {
		i.MailedAt = time.Time{}
		return s.Keyring.IssueToken(credential.InvitationToken)
	}
	i.MailedAt = now
	return s.Keyring.DeriveLinkToken(credential.InvitationToken, i.ID, now)
}

// shown returns the token for the inviter; zero where the link is mailed.
func (i Invitation) shown(token credential.Secret) credential.Secret {
	if !i.MailedAt.IsZero() {
		return credential.Secret{}
	}
	return token
}

// planMail plans the message that brings the link, where the link is to be mailed.
func (i Invitation) planMail(ctx context.Context, tx notice.LinkWriter, who principal.Principal) error {
	if i.MailedAt.IsZero() {
		return nil
	}
	by, _ := who.Session()
	f := notice.Facts{Tenant: i.Tenant, By: notice.Named(by.User.Name, by.User.Email), Role: i.Role, Until: i.ExpiresAt}
	return notice.PlanLink(ctx, tx, notice.OfTenant(notice.Invitation, "", i.Email, i.ID, i.MailedAt, f))
}

// event records what happened to the invitation.
func (i Invitation) event(who principal.Principal, action audit.Action) audit.Event {
	return audit.By(who, action, audit.Target{Type: "invitation", ID: string(i.ID), Name: i.Email})
}

// Invitation returns an invitation, without its token, to an admin of the tenant.
func (s *Service) Invitation(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.LinkID,
) (Invitation, error) {
	if err := s.readsInvitations(ctx, who, tenant); err != nil {
		return Invitation{}, err
	}
	return s.Store.InvitationOf(ctx, tenant, id)
}

// Invitations lists the pending invitations to a tenant, without their tokens, for an admin of it.
func (s *Service) Invitations(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	page paging.Page,
) ([]Invitation, error) {
	if err := s.readsInvitations(ctx, who, tenant); err != nil {
		return nil, err
	}
	return s.Store.Invitations(ctx, tenant, s.Now(), page)
}

// readsInvitations refuses everybody but admins of the tenant.
func (s *Service) readsInvitations(ctx context.Context, who principal.Principal, tenant ident.TenantID) error {
	t, err := s.Tenant(ctx, who, tenant)
	if err == nil && who.RoleIn(t.ID, t.Account) != scope.Admin {
		err = ErrNotAdmin
	}
	return err
}

var errRole = fault.Refuse(fault.Field{Name: "role", Code: "unknown", Message: "Use admin, member or auditor."})
