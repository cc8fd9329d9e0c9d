package key_test

import (
	"context"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// For 90 days its holder is told that the key expired. Then its digest is deleted; its row stays.
func TestAKeyThatExpiredLongAgoIsForgotten(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	person := h.Member(tenant, "Key Owner", scope.Member)
	owner := h.As(person)
	byRule := h.Key(owner, tenant, "applications:read")
	byDate := testkit.NamedKey(t, owner, tenant, "Short key", new(h.Clock.Now().Add(90*policy.Day)))
	revoked := h.Key(owner, tenant, "applications:read")
	testkit.Must[*api.Key](t)(owner.RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, ""))
	h.Clock.Move(180*policy.Day - time.Minute)
	testkit.Twice(t, h.KeySweeper.ForgetExpired)
	code := testkit.VerifyCode(t, h)
	for name, k := range map[string]api.IssuedKey{"by a rule": byRule, "by date": byDate} {
		if got := code(k); got != api.APIKeyExpired {
			t.Errorf("expired %s for 90 days less a minute: %s", name, got)
		}
	}
	h.Clock.Move(2 * time.Minute)
	young := h.Key(h.As(person), tenant, "applications:read")
	testkit.Twice(t, h.KeySweeper.ForgetExpired)
	for name, c := range map[string]struct {
		key    api.IssuedKey
		want   api.Code
		status string
	}{
		"expired by a rule for 90 days": {byRule, api.APIKeyInvalid, "expired"},
		"expired by date for 90 days":   {byDate, api.APIKeyInvalid, "expired"},
		"revoked":                       {revoked, api.APIKeyRevoked, "revoked"},
		"young":                         {young, api.OK, "active"},
	} {
		shown := testkit.Must[api.Key](t)(h.As(person).Key(t.Context(), string(tenant.ID), c.key.Key.ID))
		if got := code(c.key); got != c.want || shown.Status != api.KeyStatus(c.status) {
			t.Errorf("%s: %s, and shown %s; want %s and %s", name, got, shown.Status, c.want, c.status)
		}
	}
	_, err := h.As(person).RefreshKey(t.Context(), string(tenant.ID), byRule.Key.ID, api.RefreshKeyRequest{})
	testkit.ExpectCode(t, "a refresh of what is forgotten", err, api.Conflict)
	got := testkit.TenantRecords(t, h, tenant, "key.forget")
	if len(got) != 2 || got[0].Actor.Type != string(principal.KindSystem) || got[0].Details["expired_at"] == "" ||
		got[0].Details["public_id"] == "" {
		t.Errorf("on record are %+v", got)
	}
}

// staleLists is a SweepStore that lists keys that have changed since they were found.
type staleLists struct {
	key.SweepStore
	refs []key.Ref
}

func (l staleLists) KeysExpiredBy(context.Context, time.Time) ([]key.Ref, error) { return l.refs, nil }

func (l staleLists) KeysUnclaimedBy(context.Context, time.Time) ([]key.Ref, error) {
	return l.refs, nil
}

func (l staleLists) KeysWithPreviousEndedBy(context.Context, time.Time) ([]key.Ref, error) {
	return l.refs, nil
}

func (l staleLists) IdleKeys(_ context.Context, _ ident.TenantID, _ time.Time,
	_ key.Position,
) (held []key.SlotHolder, _ *key.Position, err error) {
	for _, r := range l.refs {
		held = append(held, key.SlotHolder{Key: r.Key})
	}
	return held, nil, nil
}

func TestForgettingDecidesUnderTheLockOfTheKey(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	active := h.Key(owner, tenant, "applications:read")
	revoked := h.Key(owner, tenant, "applications:read")
	gone := h.Key(owner, tenant, "applications:read")
	overlapping := h.Key(owner, tenant, "applications:read")
	testkit.RefreshKey(t, owner, tenant, overlapping, api.RefreshKeyRequest{OverlapSeconds: key.MaxOverlap})
	testkit.Must[*api.Key](t)(owner.RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, ""))
	testkit.ExpectCode(t, "delete", owner.DeleteKey(t.Context(), string(tenant.ID), gone.Key.ID), "")
	found := staleLists{SweepStore: h.KeySweeper.Store}
	for _, k := range []api.IssuedKey{active, revoked, gone, overlapping} {
		found.refs = append(found.refs, key.Ref{Tenant: tenant.ID, Key: ident.KeyID(k.Key.ID)})
	}
	h.KeySweeper.Store = found
	testkit.Twice(t, h.KeySweeper.ForgetExpired)
	code := testkit.VerifyCode(t, h)
	for k, want := range map[*api.IssuedKey]api.Code{
		&active: api.OK, &revoked: api.APIKeyRevoked,
		&gone: api.APIKeyInvalid, &overlapping: api.OK,
	} {
		if got := code(*k); got != want {
			t.Errorf("a key is %s, want %s", got, want)
		}
	}
}

// A key that had expired before the policy was loosened is forgotten by the rule that expired it.
// Any other key is not.
func TestALoosenedPolicyForgetsWhatItHadExpired(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	expired := h.Key(h.As(person), tenant, "applications:read")
	h.Clock.Move(30 * policy.Day)
	saved := h.Key(h.As(person), tenant, "applications:read")
	h.Clock.Move(61 * policy.Day)
	testkit.SetPolicy(t, h, testkit.AutoExpiry(0))
	h.Clock.Move(90 * policy.Day)
	testkit.Twice(t, h.KeySweeper.ForgetExpired)
	code := testkit.VerifyCode(t, h)
	if was, is := code(expired), code(saved); was != api.APIKeyInvalid || is != api.OK {
		t.Errorf("the one that had expired is %s and the other %s", was, is)
	}
}

func TestAPreviousSecretThatEndedLongAgoIsRemoved(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	old := h.Key(owner, tenant, "applications:read")
	k := testkit.RefreshKey(t, owner, tenant, old, api.RefreshKeyRequest{KeepID: new(false), OverlapSeconds: 60})
	lookups := func() int {
		t.Helper()
		stored, err := h.Store.Key(t.Context(), tenant.ID, ident.KeyID(k.Key.ID))
		if err != nil {
			t.Fatal(err)
		}
		return len(stored.Lookups)
	}
	code := testkit.VerifyCode(t, h)
	for _, c := range []struct {
		after time.Duration
		want  api.Code
		kept  int
	}{{30 * policy.Day, api.APIKeyExpired, 2}, {2 * time.Minute, api.APIKeyInvalid, 1}} {
		h.Clock.Move(c.after)
		testkit.Twice(t, h.KeySweeper.ForgetExpired)
		if got := code(old); got != c.want || lookups() != c.kept {
			t.Errorf("after %s more the old secret is %s, of %d kept; want %s of %d", c.after, got, lookups(), c.want,
				c.kept)
		}
	}
	if got := code(k); got != api.OK || len(testkit.TenantRecords(t, h, tenant, "key.forget_previous")) != 1 {
		t.Errorf("the current secret is %s", got)
	}
}
