package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/claviger-dev/claviger/api"
)

// SetUp makes an account with the one-time set-up link's token, and gives a client with its owner's
// session.
func (c *Client) SetUp(ctx context.Context, s api.SetUpRequest) (*Client, api.Session, error) {
	return c.begin(ctx, "/api/v1/setup", s)
}

// AcceptInvitation makes the person a member and gives a client with their session.
func (c *Client) AcceptInvitation(ctx context.Context, token string,
	a api.AcceptInvitationRequest,
) (*Client, api.Session, error) {
	return c.begin(ctx, "/api/v1/invitations/"+url.PathEscape(token), a)
}

// Accounts lists the accounts that the signed-in person belongs to, newest first.
func (c *Client) Accounts(ctx context.Context, p Page) (l api.List[api.Account], err error) {
	return get[api.List[api.Account]](ctx, c, "/api/v1/accounts"+p.text())
}

// Account shows an account.
func (c *Client) Account(ctx context.Context, account string) (api.Account, error) {
	return get[api.Account](ctx, c, accountPath(account))
}

// EditAccount changes an account.
func (c *Client) EditAccount(ctx context.Context, account string, p api.UpdateAccountRequest) (api.Account, error) {
	return send[api.Account](ctx, c, http.MethodPatch, accountPath(account), p)
}

// AccountMembers lists the owners and admins of an account, newest first.
func (c *Client) AccountMembers(ctx context.Context, account string, p Page) (api.List[api.Member], error) {
	return get[api.List[api.Member]](ctx, c, accountPath(account)+"/members"+p.text())
}

// SetAccountMember makes a person owner or admin of an account.
func (c *Client) SetAccountMember(ctx context.Context, account, user string, role api.Role) (api.Member, error) {
	return send[api.Member](ctx, c, http.MethodPut, accountPath(account)+"/members/"+url.PathEscape(user),
		api.SetAccountMemberRequest{Role: role})
}

// RemoveAccountMember takes a person's role in an account away.
func (c *Client) RemoveAccountMember(ctx context.Context, account, user string) error {
	return c.Do(ctx, http.MethodDelete, accountPath(account)+"/members/"+url.PathEscape(user), nil, nil)
}

// EventFilter narrows an audit trail; the zero value lists all.
type EventFilter struct {
	// Action is whole, as key.create, or its first word.
	Action string
	// Actor and Target are ids.
	Actor, Target string
	// Since is the first moment, Until the first one after, in whole microseconds.
	Since, Until time.Time
}

func (f EventFilter) query(p Page) string {
	q := p.query()
	for name, value := range map[string]string{
		"action": f.Action, "actor": f.Actor, "target": f.Target,
		"since": instant(f.Since), "until": instant(f.Until),
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q.Encode()
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// AccountEvents reads the audit trail of an account and its tenants, newest first.
func (c *Client) AccountEvents(ctx context.Context, account string, f EventFilter,
	p Page,
) (api.List[api.Event], error) {
	return get[api.List[api.Event]](ctx, c, accountPath(account)+"/audit?"+f.query(p))
}

// Policy shows the security policy of an account.
func (c *Client) Policy(ctx context.Context, account string) (api.Policy, error) {
	return get[api.Policy](ctx, c, accountPath(account)+"/policy")
}

// EditPolicy changes the security policy of an account.
func (c *Client) EditPolicy(ctx context.Context, account string, p api.UpdatePolicyRequest) (api.Policy, error) {
	p.DryRun = false
	return send[api.Policy](ctx, c, http.MethodPatch, accountPath(account)+"/policy", p)
}

// TryPolicy tells what a change of the policy would do to the account's keys, and changes nothing.
func (c *Client) TryPolicy(ctx context.Context, account string, p api.UpdatePolicyRequest) (api.PolicyEffect, error) {
	p.DryRun = true
	var out api.PolicyEffect
	_, err := c.exchange(ctx, http.MethodPatch, accountPath(account)+"/policy", p, &out, changesNothing)
	return out, err
}

// Tenants lists the tenants that the caller may see, newest first.
func (c *Client) Tenants(ctx context.Context, p Page) (api.List[api.Tenant], error) {
	return get[api.List[api.Tenant]](ctx, c, "/api/v1/tenants"+p.text())
}

// CreateTenant makes a tenant from a preset.
func (c *Client) CreateTenant(ctx context.Context, n api.CreateTenantRequest) (api.Tenant, error) {
	t, _, err := makeOnce[api.Tenant](ctx, c, "/api/v1/tenants", n)
	return t, err
}

// Tenant shows a tenant.
func (c *Client) Tenant(ctx context.Context, tenant string) (api.Tenant, error) {
	return get[api.Tenant](ctx, c, tenantPath(tenant))
}

// EditTenant changes a tenant.
func (c *Client) EditTenant(ctx context.Context, tenant string, p api.UpdateTenantRequest) (api.Tenant, error) {
	return send[api.Tenant](ctx, c, http.MethodPatch, tenantPath(tenant), p)
}

// TenantEvents reads the audit trail of a tenant, newest first.
func (c *Client) TenantEvents(ctx context.Context, tenant string, f EventFilter, p Page) (api.List[api.Event], error) {
	return get[api.List[api.Event]](ctx, c, tenantPath(tenant)+"/audit?"+f.query(p))
}

// Members lists the members of a tenant, newest first.
func (c *Client) Members(ctx context.Context, tenant string, p Page) (api.List[api.Member], error) {
	return get[api.List[api.Member]](ctx, c, tenantPath(tenant)+"/members"+p.text())
}

// Invite asks a person into a tenant. The link is mailed to them, or else in this answer and
// nowhere else. Beside ErrSecretLost it gives the invitation that was made.
func (c *Client) Invite(ctx context.Context, tenant string, n api.CreateInvitationRequest) (api.Invitation, error) {
	return makeSecret[api.Invitation](ctx, c, tenantPath(tenant)+"/members", n)
}

// Invitations lists the invitations into a tenant that can be accepted, newest first.
func (c *Client) Invitations(ctx context.Context, tenant string, p Page) (api.List[api.PendingInvitation], error) {
	return get[api.List[api.PendingInvitation]](ctx, c, invitationsPath(tenant)+p.text())
}

// ResendInvitation makes another link of an invitation, which is mailed or shown as the first one
// was.
func (c *Client) ResendInvitation(ctx context.Context, tenant, invitation string) (api.Invitation, error) {
	return send[api.Invitation](ctx, c, http.MethodPost,
		invitationsPath(tenant)+"/"+url.PathEscape(invitation)+"/resend", nil)
}

// CancelInvitation voids an invitation.
func (c *Client) CancelInvitation(ctx context.Context, tenant, invitation string) error {
	return c.Do(ctx, http.MethodDelete, invitationsPath(tenant)+"/"+url.PathEscape(invitation), nil, nil)
}

func invitationsPath(tenant string) string { return tenantPath(tenant) + "/invitations" }

// EditMember changes a membership.
func (c *Client) EditMember(ctx context.Context, tenant, user string, p api.UpdateMemberRequest) (api.Member, error) {
	return send[api.Member](ctx, c, http.MethodPatch, tenantPath(tenant)+"/members/"+url.PathEscape(user), p)
}

// RemoveMember ends a membership and revokes the person's keys in the tenant.
func (c *Client) RemoveMember(ctx context.Context, tenant, user string) error {
	return c.Do(ctx, http.MethodDelete, tenantPath(tenant)+"/members/"+url.PathEscape(user), nil, nil)
}

// Scopes reads the scope catalogue of a tenant.
func (c *Client) Scopes(ctx context.Context, tenant string) (api.List[api.Scope], error) {
	return get[api.List[api.Scope]](ctx, c, scopesPath(tenant))
}

// PutScope adds a scope to the tenant's own part of the catalogue, or replaces the one of this
// name.
func (c *Client) PutScope(ctx context.Context, tenant, name string, s api.PutScopeRequest) (api.Scope, error) {
	return send[api.Scope](ctx, c, http.MethodPut, scopesPath(tenant)+"/"+url.PathEscape(name), s)
}

// RemoveScope removes a scope from the tenant's own part of the catalogue. Keys that have it can no
// longer use it.
func (c *Client) RemoveScope(ctx context.Context, tenant, name string) error {
	return c.Do(ctx, http.MethodDelete, scopesPath(tenant)+"/"+url.PathEscape(name), nil, nil)
}

func scopesPath(tenant string) string { return tenantPath(tenant) + "/scopes" }

// ReplaceScopes replaces the tenant's own part of the catalogue and gives the whole of it.
func (c *Client) ReplaceScopes(ctx context.Context, tenant string, own []api.NewScope) (api.List[api.Scope], error) {
	return send[api.List[api.Scope]](ctx, c, http.MethodPut, scopesPath(tenant), api.ReplaceScopesRequest{Items: own})
}

// Applications lists the applications that the caller may see, newest first.
func (c *Client) Applications(ctx context.Context, tenant string, p Page) (api.List[api.Application], error) {
	return get[api.List[api.Application]](ctx, c, tenantPath(tenant)+"/applications"+p.text())
}

// CreateApplication adds an application to a tenant.
func (c *Client) CreateApplication(ctx context.Context, tenant string,
	n api.CreateApplicationRequest,
) (api.Application, error) {
	a, _, err := makeOnce[api.Application](ctx, c, tenantPath(tenant)+"/applications", n)
	return a, err
}

// Application shows an application.
func (c *Client) Application(ctx context.Context, tenant, application string) (api.Application, error) {
	return get[api.Application](ctx, c, tenantPath(tenant)+"/applications/"+url.PathEscape(application))
}

// EditApplication changes an application.
func (c *Client) EditApplication(ctx context.Context, tenant, application string,
	p api.UpdateApplicationRequest,
) (api.Application, error) {
	return send[api.Application](ctx, c, http.MethodPatch,
		tenantPath(tenant)+"/applications/"+url.PathEscape(application), p)
}

// DeleteApplication removes an application.
func (c *Client) DeleteApplication(ctx context.Context, tenant, application string) error {
	return c.Do(ctx, http.MethodDelete, tenantPath(tenant)+"/applications/"+url.PathEscape(application), nil, nil)
}

// Routes shows the route rules of an application.
func (c *Client) Routes(ctx context.Context, tenant, application string) (api.RouteRules, error) {
	return get[api.RouteRules](ctx, c, routesPath(tenant, application))
}

// ReplaceRoutes replaces the route rules of an application. Rules with the Version that was read
// are refused with api.Conflict if somebody else has changed the rules since then.
func (c *Client) ReplaceRoutes(ctx context.Context, tenant, application string,
	rules api.RouteRules,
) (api.RouteRules, error) {
	return send[api.RouteRules](ctx, c, http.MethodPut, routesPath(tenant, application), rules)
}

func routesPath(tenant, application string) string {
	return tenantPath(tenant) + "/applications/" + url.PathEscape(application) + "/routes"
}

func accountPath(account string) string { return "/api/v1/accounts/" + url.PathEscape(account) }

func tenantPath(tenant string) string { return "/api/v1/tenants/" + url.PathEscape(tenant) }

// text is the page as a query, with its question mark.
func (p Page) text() string {
	if p == (Page{}) {
		return ""
	}
	return "?" + p.query().Encode()
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	return send[T](ctx, c, http.MethodGet, path, nil)
}

func send[T any](ctx context.Context, c *Client, method, path string, in any) (out T, err error) {
	err = c.Do(ctx, method, path, in, &out)
	return out, err
}
