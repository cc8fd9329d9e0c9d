package app_test

import (
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Otherwise a key that may edit applications could have all keys of the tenant read from the
// database again and again.
func TestANameThatNoDecisionReadsOutdatesNoKey(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner, admin := h.As(h.Owner), h.As(h.Member(tenant, "Key Owner", scope.Admin))
	k, verifier := h.Key(admin, tenant, "applications:read"), h.Verifier()
	id := string(tenant.ID)
	app := testkit.Must[api.Application](t)(admin.CreateApplication(t.Context(), id,
		api.CreateApplicationRequest{Name: "Billing"}))
	active := func() {
		t.Helper()
		d, err := verifier.Verify(t.Context(), api.VerifyRequest{Credential: k.Credential.Value})
		if err != nil || !d.Active {
			t.Fatalf("%+v, %v", d, err)
		}
	}
	loads := func() float64 { return testkit.Scrape(t, h)["claviger_loads_seconds_count"] }
	for name, change := range map[string]func() error{
		"an application": func() error {
			_, err := admin.EditApplication(t.Context(), id, app.ID, api.UpdateApplicationRequest{
				Name: api.To("Invoices"), Description: api.To("What customers pay."),
			})
			return err
		},
		"a tenant": func() error {
			_, err := owner.EditTenant(t.Context(), id, api.UpdateTenantRequest{Name: api.To("Other name")})
			return err
		},
		"an account": func() error {
			_, err := owner.EditAccount(t.Context(), string(h.Account.ID),
				api.UpdateAccountRequest{Name: api.To("Other name")})
			return err
		},
	} {
		active()
		before := loads()
		testkit.NoError(t, change())
		active()
		if n := loads() - before; n != 0 {
			t.Errorf("the name of %s has %v keys read anew", name, n)
		}
	}
	_, err := admin.EditApplication(t.Context(), id, app.ID,
		api.UpdateApplicationRequest{Status: api.To(api.StatusDisabled)})
	testkit.NoError(t, err)
	before := loads()
	active()
	if loads() == before {
		t.Error("a disabled application has no key read anew, so this test shows nothing")
	}
}
