package app_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestATenantIsCreatedWithTheSettingsOfAnother(t *testing.T) {
	t.Parallel()
	h := newHost(t, testkit.SQLite)
	testkit.EditSettings(t, h.Server, h.tenant, `{"prefix":"acme","label":"live","default_scopes":["films:read"]}`)
	owner := h.As(h.Owner)
	live := testkit.Must[api.Tenant](t)(owner.Tenant(t.Context(), h.id))
	test := testkit.Must[api.Tenant](t)(owner.CreateTenant(t.Context(),
		api.CreateTenantRequest{Name: "Films test", CopySettingsFrom: h.id}))
	if diff := cmp.Diff(live.Settings, test.Settings); diff != "" || test.Preset != live.Preset {
		t.Errorf("the settings are other than those copied, preset %s:\n%s", test.Preset, diff)
	}
	want := testkit.Must[api.List[api.Scope]](t)(owner.Scopes(t.Context(), h.id))
	got := testkit.Must[api.List[api.Scope]](t)(owner.Scopes(t.Context(), test.ID))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the scopes are other than those copied:\n%s", diff)
	}
	for what, c := range map[string]struct {
		request api.CreateTenantRequest
		want    string
	}{
		"with both": {
			api.CreateTenantRequest{Name: "Third", Preset: api.PresetStandard, CopySettingsFrom: h.id},
			"copy_settings_from exclusive",
		},
		"of no tenant": {
			api.CreateTenantRequest{Name: "Third", CopySettingsFrom: "ten_0000000000000000"},
			"copy_settings_from unknown",
		},
		"of no id": {api.CreateTenantRequest{Name: "Third", CopySettingsFrom: "Films"}, "copy_settings_from form"},
	} {
		_, err := owner.CreateTenant(t.Context(), c.request)
		if got := testkit.FieldErrors(t, err); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
	_, err := h.admin.CreateTenant(t.Context(), api.CreateTenantRequest{
		Name: "Third", AccountID: string(h.Account.ID), CopySettingsFrom: h.id,
	})
	h.refused("by an admin of the tenant alone", err, api.Forbidden)
}

func TestAKeyOfAnotherEnvironmentGetsAHint(t *testing.T) {
	t.Parallel()
	h := newHost(t, testkit.SQLite)
	other := h.Server.Tenant("Films test", testkit.UnlimitedKeys)
	k := h.Server.Key(h.As(h.Member(other, "Other Admin", scope.Admin)), other, "applications:read")
	for what, c := range map[string]struct {
		verify func(api.VerifyRequest) (api.Decision, error)
		tenant string
		hint   string
	}{
		"an owner of the account": {
			func(q api.VerifyRequest) (api.Decision, error) { return h.As(h.Owner).Verify(t.Context(), q) },
			h.id, "other_tenant",
		},
		"a verifier of one tenant": {
			func(q api.VerifyRequest) (api.Decision, error) { return h.verifier.Verify(t.Context(), q) }, h.id, "",
		},
		"the tenant of the key": {
			func(q api.VerifyRequest) (api.Decision, error) { return h.verifier.Verify(t.Context(), q) },
			string(other.ID), "",
		},
	} {
		d, err := c.verify(api.VerifyRequest{Credential: k.Credential.Value, TenantID: c.tenant})
		if err != nil {
			t.Errorf("%s: %s", what, testkit.FieldErrors(t, err))
			continue
		}
		if d.Active || d.Code != api.APIKeyInvalid || d.Hint != c.hint || d.KeyID != "" {
			t.Errorf("%s: %+v, want the hint %q", what, d, c.hint)
		}
	}
}
