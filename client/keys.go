package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/claviger-dev/claviger/api"
)

// CreateKey creates a key. Only this response has its credential. With the error ErrSecretLost it
// also returns the key, which was created.
func (c *Client) CreateKey(ctx context.Context, tenant string, n api.CreateKeyRequest) (k api.IssuedKey, err error) {
	return makeSecret[api.IssuedKey](ctx, c, keysPath(tenant), n)
}

// KeyFilter narrows a list of keys; the zero value lists all.
type KeyFilter struct {
	// Owner is "me", a user's id, "service_account:" or "subject:" and an id, or "external_id:" and
	// the external id of a subject.
	Owner string
	// Status is active, disabled, expired or revoked. Blocked keys are not listed as active.
	Status string
	// BlockedBy is owner, tenant or account: active keys that it keeps from working.
	BlockedBy string
	// Query is words to search for. Each is the beginning of a word of the name, the public id or
	// the owner's e-mail address or external id, without regard to case.
	Query string
	// ShownTo is "me" or a user's id: keys of others of which this person was shown a secret that
	// still counts.
	ShownTo string
	// CreatedBy is "me", a user's id, or "management_key:" and an id.
	CreatedBy string
	// CreatedAfter and ExpiresBefore bound when the keys were created and when they expire.
	CreatedAfter, ExpiresBefore time.Time
}

func (f KeyFilter) query(p Page) string {
	q := p.query()
	for name, value := range map[string]string{
		"owner": f.Owner, "status": f.Status, "blocked_by": f.BlockedBy, "q": f.Query,
		"shown_to": f.ShownTo, "created_by": f.CreatedBy,
		"created_after": instant(f.CreatedAfter), "expires_before": instant(f.ExpiresBefore),
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q.Encode()
}

// Keys lists the keys of a tenant, newest first.
func (c *Client) Keys(ctx context.Context, tenant string, f KeyFilter, p Page) (l api.List[api.Key], err error) {
	err = c.Do(ctx, http.MethodGet, keysPath(tenant)+"?"+f.query(p), nil, &l)
	return l, err
}

// OwnKeys lists the caller's keys in all their tenants, newest first; the filter names no owner.
func (c *Client) OwnKeys(ctx context.Context, f KeyFilter, p Page) (l api.List[api.OwnKey], err error) {
	err = c.Do(ctx, http.MethodGet, "/api/v1/me/keys?"+f.query(p), nil, &l)
	return l, err
}

// KeyHealth tells what is to be said of the tenant's keys that can still be used, newest first, and
// on the first page of all of them together.
func (c *Client) KeyHealth(ctx context.Context, tenant string, p Page) (api.KeyHealthList, error) {
	return get[api.KeyHealthList](ctx, c, tenantPath(tenant)+"/key-health"+p.text())
}

// Key shows a key.
func (c *Client) Key(ctx context.Context, tenant, key string) (k api.Key, err error) {
	err = c.Do(ctx, http.MethodGet, keyPath(tenant, key), nil, &k)
	return k, err
}

// EditKey changes a key: a member of the edit that is not set keeps what is there.
func (c *Client) EditKey(ctx context.Context, tenant, key string, e api.UpdateKeyRequest) (k api.Key, err error) {
	err = c.Do(ctx, http.MethodPatch, keyPath(tenant, key), e, &k)
	return k, err
}

// RefreshKey returns a key a new secret; it is in this answer and nowhere else. Beside
// ErrSecretLost it gives the refreshed key.
func (c *Client) RefreshKey(ctx context.Context, tenant, key string,
	r api.RefreshKeyRequest,
) (k api.IssuedKey, err error) {
	return makeSecret[api.IssuedKey](ctx, c, keyPath(tenant, key)+"/refresh", r)
}

// EndPrevious ends the secret of before a refresh before its time.
func (c *Client) EndPrevious(ctx context.Context, tenant, key string) error {
	return c.Do(ctx, http.MethodDelete, keyPath(tenant, key)+"/previous", nil, nil)
}

// ClaimKey issues the secret of a key that is delivered by link. The token is the part of the link
// after its last slash.
func (c *Client) ClaimKey(ctx context.Context, token string) (k api.IssuedKey, err error) {
	err = c.Do(ctx, http.MethodPost, "/api/v1/claims/"+url.PathEscape(token), nil, &k)
	return k, err
}

// RenewClaimLink makes a new link for a key that its owner has not claimed. The old link no longer
// works.
func (c *Client) RenewClaimLink(ctx context.Context, tenant, key string) (k api.IssuedKey, err error) {
	err = c.Do(ctx, http.MethodPost, keyPath(tenant, key)+"/claim-link", nil, &k)
	return k, err
}

// RevokeKey ends a key for good. The answer is nil where the tenant keeps no tombstones.
func (c *Client) RevokeKey(ctx context.Context, tenant, key, reason string) (*api.Key, error) {
	var k *api.Key
	err := c.Do(ctx, http.MethodPost, keyPath(tenant, key)+"/revoke", api.RevokeKeyRequest{Reason: reason}, &k)
	return k, err
}

// RevealKey shows a key's secret again, to its owner, where the tenant keeps copies.
func (c *Client) RevealKey(ctx context.Context, tenant, key string) (k api.RevealedKey, err error) {
	err = c.Do(ctx, http.MethodPost, keyPath(tenant, key)+"/reveal", nil, &k)
	return k, err
}

// DisableKey takes a key out of use until it is enabled.
func (c *Client) DisableKey(ctx context.Context, tenant, key string) (k api.Key, err error) {
	err = c.Do(ctx, http.MethodPost, keyPath(tenant, key)+"/disable", nil, &k)
	return k, err
}

// EnableKey brings a disabled key back into use.
func (c *Client) EnableKey(ctx context.Context, tenant, key string) (k api.Key, err error) {
	err = c.Do(ctx, http.MethodPost, keyPath(tenant, key)+"/enable", nil, &k)
	return k, err
}

// DeleteKey removes a key.
func (c *Client) DeleteKey(ctx context.Context, tenant, key string) error {
	return c.Do(ctx, http.MethodDelete, keyPath(tenant, key), nil, nil)
}

func keysPath(tenant string) string { return "/api/v1/tenants/" + url.PathEscape(tenant) + "/keys" }

func keyPath(tenant, key string) string { return keysPath(tenant) + "/" + url.PathEscape(key) }

// RevokeKeys revokes several keys, each for itself: the response says which were not revoked.
func (c *Client) RevokeKeys(ctx context.Context, tenant string, b api.BulkKeysRequest) (api.BulkKeysResponse, error) {
	return send[api.BulkKeysResponse](ctx, c, http.MethodPost, keysPath(tenant)+"/revoke", b)
}

// DisableKeys disables several keys, each for itself: the response says which were not disabled.
func (c *Client) DisableKeys(ctx context.Context, tenant string, b api.BulkKeysRequest) (api.BulkKeysResponse, error) {
	return send[api.BulkKeysResponse](ctx, c, http.MethodPost, keysPath(tenant)+"/disable", b)
}
