package storetest

import (
	"context"
	"errors"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
)

var authorityGuarantees = []guarantee{
	{"authority is the live membership and the role in the account", authorityIsWhatIsLive},
	{"an owner is locked under a live membership alone", anOwnerHasALiveMembership},
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

func anOwnerHasALiveMembership(h *house) {
	g := h.guest()
	outsider := h.tenant(g.home.ID, nil) // the guest acts as admin here, and is no member
	lock := func(t ident.TenantID) (got principal.Authority, err error) {
		err = h.write(changing(func(ctx context.Context, tx *store.Tx) (err error) {
			got, err = tx.LockOwner(ctx, t, g.person.ID)
			return err
		}))
		return got, err
	}
	got, err := lock(g.tenants[2].ID)
	if want := (principal.Authority{Person: g.person, Member: scope.Member}); err != nil || got != want {
		h.Errorf("a member is %+v (%v), want %+v", got, err, want)
	}
	refused := func(why string, t ident.TenantID) {
		h.Helper()
		if _, err := lock(t); !errors.Is(err, fault.NotFound) {
			h.Errorf("%s: %v, want not found", why, err)
		}
	}
	refused("no member", outsider.ID)
	refused("no tenant", "ten_unknown")
	h.sql(`UPDATE users SET disabled_at = 1 WHERE id = $1`, g.person.ID)
	refused("a disabled user", g.tenants[2].ID)
	h.sql(`UPDATE users SET disabled_at = NULL`)
	h.sql(`UPDATE members SET disabled_at = 1`)
	refused("a disabled member", g.tenants[2].ID)
}
