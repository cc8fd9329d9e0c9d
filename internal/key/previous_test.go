package key_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Both secrets are valid until the overlap ends. Then the old one is answered as expired, and after
// 30 days as unknown.
func TestInAnOverlapBothSecretsOfAKeyAreValid(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for _, keep := range []bool{true, false} {
		for _, p := range testkit.Presets {
			t.Run(string(p), func(t *testing.T) {
				verifier := h.Verifier() // its key expires too
				tenant := h.Preset(p, nil)
				person := h.Member(tenant, "Key Owner", scope.Admin)
				owner := h.As(person)
				old := h.Key(owner, tenant, "applications:read")
				fresh := testkit.RefreshKey(t, owner, tenant, old,
					api.RefreshKeyRequest{KeepID: &keep, OverlapSeconds: 600})
				ends := fresh.Key.SecretSetAt.Add(10 * time.Minute)
				if prev := fresh.Key.Previous; prev == nil || prev.PublicID != old.Key.PublicID ||
					prev.Last4 != old.Key.Last4 || prev.ExpiresAt.Sub(ends).Abs() > time.Second ||
					prev.LastUsedAt != nil {
					t.Errorf("previous %+v", prev)
				}
				decide := func(k api.IssuedKey) api.Decision {
					t.Helper()
					d, err := verifier.Verify(t.Context(),
						api.VerifyRequest{Credential: k.Credential.Value, Scopes: []string{"applications:read"}})
					if err != nil {
						t.Fatal(err)
					}
					return d
				}
				was, is := decide(old), decide(fresh)
				if diff := cmp.Diff(is, was); diff != "" || !is.Active || is.PublicID != fresh.Key.PublicID {
					t.Errorf("the decisions differ, or are not of the current id:\n%s", diff)
				}
				h.Clock.Move(10 * time.Minute)
				shown, err := h.As(person).Key(t.Context(), string(tenant.ID), old.Key.ID)
				if err != nil || shown.Previous != nil {
					t.Errorf("run out: previous %+v, %v", shown.Previous, err)
				}
				if got := decide(old); got.Code != api.APIKeyExpired || got.PublicID != fresh.Key.PublicID ||
					!decide(fresh).Active {
					t.Errorf("run out: %+v", got)
				}
				h.Clock.Move(30 * policy.Day)
				if got := decide(old); got.Code != api.APIKeyInvalid || got.KeyID != "" || !decide(fresh).Active {
					t.Errorf("30 days later: %+v", got)
				}
			})
		}
	}
}

func TestAPreviousSecretEndsOnRequestAndWithTheNextRefresh(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	owner, code := h.As(person), testkit.VerifyCode(t, h)
	week := api.RefreshKeyRequest{OverlapSeconds: 604800}
	first := h.Key(owner, tenant, "applications:read")
	second := testkit.RefreshKey(t, owner, tenant, first, week)
	third := testkit.RefreshKey(t, owner, tenant, second, week)
	wantCodes(t, "after the next refresh", [][2]api.Code{
		{code(first), api.APIKeyInvalid}, {code(second), api.OK}, {code(third), api.OK},
	})
	for name, c := range map[string]struct {
		client *client.Client
		want   api.Code
	}{
		"another member": {h.As(h.Member(tenant, "Other Member", scope.Member)), api.Forbidden},
		"a stranger":     {h.As(h.Person("A Stranger")), api.NotFound},
		"the key itself": {h.With(third), api.SessionRequired},
	} {
		if got := testkit.Code(t, c.client.EndPrevious(t.Context(), string(tenant.ID), first.Key.ID)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	for _, want := range []api.Code{"", api.NotFound} {
		if got := testkit.Code(t, admin.EndPrevious(t.Context(), string(tenant.ID), first.Key.ID)); got != want {
			t.Errorf("an admin ends it: %q, want %q", got, want)
		}
		if b, c := code(second), code(third); b != api.APIKeyInvalid || c != api.OK {
			t.Errorf("ended on request: %s, %s", b, c)
		}
	}
	if got := testkit.TenantRecords(t, h, tenant, "key.end_previous"); len(got) != 1 {
		t.Errorf("on record are %+v", got)
	}
	fourth := testkit.RefreshKey(t, owner, tenant, third, api.RefreshKeyRequest{OverlapSeconds: 1})
	h.Clock.Move(time.Second)
	if got := testkit.Code(t, owner.EndPrevious(t.Context(), string(tenant.ID), first.Key.ID)); got != api.NotFound {
		t.Errorf("one that ran out is ended: %q", got)
	}
	if c, d := code(third), code(fourth); c != api.APIKeyExpired || d != api.OK {
		t.Errorf("run out: %s, %s", c, d)
	}
	fifth := testkit.RefreshKey(t, owner, tenant, fourth, api.RefreshKeyRequest{})
	wantCodes(t, "after a refresh without overlap", [][2]api.Code{
		{code(third), api.APIKeyInvalid}, {code(fourth), api.APIKeyInvalid}, {code(fifth), api.OK},
	})
}

// An overlap does not extend the life of the old secret.
func TestAnOverlapEndsWhereTheOldSecretWouldHave(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	person := h.Member(tenant, "Key Owner", scope.Member)
	code := testkit.VerifyCode(t, h)
	week := api.RefreshKeyRequest{OverlapSeconds: 604800}
	byItself := keyOfAnHour(t, h, h.As(person), tenant)
	later := testkit.RefreshKey(t, h.As(person), tenant, byItself,
		api.RefreshKeyRequest{OverlapSeconds: 604800, ExpiresAt: api.Cleared[time.Time]()})
	if got := later.Key.Previous.ExpiresAt; !got.Equal(*byItself.Key.ExpiresAt) {
		t.Errorf("an overlap until %v of a key until %v", got, byItself.Key.ExpiresAt)
	}
	h.Clock.Move(time.Hour)
	if was, is := code(byItself), code(later); was != api.APIKeyExpired || is != api.OK {
		t.Errorf("after its own expiry: %s, %s", was, is)
	}
	byPolicy := h.Key(h.As(person), tenant, "applications:read")
	h.Clock.Move(89 * policy.Day)
	later = testkit.RefreshKey(t, h.As(person), tenant, byPolicy, week)
	if got := later.Key.Previous.ExpiresAt; !got.Equal(*byPolicy.Key.EffectiveExpiresAt) {
		t.Errorf("an overlap until %v of a key that expires automatically at %v", got, byPolicy.Key.EffectiveExpiresAt)
	}
	h.Clock.Move(policy.Day)
	code = testkit.VerifyCode(t, h) // whose key expired with it
	if was, is := code(byPolicy), code(later); was != api.APIKeyExpired || is != api.OK {
		t.Errorf("after 90 days: %s, %s", was, is)
	}
	soon := h.Clock.Now().Add(time.Minute)
	both := h.Key(h.As(person), tenant, "applications:read")
	later = testkit.RefreshKey(t, h.As(person), tenant, both, week)
	edited, err := h.As(person).EditKey(t.Context(), string(tenant.ID), both.Key.ID,
		api.UpdateKeyRequest{ExpiresAt: api.To(soon)})
	if err != nil || !edited.Previous.ExpiresAt.Equal(soon) {
		t.Errorf("a key edited to end at %v has a previous secret until %+v, %v", soon, edited.Previous, err)
	}
	h.Clock.Move(time.Minute)
	if was, is := code(both), code(later); was != api.APIKeyExpired || is != api.APIKeyExpired {
		t.Errorf("after the key's end: %s, %s", was, is)
	}
}

// Row A7 for each secret: during an overlap, people watch whether the old secret is still used.
func TestTheLastUseOfAPreviousSecretIsShown(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	for _, keep := range []bool{true, false} {
		old := h.Key(owner, tenant, "applications:read")
		use := func(k api.IssuedKey) {
			t.Helper()
			if _, err := h.With(k).Whoami(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		use(old)
		fresh := testkit.RefreshKey(t, owner, tenant, old, api.RefreshKeyRequest{KeepID: &keep, OverlapSeconds: 600})
		show := func() api.Key {
			t.Helper()
			k, err := owner.Key(t.Context(), string(tenant.ID), old.Key.ID)
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		h.Clock.Move(time.Minute)
		use(fresh)
		if got := show(); got.Previous.LastUsedAt != nil {
			t.Errorf("a use of the new secret counts for the old one: %v", got.Previous.LastUsedAt)
		}
		h.Clock.Move(time.Minute)
		use(fresh)
		before := h.Clock.Now()
		use(old)
		got := show()
		if got.Previous.LastUsedAt == nil || got.Previous.LastUsedAt.Before(before) {
			t.Errorf("the old secret was used at %v, not at %v", before, got.Previous.LastUsedAt)
		}
		between := h.Clock.Now()
		use(old)
		use(fresh)
		after := h.Clock.Now()
		if again := show(); again.Previous.LastUsedAt.Before(between) || again.Previous.LastUsedAt.After(after) ||
			!again.LastUsedAt.After(*again.Previous.LastUsedAt) {
			t.Errorf("the old secret was used at %v, after %v, and the key at %v", again.Previous.LastUsedAt, between,
				again.LastUsedAt)
		}
		testkit.NoError(t, h.Usage.Flush(t.Context(), h.Store))
		if written := show(); !written.Previous.LastUsedAt.Before(after) {
			t.Errorf("on record, the old secret was used at %v, after %v", written.Previous.LastUsedAt, after)
		}
	}
}

// A refresh during an overlap ends the oldest secret, and the answer says which one that is.
func TestARefreshSaysWhichSecretItEndsEarly(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	k := h.Key(owner, tenant, "applications:read")
	if k.EndedPrevious != nil {
		t.Errorf("a new key ended %+v", k.EndedPrevious)
	}
	stays, changes := true, false
	for _, step := range []struct {
		what      string
		meanwhile func()
		refresh   api.RefreshKeyRequest
		ends      bool
	}{
		{"the first", func() {}, api.RefreshKeyRequest{OverlapSeconds: 3600}, false},
		{"the second, in the overlap", func() {}, api.RefreshKeyRequest{OverlapSeconds: 3600, KeepID: &stays}, true},
		{
			"the third, which takes another id", func() {},
			api.RefreshKeyRequest{OverlapSeconds: 60, KeepID: &changes},
			true,
		},
		{"the fourth, without an overlap of its own", func() {}, api.RefreshKeyRequest{}, true},
		{"the fifth, after one without an overlap", func() {}, api.RefreshKeyRequest{OverlapSeconds: 60}, false},
		{
			"the sixth, after the overlap", func() { h.Clock.Move(time.Minute) },
			api.RefreshKeyRequest{OverlapSeconds: 3600},
			false,
		},
		{"the seventh, after the overlap was ended", func() {
			testkit.NoError(t, owner.EndPrevious(t.Context(), string(tenant.ID), k.Key.ID))
		}, api.RefreshKeyRequest{OverlapSeconds: 3600}, false},
	} {
		step.meanwhile()
		before := testkit.Must[api.Key](t)(owner.Key(t.Context(), string(tenant.ID), k.Key.ID))
		last := testkit.Must[api.IssuedKey](t)(owner.RefreshKey(t.Context(), string(tenant.ID), k.Key.ID, step.refresh))
		if diff := cmp.Diff(before.Previous, last.EndedPrevious); diff != "" ||
			(last.EndedPrevious != nil) != step.ends {
			t.Errorf("%s ended %+v: %s", step.what, last.EndedPrevious, diff)
		}
	}
}

// wantCodes compares the codes of each pair: the one that was answered and the one that is wanted.
func wantCodes(t *testing.T, when string, pairs [][2]api.Code) {
	t.Helper()
	for i, p := range pairs {
		if p[0] != p[1] {
			t.Errorf("%s, secret %d: %s, not %s", when, i+1, p[0], p[1])
		}
	}
}
