package key_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// copies returns how many sealed copies a tenant has.
func copies(t *testing.T, h *testkit.Server, tenant tenancy.Tenant) int {
	t.Helper()
	return testkit.QueryInt(t, h,
		`SELECT COUNT(s.copy) + COUNT(s.copy_version) FROM key_secrets s
			JOIN keys k ON k.id = s.key_id WHERE k.tenant_id = $1`, string(tenant.ID)) / 2
}

// Row C6: in every style, the owner sees again what create, refresh and claim answered.
func TestAnOwnerSeesTheSecretAgainWhereTheTenantKeepsCopies(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for _, p := range testkit.Presets {
		t.Run(string(p), func(t *testing.T) {
			tenant := testkit.RecoverableTenant(t, h, p)
			person := h.Member(tenant, "Key Owner", scope.Member)
			owner := h.As(person)
			k := h.Key(owner, tenant, "applications:read")
			handed, token := testkit.KeyByLink(t, h.As(h.Member(tenant, "Tenant Admin", scope.Admin)), tenant, person,
				nil)
			if got := testkit.Code(t,
				testkit.ErrorOf(owner.RevealKey(t.Context(), string(tenant.ID),
					handed.Key.ID))); got != api.NotRecoverable {
				t.Errorf("before the claim: %q", got)
			}
			claimed, err := owner.ClaimKey(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range []*api.RefreshKeyRequest{nil, {OverlapSeconds: 600}, {KeepID: new(false)}} {
				if r != nil {
					k = testkit.RefreshKey(t, owner, tenant, k, *r)
				}
				for _, shown := range []api.IssuedKey{k, claimed} {
					if got := testkit.RevealCode(t, owner, tenant, shown); got != "" {
						t.Errorf("after %+v: %q", r, got)
					}
				}
				if got := copies(t, h, tenant); got != 2 {
					t.Errorf("after %+v there are %d copies of two keys", r, got)
				}
			}
			if _, err := owner.DisableKey(t.Context(), string(tenant.ID), k.Key.ID); err != nil {
				t.Fatal(err)
			}
			if got := testkit.RevealCode(t, owner, tenant, k); got != "" {
				t.Errorf("disabled: %q", got)
			}
			if got := testkit.TenantRecords(t, h, tenant, "key.reveal"); len(got) != 7 ||
				got[0].Actor.ID != string(person.ID) ||
				got[0].Target.ID != k.Key.ID {
				t.Errorf("on record are %+v", got)
			}
		})
	}
}

func TestARevealIsNotCached(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := testkit.RecoverableTenant(t, h, policy.Blancco)
	person := h.Member(tenant, "Key Owner", scope.Member)
	k := h.Key(h.As(person), tenant)
	header := testkit.SessionHeader(t, h, person)
	header.Set("Idempotency-Key", "one")
	for range 2 { // nor is the answer to an Idempotency-Key stored
		status, answer, body := testkit.Post(t, h, testkit.TenantPath(tenant.ID)+"/keys/"+k.Key.ID+"/reveal", header,
			"")
		if status != http.StatusOK || answer.Get("Cache-Control") != "no-store" || !strings.Contains(string(body),
			k.Credential.Value) {
			t.Errorf("%d %v", status, answer)
		}
	}
}

func TestASecretOfWhichNoCopyWasKeptIsNotRecoverable(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	expect := func(when string, k api.IssuedKey, want api.Code) {
		t.Helper()
		if got := testkit.RevealCode(t, owner, tenant, k); got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	k := h.Key(owner, tenant, "applications:read")
	expect("shown once", k, api.NotRecoverable)
	if got := copies(t, h, tenant); got != 0 {
		t.Errorf("a tenant that shows once keeps %d copies", got)
	}
	testkit.SetDisclosure(t, h, tenant, policy.Recoverable)
	expect("minted before", k, api.NotRecoverable)
	k = testkit.RefreshKey(t, owner, tenant, k, api.RefreshKeyRequest{})
	expect("refreshed since", k, "")
	testkit.SetDisclosure(t, h, tenant, policy.Once)
	expect("shown once again", k, api.NotRecoverable)
	if got := copies(t, h, tenant); got != 0 {
		t.Errorf("a tenant that shows once again keeps %d copies", got)
	}
	testkit.SetDisclosure(t, h, tenant, policy.Recoverable)
	expect("after all its copies went", k, api.NotRecoverable)

	k = h.Key(owner, tenant, "applications:read")
	testkit.Exec(t, h, `UPDATE key_secrets SET digest = NULL, digest_version = NULL WHERE key_id = $1`, k.Key.ID)
	expect("without a digest", k, api.NotRecoverable)
	k = h.Key(owner, tenant, "applications:read")
	if _, err := owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	expect("revoked", k, api.NotRecoverable)
	if got := testkit.TenantRecords(t, h, tenant, "key.reveal"); len(got) != 1 {
		t.Errorf("on record are %+v", got)
	}
}

func TestARevealNeedsASignInOfTheLastFiveMinutes(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := testkit.RecoverableTenant(t, h, policy.Blancco)
	person := h.Member(tenant, "Key Owner", scope.Member)
	owner := h.As(person)
	k := h.Key(owner, tenant)
	h.Clock.Move(5*time.Minute - time.Second)
	if got := testkit.RevealCode(t, owner, tenant, k); got != "" {
		t.Errorf("before five minutes: %q", got)
	}
	h.Clock.Move(time.Second)
	if got := testkit.RevealCode(t, owner, tenant, k); got != api.SignInAgain {
		t.Errorf("after five minutes: %q", got)
	}
	if got := testkit.RevealCode(t, h.As(person), tenant, k); got != "" {
		t.Errorf("signed in again: %q", got)
	}
}

// Whatever ends a key or its secret deletes the copy.
func TestACopyGoesWithItsSecret(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for _, mode := range []policy.RevokeMode{policy.Tombstone, policy.Delete} {
		for name, end := range map[string]func(tenant, key string, person principal.Person) error{
			"the key is revoked": func(tenant, key string, person principal.Person) error {
				return testkit.ErrorOf(h.As(person).RevokeKey(t.Context(), tenant, key, ""))
			},
			"the key is deleted": func(tenant, key string, person principal.Person) error {
				return h.As(person).DeleteKey(t.Context(), tenant, key)
			},
			"the member is removed": func(tenant, _ string, person principal.Person) error {
				return h.As(h.Owner).RemoveMember(t.Context(), tenant, string(person.ID))
			},
			"the user is deleted": func(_, _ string, person principal.Person) error {
				return h.As(person).DeleteMe(t.Context())
			},
		} {
			tenant := testkit.RecoverableTenant(t, h, policy.Standard)
			_, err := h.Tenancy.ChangeTenant(t.Context(), principal.Operator(), tenant.ID,
				tenancy.TenantChange{Settings: func(s *policy.Settings) { s.RevokeMode = mode }})
			if err != nil {
				t.Fatal(err)
			}
			h.Join(tenant, h.Owner, scope.Admin)
			person := h.Member(tenant, "Key Owner", scope.Member)
			k := h.Key(h.As(person), tenant, "applications:read")
			before := copies(t, h, tenant)
			if err := end(string(tenant.ID), k.Key.ID, person); err != nil {
				t.Fatal(err)
			}
			if after := copies(t, h, tenant); before != 1 || after != 0 {
				t.Errorf("%s (%s): %d copies became %d", name, mode, before, after)
			}
		}
	}
}

// Keys that are created or refreshed while their tenant stops storing copies leave none behind.
func TestATenantThatStopsStoringCopiesHasNoneLeft(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := testkit.RecoverableTenant(t, h, policy.Standard)
	stop := make(chan struct{})
	var busy sync.WaitGroup
	for range 4 {
		owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
		k := h.Key(owner, tenant, "applications:read")
		busy.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := owner.RefreshKey(t.Context(), string(tenant.ID), k.Key.ID, api.RefreshKeyRequest{})
				_, more := owner.CreateKey(t.Context(), string(tenant.ID),
					api.CreateKeyRequest{
						Name: "Test key", Scopes: []string{"applications:read"},
						AllApplications: true,
					})
				if err := errors.Join(err, more); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 15 {
		testkit.SetDisclosure(t, h, tenant, policy.Once)
		if got := copies(t, h, tenant); got != 0 {
			t.Errorf("%d copies are left", got)
		}
		testkit.SetDisclosure(t, h, tenant, policy.Recoverable)
	}
	close(stop)
	busy.Wait()
}

// A copy that was moved to another row does not open there, so nobody sees its secret.
func TestACopyOpensOnlyInItsOwnRow(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := testkit.RecoverableTenant(t, h, policy.BlazeMeter)
	owner, victim := h.As(h.Member(tenant, "Key Owner", scope.Member)),
		h.As(h.Member(tenant, "The Victim", scope.Member))
	own, another := h.Key(owner, tenant), h.Key(victim, tenant)
	const move = `UPDATE key_secrets SET copy = (SELECT copy FROM key_secrets WHERE key_id = $1) WHERE key_id = $2`
	testkit.Exec(t, h, `CREATE TABLE saved AS SELECT * FROM key_secrets`)
	testkit.Exec(t, h, move, another.Key.ID, own.Key.ID)
	if got := testkit.RevealCode(t, owner, tenant, own); got != api.Unavailable {
		t.Errorf("another key's copy: %q", got)
	}
	if got := testkit.RevealCode(t, victim, tenant, another); got != "" {
		t.Errorf("its own copy: %q", got)
	}
	own = testkit.RefreshKey(t, owner, tenant, own, api.RefreshKeyRequest{})
	if got := testkit.RevealCode(t, owner, tenant, own); got != "" {
		t.Errorf("refreshed: %q", got)
	}
	testkit.Exec(t, h, `UPDATE key_secrets SET copy = (SELECT copy FROM saved WHERE key_id = $1) WHERE key_id = $1`,
		own.Key.ID)
	if got := testkit.RevealCode(t, owner, tenant, own); got != api.Unavailable {
		t.Errorf("the copy of the secret before: %q", got)
	}
	testkit.Exec(t, h,
		`UPDATE key_secrets SET copy = (SELECT digest FROM key_secrets WHERE key_id = $1) WHERE key_id = $1`,
		own.Key.ID)
	if got := testkit.RevealCode(t, owner, tenant, own); got != api.Unavailable {
		t.Errorf("a digest instead of the copy: %q", got)
	}
	if got := testkit.TenantRecords(t, h, tenant, "key.reveal"); len(got) != 2 {
		t.Errorf("on record are %+v", got)
	}
}
