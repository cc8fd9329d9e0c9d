package verify_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Row A1: only the full key authenticates, as Authorization: Bearer <prefix>_<public id>_<secret>.
func TestOnlyTheFullKeyAuthenticates(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Panel", func(s *policy.Settings) { s.Prefix, s.Label = "blz_mgmt", "bak" })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := h.Key(owner, tenant, "applications:read")
	value, secret := k.Credential.Value, k.Credential.Secret

	id, found := strings.CutPrefix(k.Key.PublicID, "bak_")
	if !found || len(id) != 16 || len(secret) != 48 || value != "blz_mgmt_"+k.Key.PublicID+"_"+secret {
		t.Errorf("the key is not blz_mgmt_bak_<16>_<48>: public id %s, %d characters of secret", k.Key.PublicID,
			len(secret))
	}
	me, err := h.With(k).Whoami(t.Context())
	if err != nil || *me.KeyID != k.Key.ID || *me.Transport != "bearer" || *me.User.Email != *k.Key.Owner.Email {
		t.Fatalf("the full key: %+v, %v", me, err)
	}
	other := h.Key(owner, tenant, "applications:read")
	refused := map[string]string{
		"nothing":                     "",
		"the public id":               k.Key.PublicID,
		"prefix and public id":        "blz_mgmt_" + k.Key.PublicID,
		"the secret":                  secret,
		"cut by one":                  value[:len(value)-1],
		"one more":                    value + "A",
		"in upper case":               strings.ToUpper(value),
		"another prefix":              "clv_" + k.Key.PublicID + "_" + secret,
		"another prefix, well-formed": testkit.WithChecksum("clv_" + k.Key.PublicID + "_" + secret),
		"another label, well-formed":  testkit.WithChecksum("blz_mgmt_b_" + id + "_" + secret),
		"words moved, well-formed":    testkit.WithChecksum("blz_mgmt_bak_bak_" + id + "_" + secret),
		"another's secret":            "blz_mgmt_" + k.Key.PublicID + "_" + other.Credential.Secret,
		"a tab before":                "\t" + value,
		"a space within":              value[:20] + " " + value[20:],
		"two spaces after the first":  strings.Replace(value, "_", "  ", 1),
	}
	for name, sent := range refused {
		// as the client itself would not
		_, err := h.Anyone().WithHeader("Authorization", "Bearer "+sent).Whoami(t.Context())
		if got := testkit.Code(t, err); got != api.APIKeyInvalid {
			t.Errorf("%s: %s, want %s", name, got, api.APIKeyInvalid)
		}
	}
	for publicID, want := range map[string]api.Code{
		"bak_" + id: "", "ak_" + id: api.APIKeyInvalid,
		id: api.APIKeyInvalid, "blz_mgmt_bak_" + id: api.APIKeyInvalid,
	} {
		pair := base64.StdEncoding.EncodeToString([]byte(publicID + ":" + secret))
		_, err := h.Anyone().WithHeader("Authorization", "Basic "+pair).Whoami(t.Context())
		if got := testkit.Code(t, err); got != want {
			t.Errorf("basic with %s: %q, want %q", publicID, got, want)
		}
	}
}

// Row A2: stored are the public id, a digest and the last four characters; the secret is shown
// once.
func TestTheSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := h.Key(owner, tenant, "applications:read")
	if !strings.HasSuffix(k.Credential.Secret, k.Key.Last4) || len(k.Key.Last4) != 4 {
		t.Errorf("last four %q are not the end of the secret", k.Key.Last4)
	}
	for _, path := range []string{"/keys", "/keys/" + k.Key.ID} {
		answer := testkit.GetJSON(t, owner, "/api/v1/tenants/"+string(tenant.ID)+path)
		if strings.Contains(answer, k.Credential.Secret) || !strings.Contains(answer, k.Key.Last4) {
			t.Errorf("%s shows the secret, or not the last four", path)
		}
	}
}

// Row A6: what each code means, from verify and from a protected route, over every state of a key.
func TestEveryCodeSaysWhatItMeans(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	app, beyond := h.Application(tenant, "Orders API"), h.Application(tenant, "Reports API")
	verifier := h.Verifier()

	make := func(n api.CreateKeyRequest) api.IssuedKey {
		t.Helper()
		n.Name = "Test key"
		k, err := owner.CreateKey(t.Context(), string(tenant.ID), n)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	good := make(api.CreateKeyRequest{Scopes: []string{"applications:read"}, ApplicationIDs: []string{string(app.ID)}})
	soon := h.Clock.Now().Add(time.Hour)
	expired := make(api.CreateKeyRequest{
		Scopes: []string{"applications:read"}, AllApplications: true,
		ExpiresAt: &soon,
	})
	revoked := make(api.CreateKeyRequest{Scopes: []string{"applications:read"}, AllApplications: true})
	deleted := make(api.CreateKeyRequest{Scopes: []string{"applications:read"}, AllApplications: true})
	unscoped := make(api.CreateKeyRequest{Scopes: []string{"tenants:read"}, AllApplications: true})
	if _, err := owner.RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, "left the team"); err != nil {
		t.Fatal(err)
	}
	if err := owner.DeleteKey(t.Context(), string(tenant.ID), deleted.Key.ID); err != nil {
		t.Fatal(err)
	}
	h.Clock.Move(time.Hour)

	wrong := func(k api.IssuedKey) string { // the same id under another key's secret
		return strings.Replace(good.Credential.Value, good.Credential.Secret, k.Credential.Secret, 1)
	}
	cases := []struct {
		name        string
		value       string
		application string
		want        api.Code
		named       bool // the answer names the key
	}{
		{"a good key on its application", good.Credential.Value, string(app.ID), api.OK, true},
		{"a good key on another application", good.Credential.Value, string(beyond.ID), api.ApplicationForbidden, true},
		{
			"a good key on no application there is", good.Credential.Value, "app_00000000000000000000",
			api.ApplicationForbidden, true,
		},
		{"without the scope", unscoped.Credential.Value, "", api.InsufficientScope, true},
		{"expired", expired.Credential.Value, "", api.APIKeyExpired, true},
		{"revoked", revoked.Credential.Value, "", api.APIKeyRevoked, true},
		{"deleted", deleted.Credential.Value, "", api.APIKeyInvalid, false},
		{"a wrong secret", wrong(unscoped), "", api.APIKeyInvalid, false},
		{"nonsense", "nonsense", "", api.APIKeyInvalid, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d, err := verifier.Verify(t.Context(),
				api.VerifyRequest{
					Credential: c.value, Scopes: []string{"applications:read"},
					ApplicationID: c.application,
				})
			if err != nil {
				t.Fatal(err)
			}
			if d.Code != c.want || d.Active != (c.want == api.OK) || (d.KeyID != "") != c.named {
				t.Errorf("verify: %+v, want %s", d, c.want)
			}
			if got := testkit.RouteCode(t, h, c.value, tenant, c.application); got != c.want {
				t.Errorf("route: %s, want %s", got, c.want)
			}
		})
	}
}

// A revoked key's holder is told why; anyone who has but the public part is told nothing.
func TestOnlyTheHolderLearnsWhatBecameOfAKey(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k, other := h.Key(owner, tenant, "applications:read"), h.Key(owner, tenant, "applications:read")
	revoked, err := owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "leaked")
	if err != nil || revoked.Status != "revoked" || *revoked.RevokedReason != "leaked" {
		t.Fatalf("revoke: %+v, %v", revoked, err)
	}
	_, err = h.With(k).Whoami(t.Context())
	if got := testkit.Code(t, err); got != api.APIKeyRevoked {
		t.Errorf("the holder hears %s", got)
	}
	guess := strings.Replace(k.Credential.Value, k.Credential.Secret, other.Credential.Secret, 1)
	_, err = h.Anyone().WithKey(guess).Whoami(t.Context())
	if got := testkit.Code(t, err); got != api.APIKeyInvalid {
		t.Errorf("somebody with the id alone hears %s", got)
	}
	again, err := owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "twice")
	if err != nil || *again.RevokedReason != "leaked" || !again.RevokedAt.Equal(*revoked.RevokedAt) {
		t.Errorf("revoking again changed the tombstone: %+v, %v", again, err)
	}
}

// Row A7: time and address of the last successful authentication, visible within two seconds,
// without a write per request.
func TestLastUseIsRecorded(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := h.Key(owner, tenant, "applications:read")
	verifier := h.Verifier()
	show := func() api.Key {
		t.Helper()
		shown, err := owner.Key(t.Context(), string(tenant.ID), k.Key.ID)
		if err != nil {
			t.Fatal(err)
		}
		return shown
	}
	if fresh := show(); fresh.LastUsedAt != nil || fresh.LastUsedIP != nil {
		t.Fatalf("a key that was never used says %v from %v", fresh.LastUsedAt, fresh.LastUsedIP)
	}
	before := h.Clock.Now()
	if _, err := h.With(k).Whoami(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := show()
	if first.LastUsedAt == nil || first.LastUsedAt.Before(before) || *first.LastUsedIP != "127.0.0.1" {
		t.Fatalf("used at %v or later, it says %v from %v", before, first.LastUsedAt, first.LastUsedIP)
	}
	ask := func(req api.VerifyRequest) {
		t.Helper()
		h.Clock.Move(time.Minute)
		req.Credential = k.Credential.Value
		if _, err := verifier.Verify(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	ask(api.VerifyRequest{IP: "203.0.113.9"})
	second := show()
	if !second.LastUsedAt.After(*first.LastUsedAt) || *second.LastUsedIP != "203.0.113.9" {
		t.Errorf("verify with an address: %v from %v", second.LastUsedAt, *second.LastUsedIP)
	}
	ask(api.VerifyRequest{Scopes: []string{"applications:delete"}}) // authenticated, though not allowed
	third := show()
	if !third.LastUsedAt.After(*second.LastUsedAt) || *third.LastUsedIP != "203.0.113.9" {
		t.Errorf("verify without an address: %v from %v; the address must stay", third.LastUsedAt, *third.LastUsedIP)
	}
	h.Clock.Move(time.Minute)
	wrong, last := k.Credential.Value, "0"
	if strings.HasSuffix(wrong, last) {
		last = "1"
	}
	if _, err := h.Anyone().WithKey(wrong[:len(wrong)-1] + last).Whoami(t.Context()); err == nil {
		t.Fatal("a wrong key is accepted")
	}
	if last := show(); !last.LastUsedAt.Equal(*third.LastUsedAt) {
		t.Error("a failed authentication counts as a use")
	}
}

// Row C5: usable immediately after creation; also where its id was asked for before.
func TestAKeyIsUsableTheMomentItsCreationIsAnswered(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	for range 20 {
		k := h.Key(owner, tenant, "applications:read")
		if _, err := h.With(k).Whoami(t.Context()); err != nil {
			t.Fatalf("refused right after its creation: %v", err)
		}
		if err := owner.DeleteKey(t.Context(), string(tenant.ID), k.Key.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := h.With(k).Whoami(t.Context()); testkit.Code(t, err) != api.APIKeyInvalid {
			t.Fatalf("after its deletion: %v", err)
		}
	}
}

// Row L11: a key of one tenant is nothing in another.
func TestAKeyOfOneTenantIsNothingInAnother(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	mine, other := h.Tenant("Mine", nil), h.Tenant("Other", nil)
	person := h.Member(mine, "Key Owner", scope.Admin)
	h.Join(other, person, scope.Admin)
	owner := h.As(person)
	k := h.Key(owner, mine, "applications:read")
	if got := testkit.RouteCode(t, h, k.Credential.Value, other, ""); got != api.NotFound {
		t.Errorf("a route of the other tenant says %s", got)
	}
	verifier := h.With(h.Key(owner, other, "keys:verify")) // of a tenant's admin, who runs no account
	d, err := verifier.Verify(t.Context(), api.VerifyRequest{Credential: k.Credential.Value})
	if err != nil || d.Code != api.APIKeyInvalid || d.KeyID != "" {
		t.Errorf("a verifier of the other tenant learns %+v, %v", d, err)
	}
	d, err = h.Verifier().Verify(t.Context(),
		api.VerifyRequest{Credential: k.Credential.Value, TenantID: string(other.ID)})
	if err != nil || d.Code != api.APIKeyInvalid {
		t.Errorf("asked for the other tenant: %+v, %v", d, err)
	}
}
