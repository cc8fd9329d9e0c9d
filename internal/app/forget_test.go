package app_test

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

// twice runs a pass of a job: the second time there is nothing to do.
func twice(t *testing.T, pass func(context.Context) error) {
	t.Helper()
	for range 2 {
		succeed(t, pass(t.Context()))
	}
}

// Its holder is told that it expired, for 90 days; then what proves it is gone, and the row stays.
func TestAKeyThatExpiredLongAgoIsForgotten(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	person := h.Member(tenant, "Key Owner", scope.Member)
	owner := h.As(person)
	byRule := h.Key(owner, tenant, "applications:read")
	byDate := named(t, owner, tenant, "Short key", new(h.Clock.Now().Add(90*policy.Day)))
	revoked := h.Key(owner, tenant, "applications:read")
	must[*api.Key](t)(owner.RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, ""))
	h.Clock.Move(180*policy.Day - time.Minute)
	twice(t, h.Keys.ForgetExpired)
	code := asker(t, h)
	for name, k := range map[string]api.IssuedKey{"by a rule": byRule, "by date": byDate} {
		if got := code(k); got != api.APIKeyExpired {
			t.Errorf("expired %s for 90 days less a minute: %s", name, got)
		}
	}
	h.Clock.Move(2 * time.Minute)
	young := h.Key(h.As(person), tenant, "applications:read")
	twice(t, h.Keys.ForgetExpired)
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
		shown := must[api.Key](t)(h.As(person).Key(t.Context(), string(tenant.ID), c.key.Key.ID))
		if got := code(c.key); got != c.want || shown.Status != c.status {
			t.Errorf("%s: %s, and shown %s; want %s and %s", name, got, shown.Status, c.want, c.status)
		}
	}
	_, err := h.As(person).RefreshKey(t.Context(), string(tenant.ID), byRule.Key.ID, api.Refresh{})
	expect(t, "a refresh of what is forgotten", err, api.Conflict)
	got := recorded(t, h, tenant, "key.forget")
	if len(got) != 2 || got[0].Actor.Type != string(principal.ByItself) || got[0].Details["expired_at"] == "" || got[0].Details["public_id"] == "" {
		t.Errorf("on record are %+v", got)
	}
}

// lists gives the jobs keys that were found a moment ago and are otherwise by now.
type lists struct {
	key.Store
	refs []key.Ref
}

func (l lists) KeysExpiredBy(context.Context, time.Time) ([]key.Ref, error) { return l.refs, nil }

func (l lists) PreviousOverBy(context.Context, time.Time) ([]key.Ref, error) { return l.refs, nil }

func (l lists) IdleKeys(_ context.Context, _ ident.TenantID, _ time.Time, after key.Hold) (held []key.Hold, err error) {
	for _, r := range l.refs {
		if after.Key == "" {
			held = append(held, key.Hold{Key: r.Key})
		}
	}
	return held, nil
}

func TestAKeyIsForgottenByWhatItIsUnderItsLock(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	active, revoked, gone := h.Key(owner, tenant, "applications:read"), h.Key(owner, tenant, "applications:read"), h.Key(owner, tenant, "applications:read")
	overlapping := h.Key(owner, tenant, "applications:read")
	refresh(t, owner, tenant, overlapping, api.Refresh{OverlapSeconds: key.MaxOverlap})
	must[*api.Key](t)(owner.RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, ""))
	expect(t, "delete", owner.DeleteKey(t.Context(), string(tenant.ID), gone.Key.ID), "")
	found := lists{Store: h.Keys.Store}
	for _, k := range []api.IssuedKey{active, revoked, gone, overlapping} {
		found.refs = append(found.refs, key.Ref{Tenant: tenant.ID, Key: ident.KeyID(k.Key.ID)})
	}
	h.Keys.Store = found
	twice(t, h.Keys.ForgetExpired)
	code := asker(t, h)
	for k, want := range map[*api.IssuedKey]api.Code{&active: api.OK, &revoked: api.APIKeyRevoked, &gone: api.APIKeyInvalid, &overlapping: api.OK} {
		if got := code(*k); got != want {
			t.Errorf("a key is %s, want %s", got, want)
		}
	}
}

// What a loosened policy left expired is forgotten by the rule that expired it; what it saved is not.
func TestALoosenedPolicyForgetsWhatItHadExpired(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	expired := h.Key(h.As(person), tenant, "applications:read")
	h.Clock.Move(30 * policy.Day)
	saved := h.Key(h.As(person), tenant, "applications:read")
	h.Clock.Move(61 * policy.Day)
	setPolicy(t, h, autoExpiry(0))
	h.Clock.Move(90 * policy.Day)
	twice(t, h.Keys.ForgetExpired)
	code := asker(t, h)
	if was, is := code(expired), code(saved); was != api.APIKeyInvalid || is != api.OK {
		t.Errorf("the one that had expired is %s and the other %s", was, is)
	}
}

func TestAPreviousSecretThatRanOutLongAgoIsRemoved(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	old := h.Key(owner, tenant, "applications:read")
	k := refresh(t, owner, tenant, old, api.Refresh{KeepID: new(false), OverlapSeconds: 60})
	lookups := func() int {
		t.Helper()
		stored, err := h.Store.Key(t.Context(), tenant.ID, ident.KeyID(k.Key.ID))
		if err != nil {
			t.Fatal(err)
		}
		return len(stored.Lookups)
	}
	code := asker(t, h)
	for _, c := range []struct {
		after time.Duration
		want  api.Code
		kept  int
	}{{30 * policy.Day, api.APIKeyExpired, 2}, {2 * time.Minute, api.APIKeyInvalid, 1}} {
		h.Clock.Move(c.after)
		twice(t, h.Keys.ForgetExpired)
		if got := code(old); got != c.want || lookups() != c.kept {
			t.Errorf("after %s more the old secret is %s, of %d kept; want %s of %d", c.after, got, lookups(), c.want, c.kept)
		}
	}
	if got := code(k); got != api.OK || len(recorded(t, h, tenant, "key.forget_previous")) != 1 {
		t.Errorf("the current secret is %s", got)
	}
}
