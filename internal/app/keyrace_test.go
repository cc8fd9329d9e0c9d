package app_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestTheCapHoldsAgainst32ConcurrentRequests(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", nil)
		for range 3 {
			owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
			codes := make(chan api.Code, 32)
			var group sync.WaitGroup
			for range 32 {
				group.Go(func() {
					_, err := testkit.RetryUnavailable(func() (api.IssuedKey, error) {
						return owner.CreateKey(t.Context(), string(tenant.ID),
							api.CreateKeyRequest{
								Name: "Raced key", Scopes: []string{"applications:read"},
								AllApplications: true,
							})
					})
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

// racers sign in n admins of the tenant, half of them on each of two nodes.
func racers(t *testing.T, nodes *testkit.TwoNodes, n int) (all []*client.Client) {
	t.Helper()
	for i := range n {
		node := []*testkit.Server{nodes.First, nodes.Second}[i%2]
		all = append(all, node.As(nodes.First.Member(nodes.Tenant, fmt.Sprintf("Racer %d", i), scope.Admin)))
	}
	return all
}

func TestTheCapOfEachTypeOfOwnerHoldsAgainst32PrincipalsOnTwoNodes(t *testing.T) {
	t.Parallel()
	nodes := testkit.StartTwoNodes(t, testkit.Direct)
	in := string(nodes.Tenant.ID)
	officer := nodes.First.As(nodes.First.AccountMember("Account Admin", scope.AccountAdmin))
	testkit.Must[api.Tenant](t)(officer.EditTenant(t.Context(), in, api.UpdateTenantRequest{
		Settings: &api.SettingsPatch{
			KeysPerUser: api.To(2), KeysPerServiceAccount: api.To(3), KeysPerSubject: api.To(4),
		},
	}))
	person := nodes.First.Member(nodes.Tenant, "Key Owner", scope.Member)
	account := testkit.ServiceAccount(t, nodes.Admin, nodes.Tenant, "Fleet", api.RoleMember)
	subject := testkit.Must[api.Subject](t)(nodes.Admin.CreateSubject(t.Context(), in,
		api.CreateSubjectRequest{ExternalID: "customer-1"}))
	clients := racers(t, nodes, 32)
	for _, c := range []struct {
		owner api.KeyOwner
		limit int
	}{
		{api.KeyOwner{Type: api.PartyUser, ID: string(person.ID)}, 2},
		{api.KeyOwner{Type: api.PartyServiceAccount, ID: account.ID}, 3},
		{api.KeyOwner{Type: api.PartySubject, ID: subject.ID}, 4},
	} {
		var acts []func() error
		for _, racer := range clients {
			acts = append(acts, func() error {
				_, err := testkit.RetryUnavailable(func() (api.IssuedKey, error) {
					return racer.CreateKey(t.Context(), in, api.CreateKeyRequest{
						Name: "Raced key", Owner: &c.owner, Scopes: []string{"*"}, AllApplications: true,
					})
				})
				return err
			})
		}
		count := testkit.Concurrently(t, acts...)
		if count[""] != c.limit || count[api.KeyLimitReached] != len(clients)-c.limit {
			t.Errorf("%s: %v, want %d keys", c.owner.Type, count, c.limit)
		}
	}
}

// Requests and revocations at the same time: once a revocation has been answered, the key is
// refused.
func TestNoKeyIsAcceptedAfterItsRevocationWasAnswered(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
		owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
		verifier := h.Verifier()
		for range 15 {
			k := h.Key(owner, tenant, "applications:read")
			ask := func() api.Code {
				d, err := verifier.Verify(t.Context(), api.VerifyRequest{Credential: k.Credential.Value})
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
						case <-answered: // a request from here on begins after the answer
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

// Invariant I5: of many concurrent claims one gets a secret, and that secret works.
func TestOneOf32ConcurrentClaimsGetsTheSecret(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
		admin, person := h.As(h.Member(tenant, "Tenant Admin", scope.Admin)),
			h.Member(tenant, "Key Owner", scope.Member)
		owner := h.As(person)
		for range 3 {
			_, token := testkit.KeyByLink(t, admin, tenant, person, nil)
			answers := make(chan api.IssuedKey, 32)
			var group sync.WaitGroup
			for range 32 {
				group.Go(func() {
					k, err := testkit.RetryUnavailable(func() (api.IssuedKey, error) {
						return owner.ClaimKey(t.Context(), token)
					})
					switch got := testkit.Code(t, err); got {
					case "":
						answers <- k
					case api.LinkInvalid:
					default:
						t.Errorf("%s", got)
					}
				})
			}
			group.Wait()
			close(answers)
			if len(answers) != 1 {
				t.Fatalf("%d secrets", len(answers))
			}
			if _, err := h.With(<-answers).Whoami(t.Context()); err != nil {
				t.Errorf("the one secret: %v", err)
			}
		}
	})
}

// Invariant I5: after many concurrent refreshes one secret works, and with an overlap also the one
// before it.
func TestOneSecretIsLeftAfter32ConcurrentRefreshes(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
		owner, code := h.As(h.Member(tenant, "Key Owner", scope.Member)), testkit.VerifyCode(t, h)
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
					fresh, err := testkit.RetryUnavailable(func() (api.IssuedKey, error) {
						return owner.RefreshKey(t.Context(), string(tenant.ID), k.Key.ID,
							api.RefreshKeyRequest{KeepID: &c.keep, OverlapSeconds: c.overlap})
					})
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
			if err != nil || !slices.ContainsFunc(secrets,
				func(k api.IssuedKey) bool { return code(k) == api.OK && k.Key.Last4 == shown.Last4 }) {
				t.Errorf("the key shows %s, which is of no secret that works (%v)", shown.Last4, err)
			}
		}
	})
}

// Invariant I2, with requests at the same time: once a refresh, or the end of a previous secret,
// has been answered, the old secret is refused.
func TestNoOldSecretIsAcceptedAfterItsEndWasAnswered(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
		owner, code := h.As(h.Member(tenant, "Key Owner", scope.Member)), testkit.VerifyCode(t, h)
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
				testkit.RefreshKey(t, owner, tenant, old, api.RefreshKeyRequest{KeepID: &keep[i%2]})
			} else {
				testkit.RefreshKey(t, owner, tenant, old, api.RefreshKeyRequest{KeepID: &keep[i%2], OverlapSeconds: 60})
				if err := owner.EndPrevious(t.Context(), string(tenant.ID), old.Key.ID); err != nil {
					t.Error(err)
				}
			}
			close(answered)
			readers.Wait()
		}
	})
}
