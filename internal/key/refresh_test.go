package key_test

import (
	"net/http"
	"strings"
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

// Rows B4 and L4: in every style, the owner chooses whether the new secret has the same id or a new
// one.
func TestARefreshGivesANewSecretUnderTheIdThatWasAskedFor(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	code := testkit.VerifyCode(t, h)
	for _, p := range testkit.Presets {
		t.Run(string(p), func(t *testing.T) {
			tenant := h.Preset(p, nil)
			owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
			old := h.Key(owner, tenant, "applications:read")
			for _, keep := range []*bool{nil, new(true), new(false)} {
				fresh := testkit.RefreshKey(t, owner, tenant, old, api.RefreshKeyRequest{KeepID: keep})
				kept := keep == nil || *keep || p == policy.Blancco // which uses the key id
				if same := fresh.Key.PublicID == old.Key.PublicID; same != kept {
					t.Errorf("public id %s became %s", old.Key.PublicID, fresh.Key.PublicID)
				}
				if fresh.Link != nil || fresh.Credential.ID != fresh.Key.PublicID ||
					!strings.HasSuffix(fresh.Credential.Secret, fresh.Key.Last4) ||
					fresh.Credential.Style != old.Credential.Style {
					t.Errorf("answered %+v and %+v", fresh.Key, fresh.Credential)
				}
				if !fresh.Key.SecretSetAt.After(*old.Key.SecretSetAt) || fresh.Key.Previous != nil ||
					fresh.Key.ID != old.Key.ID {
					t.Errorf("the key is %+v", fresh.Key)
				}
				if was, is := code(old), code(fresh); was != api.APIKeyInvalid || is != api.OK {
					t.Errorf("the old secret is %s and the new one %s", was, is)
				}
				shown, err := owner.Key(t.Context(), string(tenant.ID), fresh.Key.ID)
				if err == nil {
					// an earlier use may have been recorded meanwhile
					shown.LastUsedAt, shown.LastUsedIP = fresh.Key.LastUsedAt, fresh.Key.LastUsedIP
				}
				if err != nil || !cmp.Equal(fresh.Key, shown) {
					t.Errorf("the answer is not what is stored: %s, %v", cmp.Diff(fresh.Key, shown), err)
				}
				old = fresh
			}
			if got := testkit.TenantRecords(t, h, tenant, "key.refresh"); len(got) != 3 ||
				got[2].Details["keep_id"] != "false" {
				t.Errorf("on record are %+v", got)
			}
		})
	}
}

// A key keeps its shape until it gets a new id.
func TestANewIdTakesTheShapeTheTenantHasNow(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	pairs := h.Preset(policy.BlazeMeter, nil)
	owner := h.As(h.Member(pairs, "Key Owner", scope.Member))
	k := h.Key(owner, pairs)
	if fresh := testkit.RefreshKey(t, owner, pairs, k,
		api.RefreshKeyRequest{KeepID: new(false)}); len(fresh.Key.PublicID) != 24 ||
		fresh.Key.Style != "pair" {
		t.Errorf("a new id of a pair is %s (%s)", fresh.Key.PublicID, fresh.Key.Style)
	}
}

func TestOnlyTheOwnerRefreshesUnlessTheTenantLetsAdmins(t *testing.T) {
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
			_, err := c.client.RefreshKey(t.Context(), string(tenant.ID), k.Key.ID, api.RefreshKeyRequest{})
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
		err := owner.Do(t.Context(), http.MethodPost, "/api/v1/tenants/"+string(tenant.ID)+"/keys/"+k.Key.ID+"/refresh",
			rawJSON(body), nil)
		if got := testkit.FieldErrors(t, err); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	if _, err := h.With(k).Whoami(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if err := owner.Do(t.Context(), http.MethodPost, "/api/v1/tenants/"+string(tenant.ID)+"/keys/"+k.Key.ID+"/refresh",
		nil, &k); err != nil {
		t.Errorf("without a body: %v", err)
	}
	if _, err := owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	_, err := owner.RefreshKey(t.Context(), string(tenant.ID), k.Key.ID, api.RefreshKeyRequest{})
	if got := testkit.Code(t, err); got != api.Conflict {
		t.Errorf("a revoked key: %q", got)
	}
	if got := testkit.Code(t, owner.EndPrevious(t.Context(), string(tenant.ID), k.Key.ID)); got != api.Conflict {
		t.Errorf("the previous secret of a revoked key: %q", got)
	}
}

// The table says what a key's own expiry becomes. Automatic expiration always starts again.
func TestARefreshMovesTheExpiry(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	at := func(d time.Duration) *time.Time { return new(h.Clock.Now().Add(d)) }
	week := at(7 * policy.Day)
	fortnight := at(14 * policy.Day)
	year := at(365 * policy.Day)
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
		keys = append(keys, testkit.NamedKey(t, owner, tenant, "Test key", c.before))
	}
	h.Clock.Move(time.Hour)
	for i, c := range cases {
		k := testkit.RefreshKey(t, owner, tenant, keys[i], api.RefreshKeyRequest{ExpiresAt: c.asked}).Key
		want := c.own
		if c.moves {
			want = new(c.own.Add(k.SecretSetAt.Sub(*keys[i].Key.SecretSetAt)))
		}
		effective := want
		if c.cut {
			effective = new(k.SecretSetAt.Add(90 * policy.Day))
		}
		if diff := cmp.Diff([]*time.Time{want, effective},
			[]*time.Time{k.ExpiresAt, k.EffectiveExpiresAt}); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestADisabledKeyIsRefreshedAndStaysDisabled(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner, code := h.As(h.Member(tenant, "Key Owner", scope.Member)), testkit.VerifyCode(t, h)
	k := h.Key(owner, tenant, "applications:read")
	if _, err := owner.DisableKey(t.Context(), string(tenant.ID), k.Key.ID); err != nil {
		t.Fatal(err)
	}
	fresh := testkit.RefreshKey(t, owner, tenant, k, api.RefreshKeyRequest{OverlapSeconds: 60})
	if was, is := code(k), code(fresh); fresh.Key.Status != "disabled" || was != api.APIKeyDisabled ||
		is != api.APIKeyDisabled {
		t.Errorf("%s; the old secret is %s and the new one %s", fresh.Key.Status, was, is)
	}
	if _, err := owner.EnableKey(t.Context(), string(tenant.ID), k.Key.ID); err != nil {
		t.Fatal(err)
	}
	if was, is := code(k), code(fresh); was != api.OK || is != api.OK {
		t.Errorf("enabled: the old secret is %s and the new one %s", was, is)
	}
}

// keyOfAnHour creates a key that expires in an hour.
func keyOfAnHour(t *testing.T, h *testkit.Server, c *client.Client, tenant tenancy.Tenant) api.IssuedKey {
	t.Helper()
	return testkit.NamedKey(t, c, tenant, "Short key", new(h.Clock.Now().Add(time.Hour)))
}

func TestItsOwnerRefreshesAnExpiredKeyFor30Days(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.AdminRefresh = true })
	person, admin := h.Member(tenant, "Key Owner", scope.Member), h.Member(tenant, "Tenant Admin", scope.Admin)
	code := testkit.VerifyCode(t, h)
	k := keyOfAnHour(t, h, h.As(person), tenant)
	try := func(p principal.Person, r api.RefreshKeyRequest) api.Code {
		fresh, err := h.As(p).RefreshKey(t.Context(), string(tenant.ID), k.Key.ID, r)
		if err == nil {
			k = fresh
		}
		return testkit.Code(t, err)
	}
	h.Clock.Move(time.Hour + 29*policy.Day)
	if got := try(admin, api.RefreshKeyRequest{}); got != api.Conflict {
		t.Errorf("an admin: %q", got)
	}
	old := k
	if got := try(person, api.RefreshKeyRequest{OverlapSeconds: 600}); got != "" || k.Key.Status != "active" ||
		k.Key.Previous != nil {
		t.Fatalf("the owner: %q, %+v", got, k.Key)
	}
	if was, is := code(old), code(k); was != api.APIKeyInvalid || is != api.OK { // an expired secret gets no overlap
		t.Errorf("the old secret is %s and the new one %s", was, is)
	}
	h.Clock.Move(time.Hour + 30*policy.Day)
	for _, p := range []principal.Person{person, admin} {
		if got := try(p, api.RefreshKeyRequest{}); got != api.Conflict {
			t.Errorf("after 30 days, %s: %q", p.Name, got)
		}
	}
}

// Row L10: a refreshed key that had expired takes a slot again. An active key keeps its slot,
// whatever the cap is now.
func TestARefreshedExpiredKeyTakesASlotAndAnActiveOneKeepsIts(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	expired := []api.IssuedKey{keyOfAnHour(t, h, owner, tenant), keyOfAnHour(t, h, owner, tenant)}
	h.Clock.Move(time.Hour)
	testkit.RefreshKey(t, owner, tenant, expired[0], api.RefreshKeyRequest{}) // in a slot that it frees itself
	living := h.Key(owner, tenant, "applications:read")                       // in the slot of the other
	_, err := owner.RefreshKey(t.Context(), string(tenant.ID), expired[1].Key.ID, api.RefreshKeyRequest{})
	if got := testkit.Code(t, err); got != api.KeyLimitReached {
		t.Errorf("a third: %q", got)
	}
	testkit.RefreshKey(t, owner, tenant, living, api.RefreshKeyRequest{})
	if _, err := owner.RevokeKey(t.Context(), string(tenant.ID), living.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	revived := testkit.RefreshKey(t, owner, tenant, expired[1], api.RefreshKeyRequest{})
	if _, err := h.With(revived).Whoami(t.Context()); err != nil {
		t.Errorf("in the slot of a revoked one: %v", err)
	}
	if _, err := owner.CreateKey(t.Context(), string(tenant.ID),
		api.CreateKeyRequest{Name: "Third key", Scopes: []string{"*"}, AllApplications: true}); testkit.Code(t,
		err) != api.KeyLimitReached {
		t.Errorf("one more: %v", err)
	}
}

// A refresh shows the new secret to the person who asks for it.
func TestOnlyAnAccountOwnerOrAdminRefreshesTheirOwnKeys(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.AdminRefresh = true })
	admin, person := h.Member(tenant, "Tenant Admin", scope.Admin), h.Member(tenant, "Key Owner", scope.Admin)
	k := h.Key(h.As(person), tenant, "applications:read")
	refresh := func(by principal.Person) api.Code {
		_, err := h.As(by).RefreshKey(t.Context(), string(tenant.ID), k.Key.ID, api.RefreshKeyRequest{})
		return testkit.Code(t, err)
	}
	steps := []struct {
		when   string
		change func() error
		by     principal.Person
		want   api.Code
	}{
		{"of a member", func() error { return nil }, admin, ""},
		{"of an account admin, by a tenant admin", func() error {
			_, err := h.As(h.Owner).SetAccountMember(t.Context(), string(h.Account.ID), string(person.ID), "admin")
			return err
		}, admin, api.Forbidden},
		{"of an account admin, by an account owner", func() error { return nil }, h.Owner, api.Forbidden},
		{"of an account admin, by themselves", func() error { return nil }, person, ""},
		{"of a member again", func() error {
			return h.As(h.Owner).RemoveAccountMember(t.Context(), string(h.Account.ID), string(person.ID))
		}, admin, ""},
	}
	for _, s := range steps {
		testkit.NoError(t, s.change())
		if got := refresh(s.by); got != s.want {
			t.Errorf("%s: %q, want %q", s.when, got, s.want)
		}
	}
}
