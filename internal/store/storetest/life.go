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
	"github.com/claviger-dev/claviger/internal/verify"
)

var lifeGuarantees = []guarantee{
	{"a user is renamed, disabled and enabled, and nobody else is", aUserChanges},
	{"a deleted user keeps a row that says nothing of them", aDeletedUserIsBlank},
	{"of owners and admins those count who live, besides the one who asks", othersAreCounted},
	{"who leaves holds the accounts and tenants they leave", whoLeavesHoldsTheirHomes},
	{"a user appears where they own keys, are a member or stand above", whereAUserAppears},
	{"all keys of an owner in a tenant are revoked as one is", allKeysAreRevokedAsOne},
	{"all keys of an owner in a tenant are removed as one is", allKeysAreRemovedAsOne},
}

// reads gives a user, who must be there.
func (h *house) reads(id ident.UserID) identity.User {
	h.Helper()
	u, err := h.store.User(h.Context(), id)
	h.must(err)
	return u
}

func aUserChanges(h *house) {
	p, other := h.person(), h.person()
	want, stays := h.reads(p.ID), h.reads(other.ID)
	check := func(what string, change func(context.Context, *store.Tx) error) {
		h.Helper()
		h.in(change)
		if diff := cmp.Diff([]identity.User{want, stays}, []identity.User{h.reads(p.ID), h.reads(other.ID)}); diff != "" {
			h.Errorf("%s:\n%s", what, diff)
		}
	}
	want.Name, want.UpdatedAt = "Another name", h.later(time.Hour)
	check("renamed", func(ctx context.Context, tx *store.Tx) error { return tx.Rename(ctx, p.ID, want.Name, want.UpdatedAt) })
	for _, disabled := range []bool{true, false} {
		want.Disabled, want.UpdatedAt = disabled, want.UpdatedAt.Add(time.Hour)
		check("switched", func(ctx context.Context, tx *store.Tx) error {
			return tx.SetUserDisabled(ctx, p.ID, disabled, want.UpdatedAt)
		})
	}
}

func aDeletedUserIsBlank(h *house) {
	t := h.aTenant(0)
	p := h.member(t, scope.Admin)
	k, secret := h.stored(t, p, 1)
	h.insert(k, secret)
	h.in(func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(tx.LockHomes(ctx, p.ID), tx.LeaveAll(ctx, p.ID), tx.DeleteUser(ctx, p.ID, h.later(time.Hour)))
	})
	for table, rows := range h.dump() {
		if strings.HasPrefix(table, "audit") {
			continue
		}
		for _, row := range rows {
			if strings.Contains(row, p.Email) || strings.Contains(row, identity.CanonicalEmail(p.Email)) || strings.Contains(row, p.Name) {
				h.Errorf("%s still knows the user: %s", table, row)
			}
		}
	}
	if _, err := h.store.User(h.Context(), p.ID); !errors.Is(err, fault.NotFound) {
		h.Errorf("a deleted user is read: %v, want not found", err)
	}
	_, err := h.locked(p.ID)
	if !errors.Is(err, fault.NotFound) {
		h.Errorf("a deleted user is locked: %v, want not found", err)
	}
	if got, err := h.store.Key(h.Context(), t.ID, k.ID); err != nil || got.Owner != (principal.Person{ID: p.ID}) {
		h.Errorf("their key is of %+v (%v), want of nothing but an id", got.Owner, err)
	}
	if members := h.rows(`SELECT user_id FROM members WHERE user_id = $1`, p.ID); len(members) > 0 {
		h.Errorf("a deleted user is a member: %v", members)
	}
}

func (h *house) locked(id ident.UserID) (u identity.User, err error) {
	err = h.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		u, err = tx.LockUser(ctx, id)
		return event(audit.ActionNoticeRetry), err
	})
	return u, err
}

func othersAreCounted(h *house) {
	a, owner := h.account()
	t := h.tenant(a.ID, nil)
	h.join(t, owner, scope.Admin)
	other := h.member(t, scope.Admin)
	h.member(t, scope.Member)
	h.stand(a.ID, other, scope.AccountOwner)
	counts := func() (got string) {
		h.in(func(ctx context.Context, tx *store.Tx) error {
			accounts, tenants, err := tx.Leads(ctx, owner.ID)
			h.must(err)
			owners, err := tx.OtherOwners(ctx, a.ID, owner.ID)
			h.must(err)
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
		{`UPDATE members SET role = 'auditor' WHERE role = 'admin'`, `UPDATE members SET role = 'admin' WHERE role = 'auditor'`, "1 0 1 0"},
		{`UPDATE account_members SET role = 'admin'`, `UPDATE account_members SET role = 'owner'`, "0 1 0 1"},
	} {
		h.sql(c.change)
		if got := counts(); got != c.want {
			h.Errorf("%s: leads and others are %s, want %s", c.change, got, c.want)
		}
		h.sql(c.back)
	}
}

func whoLeavesHoldsTheirHomes(h *house) {
	a, owner := h.account()
	t := h.aTenant(0)
	other, first, second := h.person(), h.member(t, scope.Admin), h.member(t, scope.Member)
	h.stand(a.ID, other, scope.AccountOwner)
	for what, pair := range map[string][2]principal.Person{"account": {owner, other}, "tenant": {first, second}} {
		waited, done := h.waited(), make(chan error, 1)
		lock := func(p principal.Person) change {
			return changing(func(ctx context.Context, tx *store.Tx) error { return tx.LockHomes(ctx, p.ID) })
		}
		h.in(func(ctx context.Context, tx *store.Tx) error {
			err := tx.LockHomes(ctx, pair[0].ID)
			go func() { done <- h.write(lock(pair[1])) }()
			for !h.waits(waited) && len(done) == 0 {
				runtime.Gosched()
			}
			if len(done) > 0 {
				h.Errorf("the %s is not held", what)
			}
			return err
		})
		h.must(<-done)
	}
}

func whereAUserAppears(h *house) {
	p := h.person()
	a, _ := h.account()
	var want []ident.TenantID
	for range 2 {
		h.clock.move(time.Second) // ids ascend
		want = append(want, h.tenant(a.ID, nil).ID)
	}
	h.stand(a.ID, p, scope.AccountAdmin)
	h.clock.move(time.Second)
	joined, held := h.aTenant(0), h.aTenant(0)
	h.join(joined, p, scope.Auditor)
	k, secret := h.stored(held, p, 1)
	h.insert(k, secret)
	h.aTenant(0) // has nothing of theirs
	want = append(want, joined.ID, held.ID)
	slices.Sort(want)
	h.in(func(ctx context.Context, tx *store.Tx) error {
		got, err := tx.TenantsOfUser(ctx, p.ID)
		if diff := cmp.Diff(want, got); diff != "" {
			h.Errorf("the user appears elsewhere:\n%s", diff)
		}
		return err
	})
}

// twins are two tenants, in each of which somebody owns two keys and a revoked one, and somebody else owns one.
func (h *house) twins() (owner principal.Person, tenants [2]ident.TenantID, held [2][]ident.KeyID) {
	h.Helper()
	owner = h.person()
	other := h.person()
	for i := range tenants {
		t := h.aTenant(0)
		tenants[i] = t.ID
		for slot, of := range []principal.Person{other, owner, owner, owner} {
			k, secret := h.stored(t, of, int64(slot+1))
			h.insert(k, secret)
			h.use(verify.Use{Key: k.ID, At: h.later(time.Minute)})
			held[i] = append(held[i], k.ID)
		}
		h.sql(`UPDATE key_secrets SET copy = digest, copy_version = 1 WHERE key_id IN (SELECT id FROM keys WHERE tenant_id = $1)`, t.ID)
		h.in(func(ctx context.Context, tx *store.Tx) error {
			return tx.RevokeKey(ctx, held[i][3], h.clock.Now(), other.ID, "before")
		})
	}
	return owner, tenants, held
}

// keysOf shows all that is kept of a tenant's keys, without what tells the tenants apart.
func (h *house) keysOf(t ident.TenantID) []string {
	h.Helper()
	return h.rows(`SELECT k.name, k.slot, k.revoked_at, k.revoked_by, k.revoked_reason, k.updated_at, s.copy_version, used.last_used_at
		FROM keys k JOIN key_secrets s ON s.key_id = k.id LEFT JOIN key_uses used ON used.key_id = k.id WHERE k.tenant_id = $1 ORDER BY k.slot, k.revoked_at, k.id`, t)
}

func allKeysAreRevokedAsOne(h *house) {
	owner, tenants, held := h.twins()
	at, left := h.later(time.Hour), h.rows(`SELECT COUNT(*) FROM keys`)
	h.revokesAsOne(owner, tenants, policy.Tombstone, at, func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(tx.RevokeKey(ctx, held[0][1], at, owner.ID, "why"), tx.RevokeKey(ctx, held[0][2], at, owner.ID, "why"))
	})
	if got := h.rows(`SELECT COUNT(*) FROM keys`); !slices.Equal(got, left) {
		h.Errorf("of %v keys %v are left", left, got)
	}
}

func allKeysAreRemovedAsOne(h *house) {
	owner, tenants, held := h.twins()
	h.revokesAsOne(owner, tenants, policy.Delete, h.later(time.Hour), func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(tx.DeleteKey(ctx, held[0][1]), tx.DeleteKey(ctx, held[0][2]))
	})
	if uses := h.rows(`SELECT key_id FROM key_uses`); len(uses) != 4 {
		h.Errorf("there are uses of %v, want those of the four keys that are left", uses)
	}
}

// revokesAsOne fails the test where revoking all of an owner's keys leaves another tenant than revoking them one by one.
func (h *house) revokesAsOne(owner principal.Person, tenants [2]ident.TenantID, mode policy.RevokeMode, at time.Time, oneByOne func(context.Context, *store.Tx) error) {
	h.Helper()
	h.in(func(ctx context.Context, tx *store.Tx) error {
		n, err := tx.RevokeKeysOf(ctx, tenants[1], owner.ID, mode, at, owner.ID, "why")
		if n != 2 {
			h.Errorf("%d keys were revoked, want two", n)
		}
		return err
	})
	h.in(oneByOne)
	if diff := cmp.Diff(h.keysOf(tenants[0]), h.keysOf(tenants[1])); diff != "" {
		h.Errorf("one by one (-) and all at once (+):\n%s", diff)
	}
}
