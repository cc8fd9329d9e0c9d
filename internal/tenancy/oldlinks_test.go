package tenancy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestLinksAreRemovedThirtyDaysAfterTheyExpiredAndNoLiveOneIs(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main tenant", nil)
		boss, owner := h.Member(tenant, "Tenant Admin", scope.Admin), h.Member(tenant, "Key Owner", scope.Member)
		admin := h.As(boss)
		used, expired := testkit.Invite(t, admin, tenant, "eve@claviger.example", "member"),
			testkit.Invite(t, admin, tenant, "late@claviger.example", "member")
		testkit.ExpectCode(t, "accept", testkit.Accepting(t, h, testkit.InvitationToken(used), testkit.Newcomer)(), "")
		_, claim := testkit.KeyByLink(t, admin, tenant, owner, nil)
		testkit.Must[api.IssuedKey](t)(h.As(owner).ClaimKey(t.Context(), claim))
		h.Clock.Move(37*policy.Day - time.Minute)
		live := testkit.Invite(t, h.As(boss), tenant, "live@claviger.example", "member")
		testkit.Twice(t, h.Tenancy.RemoveOldLinks)
		if n := testkit.CountRows(t, h, "links"); n != 4 {
			t.Fatalf("30 days less a minute after they expired there are %d links, want 4", n)
		}
		h.Clock.Move(2 * time.Minute)
		testkit.Twice(t, h.Tenancy.RemoveOldLinks)
		if n := testkit.CountRows(t, h, "links"); n != 1 {
			t.Errorf("30 days after they expired there are %d links, want the live one", n)
		}
		for name, token := range map[string]string{
			"a used one":     testkit.InvitationToken(used),
			"an expired one": testkit.InvitationToken(expired),
		} {
			testkit.ExpectCode(t, name+" that was removed", testkit.Accepting(t, h, token, testkit.Newcomer)(),
				api.LinkInvalid)
		}
		testkit.ExpectCode(t, "the live one",
			testkit.Accepting(t, h, testkit.InvitationToken(live), testkit.Newcomer)(), "")
		swept := testkit.ChainRecords(t, h, audit.ServerChain, "link.sweep")
		if len(swept) != 1 || swept[0].Details["links"] != "3" {
			t.Errorf("on record are %+v", swept)
		}
	})
}

func TestALongBacklogOfOldLinksIsRemovedInOnePass(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	testkit.InsertMany(t, h, 2_500, insertInvitations(h, tenant, h.Clock.Now().Add(-31*policy.Day)))
	testkit.NoError(t, h.Tenancy.RemoveOldLinks(t.Context()))
	if n := testkit.CountRows(t, h, "links"); n != 0 {
		t.Errorf("%d links are left", n)
	}
	total := 0
	for _, r := range testkit.ChainRecords(t, h, audit.ServerChain, "link.sweep") {
		var n int
		_, err := fmt.Sscan(r.Details["links"], &n)
		testkit.NoError(t, err)
		total += n
	}
	if total != 2_500 {
		t.Errorf("on record are %d", total)
	}
}
