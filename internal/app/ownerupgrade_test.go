package app_test

import (
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// A node of the version before would not know such an owner, or when one ended.
func TestServiceAccountsWaitForTheEndOfTheUpgrade(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.Postgres)
	tenant := h.Tenant("Main", testkit.UnlimitedKeys)
	in := string(tenant.ID)
	person := h.Member(tenant, "Key Owner", scope.Member)
	h.Join(tenant, h.Owner, scope.Admin)
	leaving := h.Member(tenant, "Other Owner", scope.Member)
	for _, owner := range []principal.Person{person, leaving} {
		testkit.InsertMany(t, h, 2*tenancy.MaxEndedAtOnce, manyKeysOf(tenant, string(owner.ID)))
	}
	testkit.Exec(t, h, `DELETE FROM goose_db_version WHERE version_id >= 17`)
	node := h.Node(h.Config.Database.URL.Reveal()) // which has not seen the end of the upgrade
	demandUpgraded(t, node, false)
	c := node.As(h.Owner)
	set := func(s api.SettingsPatch) error {
		return testkit.ErrorOf(c.EditTenant(t.Context(), in, api.UpdateTenantRequest{Settings: &s}))
	}
	for what, err := range map[string]error{
		"a service account": testkit.ErrorOf(c.CreateServiceAccount(t.Context(), in,
			api.CreateServiceAccountRequest{Name: "Build", Role: api.RoleMember})),
		"owners":                   set(api.SettingsPatch{Owners: api.To([]api.PartyType{api.PartyUser})}),
		"keys_per_service_account": set(api.SettingsPatch{KeysPerServiceAccount: api.To(5)}),
		"keys_per_subject":         set(api.SettingsPatch{KeysPerSubject: api.To(5)}),
	} {
		if testkit.Code(t, err) != api.Conflict || !strings.Contains(err.Error(), "claviger migrate finish") {
			t.Errorf("%s: %v", what, err)
		}
	}
	testkit.NoError(t, set(api.SettingsPatch{KeysPerUser: api.To(7)}))
	testkit.NoError(t, c.RemoveMember(t.Context(), in, string(person.ID)))
	testkit.NoError(t, node.As(leaving).DeleteMe(t.Context()))
	left := testkit.QueryInt(t, h, `SELECT COUNT(*) FROM keys WHERE revoked_at IS NULL`)
	if ended := testkit.CountRows(t, h, "ended_owners"); left > 0 || ended > 0 {
		t.Errorf("of two users who left %d keys are left, for a job with %d rows", left, ended)
	}
}
