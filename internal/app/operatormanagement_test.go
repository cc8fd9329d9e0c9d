package app_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// startCompany starts a server with the tenant "Our company", and returns a client of its admin.
func startCompany(t *testing.T) (*testkit.Server, tenancy.Tenant, *client.Client) {
	t.Helper()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Our company", nil)
	h.Join(tenant, h.Owner, scope.Admin)
	return h, tenant, h.As(h.Owner)
}

// operated is the API of operators for the management keys of a service account.
type operated struct {
	*client.Client
	path string
}

// operate returns the API for a tenant and a service account, by id or name.
func operate(h *testkit.Server, tenant, account string) operated {
	return operated{
		h.Operator(), "/operator/v1/tenants/" + url.PathEscape(tenant) + "/service-accounts/" +
			url.PathEscape(account) + "/management-keys",
	}
}

func (o operated) create(t *testing.T, change func(*api.CreateManagementKeyRequest)) (api.IssuedManagementKey, error) {
	t.Helper()
	n := api.CreateManagementKeyRequest{
		Name: "Of the operator", Permissions: []api.Permission{"keys:read"},
		Owners: []api.PartyType{api.PartyServiceAccount},
	}
	change(&n)
	var k api.IssuedManagementKey
	err := o.Do(t.Context(), http.MethodPost, o.path, n, &k)
	return k, err
}

func (o operated) refresh(t *testing.T, id string, r api.RefreshManagementKeyRequest) (api.IssuedManagementKey, error) {
	t.Helper()
	var k api.IssuedManagementKey
	err := o.Do(t.Context(), http.MethodPost, o.path+"/"+id+"/refresh", r, &k)
	return k, err
}

func TestTheOperatorIssuesAndRevokesManagementKeysWithoutASignIn(t *testing.T) {
	t.Parallel()
	h, tenant, owner := startCompany(t)
	account := testkit.ServiceAccount(t, owner, tenant, "Terraform 2", api.RoleMember)
	o := operate(h, "Our company", "Terraform 2")

	first := testkit.Must[api.IssuedManagementKey](t)(o.create(t, func(*api.CreateManagementKeyRequest) {}))
	if first.ServiceAccount.ID != account.ID || first.CreatedBy.Type != "operator" {
		t.Errorf("%+v by %+v", first.ServiceAccount, first.CreatedBy)
	}
	uses := func(k api.IssuedManagementKey) error {
		_, err := h.Anyone().WithKey(*k.Value).ManagementSelf(t.Context())
		return err
	}
	testkit.ExpectCode(t, "the new management key", uses(first), "")

	next := testkit.Must[api.IssuedManagementKey](t)(o.refresh(t, first.ID,
		api.RefreshManagementKeyRequest{OverlapSeconds: 60}))
	testkit.ExpectCode(t, "the new value", uses(next), "")
	testkit.ExpectCode(t, "the old value in the overlap", uses(first), "")
	h.Clock.Move(time.Minute)
	testkit.ExpectCode(t, "the old value after the overlap", uses(first), api.APIKeyExpired)

	var all api.List[api.ManagementKey]
	testkit.ExpectCode(t, "the list", o.Do(t.Context(), http.MethodGet, o.path, nil, &all), "")
	if len(all.Items) != 1 || all.Items[0].ID != first.ID {
		t.Errorf("listed %+v", all.Items)
	}

	var revoked api.ManagementKey
	err := o.Do(t.Context(), http.MethodPost, o.path+"/"+first.ID+"/revoke",
		api.RevokeManagementKeyRequest{Reason: "leaked"}, &revoked)
	testkit.ExpectCode(t, "the revocation", err, "")
	if revoked.Status != "revoked" || revoked.RevokedReason == nil || *revoked.RevokedReason != "leaked" {
		t.Errorf("revoked: %+v", revoked)
	}
	testkit.ExpectCode(t, "a revoked management key", uses(next), api.APIKeyRevoked)

	events := testkit.Must[api.List[api.Event]](t)(owner.TenantEvents(t.Context(), string(tenant.ID),
		client.EventFilter{}, client.Page{}))
	for i, action := range []string{"management_key.revoke", "management_key.refresh", "management_key.create"} {
		if e := events.Items[i]; string(e.Action) != action || e.Actor.Type != "operator" {
			t.Errorf("event %d is %s by %s, not %s by the operator", i, e.Action, e.Actor.Type, action)
		}
	}
}

func TestTheOperatorGetsNoManagementKeyThatAnAdminCouldNotCreate(t *testing.T) {
	t.Parallel()
	h, tenant, owner := startCompany(t)
	disabled := testkit.ServiceAccount(t, owner, tenant, "Disabled", api.RoleMember)
	twin := testkit.ServiceAccount(t, owner, tenant, "Twin", api.RoleMember)
	testkit.ServiceAccount(t, owner, tenant, "Twin", api.RoleMember)
	_ = testkit.Must[api.ServiceAccount](t)(owner.DisableServiceAccount(t.Context(), string(tenant.ID), disabled.ID))
	otherTenant := string(h.Tenant("Another", nil).ID)
	as := func(*api.CreateManagementKeyRequest) {}
	for name, c := range map[string]struct {
		tenant, account string
		change          func(*api.CreateManagementKeyRequest)
		code            api.Code
	}{
		"a tenant that is not there":          {"Nowhere", twin.ID, as, api.NotFound},
		"a service account that is not there": {"Our company", "Nobody", as, api.NotFound},
		"a name of two service accounts":      {"Our company", "Twin", as, api.Conflict},
		"of another tenant":                   {otherTenant, twin.ID, as, api.NotFound},
		"a disabled service account":          {"Our company", "Disabled", as, api.Conflict},
		"a permission above its role": {"Our company", twin.ID, func(n *api.CreateManagementKeyRequest) {
			n.Permissions = []api.Permission{"audit:read"}
		}, api.ValidationFailed},
		"an expiry after more than 365 days": {"Our company", twin.ID, func(n *api.CreateManagementKeyRequest) {
			n.ExpiresAt = new(h.Clock.Now().AddDate(0, 0, 366))
		}, api.ValidationFailed},
		"a network with host bits": {"Our company", twin.ID, func(n *api.CreateManagementKeyRequest) {
			n.AllowedCIDRs = []string{"10.0.0.1/8"}
		}, api.ValidationFailed},
	} {
		_, err := operate(h, c.tenant, c.account).create(t, c.change)
		testkit.ExpectCode(t, name, err, c.code)
	}
	_, err := operate(h, "Our company", twin.ID).refresh(t, "mgk_00000000000000000000",
		api.RefreshManagementKeyRequest{})
	testkit.ExpectCode(t, "a management key that is not there", err, api.NotFound)
}
