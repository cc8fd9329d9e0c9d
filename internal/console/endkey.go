package console

import (
	"context"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// ids returns the tenant and the key in the path.
func (k *call) ids() (ident.TenantID, ident.KeyID) {
	return ident.TenantID(k.PathValue("tenant")), ident.KeyID(k.PathValue("key"))
}

// keyURL returns the path of the key's page.
func (k *call) keyURL() string {
	tenant, id := k.ids()
	return tenantPath(tenant) + "/" + string(id)
}

// lastUse says what depends on a key.
func (k *call) lastUse(v key.View) []view.Fact {
	list := []view.Fact{
		{Name: "Key", Value: v.Key.Name, Path: pathOf(v.Key)},
		{Name: "Last used", When: k.ago(v.Key.LastUsedAt), Note: v.Key.LastUsedIP},
	}
	owner, kind := ownerWords(v.Key)
	return append(list, view.Fact{Name: "Owner", Value: owner, Note: kind})
}

// confirmRevoke asks before a key is revoked.
func (c *Console) confirmRevoke(k *call) (response, error) {
	v, err := k.changeableKey()
	if err != nil {
		return response{}, err
	}
	t, err := c.Tenancy.Tenant(k.Context(), k.who, v.Key.Tenant)
	if err != nil {
		return response{}, err
	}
	page := view.Confirm{
		Heading: "Revoke “" + v.Key.Name + "”?", Action: pathOf(v.Key) + "/revoke", Button: "Revoke this key",
		Lead: "Requests with it are refused from that moment on, and are told `api_key_revoked`. The key stays in " +
			"the list as revoked. This cannot be undone.",
		Keep: view.Link{Text: "Keep it", Path: pathOf(v.Key)}, Facts: k.lastUse(v), Reason: true,
	}
	if t.Settings.RevokeMode == policy.Delete {
		page.Lead = "Requests with it are refused from that moment on. This tenant keeps no revoked keys: the key is " +
			"deleted. This cannot be undone."
	}
	return response{page: page, title: "Revoke a key", narrow: true}, nil
}

// revoke revokes a key.
func (c *Console) revoke(k *call) (response, error) {
	tenant, id := k.ids()
	_, deleted, err := c.Keys.Revoke(k.Context(), k.who, tenant, id, k.form.Get("reason"))
	if err != nil {
		return response{}, err
	}
	if deleted { // the tenant keeps no revoked keys
		return did("/settings/keys", "key.delete"), nil
	}
	return did(k.keyURL(), "key.revoke"), nil
}

// confirmDelete asks before a key is deleted.
func (c *Console) confirmDelete(k *call) (response, error) {
	v, err := k.changeableKey()
	if err != nil {
		return response{}, err
	}
	return response{page: view.Confirm{
		Heading: "Delete “" + v.Key.Name + "”?", Action: pathOf(v.Key) + "/delete", Button: "Delete this key",
		Lead: "Requests with it are refused from that moment on, like those with a key that never existed. Its audit " +
			"trail is kept. This cannot be undone.",
		Keep: view.Link{Text: "Keep it", Path: pathOf(v.Key)}, Facts: k.lastUse(v),
	}, title: "Delete a key", narrow: true}, nil
}

// delete deletes a key.
func (c *Console) delete(k *call) (response, error) {
	tenant, id := k.ids()
	if err := c.Keys.Delete(k.Context(), k.who, tenant, id); err != nil {
		return response{}, err
	}
	return did("/settings/keys", "key.delete"), nil
}

// disable and enable change a key at once, since each undoes the other.
func (c *Console) disable(k *call) (response, error) { return k.act(c.Keys.Disable, "key.disable") }
func (c *Console) enable(k *call) (response, error)  { return k.act(c.Keys.Enable, "key.enable") }

// act runs an action on the key in the path.
func (k *call) act(action func(context.Context, principal.Principal, ident.TenantID, ident.KeyID) (key.View, error),
	what string,
) (response, error) {
	tenant, id := k.ids()
	if _, err := action(k.Context(), k.who, tenant, id); err != nil {
		return response{}, err
	}
	return did(k.keyURL(), what), nil
}

// endPrevious ends the old secret of a key.
func (c *Console) endPrevious(k *call) (response, error) {
	tenant, id := k.ids()
	if err := c.Keys.EndPrevious(k.Context(), k.who, tenant, id); err != nil {
		return response{}, err
	}
	return did(k.keyURL(), "key.previous"), nil
}
