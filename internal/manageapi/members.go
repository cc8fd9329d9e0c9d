package manageapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	membersPath     = tenantPath + "/members"
	invitationsPath = tenantPath + "/invitations"
)

func (a *API) members() {
	tags := []string{"Members"}
	add(a, huma.Operation{
		OperationID: "list-members", Method: http.MethodGet, Path: membersPath, Tags: tags, Summary: "List members",
		Description: "Newest first.",
	}, requirement{scope: scope.MembersRead}, a.listMembers)
	add(a, huma.Operation{
		OperationID: "invite-member", Method: http.MethodPost, Path: membersPath, Tags: tags,
		DefaultStatus: http.StatusCreated, Summary: "Invite a person",
		Description: "Only admins may do this. The link works once and for 7 days. It invalidates an earlier link " +
			"for the same address; only owners can replace the invitation of a new owner of the account.\n\n" +
			"If a mail server is configured, the link is mailed to the person and `url` is null. Otherwise `url` " +
			"has the link, which is shown only in this response. Within 24 hours a tenant can mail 200 links, 5 of " +
			"them to one address, and one address gets at most 20 from all tenants of an account. Beyond that the " +
			"response is `rate_limited` with `Retry-After`.",
	}, requirement{session: true, idempotent: true}, idempotent(a, a.invite, a.replayInvite),
		fault.Conflict, fault.RateLimited)
	add(a, huma.Operation{
		OperationID: "list-invitations", Method: http.MethodGet, Path: invitationsPath, Tags: tags,
		Summary: "List invitations",
		Description: "Only admins may do this. Lists the invitations that can still be accepted, newest first, " +
			"without their links.",
	}, requirement{session: true}, a.listInvitations)
	add(a, huma.Operation{
		OperationID: "resend-invitation", Method: http.MethodPost, Path: invitationsPath + "/{invitation}/resend",
		Tags: tags, DefaultStatus: http.StatusOK,
		Summary: "Send an invitation again",
		Description: "Only admins may do this, and only owners for the invitation of an owner of the account. " +
			"Creates another link, which works for 7 days and is mailed or shown like that of a new invitation. The " +
			"old link no longer works.",
	}, requirement{session: true}, a.resendInvitation, fault.Conflict, fault.RateLimited)
	add(a, huma.Operation{
		OperationID: "cancel-invitation", Method: http.MethodDelete, Path: invitationsPath + "/{invitation}",
		Tags: tags, Summary: "Cancel an invitation",
		Description: "Only admins may do this, and only owners for the invitation of an owner of the account. The " +
			"link stops working at once.",
	}, requirement{session: true}, a.cancelInvitation)
	add(a, huma.Operation{
		OperationID: "edit-member", Method: http.MethodPatch, Path: membersPath + "/{user}", Tags: tags,
		Summary: "Change a membership",
		Description: "Only admins may do this. It changes only this membership. From then on the person's keys can " +
			"do what the new role allows. The last admin must stay an active admin. A former admin may know secrets " +
			"of other people's keys: list them with `shown_to`.",
	}, requirement{session: true, hasStatus: true, versioned: true}, a.editMember)
	add(a, huma.Operation{
		OperationID: "remove-member", Method: http.MethodDelete, Path: membersPath + "/{user}", Tags: tags,
		Summary: "Remove a member, or leave",
		Description: "Only admins may remove others. Everybody may leave, with `me` as the user. Revokes the " +
			"person's keys in this tenant at once; they stay revoked if the person joins again. The last admin " +
			"cannot be removed. Keys of other people whose secrets the person has seen stay valid: list them with " +
			"`shown_to`, and refresh or revoke them.",
	}, requirement{session: true}, a.removeMember, fault.Conflict)
}

type listMembersInput struct {
	TenantInput
	PageInput
}

func (a *API) listMembers(ctx context.Context, in *listMembersInput) (*output[api.List[api.Member]], error) {
	who, tenant := callerOf(ctx).Principal, ident.TenantID(in.Tenant)
	var facts map[ident.UserID]identity.SignInFacts
	return listPage(ctx, a, in.PageInput, "members", []string{in.Tenant},
		func(page paging.Page) ([]tenancy.Member, error) {
			members, err := a.Tenancy.Members(ctx, who, tenant, page)
			if err == nil {
				facts, err = a.Tenancy.SignInFacts(ctx, who, tenant, members...)
			}
			return members, err
		},
		func(m tenancy.Member) api.Member { return memberOf(m, facts) },
		func(m tenancy.Member) position { return position{m.CreatedAt, string(m.User.ID)} })
}

// memberOf returns the wire form of a member. facts has how people sign in, for callers who may see
// it.
func memberOf(m tenancy.Member, facts map[ident.UserID]identity.SignInFacts) api.Member {
	out := api.Member{
		User: web.ProvenPerson(m.User, m.EmailProven), Role: api.Role(m.Role),
		Status: web.Status(m.Disabled), CreatedAt: m.CreatedAt.UTC(), Version: string(m.Version()),
	}
	if f, known := facts[m.User.ID]; known {
		out.SecondFactor, out.LastSeenAt = &f.SecondFactor, web.Time(f.LastSeenAt)
	}
	return out
}

type inviteInput struct {
	JSON body[api.CreateInvitationRequest]
	TenantInput
}

func (a *API) invite(ctx context.Context, in *inviteInput) (*created[api.Invitation], error) {
	n := in.JSON.value
	i, token, err := a.Tenancy.Invite(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), n.Email,
		scope.Role(n.Role))
	if err != nil {
		return nil, err
	}
	out := invitationCreated(i)
	out.Body.URL = a.invitationURL(token)
	return out, nil
}

// invitationURL returns the URL of an invitation; nil without its token.
func (a *API) invitationURL(token credential.Secret) *string {
	if token.IsZero() {
		return nil
	}
	url := a.BaseURL + "/invitations/" + token.Reveal()
	return &url
}

// replayInvite returns the invitation that invite created, without its link.
func (a *API) replayInvite(ctx context.Context, in *inviteInput, id string) (*created[api.Invitation], error) {
	i, err := a.Tenancy.Invitation(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.LinkID(id))
	if err != nil {
		return nil, err
	}
	return invitationCreated(i), nil
}

// invitationCreated returns the response to a new invitation.
func invitationCreated(i tenancy.Invitation) *created[api.Invitation] {
	return &created[api.Invitation]{
		Location: "/api/v1/tenants/" + string(i.Tenant) + "/members", // where the person will appear
		Body:     invitationOf(i),
	}
}

// invitationOf returns the wire form of an invitation, without its link.
func invitationOf(i tenancy.Invitation) api.Invitation {
	return api.Invitation{ID: string(i.ID), Email: i.Email, Role: api.Role(i.Role), ExpiresAt: i.ExpiresAt.UTC()}
}

func (a *API) listInvitations(ctx context.Context,
	in *listMembersInput,
) (*output[api.List[api.PendingInvitation]], error) {
	return listPage(ctx, a, in.PageInput, "invitations", []string{in.Tenant},
		func(page paging.Page) ([]tenancy.Invitation, error) {
			return a.Tenancy.Invitations(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), page)
		}, pendingOf, func(i tenancy.Invitation) position { return position{i.CreatedAt, string(i.ID)} })
}

// pendingOf returns the wire form of an invitation in a list.
func pendingOf(i tenancy.Invitation) api.PendingInvitation {
	p := api.PendingInvitation{
		ID: string(i.ID), Email: i.Email, Role: api.Role(i.Role), CreatedAt: i.CreatedAt.UTC(),
		ExpiresAt: i.ExpiresAt.UTC(),
	}
	if i.Inviter.ID != "" {
		by := web.Person(i.Inviter)
		p.CreatedBy = &by
	}
	return p
}

// InvitationInput is the path of an invitation. It is exported because huma sees no other embedded
// types.
type InvitationInput struct {
	TenantInput
	Invitation string `path:"invitation"`
}

func (a *API) resendInvitation(ctx context.Context, in *InvitationInput) (*output[api.Invitation], error) {
	i, token, err := a.Tenancy.ResendInvitation(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.LinkID(in.Invitation))
	if err != nil {
		return nil, err
	}
	sent := invitationOf(i)
	sent.URL = a.invitationURL(token)
	return &output[api.Invitation]{sent}, nil
}

func (a *API) cancelInvitation(ctx context.Context, in *InvitationInput) (*struct{}, error) {
	return nil, a.Tenancy.CancelInvitation(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.LinkID(in.Invitation))
}

// MemberInput is the path of a member. It is exported because huma sees no other embedded types.
type MemberInput struct {
	TenantInput
	User string `path:"user"`
}

type editMemberInput struct {
	JSON body[api.UpdateMemberRequest]
	MemberInput
}

func (a *API) editMember(ctx context.Context, in *editMemberInput) (*output[api.Member], error) {
	var p patch
	c := tenancy.MemberChange{
		Expected: expectedOf(ctx),
		Disabled: p.disabled(in.JSON.value.Status), Role: word[scope.Role](&p, "role", in.JSON.value.Role),
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	who, tenant := callerOf(ctx).Principal, ident.TenantID(in.Tenant)
	m, err := a.Tenancy.ChangeMember(ctx, who, tenant, ident.UserID(in.User), c)
	if err != nil && !errors.Is(err, etag.ErrChanged) {
		return nil, err
	}
	facts, failed := a.Tenancy.SignInFacts(ctx, who, tenant, m)
	if failed != nil { // the change is made: the answer says so without them
		facts = nil
	}
	return edited(m, err, func(m tenancy.Member) api.Member { return memberOf(m, facts) })
}

func (a *API) removeMember(ctx context.Context, in *MemberInput) (*struct{}, error) {
	by := callerOf(ctx).Principal
	user := ident.UserID(in.User)
	if own, ok := by.Session(); ok && in.User == me {
		user = own.User.ID
	}
	return nil, a.Tenancy.RemoveMember(ctx, by, ident.TenantID(in.Tenant), user)
}
