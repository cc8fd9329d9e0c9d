package app_test

import (
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// On SQLite there is one writer at a time, who waits before anything is read.
func TestASettingThatChangesWhileAKeyIsBeingMadeOrRefreshedCounts(t *testing.T) {
	url := testkit.MigratedDatabase(t)
	h := testkit.StartOn(t, url)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.AdminRefresh = true })
	member := h.Member(tenant, "Key Owner", scope.Member)
	owner, admin := h.As(member), h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	k := h.Key(owner, tenant, "applications:read")
	set := func(s api.SettingsPatch) func() {
		return func() {
			if _, err := h.As(h.Owner).EditTenant(t.Context(), string(tenant.ID),
				api.UpdateTenantRequest{Settings: &s}); err != nil {
				t.Error(err)
			}
		}
	}
	err := testkit.WhileWaiting(t, url, "users", string(member.ID), func() error {
		_, err := owner.CreateKey(t.Context(), string(tenant.ID),
			api.CreateKeyRequest{Name: "Late key", Scopes: []string{"applications:read"}, AllApplications: true})
		return err
	}, set(api.SettingsPatch{Creators: api.To([]api.Creator{"admin"})}))
	testkit.ExpectCode(t, "a member's key where from now on only admins make them", err, api.Forbidden)
	err = testkit.WhileWaiting(t, url, "users", string(member.ID), func() error {
		_, err := admin.RefreshKey(t.Context(), string(tenant.ID), k.Key.ID, api.RefreshKeyRequest{})
		return err
	}, set(api.SettingsPatch{AdminRefresh: api.To(false)}))
	testkit.ExpectCode(t, "an admin's refresh where from now on only owners may", err, api.Forbidden)
}

func TestAKeyThatExpiresWhileAnEditWaitsStaysExpired(t *testing.T) {
	url := testkit.MigratedDatabase(t)
	h := testkit.StartOn(t, url)
	tenant := h.Tenant("Main tenant", nil)
	member := h.Member(tenant, "Key Owner", scope.Member)
	owner, end := h.As(member), h.Clock.Now().Add(time.Hour)
	k := testkit.Must[api.IssuedKey](t)(owner.CreateKey(t.Context(), string(tenant.ID), api.CreateKeyRequest{
		Name: "Short key", Scopes: []string{"applications:read"}, AllApplications: true, ExpiresAt: &end,
	}))
	later := end.Add(24 * time.Hour)
	err := testkit.WhileWaiting(t, url, "users", string(member.ID), func() error {
		_, err := owner.EditKey(t.Context(), string(tenant.ID), k.Key.ID,
			api.UpdateKeyRequest{ExpiresAt: api.To(later)})
		return err
	}, func() {
		h.Clock.Move(2 * time.Hour)
		_, err := h.With(k).Whoami(t.Context())
		testkit.ExpectCode(t, "the key after its end", err, api.APIKeyExpired)
	})
	testkit.ExpectCode(t, "the edit", err, api.Conflict)
	_, err = h.With(k).Whoami(t.Context())
	testkit.ExpectCode(t, "the key in the end", err, api.APIKeyExpired)
}

func TestASecretThatEndsWhileItsRequestWaitsChangesNothing(t *testing.T) {
	url := testkit.MigratedDatabase(t)
	h := testkit.StartOn(t, url)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	refresh := func(k api.IssuedKey, overlap int) {
		_, err := owner.RefreshKey(t.Context(), string(tenant.ID), k.Key.ID,
			api.RefreshKeyRequest{OverlapSeconds: overlap})
		testkit.ExpectCode(t, "refresh", err, "")
	}
	for name, c := range map[string]struct {
		meanwhile func(k api.IssuedKey)
		want      api.Code
	}{
		"replaced":    {func(k api.IssuedKey) { refresh(k, 0) }, api.APIKeyInvalid},
		"overlapping": {func(k api.IssuedKey) { refresh(k, 60) }, ""},
		"run out":     {func(k api.IssuedKey) { refresh(k, 60); h.Clock.Move(time.Minute) }, api.APIKeyExpired},
		"ended by hand": {func(k api.IssuedKey) {
			refresh(k, 60)
			testkit.ExpectCode(t, "end", owner.EndPrevious(t.Context(), string(tenant.ID), k.Key.ID), "")
		}, api.APIKeyInvalid},
		"replaced twice": {func(k api.IssuedKey) { refresh(k, 60); refresh(k, 60) }, api.APIKeyInvalid},
	} {
		k := h.Key(owner, tenant, "applications:create")
		err := testkit.WhileWaiting(t, url, "tenants", string(tenant.ID), func() error {
			_, err := h.With(k).CreateApplication(t.Context(), string(tenant.ID),
				api.CreateApplicationRequest{Name: "Late application"})
			return err
		}, func() { c.meanwhile(k) })
		testkit.ExpectCode(t, name, err, c.want)
	}
}
