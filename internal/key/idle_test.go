package key_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAKeyThatNobodyUsesIsDisabledAndOnlyAnAdminEnablesIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	testkit.SetPolicy(t, h, testkit.AutoExpiry(0))
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser, s.IdleDays = 0, 30 })
	other := h.Tenant("Other tenant", nil)
	person, admin := h.Member(tenant, "Key Owner", scope.Member), h.Member(tenant, "Tenant Admin", scope.Admin)
	h.Join(other, person, scope.Member)
	unused, used := h.Key(h.As(person), tenant, "applications:read"), h.Key(h.As(person), tenant, "applications:read")
	brief := testkit.NamedKey(t, h.As(person), tenant, "Short key", new(h.Clock.Now().Add(policy.Day)))
	elsewhere := h.Key(h.As(person), other, "applications:read")
	works := func(what string, k api.IssuedKey, want api.Code) {
		t.Helper()
		_, err := h.With(k).Whoami(t.Context())
		testkit.ExpectCode(t, what, err, want)
	}
	h.Clock.Move(23*policy.Day + policy.IdleMargin)
	testkit.DisableIdleKeys(t, h) // plans the notice
	h.Clock.Move(7*policy.Day - policy.IdleMargin)
	works("the used key", used, "")
	testkit.DisableIdleKeys(t, h)
	h.Clock.Move(2 * time.Minute)
	if shown := testkit.Must[api.Key](t)(h.As(person).Key(t.Context(), string(tenant.ID),
		unused.Key.ID)); shown.Status != "active" {
		t.Errorf("within the margin it is %s", shown.Status)
	}
	testkit.DisableIdleKeys(t, h)
	works("the unused key", unused, api.APIKeyDisabled)
	works("one used of late", used, "")
	works("one that has expired", brief, api.APIKeyExpired)
	works("one of another tenant", elsewhere, "")
	shown := testkit.Must[api.Key](t)(h.As(person).Key(t.Context(), string(tenant.ID), unused.Key.ID))
	if shown.DisabledAt == nil || shown.DisabledBy != nil {
		t.Errorf("disabled at %v by %v", shown.DisabledAt, shown.DisabledBy)
	}
	got := testkit.TenantRecords(t, h, tenant, "key.disable")
	if len(got) != 1 || got[0].Actor.Type != "system" || got[0].Details["reason"] != "idle" {
		t.Errorf("on record are %+v", got)
	}

	_, err := h.As(person).EnableKey(t.Context(), string(tenant.ID), unused.Key.ID)
	testkit.ExpectCode(t, "its owner", err, api.Forbidden)
	_, err = h.As(admin).EnableKey(t.Context(), string(tenant.ID), unused.Key.ID)
	testkit.ExpectCode(t, "an admin", err, "")
	h.Clock.Move(29 * policy.Day)
	testkit.DisableIdleKeys(t, h)
	works("enabled 29 days ago", unused, "") // which is a use
}

// The sweep decides under the lock of the key: an idle key may have been used, disabled or revoked
// after it was found.
func TestDisablingIdleKeysDecidesUnderTheLockOfTheKey(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser, s.IdleDays = 0, 30 })
	person := h.Member(tenant, "Key Owner", scope.Member)
	used := h.Key(h.As(person), tenant, "applications:read")
	disabled := h.Key(h.As(person), tenant, "applications:read")
	revoked := h.Key(h.As(person), tenant, "applications:read")
	h.Clock.Move(24 * policy.Day)
	testkit.DisableIdleKeys(t, h) // plans the notice
	h.Clock.Move(policy.IdleNotice)
	_, err := h.With(used).Whoami(t.Context())
	testkit.ExpectCode(t, "a use", err, "")
	testkit.Must[api.Key](t)(h.As(person).DisableKey(t.Context(), string(tenant.ID), disabled.Key.ID))
	testkit.Must[*api.Key](t)(h.As(person).RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, ""))
	found := staleLists{SweepStore: h.KeySweeper.Store}
	for _, k := range []api.IssuedKey{used, disabled, revoked} {
		found.refs = append(found.refs, key.Ref{Tenant: tenant.ID, Key: ident.KeyID(k.Key.ID)})
	}
	h.KeySweeper.Store = found
	testkit.DisableIdleKeys(t, h)
	for k, want := range map[*api.IssuedKey]api.Code{
		&used: "", &disabled: api.APIKeyDisabled,
		&revoked: api.APIKeyRevoked,
	} {
		_, err := h.With(*k).Whoami(t.Context())
		testkit.ExpectCode(t, "a key", err, want)
	}
	if got := testkit.TenantRecords(t, h, tenant, "key.disable"); len(got) != 1 {
		t.Errorf("on record are %+v", got)
	}
}

// A tenant that begins to disable idle keys gives their owners time for the notice, however long
// the keys have been idle.
func TestNoKeyIsDisabledForIdlenessWithinTheNotice(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	k := h.Key(h.As(person), tenant, "applications:read")
	h.Clock.Move(60 * policy.Day)
	set := func(days api.Optional[int]) {
		t.Helper()
		testkit.Must[api.Tenant](t)(h.As(h.Owner).EditTenant(t.Context(), string(tenant.ID),
			api.UpdateTenantRequest{Settings: &api.SettingsPatch{IdleDays: days}}))
	}
	status := func(want string) {
		t.Helper()
		testkit.DisableIdleKeys(t, h)
		if shown := testkit.Must[api.Key](t)(h.As(person).Key(t.Context(), string(tenant.ID),
			k.Key.ID)); shown.Status != api.KeyStatus(want) {
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

// One call examines 20,000 keys, and the idle key comes after 45,000 that are disabled.
func TestAPassOverIdleKeysIsBoundedAndTheNextOneGoesOn(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser, s.IdleDays = 0, 10 })
	person := h.Member(tenant, "Key Owner", scope.Member)
	busy := h.Member(tenant, "Busy Owner", scope.Member)
	k := h.Key(h.As(person), tenant, "applications:read")
	before := h.Clock.Now().Add(-policy.Day).UnixMicro()
	testkit.InsertMany(t, h, 45_000, testkit.KeyRows(tenant, busy, 0, "NULL"),
		`INSERT INTO key_secrets
			(key_id, position, serial, lookup, public_id, last4, style, prefix, label, domain, set_at)
			SELECT 'key_0_' || i, 'current', 1, 'many' || i, 'many' || i, 'last', 'opaque', '', '', '', 1 FROM n`)
	_, err := h.Beside().ExecContext(t.Context(),
		fmt.Sprintf("UPDATE keys SET disabled_at = 1, secret_set_at = %d WHERE owner_id = '%s'", before, busy.ID))
	testkit.NoError(t, err)

	untilDone := func(what string, pass func(context.Context) error, done func() bool) {
		t.Helper()
		testkit.NoError(t, pass(t.Context()))
		if done() {
			t.Errorf("one pass %s after 45,000 keys", what)
		}
		for range 2 {
			testkit.NoError(t, pass(t.Context()))
		}
		if !done() {
			t.Errorf("three passes have not %s", what)
		}
	}
	h.Clock.Move(4 * policy.Day) // a week less an hour before it is idle
	untilDone("told the owner", h.Notices.Plan,
		func() bool { return testkit.CountRows(t, h, "outbox WHERE kind = 'key_idle'") == 1 })
	h.Clock.Move(8 * policy.Day)
	untilDone("disabled the key", h.KeySweeper.DisableIdle, func() bool {
		shown, err := h.As(person).Key(t.Context(), string(tenant.ID), k.Key.ID)
		testkit.NoError(t, err)
		return shown.Status == "disabled"
	})
}
