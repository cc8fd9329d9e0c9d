package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

const membersPath = tenantPath + "/members"

func (a *API) members(h huma.API) {
	tags := []string{"Members"}
	add(h, a.Door, huma.Operation{
		OperationID: "list-members", Method: http.MethodGet, Path: membersPath, Tags: tags, Summary: "List members", Description: "Newest first.",
	}, need{scope: scope.MembersRead}, a.listMembers)
	add(h, a.Door, huma.Operation{
		OperationID: "invite-member", Method: http.MethodPost, Path: membersPath, Tags: tags, DefaultStatus: http.StatusCreated, Summary: "Invite a person",
		Description: "For admins. The link is shown this once, works once and for 7 days; it voids an earlier one of the same address.",
	}, need{session: true, repeatable: true}, once(a, a.invite, a.invited))
	add(h, a.Door, huma.Operation{
		OperationID: "edit-member", Method: http.MethodPatch, Path: membersPath + "/{user}", Tags: tags, Summary: "Change a membership",
		Description: "For admins. It touches this membership only; the person's keys do from then on what the new role allows. The last admin stays.",
	}, need{session: true}, a.editMember, fault.Conflict)
	add(h, a.Door, huma.Operation{
		OperationID: "remove-member", Method: http.MethodDelete, Path: membersPath + "/{user}", Tags: tags, Summary: "Remove a member",
		Description: "For admins. Revokes the person's keys in this tenant at once; joining again revives none. The last admin stays.",
	}, need{session: true}, a.removeMember, fault.Conflict)
}

type listMembersInput struct {
	TenantInput
	PageInput
}

func (a *API) listMembers(ctx context.Context, in *listMembersInput) (*answer[api.List[api.Member]], error) {
	return listed(ctx, a, in.PageInput, "members", []string{in.Tenant}, func(page tenancy.Page) ([]tenancy.Member, error) {
		return a.Tenancy.Members(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), page)
	}, memberOf, func(m tenancy.Member) place { return place{m.CreatedAt, string(m.User.ID)} })
}

func memberOf(m tenancy.Member) api.Member {
	return api.Member{User: web.Person(m.User), Role: string(m.Role), Status: web.Status(m.Disabled), CreatedAt: m.CreatedAt.UTC()}
}

type inviteInput struct {
	JSON body[api.NewInvitation]
	TenantInput
}

func (a *API) invite(ctx context.Context, in *inviteInput) (*created[api.Invitation], error) {
	n := in.JSON.value
	i, ticket, err := a.Tenancy.Invite(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), n.Email, scope.Role(n.Role))
	if err != nil {
		return nil, err
	}
	made := madeInvitation(i)
	url := a.BaseURL + "/invitations/" + ticket.Reveal()
	made.Body.URL = &url
	return made, nil
}

// invited shows what invite made, without the link.
func (a *API) invited(ctx context.Context, in *inviteInput, id string) (*created[api.Invitation], error) {
	i, err := a.Tenancy.Invitation(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.LinkID(id))
	if err != nil {
		return nil, err
	}
	return madeInvitation(i), nil
}

func madeInvitation(i tenancy.Invitation) *created[api.Invitation] {
	return &created[api.Invitation]{
		Location: "/api/v1/tenants/" + string(i.Tenant) + "/members", // where the person will stand
		Body:     api.Invitation{ID: string(i.ID), Email: i.Email, Role: string(i.Role), ExpiresAt: i.ExpiresAt.UTC()},
	}
}

// MemberInput names a person in a tenant. It is exported because huma sees no others when embedded.
type MemberInput struct {
	TenantInput
	User string `path:"user"`
}

type editMemberInput struct {
	JSON body[api.MemberPatch]
	MemberInput
}

func (a *API) editMember(ctx context.Context, in *editMemberInput) (*answer[api.Member], error) {
	var p patch
	c := tenancy.MemberChange{Disabled: p.off(in.JSON.value.Status)}
	if role := p.text("role", in.JSON.value.Role); role != nil {
		to := scope.Role(*role)
		c.Role = &to
	}
	if err := p.refuse(); err != nil {
		return nil, err
	}
	m, err := a.Tenancy.ChangeMember(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.UserID(in.User), c)
	if err != nil {
		return nil, err
	}
	return &answer[api.Member]{memberOf(m)}, nil
}

func (a *API) removeMember(ctx context.Context, in *MemberInput) (*struct{}, error) {
	return nil, a.Tenancy.RemoveMember(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.UserID(in.User))
}
