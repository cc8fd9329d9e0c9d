package storetest

import (
	"context"
	"slices"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
)

var authorityGuarantees = []guarantee{
	{"authority is the live membership and the role in the account", authorityIsWhatIsLive},
	{"two people are locked in the order of their ids, whoever acts for whom", twoPeopleAreLockedInOrder},
	{"who lost a scope may rename the key that has it, and not give it again", aLostScopeIsJudgedWhenGiven},
}

func authorityIsWhatIsLive(h *house) {
	g := h.guest() // admin, auditor and member of the tenants; admin of the first two's account
	account := scope.AccountAdmin
	for _, c := range []struct {
		given, undone string
		want          [3]principal.Authority
	}{
		{"", "", [3]principal.Authority{{Member: scope.Admin, Account: account}, {Member: scope.Auditor, Account: account}, {Member: scope.Member}}},
		{
			`UPDATE members SET disabled_at = 1`, `UPDATE members SET disabled_at = NULL`,
			[3]principal.Authority{{Account: account}, {Account: account}, {}},
		},
		{
			`UPDATE account_members SET role = 'owner' WHERE role = 'admin'`, `DELETE FROM account_members`,
			[3]principal.Authority{{Member: scope.Admin, Account: scope.AccountOwner}, {Member: scope.Auditor, Account: scope.AccountOwner}, {Member: scope.Member}},
		},
		{"", "", [3]principal.Authority{{Member: scope.Admin}, {Member: scope.Auditor}, {Member: scope.Member}}},
		{`UPDATE users SET disabled_at = 1`, `UPDATE users SET disabled_at = NULL`, [3]principal.Authority{}},
		{`UPDATE accounts SET disabled_at = 1`, `UPDATE accounts SET disabled_at = NULL`, [3]principal.Authority{}},
		{`UPDATE users SET deleted_at = 1`, `UPDATE users SET deleted_at = NULL`, [3]principal.Authority{}},
	} {
		h.optionally(c.given)
		for i, want := range c.want {
			if want.Person = g.person; c.want == ([3]principal.Authority{}) {
				want = principal.Authority{}
			}
			h.authorityIs(g, i, want)
		}
		h.optionally(c.undone)
	}
}

func (h *house) optionally(statement string) {
	h.Helper()
	if statement != "" {
		h.sql(statement)
	}
}

// authorityIs fails the test where the guest's authority in one of the tenants is another.
func (h *house) authorityIs(g guest, tenant int, want principal.Authority) {
	h.Helper()
	h.in(func(ctx context.Context, tx *store.Tx) error {
		got, err := tx.Authority(ctx, g.tenants[tenant].ID, g.person.ID)
		if got != want {
			h.Errorf("in tenant %d: %+v, want %+v", tenant, got, want)
		}
		return err
	})
}

// locking notes whose authority a change reads.
type locking struct {
	key.Tx
	order *[]ident.UserID
}

// Authority implements key.Tx.
func (l locking) Authority(ctx context.Context, tenant ident.TenantID, user ident.UserID) (principal.Authority, error) {
	*l.order = append(*l.order, user)
	return l.Tx.Authority(ctx, tenant, user)
}

// Otherwise two who act for each other would each wait for what the other holds.
func twoPeopleAreLockedInOrder(h *house) {
	var order []ident.UserID
	keys := *h.services().keys
	keys.Ledger = store.NewLedger(h.store, func(t *store.Tx) key.Tx { return locking{t, &order} })
	t := h.aTenant(0)
	people := []principal.Person{h.member(t, scope.Admin), h.member(t, scope.Admin)}
	for i, caller := range people {
		owner := people[1-i]
		spec := anyKey()
		spec.Owner = owner.ID
		issued, err := keys.Create(h.Context(), h.as(caller), t.ID, spec)
		h.must(err)
		_, err = keys.Disable(h.Context(), h.as(caller), t.ID, issued.Key.ID)
		h.must(err)
		if len(order) != 4 || !slices.IsSorted(order[:2]) || !slices.IsSorted(order[2:]) {
			h.Errorf("%s for %s locks %v", caller.ID, owner.ID, order)
		}
		order = nil
	}
}

func aLostScopeIsJudgedWhenGiven(h *house) {
	t := h.aTenant(0)
	owner := h.as(h.member(t, scope.Admin))
	spec := anyKey()
	spec.Scopes = []scope.Scope{scope.KeysVerify, scope.TenantsRead}
	k := h.key(owner, t, spec)
	h.sql(`UPDATE members SET role = 'member'`)
	edited, err := h.domain.keys.Edit(h.Context(), owner, t.ID, k.ID, key.Edit{Name: new("Another name")})
	if err != nil || !slices.Equal(edited.Key.Scopes, k.Scopes) {
		h.Errorf("renamed it has %v (%v)", edited.Key.Scopes, err)
	}
	for _, again := range [][]scope.Scope{spec.Scopes, {scope.KeysVerify}} {
		_, err := h.domain.keys.Edit(h.Context(), owner, t.ID, k.ID, key.Edit{Scopes: again})
		if faults := fault.Fields(err); len(faults) != 1 || faults[0].Code != "beyond_role" {
			h.Errorf("given again: %v", err)
		}
	}
	_, err = h.domain.keys.Edit(h.Context(), owner, t.ID, k.ID, key.Edit{Scopes: []scope.Scope{scope.TenantsRead}})
	h.must(err)
}
