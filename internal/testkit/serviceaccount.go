package testkit

import (
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// ServiceAccount creates a service account with the role, by a person who may.
func ServiceAccount(t testing.TB, c *client.Client, tenant tenancy.Tenant, name string, role api.Role,
	stewards ...principal.Person,
) api.ServiceAccount {
	t.Helper()
	n := api.CreateServiceAccountRequest{Name: name, Role: role}
	for _, s := range stewards {
		n.Stewards = append(n.Stewards, string(s.ID))
	}
	return Must[api.ServiceAccount](t)(c.CreateServiceAccount(t.Context(), string(tenant.ID), n))
}

// KeyOfServiceAccount creates a key that belongs to a service account.
func KeyOfServiceAccount(t testing.TB, c *client.Client, tenant tenancy.Tenant, owner api.ServiceAccount,
	scopes ...string,
) api.IssuedKey {
	t.Helper()
	return Must[api.IssuedKey](t)(c.CreateKey(t.Context(), string(tenant.ID), api.CreateKeyRequest{
		Name: "Key of a service account", Owner: &api.KeyOwner{Type: api.PartyServiceAccount, ID: owner.ID},
		Scopes: scopes, AllApplications: true,
	}))
}
