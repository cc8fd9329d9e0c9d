package account_test

import (
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// The weeks ahead and the first keys are those that follow from the rules, key by key.
func TestAPreviewSaysWhichKeysExpireInWhichWeek(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		ctx := t.Context()
		off := false
		zero, sixty := 0, 60
		who := principal.Operator()
		_, err := h.Accounts.ChangePolicy(ctx, who, h.Account.ID, policy.Change{
			AutoExpiry: &off, AcknowledgeRisk: true, MaxLifetimeDays: &zero,
		}, "")
		testkit.NoError(t, err)
		first, second := h.Tenant("First", testkit.UnlimitedKeys), h.Tenant("Second", testkit.UnlimitedKeys)
		member := h.Member(first, "Member", scope.Member)
		h.Join(second, member, scope.Member)
		in := func(days int) *time.Time {
			at := h.Clock.Now().Add(time.Duration(days) * policy.Day).Add(time.Hour)
			return &at
		}
		endless := testkit.NamedKey(t, h.As(member), first, "Endless", nil)
		late := testkit.NamedKey(t, h.As(member), second, "Late", in(80))
		testkit.NamedKey(t, h.As(member), first, "Soon", in(10))
		revoked := testkit.NamedKey(t, h.As(member), first, "Revoked", in(80))
		testkit.Must[*api.Key](t)(h.As(member).RevokeKey(ctx, string(first.ID), revoked.Key.ID, ""))

		owner := principal.OfSession(&principal.Session{
			User:           h.Owner,
			AccountMembers: []principal.AccountMember{{Account: h.Account.ID, Role: scope.AccountOwner}},
		})
		p, err := h.Accounts.PreviewPolicy(ctx, owner, h.Account.ID, policy.Change{MaxLifetimeDays: &sixty}, "")
		testkit.NoError(t, err)
		if p.Affected != 2 || p.ExpiredNow != 0 || len(p.Weeks) != 13 {
			t.Errorf("the preview is %+v", p)
		}
		if day := p.First.Sub(p.Busiest); p.People != 1 || p.ServiceAccounts != 0 || p.MoreOwners ||
			p.BusiestKeys != 2 || day < 0 || day >= policy.Day {
			t.Errorf("the preview tells %d people, and the busiest day is %v with %d", p.People, p.Busiest,
				p.BusiestKeys)
		}
		for i, w := range p.Weeks {
			was, is := map[int]int{1: 1, 11: 1}[i], map[int]int{1: 1, 8: 2}[i]
			if w.Was != was || w.Is != is || !w.From.Equal(p.Weeks[0].From.Add(time.Duration(i)*7*policy.Day)) {
				t.Errorf("week %d is %+v, want %d and %d", i, w, was, is)
			}
		}
		if len(p.Keys) != 2 {
			t.Fatalf("the first keys are %+v", p.Keys)
		}
		for i, k := range []api.IssuedKey{endless, late} {
			got := p.Keys[i]
			if string(got.Key) != k.Key.ID || got.Was.IsZero() != (k.Key.ExpiresAt == nil) ||
				!got.Is.Equal(p.First) {
				t.Errorf("key %d is %+v, want %s", i, got, k.Key.ID)
			}
		}
		if p.Delayed != 0 || len(p.DelayedKeys) != 0 {
			t.Errorf("a shorter time delays %d keys: %+v", p.Delayed, p.DelayedKeys)
		}
		_, err = h.Accounts.ChangePolicy(ctx, who, h.Account.ID, policy.Change{MaxLifetimeDays: &sixty}, "")
		testkit.NoError(t, err)
		// Without a maximum again, one key expires on its own day, and the other never.
		loose, err := h.Accounts.PreviewPolicy(ctx, owner, h.Account.ID, policy.Change{MaxLifetimeDays: &zero}, "")
		testkit.NoError(t, err)
		if loose.Affected != 0 || loose.Delayed != 2 || len(loose.DelayedKeys) != 2 {
			t.Fatalf("a longer time: %+v", loose)
		}
		for i, k := range []api.IssuedKey{endless, late} {
			got, own := loose.DelayedKeys[i], k.Key.ExpiresAt
			if string(got.Key) != k.Key.ID || !got.Was.Equal(loose.DelayedKeys[0].Was) ||
				(own == nil) != got.Is.IsZero() || own != nil && !got.Is.Equal(*own) {
				t.Errorf("delayed key %d is %+v, want %s", i, got, k.Key.ID)
			}
		}
		_, err = h.Accounts.ChangePolicy(ctx, who, h.Account.ID, policy.Change{MaxLifetimeDays: &zero}, "")
		testkit.NoError(t, err)
		if after, err := h.Accounts.PreviewPolicy(ctx, owner, h.Account.ID, policy.Change{}, ""); err != nil ||
			after.Affected != 0 || len(after.Keys) != 0 || after.Weeks[8] != (account.Week{From: after.Weeks[8].From}) {
			t.Errorf("no change: %+v, %v", after, err)
		}
	})
}
