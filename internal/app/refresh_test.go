package app_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

var presets = []policy.Preset{policy.Standard, policy.BlazeMeter, policy.LoadRunner, policy.Blazeauth, policy.Blancco}

// refresh must succeed.
func refresh(t *testing.T, c *client.Client, tenant tenancy.Tenant, k api.IssuedKey, r api.Refresh) api.IssuedKey {
	t.Helper()
	fresh, err := c.RefreshKey(t.Context(), string(tenant.ID), k.Key.ID, r)
	if err != nil {
		t.Fatal(err)
	}
	return fresh
}

// asker gives the code of a value, as a verifier of the account hears it.
func asker(t *testing.T, h *testkit.House) func(api.IssuedKey) api.Code {
	verifier := h.Verifier()
	return func(k api.IssuedKey) api.Code {
		t.Helper()
		d, err := verifier.Verify(t.Context(), api.VerifyRequest{Credential: *k.Credential.Value})
		if err != nil {
			t.Fatal(err)
		}
		return d.Code
	}
}

// Rows B4 and L4: a new secret under the same id or a new one, as the owner chooses, in every style.
func TestARefreshGivesANewSecretUnderTheIdThatWasAskedFor(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	code := asker(t, h)
	for _, p := range presets {
		t.Run(string(p), func(t *testing.T) {
			tenant := h.Preset(p, nil)
			owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
			old := h.Key(owner, tenant, "applications:read")
			for _, keep := range []*bool{nil, new(true), new(false)} {
				fresh := refresh(t, owner, tenant, old, api.Refresh{KeepID: keep})
				kept := keep == nil || *keep || p == policy.Blancco // whose key id stands in
				if same := fresh.Key.PublicID == old.Key.PublicID; same != kept {
					t.Errorf("public id %s became %s", old.Key.PublicID, fresh.Key.PublicID)
				}
				if fresh.Link != nil || fresh.Credential.ID != fresh.Key.PublicID || !strings.HasSuffix(*fresh.Credential.Secret, fresh.Key.Last4) || fresh.Credential.Style != old.Credential.Style {
					t.Errorf("answered %+v and %+v", fresh.Key, fresh.Credential)
				}
				if !fresh.Key.SecretSetAt.After(*old.Key.SecretSetAt) || fresh.Key.Previous != nil || fresh.Key.ID != old.Key.ID {
					t.Errorf("the key is %+v", fresh.Key)
				}
				if was, is := code(old), code(fresh); was != api.APIKeyInvalid || is != api.OK {
					t.Errorf("the old secret is %s and the new one %s", was, is)
				}
				shown, err := owner.Key(t.Context(), string(tenant.ID), fresh.Key.ID)
				if err == nil {
					shown.LastUsedAt, shown.LastUsedIP = fresh.Key.LastUsedAt, fresh.Key.LastUsedIP // a use of before may be on record by now
				}
				if err != nil || !cmp.Equal(fresh.Key, shown) {
					t.Errorf("answered is not what is kept: %s, %v", cmp.Diff(fresh.Key, shown), err)
				}
				old = fresh
			}
			if got := recorded(t, h, tenant, "key.refresh"); len(got) != 3 || got[2].Details["keep_id"] != "false" {
				t.Errorf("on record are %+v", got)
			}
		})
	}
}

// A key keeps the shape it was minted with until it gets a new id.
func TestANewIdTakesTheShapeTheTenantHasNow(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	pairs := h.Preset(policy.BlazeMeter, nil)
	owner := h.As(h.Member(pairs, "Key Owner", scope.Member))
	k := h.Key(owner, pairs)
	if fresh := refresh(t, owner, pairs, k, api.Refresh{KeepID: new(false)}); len(fresh.Key.PublicID) != 24 || fresh.Key.Style != "pair" {
		t.Errorf("a new id of a pair is %s (%s)", fresh.Key.PublicID, fresh.Key.Style)
	}
}

func TestARefreshIsTheOwnersUnlessTheTenantLetsAdmins(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for adminMay, want := range map[bool]api.Code{false: api.Forbidden, true: ""} {
		tenant := h.Tenant("Main", func(s *policy.Settings) { s.AdminRefresh = adminMay })
		owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
		k := h.Key(owner, tenant, "applications:read")
		for name, c := range map[string]struct {
			client *client.Client
			want   api.Code
		}{
			"the owner":        {owner, ""},
			"an admin":         {h.As(h.Member(tenant, "Tenant Admin", scope.Admin)), want},
			"an account owner": {h.As(h.Owner), want},
			"another member":   {h.As(h.Member(tenant, "Other Member", scope.Member)), api.Forbidden},
			"an auditor":       {h.As(h.Member(tenant, "The Auditor", scope.Auditor)), api.Forbidden},
			"a stranger":       {h.As(h.Person("A Stranger")), api.NotFound},
			"a key":            {h.With(h.Key(owner, tenant, "applications:read")), api.SessionRequired},
		} {
			_, err := c.client.RefreshKey(t.Context(), string(tenant.ID), k.Key.ID, api.Refresh{})
			if got := testkit.Code(t, err); got != c.want {
				t.Errorf("admins may: %t; %s: %q, want %q", adminMay, name, got, c.want)
			}
		}
	}
}

func TestARefreshThatBreaksARuleIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := h.Key(owner, tenant, "applications:read")
	beyond := h.Clock.Now().Add(3650*policy.Day + time.Hour).Format(time.RFC3339)
	for body, want := range map[string]string{
		`{"overlap_seconds":-1}`:                "overlap_seconds range",
		`{"overlap_seconds":604801}`:            "overlap_seconds range",
		`{"overlap_seconds":1e30}`:              "overlap_seconds type",
		`{"expires_at":"2001-01-01T00:00:00Z"}`: "expires_at past",
		`{"expires_at":"` + beyond + `"}`:       "expires_at beyond_policy",
		`{"keep_id":"yes"}`:                     "keep_id type",
		`{"overlap":5}`:                         "overlap unknown",
	} {
		err := owner.Do(t.Context(), http.MethodPost, "/api/v1/tenants/"+string(tenant.ID)+"/keys/"+k.Key.ID+"/refresh", rawJSON(body), nil)
		if got := fieldsAtFault(t, err); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	if _, err := h.With(k).Whoami(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if err := owner.Do(t.Context(), http.MethodPost, "/api/v1/tenants/"+string(tenant.ID)+"/keys/"+k.Key.ID+"/refresh", nil, &k); err != nil {
		t.Errorf("without a body: %v", err)
	}
	if _, err := owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	_, err := owner.RefreshKey(t.Context(), string(tenant.ID), k.Key.ID, api.Refresh{})
	if got := testkit.Code(t, err); got != api.Conflict {
		t.Errorf("a revoked key: %q", got)
	}
	if got := testkit.Code(t, owner.EndPrevious(t.Context(), string(tenant.ID), k.Key.ID)); got != api.Conflict {
		t.Errorf("the previous secret of a revoked key: %q", got)
	}
}

// What a key's own expiry becomes; automatic expiration counts anew in every case.
func TestARefreshMovesTheExpiry(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	at := func(d time.Duration) *time.Time { return new(h.Clock.Now().Add(d)) }
	week, fortnight, year := at(7*policy.Day), at(14*policy.Day), at(365*policy.Day)
	cases := []struct {
		name   string
		before *time.Time
		asked  api.Optional[time.Time]
		own    *time.Time // nil for none
		moves  bool       // with the secret
		cut    bool       // by automatic expiration
	}{
		{"none stays none", nil, api.Optional[time.Time]{}, nil, false, true},
		{"a set one keeps its span", week, api.Optional[time.Time]{}, week, true, false},
		{"null takes it away", week, api.Cleared[time.Time](), nil, false, true},
		{"another one", week, api.To(*fortnight), fortnight, false, false},
		{"one that automatic expiration cuts", nil, api.To(*year), year, false, true},
	}
	var keys []api.IssuedKey
	for _, c := range cases {
		keys = append(keys, named(t, owner, tenant, "Test key", c.before))
	}
	h.Clock.Move(time.Hour)
	for i, c := range cases {
		k := refresh(t, owner, tenant, keys[i], api.Refresh{ExpiresAt: c.asked}).Key
		want := c.own
		if c.moves {
			want = new(c.own.Add(k.SecretSetAt.Sub(*keys[i].Key.SecretSetAt)))
		}
		effective := want
		if c.cut {
			effective = new(k.SecretSetAt.Add(90 * policy.Day))
		}
		if diff := cmp.Diff([]*time.Time{want, effective}, []*time.Time{k.ExpiresAt, k.EffectiveExpiresAt}); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestADisabledKeyIsRefreshedAndStaysDisabled(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner, code := h.As(h.Member(tenant, "Key Owner", scope.Member)), asker(t, h)
	k := h.Key(owner, tenant, "applications:read")
	if _, err := owner.DisableKey(t.Context(), string(tenant.ID), k.Key.ID); err != nil {
		t.Fatal(err)
	}
	fresh := refresh(t, owner, tenant, k, api.Refresh{OverlapSeconds: 60})
	if was, is := code(k), code(fresh); fresh.Key.Status != "disabled" || was != api.APIKeyDisabled || is != api.APIKeyDisabled {
		t.Errorf("%s; the old secret is %s and the new one %s", fresh.Key.Status, was, is)
	}
	if _, err := owner.EnableKey(t.Context(), string(tenant.ID), k.Key.ID); err != nil {
		t.Fatal(err)
	}
	if was, is := code(k), code(fresh); was != api.OK || is != api.OK {
		t.Errorf("enabled: the old secret is %s and the new one %s", was, is)
	}
}

// expiring makes a key that expires in an hour.
func expiring(t *testing.T, h *testkit.House, c *client.Client, tenant tenancy.Tenant) api.IssuedKey {
	t.Helper()
	return named(t, c, tenant, "Short key", new(h.Clock.Now().Add(time.Hour)))
}

func TestAnExpiredKeyIsRevivedByItsOwnerFor30Days(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.AdminRefresh = true })
	person, admin := h.Member(tenant, "Key Owner", scope.Member), h.Member(tenant, "Tenant Admin", scope.Admin)
	code := asker(t, h)
	k := expiring(t, h, h.As(person), tenant)
	try := func(p principal.Person, r api.Refresh) api.Code {
		fresh, err := h.As(p).RefreshKey(t.Context(), string(tenant.ID), k.Key.ID, r)
		if err == nil {
			k = fresh
		}
		return testkit.Code(t, err)
	}
	h.Clock.Move(time.Hour + 29*policy.Day)
	if got := try(admin, api.Refresh{}); got != api.Conflict {
		t.Errorf("an admin: %q", got)
	}
	old := k
	if got := try(person, api.Refresh{OverlapSeconds: 600}); got != "" || k.Key.Status != "active" || k.Key.Previous != nil {
		t.Fatalf("the owner: %q, %+v", got, k.Key)
	}
	if was, is := code(old), code(k); was != api.APIKeyInvalid || is != api.OK { // an expired secret gets no overlap
		t.Errorf("the old secret is %s and the new one %s", was, is)
	}
	h.Clock.Move(time.Hour + 30*policy.Day)
	for _, p := range []principal.Person{person, admin} {
		if got := try(p, api.Refresh{}); got != api.Conflict {
			t.Errorf("after 30 days, %s: %q", p.Name, got)
		}
	}
}

// Row L10: a revived key takes a place again; one that lives keeps its own, whatever the cap is now.
func TestARevivedKeyCountsUnderTheCapAndALivingOneKeepsItsPlace(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	lapsed := []api.IssuedKey{expiring(t, h, owner, tenant), expiring(t, h, owner, tenant)}
	h.Clock.Move(time.Hour)
	refresh(t, owner, tenant, lapsed[0], api.Refresh{}) // in a place that it frees itself
	living := h.Key(owner, tenant, "applications:read") // in the other's
	_, err := owner.RefreshKey(t.Context(), string(tenant.ID), lapsed[1].Key.ID, api.Refresh{})
	if got := testkit.Code(t, err); got != api.KeyLimitReached {
		t.Errorf("a third: %q", got)
	}
	refresh(t, owner, tenant, living, api.Refresh{})
	if _, err := owner.RevokeKey(t.Context(), string(tenant.ID), living.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	revived := refresh(t, owner, tenant, lapsed[1], api.Refresh{})
	if _, err := h.With(revived).Whoami(t.Context()); err != nil {
		t.Errorf("in the place of a revoked one: %v", err)
	}
	if _, err := owner.CreateKey(t.Context(), string(tenant.ID), api.NewKey{Name: "Third key", Scopes: []string{"*"}, AllApplications: true}); testkit.Code(t, err) != api.KeyLimitReached {
		t.Errorf("one more: %v", err)
	}
}

// Both secrets name one key until the overlap ends; then the old one says expired, and after 30 days nothing.
func TestInAnOverlapBothSecretsNameOneKey(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for _, keep := range []bool{true, false} {
		for _, p := range presets {
			t.Run(string(p), func(t *testing.T) {
				verifier := h.Verifier() // its key expires too
				tenant := h.Preset(p, nil)
				person := h.Member(tenant, "Key Owner", scope.Admin)
				owner := h.As(person)
				old := h.Key(owner, tenant, "applications:read")
				fresh := refresh(t, owner, tenant, old, api.Refresh{KeepID: &keep, OverlapSeconds: 600})
				ends := fresh.Key.SecretSetAt.Add(10 * time.Minute)
				if prev := fresh.Key.Previous; prev == nil || prev.PublicID != old.Key.PublicID || prev.Last4 != old.Key.Last4 || prev.ExpiresAt.Sub(ends).Abs() > time.Second || prev.LastUsedAt != nil {
					t.Errorf("previous %+v", prev)
				}
				decide := func(k api.IssuedKey) api.Decision {
					t.Helper()
					d, err := verifier.Verify(t.Context(), api.VerifyRequest{Credential: *k.Credential.Value, Scopes: []string{"applications:read"}})
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
				if got := decide(old); got.Code != api.APIKeyExpired || got.PublicID != fresh.Key.PublicID || !decide(fresh).Active {
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

func TestAPreviousSecretEndsByHandAndWithTheNextRefresh(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	owner, code := h.As(person), asker(t, h)
	week := api.Refresh{OverlapSeconds: 604800}
	first := h.Key(owner, tenant, "applications:read")
	second := refresh(t, owner, tenant, first, week)
	third := refresh(t, owner, tenant, second, week)
	if a, b, c := code(first), code(second), code(third); a != api.APIKeyInvalid || b != api.OK || c != api.OK {
		t.Errorf("after the next refresh: %s, %s, %s", a, b, c)
	}
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
			t.Errorf("ended by hand: %s, %s", b, c)
		}
	}
	if got := recorded(t, h, tenant, "key.end_previous"); len(got) != 1 {
		t.Errorf("on record are %+v", got)
	}
	fourth := refresh(t, owner, tenant, third, api.Refresh{OverlapSeconds: 1})
	h.Clock.Move(time.Second)
	if got := testkit.Code(t, owner.EndPrevious(t.Context(), string(tenant.ID), first.Key.ID)); got != api.NotFound {
		t.Errorf("one that ran out is ended: %q", got)
	}
	if c, d := code(third), code(fourth); c != api.APIKeyExpired || d != api.OK {
		t.Errorf("run out: %s, %s", c, d)
	}
	fifth := refresh(t, owner, tenant, fourth, api.Refresh{})
	if c, d, e := code(third), code(fourth), code(fifth); c != api.APIKeyInvalid || d != api.APIKeyInvalid || e != api.OK {
		t.Errorf("after a refresh without overlap: %s, %s, %s", c, d, e)
	}
}

// An overlap postpones no end that the old secret had.
func TestAnOverlapEndsWhereTheOldSecretWouldHave(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	person := h.Member(tenant, "Key Owner", scope.Member)
	code := asker(t, h)
	week := api.Refresh{OverlapSeconds: 604800}
	byItself := expiring(t, h, h.As(person), tenant)
	later := refresh(t, h.As(person), tenant, byItself, api.Refresh{OverlapSeconds: 604800, ExpiresAt: api.Cleared[time.Time]()})
	if got := later.Key.Previous.ExpiresAt; !got.Equal(*byItself.Key.ExpiresAt) {
		t.Errorf("an overlap until %v of a key until %v", got, byItself.Key.ExpiresAt)
	}
	h.Clock.Move(time.Hour)
	if was, is := code(byItself), code(later); was != api.APIKeyExpired || is != api.OK {
		t.Errorf("after its own expiry: %s, %s", was, is)
	}
	byPolicy := h.Key(h.As(person), tenant, "applications:read")
	h.Clock.Move(89 * policy.Day)
	later = refresh(t, h.As(person), tenant, byPolicy, week)
	if got := later.Key.Previous.ExpiresAt; !got.Equal(*byPolicy.Key.EffectiveExpiresAt) {
		t.Errorf("an overlap until %v of a key that expires automatically at %v", got, byPolicy.Key.EffectiveExpiresAt)
	}
	h.Clock.Move(policy.Day)
	code = asker(t, h) // whose key expired with it
	if was, is := code(byPolicy), code(later); was != api.APIKeyExpired || is != api.OK {
		t.Errorf("after 90 days: %s, %s", was, is)
	}
	soon := h.Clock.Now().Add(time.Minute)
	both := h.Key(h.As(person), tenant, "applications:read")
	later = refresh(t, h.As(person), tenant, both, week)
	edited, err := h.As(person).EditKey(t.Context(), string(tenant.ID), both.Key.ID, api.KeyEdit{ExpiresAt: api.To(soon)})
	if err != nil || !edited.Previous.ExpiresAt.Equal(soon) {
		t.Errorf("a key edited to end at %v has a previous secret until %+v, %v", soon, edited.Previous, err)
	}
	h.Clock.Move(time.Minute)
	if was, is := code(both), code(later); was != api.APIKeyExpired || is != api.APIKeyExpired {
		t.Errorf("after the key's end: %s, %s", was, is)
	}
}

// Row A7 for each secret: whether somebody still uses the old one is what an overlap is watched for.
func TestTheUseOfAPreviousSecretShowsBesideABusyCurrentOne(t *testing.T) {
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
		fresh := refresh(t, owner, tenant, old, api.Refresh{KeepID: &keep, OverlapSeconds: 600})
		show := func() api.Key {
			t.Helper()
			if err := h.Engine.FlushUses(t.Context(), h.Store); err != nil {
				t.Fatal(err)
			}
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
		use(old) // within the second in which the key's use is not noted again
		got := show()
		if got.Previous.LastUsedAt == nil || got.Previous.LastUsedAt.Before(before) {
			t.Errorf("the old secret was used at %v, not at %v", before, got.Previous.LastUsedAt)
		}
		use(old)
		use(fresh)
		if again := show(); !again.Previous.LastUsedAt.Equal(*got.Previous.LastUsedAt) {
			t.Errorf("used at %v and then at %v", got.Previous.LastUsedAt, again.Previous.LastUsedAt)
		}
	}
}

// Invariant I5: however many refresh at once, one secret works; with an overlap, one and the one before.
func TestOf32RefreshesAtOnceOneSecretIsLeft(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
		owner, code := h.As(h.Member(tenant, "Key Owner", scope.Member)), asker(t, h)
		for _, c := range []struct {
			overlap int
			keep    bool
			left    int
		}{{0, true, 1}, {0, false, 1}, {60, true, 2}, {60, false, 2}, {60, true, 2}, {60, true, 2}} {
			k := h.Key(owner, tenant, "applications:read")
			answers := make(chan api.IssuedKey, 32)
			var group sync.WaitGroup
			for range 32 {
				group.Go(func() {
					fresh, err := owner.RefreshKey(t.Context(), string(tenant.ID), k.Key.ID, api.Refresh{KeepID: &c.keep, OverlapSeconds: c.overlap})
					switch got := testkit.Code(t, err); got {
					case "":
						answers <- fresh
					case api.Conflict: // refreshed meanwhile
					default:
						t.Errorf("%s", got)
					}
				})
			}
			group.Wait()
			close(answers)
			secrets := []api.IssuedKey{k}
			for fresh := range answers {
				secrets = append(secrets, fresh)
			}
			count := map[api.Code]int{}
			for _, k := range secrets {
				count[code(k)]++
			}
			if len(secrets) < 2 || count[api.OK] != c.left || count[api.APIKeyInvalid] != len(secrets)-c.left {
				t.Errorf("%+v: of %d secrets %v", c, len(secrets), count)
			}
			shown, err := owner.Key(t.Context(), string(tenant.ID), k.Key.ID)
			if err != nil || !slices.ContainsFunc(secrets, func(k api.IssuedKey) bool { return code(k) == api.OK && k.Key.Last4 == shown.Last4 }) {
				t.Errorf("the key shows %s, which is of no secret that works (%v)", shown.Last4, err)
			}
		}
	})
}

// Invariant I2, with readers at work: once it was answered, what a refresh or the end of a previous secret took away is never accepted.
func TestNoOldSecretIsAcceptedAfterItsEndWasAnswered(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
		owner, code := h.As(h.Member(tenant, "Key Owner", scope.Member)), asker(t, h)
		keep := []bool{true, false}
		for i := range 12 {
			old := h.Key(owner, tenant, "applications:read")
			answered := make(chan struct{})
			var readers sync.WaitGroup
			for range 4 {
				readers.Go(func() {
					for {
						select {
						case <-answered:
							if got := code(old); got != api.APIKeyInvalid {
								t.Errorf("after the end: %s", got)
							}
							return
						default:
							code(old)
						}
					}
				})
			}
			if i < 6 {
				refresh(t, owner, tenant, old, api.Refresh{KeepID: &keep[i%2]})
			} else {
				refresh(t, owner, tenant, old, api.Refresh{KeepID: &keep[i%2], OverlapSeconds: 60})
				if err := owner.EndPrevious(t.Context(), string(tenant.ID), old.Key.ID); err != nil {
					t.Error(err)
				}
			}
			close(answered)
			readers.Wait()
		}
	})
}
