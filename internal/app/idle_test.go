package app_test

import (
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// disableIdle is what the jobs do every minute, of which the last does it twice: the second time there is nothing to do.
func disableIdle(t *testing.T, h *testkit.House) {
	t.Helper()
	succeed(t, h.Notices.Plan(t.Context()))
	succeed(t, h.Engine.FlushUses(t.Context(), h.Store))
	twice(t, h.Keys.DisableIdle)
}

func TestAKeyThatNobodyUsesIsDisabledAndAnAdminAloneEnablesIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	setPolicy(t, h, autoExpiry(0))
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser, s.IdleDays = 0, 30 })
	other := h.Tenant("Other tenant", nil)
	person, admin := h.Member(tenant, "Key Owner", scope.Member), h.Member(tenant, "Tenant Admin", scope.Admin)
	h.Join(other, person, scope.Member)
	unused, used := h.Key(h.As(person), tenant, "applications:read"), h.Key(h.As(person), tenant, "applications:read")
	brief := named(t, h.As(person), tenant, "Short key", new(h.Clock.Now().Add(policy.Day)))
	elsewhere := h.Key(h.As(person), other, "applications:read")
	works := func(what string, k api.IssuedKey, want api.Code) {
		t.Helper()
		_, err := h.With(k).Whoami(t.Context())
		expect(t, what, err, want)
	}
	h.Clock.Move(23*policy.Day + policy.IdleMargin)
	disableIdle(t, h) // which tells
	h.Clock.Move(7*policy.Day - policy.IdleMargin)
	works("the used key", used, "")
	disableIdle(t, h)
	h.Clock.Move(2 * time.Minute)
	if shown := must[api.Key](t)(h.As(person).Key(t.Context(), string(tenant.ID), unused.Key.ID)); shown.Status != "active" {
		t.Errorf("within the margin it is %s", shown.Status)
	}
	disableIdle(t, h)
	works("the unused key", unused, api.APIKeyDisabled)
	works("one used of late", used, "")
	works("one that has expired", brief, api.APIKeyExpired)
	works("one of another tenant", elsewhere, "")
	shown := must[api.Key](t)(h.As(person).Key(t.Context(), string(tenant.ID), unused.Key.ID))
	if shown.DisabledAt == nil || shown.DisabledBy != nil {
		t.Errorf("disabled at %v by %v", shown.DisabledAt, shown.DisabledBy)
	}
	got := recorded(t, h, tenant, "key.disable")
	if len(got) != 1 || got[0].Actor.Type != "system" || got[0].Details["reason"] != "idle" {
		t.Errorf("on record are %+v", got)
	}

	_, err := h.As(person).EnableKey(t.Context(), string(tenant.ID), unused.Key.ID)
	expect(t, "its owner", err, api.Forbidden)
	_, err = h.As(admin).EnableKey(t.Context(), string(tenant.ID), unused.Key.ID)
	expect(t, "an admin", err, "")
	h.Clock.Move(29 * policy.Day)
	disableIdle(t, h)
	works("enabled 29 days ago", unused, "") // which is a use
}

// It is judged anew under its lock: a key that was found idle may have been used, disabled or revoked since.
func TestAKeyIsDisabledForIdlenessByWhatItIsUnderItsLock(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser, s.IdleDays = 0, 30 })
	person := h.Member(tenant, "Key Owner", scope.Member)
	used, disabled, revoked := h.Key(h.As(person), tenant, "applications:read"), h.Key(h.As(person), tenant, "applications:read"), h.Key(h.As(person), tenant, "applications:read")
	h.Clock.Move(24 * policy.Day)
	disableIdle(t, h) // which tells
	h.Clock.Move(policy.IdleNotice)
	_, err := h.With(used).Whoami(t.Context())
	expect(t, "a use", err, "")
	must[api.Key](t)(h.As(person).DisableKey(t.Context(), string(tenant.ID), disabled.Key.ID))
	must[*api.Key](t)(h.As(person).RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, ""))
	found := lists{Store: h.Keys.Store}
	for _, k := range []api.IssuedKey{used, disabled, revoked} {
		found.refs = append(found.refs, key.Ref{Tenant: tenant.ID, Key: ident.KeyID(k.Key.ID)})
	}
	h.Keys.Store = found
	disableIdle(t, h)
	for k, want := range map[*api.IssuedKey]api.Code{&used: "", &disabled: api.APIKeyDisabled, &revoked: api.APIKeyRevoked} {
		_, err := h.With(*k).Whoami(t.Context())
		expect(t, "a key", err, want)
	}
	if got := recorded(t, h, tenant, "key.disable"); len(got) != 1 {
		t.Errorf("on record are %+v", got)
	}
}

// However long a key has been idle, from when a tenant begins to disable idle keys there is time for the notice.
func TestNoKeyIsDisabledForIdlenessWithinTheNotice(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	k := h.Key(h.As(person), tenant, "applications:read")
	h.Clock.Move(60 * policy.Day)
	set := func(days api.Optional[int]) {
		t.Helper()
		must[api.Tenant](t)(h.As(h.Owner).EditTenant(t.Context(), string(tenant.ID), api.TenantPatch{Settings: &api.SettingsPatch{IdleDays: days}}))
	}
	status := func(want string) {
		t.Helper()
		disableIdle(t, h)
		if shown := must[api.Key](t)(h.As(person).Key(t.Context(), string(tenant.ID), k.Key.ID)); shown.Status != want {
			t.Errorf("it is %s, want %s", shown.Status, want)
		}
	}
	set(api.To(1))
	h.Clock.Move(policy.IdleMargin)
	status("active")
	h.Clock.Move(6 * policy.Day)
	status("active")
	set(api.Cleared[int]())
	h.Clock.Move(2 * policy.Day)
	status("active")
	set(api.To(2))
	h.Clock.Move(policy.IdleMargin)
	status("active")
	h.Clock.Move(policy.IdleNotice - time.Second)
	status("active")
	h.Clock.Move(time.Second)
	status("disabled")
}
