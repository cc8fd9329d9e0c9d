package key_test

import (
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestADisabledKeyIsRefusedUntilItIsEnabled(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner, admin := h.As(h.Member(tenant, "Key Owner", scope.Member)),
		h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	other, auditor := h.As(h.Member(tenant, "Other Member", scope.Member)),
		h.As(h.Member(tenant, "The Auditor", scope.Auditor))
	cases := []struct {
		name              string
		disables, enables *client.Client
		refused           api.Code // of enabling; "" for done
	}{
		{"the owner, and the owner", owner, owner, ""},
		{"the owner, and an admin", owner, admin, ""},
		{"an admin, and an admin", admin, admin, ""},
		{"an admin, and the owner", admin, owner, api.Forbidden},
		{"the owner, and another member", owner, other, api.Forbidden},
		{"the owner, and an auditor", owner, auditor, api.Forbidden},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := h.Key(owner, tenant, "applications:read")
			off, err := c.disables.DisableKey(t.Context(), string(tenant.ID), k.Key.ID)
			if err != nil || off.Status != "disabled" || off.DisabledAt == nil || off.DisabledBy == nil {
				t.Fatalf("disable: %+v, %v", off, err)
			}
			if _, err := h.With(k).Whoami(t.Context()); testkit.Code(t, err) != api.APIKeyDisabled {
				t.Errorf("a disabled key: %v", err)
			}
			on, err := c.enables.EnableKey(t.Context(), string(tenant.ID), k.Key.ID)
			if got := testkit.Code(t, err); got != c.refused {
				t.Fatalf("enable: %q, want %q", got, c.refused)
			}
			_, err = h.With(k).Whoami(t.Context())
			if works := err == nil; works != (c.refused == "") || works && (on.Status != "active" ||
				on.DisabledBy != nil) {
				t.Errorf("afterwards: %+v, %v", on, err)
			}
		})
	}
}

func TestAnAdminDisablesAKeyThatItsOwnerHasDisabled(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner, admin := h.As(h.Member(tenant, "Key Owner", scope.Member)),
		h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	k := h.Key(owner, tenant, "applications:read")
	for _, c := range []*client.Client{owner, owner, admin, owner} { // a repetition changes nothing
		if _, err := c.DisableKey(t.Context(), string(tenant.ID), k.Key.ID); err != nil {
			t.Fatal(err)
		}
	}
	_, err := owner.EnableKey(t.Context(), string(tenant.ID), k.Key.ID)
	if got := testkit.Code(t, err); got != api.Forbidden {
		t.Errorf("the owner enables what an admin disabled: %q", got)
	}
	if _, err := admin.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	for name, act := range map[string]func() error{
		"disable": func() error { _, err := admin.DisableKey(t.Context(), string(tenant.ID), k.Key.ID); return err },
		"enable":  func() error { _, err := admin.EnableKey(t.Context(), string(tenant.ID), k.Key.ID); return err },
	} {
		if got := testkit.Code(t, act()); got != api.Conflict {
			t.Errorf("%s a revoked key: %q, want %s", name, got, api.Conflict)
		}
	}
}
