package storetest

import (
	"context"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
)

var authorityCases = []testCase{
	{"authority is the live membership and the role in the account", authorityIsWhatIsLive},
	{"a lock writes no new version of a row", aLockWritesNothing},
	{"two people are locked in the order of their ids, although each acts for the other", twoPeopleAreLockedInOrder},
	{"who lost a scope may rename the key that has it, and not give it again", aLostScopeIsCheckedWhenGranted},
}

func authorityIsWhatIsLive(fx *fixture) {
	g := fx.newGuest() // admin, auditor and member of the tenants; admin of the first two's account
	account := scope.AccountAdmin
	for _, c := range []struct {
		given, undone string
		want          [3]principal.Authority
	}{
		{"", "", [3]principal.Authority{
			{Member: scope.Admin, Account: account},
			{Member: scope.Auditor, Account: account},
			{Member: scope.Member},
		}},
		{
			`UPDATE members SET disabled_at = 1`, `UPDATE members SET disabled_at = NULL`,
			[3]principal.Authority{{Account: account}, {Account: account}, {}},
		},
		{
			`UPDATE account_members SET role = 'owner' WHERE role = 'admin'`, `DELETE FROM account_members`,
			[3]principal.Authority{
				{Member: scope.Admin, Account: scope.AccountOwner},
				{Member: scope.Auditor, Account: scope.AccountOwner},
				{Member: scope.Member},
			},
		},
		{"", "", [3]principal.Authority{{Member: scope.Admin}, {Member: scope.Auditor}, {Member: scope.Member}}},
		{`UPDATE users SET disabled_at = 1`, `UPDATE users SET disabled_at = NULL`, [3]principal.Authority{}},
		{`UPDATE accounts SET disabled_at = 1`, `UPDATE accounts SET disabled_at = NULL`, [3]principal.Authority{}},
		{`UPDATE users SET deleted_at = 1`, `UPDATE users SET deleted_at = NULL`, [3]principal.Authority{}},
	} {
		fx.optionally(c.given)
		for i, want := range c.want {
			want.Person = g.person
			if c.want == ([3]principal.Authority{}) {
				want = principal.Authority{}
			}
			fx.authorityIs(g, i, want)
		}
		fx.optionally(c.undone)
	}
}

func (fx *fixture) optionally(statement string) {
	fx.Helper()
	if statement != "" {
		fx.exec(statement)
	}
}

// authorityIs fails the test if the guest's authority in one of the tenants differs.
func (fx *fixture) authorityIs(g guest, tenant int, want principal.Authority) {
	fx.Helper()
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		got, err := tx.Authority(ctx, g.tenants[tenant].ID, g.person.ID)
		if got != want {
			fx.Errorf("in tenant %d: %+v, want %+v", tenant, got, want)
		}
		return err
	})
	id := g.person.ID
	admins, err := fx.store.AdminsAmong(fx.Context(), g.tenants[tenant].ID, []ident.UserID{"usr_x", id})
	if isAdmin := slices.Contains(admins, id); err != nil || isAdmin != (want.EffectiveRole() == scope.Admin) {
		fx.Errorf("in tenant %d: the admins are %v, %v; want %+v", tenant, admins, err, want)
	}
}

// recordCreate and recordChange record whose authority a transaction reads, in order.
type recordCreate struct {
	key.CreateTx
	order *[]ident.UserID
}

type recordChange struct {
	key.ChangeTx
	order *[]ident.UserID
}

// Authority implements key.AuthorityTx.
func (r recordCreate) Authority(ctx context.Context, tenant ident.TenantID,
	user ident.UserID,
) (principal.Authority, error) {
	*r.order = append(*r.order, user)
	return r.CreateTx.Authority(ctx, tenant, user)
}

// Authority implements key.AuthorityTx.
func (r recordChange) Authority(ctx context.Context, tenant ident.TenantID,
	user ident.UserID,
) (principal.Authority, error) {
	*r.order = append(*r.order, user)
	return r.ChangeTx.Authority(ctx, tenant, user)
}

// Otherwise two people who act for each other would each wait for what the other holds.
func twoPeopleAreLockedInOrder(fx *fixture) {
	var order []ident.UserID
	keys := fx.copyKeyService()
	keys.Creates = store.NewLedger(fx.store, func(t *store.Tx) key.CreateTx { return recordCreate{t, &order} })
	keys.Changes = store.NewLedger(fx.store, func(t *store.Tx) key.ChangeTx { return recordChange{t, &order} })
	t := fx.tenantWithCap(0)
	people := []principal.Person{fx.member(t, scope.Admin), fx.member(t, scope.Admin)}
	for i, caller := range people {
		owner := people[1-i]
		spec := anyKey()
		spec.Owner = ident.PartyID(owner.ID)
		issued, err := keys.Create(fx.Context(), fx.signIn(caller), t.ID, spec)
		fx.must(err)
		_, err = keys.Disable(fx.Context(), fx.signIn(caller), t.ID, issued.Key.ID)
		fx.must(err)
		if len(order) != 4 || !slices.IsSorted(order[:2]) || !slices.IsSorted(order[2:]) {
			fx.Errorf("%s for %s locks %v", caller.ID, owner.ID, order)
		}
		order = nil
	}
}

func aLostScopeIsCheckedWhenGranted(fx *fixture) {
	t := fx.tenantWithCap(0)
	owner := fx.signIn(fx.member(t, scope.Admin))
	spec := anyKey()
	spec.Scopes = []scope.Scope{scope.KeysVerify, scope.TenantsRead}
	k := fx.createKey(owner, t, spec)
	fx.exec(`UPDATE members SET role = 'member'`)
	edited, err := fx.built.keys.Edit(fx.Context(), owner, t.ID, k.ID, key.Edit{Name: new("Another name")})
	if err != nil || !slices.Equal(edited.Key.Scopes, k.Scopes) {
		fx.Errorf("renamed it has %v (%v)", edited.Key.Scopes, err)
	}
	for _, again := range [][]scope.Scope{spec.Scopes, {scope.KeysVerify}} {
		_, err := fx.built.keys.Edit(fx.Context(), owner, t.ID, k.ID, key.Edit{Scopes: again})
		if faults := fault.Fields(err); len(faults) != 1 || faults[0].Code != "beyond_role" {
			fx.Errorf("given again: %v", err)
		}
	}
	_, err = fx.built.keys.Edit(fx.Context(), owner, t.ID, k.ID, key.Edit{Scopes: []scope.Scope{scope.TenantsRead}})
	fx.must(err)
}

func aLockWritesNothing(fx *fixture) {
	g := fx.newGuest()
	if fx.engine.version == "" {
		return // the transaction locks the database, not a row
	}
	versions := func() (all []string) {
		for _, table := range []string{"users", "account_members", "members", "tenants", "accounts"} {
			all = append(all, fx.queryRows(`SELECT `+fx.engine.version+` FROM `+table+` ORDER BY 1`)...)
		}
		return all
	}
	before := versions()
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		for _, t := range g.tenants {
			if _, err := tx.LockTenant(ctx, t.ID); err != nil {
				return err
			}
			if _, err := tx.Authority(ctx, t.ID, g.person.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if diff := cmp.Diff(before, versions()); diff != "" {
		fx.Error(diff)
	}
}
