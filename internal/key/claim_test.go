package key_test

import (
	"encoding/base64"
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

// Row L2: only the owner sees the secret, not the admin who creates the key.
func TestTheOwnerOfAKeyClaimsItsSecretByLink(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	code := testkit.VerifyCode(t, h)
	for _, p := range testkit.Presets {
		t.Run(string(p), func(t *testing.T) {
			settings := func(s *policy.Settings) { s.Creators = []policy.Creator{policy.ByAdmin} }
			tenant := h.Preset(p, settings)
			admin, person := h.As(h.Member(tenant, "Tenant Admin", scope.Admin)),
				h.Member(tenant, "Key Owner", scope.Member)
			k, token := testkit.KeyByLink(t, admin, tenant, person, nil)
			if !strings.HasPrefix(*k.Link.URL, h.URL+"/") || k.Link.ExpiresAt.Sub(k.Key.CreatedAt) != 7*policy.Day {
				t.Errorf("the link is of another server, or expires at %v", k.Link.ExpiresAt)
			}
			if k.Key.SecretSetAt != nil || k.Key.Last4 != "" || k.Key.PublicID == "" || k.Key.Delivery != "link" ||
				k.Key.Status != "active" {
				t.Errorf("the key is %+v", k.Key)
			}
			h.Clock.Move(time.Hour)
			claimed, err := h.As(person).ClaimKey(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			if claimed.Link != nil || claimed.Key.ID != k.Key.ID || claimed.Key.PublicID != k.Key.PublicID ||
				claimed.Credential.ID != k.Key.PublicID {
				t.Errorf("claimed %+v and %+v", claimed.Key, claimed.Credential)
			}
			if claimed.Key.SecretSetAt == nil || claimed.Key.SecretSetAt.Before(k.Key.CreatedAt.Add(time.Hour)) ||
				!strings.HasSuffix(claimed.Credential.Secret, claimed.Key.Last4) {
				t.Errorf("the secret was set at %v and ends in %q", claimed.Key.SecretSetAt, claimed.Key.Last4)
			}
			shown, err := admin.Key(t.Context(), string(tenant.ID), k.Key.ID)
			if err != nil || !cmp.Equal(claimed.Key, shown) {
				t.Errorf("the answer is not what is stored: %s, %v", cmp.Diff(claimed.Key, shown), err)
			}
			if got := code(claimed); got != api.OK {
				t.Errorf("the claimed key is %s", got)
			}
			if got := testkit.TenantRecords(t, h, tenant, "key.claim"); len(got) != 1 ||
				got[0].Actor.ID != string(person.ID) {
				t.Errorf("on record are %+v", got)
			}
			if _, err := h.As(person).ClaimKey(t.Context(), token); testkit.Code(t, err) != api.LinkInvalid {
				t.Errorf("a second time: %v", err)
			}
			if got := code(claimed); got != api.OK {
				t.Errorf("after the second time the key is %s", got)
			}
		})
	}
}

func TestOnlyTheOwnerCanUseTheLinkAndOnlyInTime(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	adminPerson, person := h.Member(tenant, "Tenant Admin", scope.Admin), h.Member(tenant, "Key Owner", scope.Member)
	admin := h.As(adminPerson)
	k, token := testkit.KeyByLink(t, admin, tenant, person, nil)
	soon := h.Clock.Now().Add(24 * time.Hour)
	_, ofExpired := testkit.KeyByLink(t, admin, tenant, person, &soon)
	revoked, ofRevoked := testkit.KeyByLink(t, admin, tenant, person, nil)
	deleted, ofDeleted := testkit.KeyByLink(t, admin, tenant, person, nil)
	if _, err := admin.RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	if err := admin.DeleteKey(t.Context(), string(tenant.ID), deleted.Key.ID); err != nil {
		t.Fatal(err)
	}
	h.Clock.Move(25 * time.Hour)
	owner := h.As(person)
	forged := strings.Repeat("A", len(token)-16) + token[len(token)-16:]
	for name, c := range map[string]struct {
		client *client.Client
		token  string
		want   api.Code
	}{
		"the admin who made it":    {h.As(adminPerson), token, api.LinkInvalid},
		"an account owner":         {h.As(h.Owner), token, api.LinkInvalid},
		"a stranger":               {h.As(h.Person("A Stranger")), token, api.LinkInvalid},
		"a forged token":           {owner, forged, api.LinkInvalid},
		"one wrong letter":         {owner, token[:10] + "~" + token[11:], api.LinkInvalid},
		"a truncated token":        {owner, token[:len(token)-1], api.LinkInvalid},
		"of a revoked key":         {owner, ofRevoked, api.LinkInvalid},
		"of a deleted key":         {owner, ofDeleted, api.LinkInvalid},
		"of a key past its expiry": {owner, ofExpired, api.LinkInvalid},
		"nobody":                   {h.Anyone(), token, api.APIKeyInvalid},
		"a key of the owner":       {h.With(h.Key(owner, tenant, "applications:read")), token, api.SessionRequired},
	} {
		_, err := c.client.ClaimKey(t.Context(), c.token)
		if got := testkit.Code(t, err); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if c.want == api.LinkInvalid && err.(*api.Problem).Status != http.StatusNotFound {
			t.Errorf("%s: status %d", name, err.(*api.Problem).Status)
		}
	}
	h.Clock.Move(6*policy.Day - 2*time.Hour)
	_, err := h.As(person).ClaimKey(t.Context(), token)
	if err != nil {
		t.Errorf("an hour before its end: %v", err)
	}
	_, late := testkit.KeyByLink(t, h.As(adminPerson), tenant, person, nil)
	h.Clock.Move(7 * policy.Day)
	if _, err := h.As(person).ClaimKey(t.Context(), late); testkit.Code(t, err) != api.LinkInvalid {
		t.Errorf("after seven days: %v", err)
	}
	if strings.Contains(h.Log.String(), token) || strings.Contains(h.Log.String(), late) {
		t.Error("a token is in the log")
	}
	if _, err := h.As(person).Key(t.Context(), string(tenant.ID), k.Key.ID); err != nil {
		t.Errorf("the claimed key: %v", err)
	}
}

func TestOnlyAnAdminCreatesAKeyByLinkForAnother(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant, selfMade := h.Tenant("Main", nil),
		h.Tenant("Self made", func(s *policy.Settings) { s.Creators = []policy.Creator{policy.BySelf} })
	admin, member := h.Member(tenant, "Tenant Admin", scope.Admin), h.Member(tenant, "A Member", scope.Member)
	for _, p := range []principal.Person{admin, member} {
		h.Join(selfMade, p, scope.Admin)
	}
	for _, c := range []struct {
		name            string
		in              tenancy.Tenant
		by              principal.Person
		owner, delivery string
		want            string
	}{
		{"for oneself", tenant, admin, "", "link", "delivery self"},
		{"for oneself by name", tenant, admin, string(admin.ID), "link", "delivery self"},
		{"by a member for oneself", tenant, member, "", "link", "delivery self"},
		{"by a member for another", tenant, member, string(admin.ID), "link", "code forbidden"},
		{"where admins create nothing", selfMade, admin, string(member.ID), "link", "code forbidden"},
		{"by pigeon", tenant, admin, string(member.ID), "pigeon", "delivery unknown"},
		{"for no member", tenant, admin, string(h.Owner.ID), "link", "owner_id not_a_member"},
		{"directly", tenant, admin, string(member.ID), "direct", "code "},
		{"for another", tenant, admin, string(member.ID), "link", "code "},
	} {
		n := api.CreateKeyRequest{
			Name: "Handed over", OwnerID: c.owner, Scopes: []string{"*"}, AllApplications: true,
			Delivery: api.Delivery(c.delivery),
		}
		k, err := h.As(c.by).CreateKey(t.Context(), string(c.in.ID), n)
		if got := testkit.FieldErrors(t, err); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if err == nil && (k.Credential == nil) != (c.delivery == "link") {
			t.Errorf("%s: answered %+v", c.name, k)
		}
	}
}

func TestALostLinkIsReplacedAndTheOldOneEndsAtOnce(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	admin, person := h.Member(tenant, "Tenant Admin", scope.Admin), h.Member(tenant, "Key Owner", scope.Member)
	k, lost := testkit.KeyByLink(t, h.As(admin), tenant, person, nil)
	h.Clock.Move(6 * policy.Day)
	again := testkit.Must[api.IssuedKey](t)(h.As(admin).RenewClaimLink(t.Context(), string(tenant.ID), k.Key.ID))
	if again.Link == nil || again.Link.URL == nil || again.Credential != nil || again.Key.ID != k.Key.ID ||
		again.Link.ExpiresAt.Sub(h.Clock.Now()).Round(time.Minute) != 7*policy.Day {
		t.Fatalf("the new link is %+v of %+v", again.Link, again.Key)
	}
	if _, err := h.As(person).ClaimKey(t.Context(), lost); testkit.Code(t, err) != api.LinkInvalid {
		t.Errorf("the lost link: %v", err)
	}
	h.Clock.Move(6 * policy.Day) // the first link would have ended, and the key with it
	_, token, _ := strings.Cut(*again.Link.URL, "/claims/")
	claimed := testkit.Must[api.IssuedKey](t)(h.As(person).ClaimKey(t.Context(), token))
	if claimed.Key.ID != k.Key.ID || claimed.Key.PublicID != k.Key.PublicID {
		t.Errorf("claimed %+v", claimed.Key)
	}
	if got := testkit.TenantRecords(t, h, tenant, "key.claim_link"); len(got) != 1 ||
		got[0].Target.ID != k.Key.ID {
		t.Errorf("on record are %+v", got)
	}
	if strings.Contains(h.Log.String(), token) {
		t.Error("the token is in the log")
	}
}

func TestOnlyAKeyThatWaitsForItsOwnerGetsANewLink(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	adminPerson, person := h.Member(tenant, "Tenant Admin", scope.Admin), h.Member(tenant, "Key Owner", scope.Member)
	admin, other := h.As(adminPerson), h.As(h.Member(tenant, "Other Admin", scope.Admin))
	claimed, token := testkit.KeyByLink(t, admin, tenant, person, nil)
	testkit.Must[api.IssuedKey](t)(h.As(person).ClaimKey(t.Context(), token))
	revoked, _ := testkit.KeyByLink(t, admin, tenant, person, nil)
	if _, err := admin.RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	soon := h.Clock.Now().Add(time.Hour)
	expired, _ := testkit.KeyByLink(t, admin, tenant, person, &soon)
	own, _ := testkit.KeyByLink(t, other, tenant, adminPerson, nil)
	h.Clock.Move(2 * time.Hour)
	gone := h.Member(tenant, "Disabled Member", scope.Member)
	ofDisabled, _ := testkit.KeyByLink(t, admin, tenant, gone, nil)
	if _, err := admin.EditMember(t.Context(), string(tenant.ID), string(gone.ID),
		api.UpdateMemberRequest{Status: api.To(api.StatusDisabled)}); err != nil {
		t.Fatal(err)
	}
	direct := h.Key(h.As(person), tenant, "applications:read")
	for name, c := range map[string]struct {
		key  string
		want string
	}{
		"claimed":             {claimed.Key.ID, "code conflict"},
		"shown directly":      {direct.Key.ID, "code conflict"},
		"revoked":             {revoked.Key.ID, "code conflict"},
		"expired":             {expired.Key.ID, "code conflict"},
		"their own":           {own.Key.ID, "code forbidden"},
		"of a disabled owner": {ofDisabled.Key.ID, "owner_id not_a_member"},
	} {
		_, err := admin.RenewClaimLink(t.Context(), string(tenant.ID), c.key)
		if got := testkit.FieldErrors(t, err); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := testkit.TenantRecords(t, h, tenant, "key.claim_link"); len(got) != 0 {
		t.Errorf("on record are %+v", got)
	}
}

// An unclaimed key authenticates nothing, but holds a slot and can be changed like any other.
func TestAnUnclaimedKeyIsAKeyWithoutASecret(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser, s.AdminRefresh = 1, true })
	admin, person := h.As(h.Member(tenant, "Tenant Admin", scope.Admin)), h.Member(tenant, "Key Owner", scope.Member)
	owner := h.As(person)
	k, token := testkit.KeyByLink(t, admin, tenant, person, nil)
	guess := base64.StdEncoding.EncodeToString([]byte(k.Key.PublicID + ":" + strings.Repeat("0", 48)))
	if _, err := h.Anyone().WithHeader("Authorization", "Basic "+guess).Whoami(t.Context()); testkit.Code(t,
		err) != api.APIKeyInvalid {
		t.Errorf("with a guess: %v", err)
	}
	if _, err := owner.CreateKey(t.Context(), string(tenant.ID),
		api.CreateKeyRequest{Name: "A second", Scopes: []string{"*"}, AllApplications: true}); testkit.Code(t,
		err) != api.KeyLimitReached {
		t.Errorf("a key beside it: %v", err)
	}
	for name, c := range map[string]*client.Client{"the owner": owner, "an admin": admin} {
		if _, err := c.RefreshKey(t.Context(), string(tenant.ID), k.Key.ID, api.RefreshKeyRequest{}); testkit.Code(t,
			err) != api.Conflict {
			t.Errorf("refreshed by %s: %v", name, err)
		}
	}
	later := h.Clock.Now().Add(48 * time.Hour)
	edit := api.UpdateKeyRequest{
		Name: api.To("Another name"), Scopes: api.To([]string{"tenants:read"}),
		ExpiresAt: api.To(later),
	}
	if _, err := admin.EditKey(t.Context(), string(tenant.ID), k.Key.ID, edit); err != nil {
		t.Errorf("edited: %v", err)
	}
	if _, err := admin.DisableKey(t.Context(), string(tenant.ID), k.Key.ID); err != nil {
		t.Errorf("disabled: %v", err)
	}
	claimed, err := owner.ClaimKey(t.Context(), token)
	if err != nil || claimed.Key.Status != "disabled" || claimed.Key.Name != "Another name" {
		t.Fatalf("claimed: %+v, %v", claimed.Key, err)
	}
	if _, err := admin.EnableKey(t.Context(), string(tenant.ID), k.Key.ID); err != nil {
		t.Fatal(err)
	}
	if me, err := h.With(claimed).Whoami(t.Context()); err != nil || !cmp.Equal(me.Scopes, []string{"tenants:read"}) {
		t.Errorf("afterwards: %+v, %v", me.Scopes, err)
	}
}
