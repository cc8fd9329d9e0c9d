package key_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Row L10: a person holds at most two keys in a tenant. A third is refused until one is revoked.
func TestAThirdKeyIsRefusedUntilOneIsRevoked(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	owner := h.As(person)
	third := func() api.Code {
		_, err := owner.CreateKey(t.Context(), string(tenant.ID),
			api.CreateKeyRequest{Name: "Third key", Scopes: []string{"applications:read"}, AllApplications: true})
		if err != nil && !strings.Contains(err.Error(), "2 of 2 keys in this tenant (`keys_per_user`)") {
			t.Errorf("refused with %v, which does not name the limit", err)
		}
		return testkit.Code(t, err)
	}
	first := h.Key(owner, tenant, "applications:read")
	h.Key(owner, tenant, "applications:read")
	if got := third(); got != api.KeyLimitReached {
		t.Fatalf("the third key: %q, want %s", got, api.KeyLimitReached)
	}
	other := h.Tenant("Other", nil)
	h.Join(other, person, scope.Member)
	h.Key(h.As(person), other, "applications:read") // a key of another tenant is not counted
	if _, err := owner.RevokeKey(t.Context(), string(tenant.ID), first.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	if got := third(); got != "" {
		t.Errorf("after a revocation: %s", got)
	}
	if got := third(); got != api.KeyLimitReached {
		t.Errorf("a fourth: %q, want %s", got, api.KeyLimitReached)
	}
}

func TestAnExpiredKeyLosesItsSlotToTheNext(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	soon := h.Clock.Now().Add(time.Hour)
	var expiring api.IssuedKey
	for range 2 {
		k, err := owner.CreateKey(t.Context(), string(tenant.ID),
			api.CreateKeyRequest{
				Name: "Short key", Scopes: []string{"applications:read"}, AllApplications: true,
				ExpiresAt: &soon,
			})
		if err != nil {
			t.Fatal(err)
		}
		expiring = k
	}
	h.Clock.Move(time.Hour)
	h.Key(owner, tenant, "applications:read")
	_, err := h.With(expiring).Whoami(t.Context())
	if got := testkit.Code(t, err); got != api.APIKeyExpired {
		t.Errorf("the expired key answers %s, want %s", got, api.APIKeyExpired)
	}
}

func TestExpiredAndRevokedKeysLeaveRoomBelowTheCap(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Full tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.Member(tenant, "Key Owner", scope.Member)
	c := h.As(owner)
	request := api.CreateKeyRequest{Name: "Test key", Scopes: []string{"applications:read"}, AllApplications: true}
	create := func() error {
		_, err := c.CreateKey(t.Context(), string(tenant.ID), request)
		return err
	}
	testkit.InsertMany(t, h, 9_998, testkit.KeyRows(tenant, owner, 0, "NULL"))
	testkit.InsertMany(t, h, 2,
		testkit.KeyRows(tenant, owner, 9_998, fmt.Sprint(h.Clock.Now().Add(-time.Hour).UnixMicro())))
	k := h.Key(c, tenant, "applications:read")
	testkit.ExpectCode(t, "the second in the room of two expired ones", create(), "")
	testkit.ExpectCode(t, "a third", create(), api.KeyLimitReached)
	_, err := c.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "")
	testkit.NoError(t, err)
	testkit.ExpectCode(t, "one in the room of a revoked one", create(), "")
	testkit.ExpectCode(t, "another", create(), api.KeyLimitReached)
	testkit.ExpectCode(t, "somebody else's",
		h.As(h.Member(tenant, "Another Owner", scope.Member)).Do(t.Context(), "POST",
			"/api/v1/tenants/"+string(tenant.ID)+"/keys", request, nil), "")
}
