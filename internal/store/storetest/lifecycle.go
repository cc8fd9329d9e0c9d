package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/usage"
)

var lifecycleCases = []testCase{
	{"a user is renamed, disabled and enabled, and nobody else is", aUserChanges},
	{"a deleted user keeps a row that says nothing of them", aDeletedUserIsBlank},
	{"of owners and admins those count who live, besides the one who asks", othersAreCounted},
	{"who leaves holds the accounts and tenants they leave", aDeletionLocksAccountsAndTenants},
	{"a user appears where they own keys, are a member or stand above", whereAUserAppears},
	{"all keys of an owner in a tenant are revoked as one is", allKeysAreRevokedAsOne},
	{"all keys of an owner in a tenant are removed as one is", allKeysAreRemovedAsOne},
}

// readUser returns a user, who must exist.
func (fx *fixture) readUser(id ident.UserID) identity.User {
	fx.Helper()
	u, err := fx.store.User(fx.Context(), id)
	fx.must(err)
	return u
}

func aUserChanges(fx *fixture) {
	p, other := fx.person(), fx.person()
	want, stays := fx.readUser(p.ID), fx.readUser(other.ID)
	check := func(what string, change func(context.Context, *store.Tx) error) {
		fx.Helper()
		fx.mustWrite(change)
		if diff := cmp.Diff([]identity.User{want, stays},
			[]identity.User{fx.readUser(p.ID), fx.readUser(other.ID)}); diff != "" {
			fx.Errorf("%s:\n%s", what, diff)
		}
	}
	want.Name, want.UpdatedAt = "Another name", fx.after(time.Hour)
	check("renamed",
		func(ctx context.Context, tx *store.Tx) error { return tx.Rename(ctx, p.ID, want.Name, want.UpdatedAt) })
	for _, disabled := range []bool{true, false} {
		want.Disabled, want.UpdatedAt = disabled, want.UpdatedAt.Add(time.Hour)
		check("switched", func(ctx context.Context, tx *store.Tx) error {
			return tx.SetUserDisabled(ctx, p.ID, disabled, want.UpdatedAt)
		})
	}
}

func aDeletedUserIsBlank(fx *fixture) {
	t := fx.tenantWithCap(0)
	p := fx.member(t, scope.Admin)
	k, secret := fx.newKey(t, p, 1)
	fx.insertKey(k, secret)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(tx.LockAccountsAndTenantsOf(ctx, p.ID), tx.RemoveMemberships(ctx, p.ID),
			tx.DeleteUser(ctx, p.ID, fx.after(time.Hour)))
	})
	for table, rows := range fx.dump() {
		if strings.HasPrefix(table, "audit") {
			continue
		}
		for _, row := range rows {
			if strings.Contains(row, p.Email) || strings.Contains(row, identity.CanonicalEmail(p.Email)) ||
				strings.Contains(row, p.Name) {
				fx.Errorf("%s still knows the user: %s", table, row)
			}
		}
	}
	if _, err := fx.store.User(fx.Context(), p.ID); !errors.Is(err, fault.NotFound) {
		fx.Errorf("a deleted user is read: %v, want not found", err)
	}
	_, err := fx.lockUser(p.ID)
	if !errors.Is(err, fault.NotFound) {
		fx.Errorf("a deleted user is locked: %v, want not found", err)
	}
	nobody := principal.Person{ID: p.ID}.Party()
	if got, err := fx.store.Key(fx.Context(), t.ID, k.ID); err != nil || got.Owner != nobody {
		fx.Errorf("their key is of %+v (%v), want of nothing but an id", got.Owner, err)
	}
	if members := fx.queryRows(`SELECT user_id FROM members WHERE user_id = $1`, p.ID); len(members) > 0 {
		fx.Errorf("a deleted user is a member: %v", members)
	}
}

func (fx *fixture) lockUser(id ident.UserID) (u identity.User, err error) {
	err = fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		u, err = tx.LockUser(ctx, id)
		return event(audit.ActionNoticeRetry), err
	})
	return u, err
}

func othersAreCounted(fx *fixture) {
	a, owner := fx.account()
	t := fx.tenant(a.ID, nil)
	fx.join(t, owner, scope.Admin)
	other := fx.member(t, scope.Admin)
	fx.member(t, scope.Member)
	fx.setAccountRole(a.ID, other, scope.AccountOwner)
	counts := func() (got string) {
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			accounts, tenants, err := tx.AccountsAndTenantsLedBy(ctx, owner.ID)
			fx.must(err)
			owners, err := tx.OtherOwners(ctx, a.ID, owner.ID)
			fx.must(err)
			admins, err := tx.OtherAdmins(ctx, t.ID, owner.ID)
			got = fmt.Sprint(len(accounts), len(tenants), owners, admins)
			return err
		})
		return got
	}
	for _, c := range []struct{ change, back, want string }{
		{`UPDATE users SET name = name`, `UPDATE users SET name = name`, "1 1 1 1"},
		{`UPDATE users SET disabled_at = 1`, `UPDATE users SET disabled_at = NULL`, "1 1 0 0"},
		{`UPDATE users SET deleted_at = 1`, `UPDATE users SET deleted_at = NULL`, "1 1 0 0"},
		{`UPDATE members SET disabled_at = 1`, `UPDATE members SET disabled_at = NULL`, "1 0 1 0"},
		{
			`UPDATE members SET role = 'auditor' WHERE role = 'admin'`,
			`UPDATE members SET role = 'admin' WHERE role = 'auditor'`, "1 0 1 0",
		},
		{`UPDATE account_members SET role = 'admin'`, `UPDATE account_members SET role = 'owner'`, "0 1 0 1"},
	} {
		fx.exec(c.change)
		if got := counts(); got != c.want {
			fx.Errorf("%s: leads and others are %s, want %s", c.change, got, c.want)
		}
		fx.exec(c.back)
	}
}

func aDeletionLocksAccountsAndTenants(fx *fixture) {
	a, owner := fx.account()
	t := fx.tenantWithCap(0)
	other := fx.person()
	first := fx.member(t, scope.Admin)
	second := fx.member(t, scope.Member)
	fx.setAccountRole(a.ID, other, scope.AccountOwner)
	for what, pair := range map[string][2]principal.Person{"account": {owner, other}, "tenant": {first, second}} {
		waited, done := fx.countWaits(), make(chan error, 1)
		lock := func(p principal.Person) change {
			return asChange(func(ctx context.Context, tx *store.Tx) error {
				return tx.LockAccountsAndTenantsOf(ctx, p.ID)
			})
		}
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			err := tx.LockAccountsAndTenantsOf(ctx, pair[0].ID)
			go func() { done <- fx.write(lock(pair[1])) }()
			for !fx.isWaiting(waited) && len(done) == 0 {
				runtime.Gosched()
			}
			if len(done) > 0 {
				fx.Errorf("the %s is not held", what)
			}
			return err
		})
		fx.must(<-done)
	}
}

func whereAUserAppears(fx *fixture) {
	p := fx.person()
	a, _ := fx.account()
	var want []ident.TenantID
	for range 2 {
		fx.clock.move(time.Second) // ids ascend
		want = append(want, fx.tenant(a.ID, nil).ID)
	}
	fx.setAccountRole(a.ID, p, scope.AccountAdmin)
	fx.clock.move(time.Second)
	joined, held := fx.tenantWithCap(0), fx.tenantWithCap(0)
	fx.join(joined, p, scope.Auditor)
	k, secret := fx.newKey(held, p, 1)
	fx.insertKey(k, secret)
	fx.tenantWithCap(0) // is in no account or tenant
	want = append(want, joined.ID, held.ID)
	slices.Sort(want)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		got, err := tx.TenantsOfUser(ctx, p.ID)
		if diff := cmp.Diff(want, got); diff != "" {
			fx.Errorf("the user appears elsewhere:\n%s", diff)
		}
		return err
	})
}

// twoTenants returns two tenants. In each of them one person owns two keys and a revoked one, and
// another person owns one.
func (fx *fixture) twoTenants() (owner principal.Person, tenants [2]ident.TenantID, held [2][]ident.KeyID) {
	fx.Helper()
	owner = fx.person()
	other := fx.person()
	for i := range tenants {
		t := fx.tenantWithCap(0)
		tenants[i] = t.ID
		for slot, of := range []principal.Person{other, owner, owner, owner} {
			k, secret := fx.newKey(t, of, int64(slot+1))
			fx.insertKey(k, secret)
			fx.recordUses(usage.Use{Key: k.ID, At: fx.after(time.Minute)})
			held[i] = append(held[i], k.ID)
		}
		fx.exec(`UPDATE key_secrets SET copy = digest, copy_version = 1
			WHERE key_id IN (SELECT id FROM keys WHERE tenant_id = $1)`, t.ID)
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			return tx.RevokeKey(ctx, held[i][3], fx.clock.Now(), ident.PartyID(other.ID), "before")
		})
	}
	return owner, tenants, held
}

// keysOf returns everything stored of a tenant's keys, without what differs between the tenants.
func (fx *fixture) keysOf(t ident.TenantID) []string {
	fx.Helper()
	return fx.queryRows(`SELECT k.name, k.slot, k.revoked_at, k.revoked_by, k.revoked_reason, k.updated_at,
		s.copy_version, used.last_used_at
		FROM keys k JOIN key_secrets s ON s.key_id = k.id LEFT JOIN key_uses used ON used.key_id = k.id
		WHERE k.tenant_id = $1 ORDER BY k.slot, k.revoked_at, k.id`, t)
}

func allKeysAreRevokedAsOne(fx *fixture) {
	owner, tenants, held := fx.twoTenants()
	at, left := fx.after(time.Hour), fx.queryRows(`SELECT COUNT(*) FROM keys`)
	fx.revokesLikeOneByOne(owner, tenants, policy.Tombstone, at, func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(tx.RevokeKey(ctx, held[0][1], at, ident.PartyID(owner.ID), "why"),
			tx.RevokeKey(ctx, held[0][2], at, ident.PartyID(owner.ID), "why"))
	})
	if got := fx.queryRows(`SELECT COUNT(*) FROM keys`); !slices.Equal(got, left) {
		fx.Errorf("of %v keys %v are left", left, got)
	}
}

func allKeysAreRemovedAsOne(fx *fixture) {
	owner, tenants, held := fx.twoTenants()
	fx.revokesLikeOneByOne(owner, tenants, policy.Delete, fx.after(time.Hour),
		func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(tx.DeleteKey(ctx, held[0][1]), tx.DeleteKey(ctx, held[0][2]))
		})
	if uses := fx.queryRows(`SELECT key_id FROM key_uses`); len(uses) != 4 {
		fx.Errorf("there are uses of %v, want those of the four keys that are left", uses)
	}
}

// revokesLikeOneByOne fails the test if revoking all keys of an owner differs from revoking them
// one by one.
func (fx *fixture) revokesLikeOneByOne(owner principal.Person, tenants [2]ident.TenantID, mode policy.RevokeMode,
	at time.Time,
	oneByOne func(context.Context, *store.Tx) error,
) {
	fx.Helper()
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		n, err := tx.RevokeKeysOf(ctx, tenants[1], owner.ID, mode, at, owner.ID, "why")
		if n != 2 {
			fx.Errorf("%d keys were revoked, want two", n)
		}
		return err
	})
	fx.mustWrite(oneByOne)
	if diff := cmp.Diff(fx.keysOf(tenants[0]), fx.keysOf(tenants[1])); diff != "" {
		fx.Errorf("one by one (-) and all at once (+):\n%s", diff)
	}
}
