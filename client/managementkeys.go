package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/claviger-dev/claviger/api"
)

// ManagementKeys lists the management keys of a service account, newest first.
func (c *Client) ManagementKeys(ctx context.Context, tenant, account string,
	p Page,
) (api.List[api.ManagementKey], error) {
	return get[api.List[api.ManagementKey]](ctx, c, managementKeysPath(tenant, account)+p.text())
}

// CreateManagementKey creates a management key. Only this response has its value. With the error
// ErrSecretLost it also returns the management key, which was created.
func (c *Client) CreateManagementKey(ctx context.Context, tenant, account string,
	n api.CreateManagementKeyRequest,
) (api.IssuedManagementKey, error) {
	return makeSecret[api.IssuedManagementKey](ctx, c, managementKeysPath(tenant, account), n)
}

// ManagementKey shows a management key.
func (c *Client) ManagementKey(ctx context.Context, tenant, account, id string) (api.ManagementKey, error) {
	return get[api.ManagementKey](ctx, c, managementKeyPath(tenant, account, id))
}

// ManagementSelf shows the management key with which the client calls.
func (c *Client) ManagementSelf(ctx context.Context) (api.ManagementKey, error) {
	return get[api.ManagementKey](ctx, c, "/api/v1/management/self")
}

// EditManagementKey renames or narrows a management key.
func (c *Client) EditManagementKey(ctx context.Context, tenant, account, id string,
	p api.UpdateManagementKeyRequest,
) (api.ManagementKey, error) {
	return send[api.ManagementKey](ctx, c, http.MethodPatch, managementKeyPath(tenant, account, id), p)
}

// RefreshManagementKey issues a new value for a management key. Only this response has it. With the
// error ErrSecretLost it also returns the management key, which was refreshed.
func (c *Client) RefreshManagementKey(ctx context.Context, tenant, account, id string,
	r api.RefreshManagementKeyRequest,
) (api.IssuedManagementKey, error) {
	return makeSecret[api.IssuedManagementKey](ctx, c, managementKeyPath(tenant, account, id)+"/refresh", r)
}

// RevokeManagementKey ends a management key for good.
func (c *Client) RevokeManagementKey(ctx context.Context,
	tenant, account, id, reason string,
) (api.ManagementKey, error) {
	return send[api.ManagementKey](ctx, c, http.MethodPost, managementKeyPath(tenant, account, id)+"/revoke",
		api.RevokeManagementKeyRequest{Reason: reason})
}

// EndPreviousManagementSecret ends the overlap of the last refresh of a management key.
func (c *Client) EndPreviousManagementSecret(ctx context.Context, tenant, account, id string) error {
	return c.Do(ctx, http.MethodDelete, managementKeyPath(tenant, account, id)+"/previous", nil, nil)
}

// DeleteManagementKey removes a management key.
func (c *Client) DeleteManagementKey(ctx context.Context, tenant, account, id string) error {
	return c.Do(ctx, http.MethodDelete, managementKeyPath(tenant, account, id), nil, nil)
}

func managementKeysPath(tenant, account string) string {
	return serviceAccountPath(tenant, account) + "/management-keys"
}

func managementKeyPath(tenant, account, id string) string {
	return managementKeysPath(tenant, account) + "/" + url.PathEscape(id)
}
