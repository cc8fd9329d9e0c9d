package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/claviger-dev/claviger/api"
)

// ServiceAccounts lists the service accounts of a tenant, newest first.
func (c *Client) ServiceAccounts(ctx context.Context, tenant string, p Page) (api.List[api.ServiceAccount], error) {
	return get[api.List[api.ServiceAccount]](ctx, c, tenantPath(tenant)+"/service-accounts"+p.text())
}

// CreateServiceAccount adds a service account to a tenant.
func (c *Client) CreateServiceAccount(ctx context.Context, tenant string,
	n api.CreateServiceAccountRequest,
) (api.ServiceAccount, error) {
	a, _, err := makeOnce[api.ServiceAccount](ctx, c, tenantPath(tenant)+"/service-accounts", n)
	return a, err
}

// ServiceAccount shows a service account.
func (c *Client) ServiceAccount(ctx context.Context, tenant, account string) (api.ServiceAccount, error) {
	return get[api.ServiceAccount](ctx, c, serviceAccountPath(tenant, account))
}

// EditServiceAccount changes a service account.
func (c *Client) EditServiceAccount(ctx context.Context, tenant, account string,
	p api.UpdateServiceAccountRequest,
) (api.ServiceAccount, error) {
	return send[api.ServiceAccount](ctx, c, http.MethodPatch, serviceAccountPath(tenant, account), p)
}

// DisableServiceAccount makes all keys of a service account refused.
func (c *Client) DisableServiceAccount(ctx context.Context, tenant, account string) (api.ServiceAccount, error) {
	return send[api.ServiceAccount](ctx, c, http.MethodPost, serviceAccountPath(tenant, account)+"/disable", nil)
}

// EnableServiceAccount makes each key of a service account again what it was.
func (c *Client) EnableServiceAccount(ctx context.Context, tenant, account string) (api.ServiceAccount, error) {
	return send[api.ServiceAccount](ctx, c, http.MethodPost, serviceAccountPath(tenant, account)+"/enable", nil)
}

// DeleteServiceAccount removes a service account and revokes its keys.
func (c *Client) DeleteServiceAccount(ctx context.Context, tenant, account string) error {
	return c.Do(ctx, http.MethodDelete, serviceAccountPath(tenant, account), nil, nil)
}

func serviceAccountPath(tenant, account string) string {
	return tenantPath(tenant) + "/service-accounts/" + url.PathEscape(account)
}
