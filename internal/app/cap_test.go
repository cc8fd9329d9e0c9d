package app_test

import (
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Row L10: at most two keys per user per tenant; a third is refused until one is revoked.
func TestAThirdKeyIsRefusedUntilOneIsRevoked(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	owner := h.As(person)
	third := func() api.Code {
		_, err := owner.CreateKey(t.Context(), string(tenant.ID), api.NewKey{Name: "Third key", Scopes: []string{"applications:read"}, AllApplications: true})
		return testkit.Code(t, err)
	}
	first := h.Key(owner, tenant, "applications:read")
	h.Key(owner, tenant, "applications:read")
	if got := third(); got != api.KeyLimitReached {
		t.Fatalf("the third key: %q, want %s", got, api.KeyLimitReached)
	}
	other := h.Tenant("Other", nil)
	h.Join(other, person, scope.Member)
	h.Key(h.As(person), other, "applications:read") // another tenant counts for itself
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

func TestAnExpiredKeyGivesItsPlaceToTheNext(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	soon := h.Clock.Now().Add(time.Hour)
	var lapsing api.IssuedKey
	for range 2 {
		k, err := owner.CreateKey(t.Context(), string(tenant.ID), api.NewKey{Name: "Short key", Scopes: []string{"applications:read"}, AllApplications: true, ExpiresAt: &soon})
		if err != nil {
			t.Fatal(err)
		}
		lapsing = k
	}
	h.Clock.Move(time.Hour)
	h.Key(owner, tenant, "applications:read")
	_, err := h.With(lapsing).Whoami(t.Context())
	if got := testkit.Code(t, err); got != api.APIKeyExpired {
		t.Errorf("the lapsed key answers %s, want %s", got, api.APIKeyExpired)
	}
}

func TestTheCapHoldsAgainst32CreatorsAtOnce(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", nil)
		for range 3 {
			owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
			codes := make(chan api.Code, 32)
			var group sync.WaitGroup
			for range 32 {
				group.Go(func() {
					_, err := owner.CreateKey(t.Context(), string(tenant.ID), api.NewKey{Name: "Raced key", Scopes: []string{"applications:read"}, AllApplications: true})
					codes <- testkit.Code(t, err)
				})
			}
			group.Wait()
			close(codes)
			count := map[api.Code]int{}
			for code := range codes {
				count[code]++
			}
			if count[""] != 2 || count[api.KeyLimitReached] != 30 {
				t.Fatalf("%v, want 2 keys and 30 refusals", count)
			}
		}
	})
}

// Readers and revokers at once: after a revocation is acknowledged, no accept.
func TestNoKeyIsAcceptedAfterItsRevocationWasAnswered(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
		owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
		verifier := h.Verifier()
		for range 15 {
			k := h.Key(owner, tenant, "applications:read")
			ask := func() api.Code {
				d, err := verifier.Verify(t.Context(), api.VerifyRequest{Credential: *k.Credential.Value})
				if err != nil {
					t.Error(err)
				}
				return d.Code
			}
			answered := make(chan struct{})
			var readers sync.WaitGroup
			for range 4 {
				readers.Go(func() {
					for {
						select {
						case <-answered: // what is asked from here on begins after the answer
							if got := ask(); got != api.APIKeyRevoked {
								t.Errorf("after the revocation: %s", got)
							}
							return
						default:
							ask()
						}
					}
				})
			}
			ask()
			if _, err := owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, ""); err != nil {
				t.Error(err)
			}
			close(answered)
			readers.Wait()
		}
	})
}
