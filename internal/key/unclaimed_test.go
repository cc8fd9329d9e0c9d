package key_test

import (
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAKeyThatIsNotClaimedInTimeIsDeleted(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 3 })
	admin, person := h.Member(tenant, "Tenant Admin", scope.Admin), h.Member(tenant, "Key Owner", scope.Member)
	late, _ := testkit.KeyByLink(t, h.As(admin), tenant, person, nil)
	h.Clock.Move(time.Hour)
	waits, _ := testkit.KeyByLink(t, h.As(admin), tenant, person, nil)
	claimed, token := testkit.KeyByLink(t, h.As(admin), tenant, person, nil)
	if _, err := h.As(person).ClaimKey(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	h.Clock.Move(7*policy.Day - time.Minute)
	for range 2 {
		if err := h.KeySweeper.DeleteUnclaimed(t.Context()); err != nil { // what the job does every minute
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		key  api.IssuedKey
		want api.Code
	}{"late": {late, api.NotFound}, "waiting": {waits, ""}, "claimed": {claimed, ""}} {
		_, err := h.As(person).Key(t.Context(), string(tenant.ID), c.key.Key.ID)
		if got := testkit.Code(t, err); got != c.want {
			t.Errorf("the %s key: %q, want %q", name, got, c.want)
		}
	}
	got := testkit.TenantRecords(t, h, tenant, "key.delete")
	if len(got) != 1 || got[0].Target.ID != late.Key.ID || got[0].Actor.Type != "system" ||
		got[0].Details["reason"] != "unclaimed" {
		t.Errorf("on record are %+v", got)
	}
	h.Key(h.As(person), tenant, "applications:read") // in its slot
}

// The job that deletes unclaimed keys finds them by their links.
func TestTheLinkOfAnUnclaimedKeyIsDeletedWithTheKey(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	boss := h.Member(tenant, "Tenant Admin", scope.Admin)
	k, _ := testkit.KeyByLink(t, h.As(boss), tenant, h.Member(tenant, "Key Owner", scope.Member), nil)
	h.Clock.Move(60 * policy.Day)
	testkit.NoError(t, h.Tenancy.RemoveOldLinks(t.Context()))
	testkit.NoError(t, h.KeySweeper.DeleteUnclaimed(t.Context()))
	_, err := h.As(boss).Key(t.Context(), string(tenant.ID), k.Key.ID)
	testkit.ExpectCode(t, "the key", err, api.NotFound)
	if n := testkit.CountRows(t, h, "links"); n != 0 {
		t.Errorf("%d links are left", n)
	}
}

// An admin may make another link while the job deletes keys.
func TestAKeyWhoseLinkWasRenewedMeanwhileIsNotDeleted(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	admin, person := h.Member(tenant, "Tenant Admin", scope.Admin), h.Member(tenant, "Key Owner", scope.Member)
	k, _ := testkit.KeyByLink(t, h.As(admin), tenant, person, nil)
	h.Clock.Move(key.ClaimPeriod)
	id := ident.KeyID(k.Key.ID)
	found := testkit.Must[[]key.Ref](t)(h.KeySweeper.Store.KeysUnclaimedBy(t.Context(), h.Clock.Now()))
	if len(found) != 1 || found[0].Key != id {
		t.Fatalf("unclaimed are %v", found)
	}
	renewed := testkit.Must[api.IssuedKey](t)(h.As(admin).RenewClaimLink(t.Context(), string(tenant.ID), k.Key.ID))
	h.KeySweeper.Store = staleLists{SweepStore: h.KeySweeper.Store, refs: found}
	testkit.NoError(t, h.KeySweeper.DeleteUnclaimed(t.Context()))
	token := (*renewed.Link.URL)[strings.LastIndex(*renewed.Link.URL, "/")+1:]
	if _, err := h.As(person).ClaimKey(t.Context(), token); err != nil {
		t.Errorf("the new link: %v", err)
	}
}
