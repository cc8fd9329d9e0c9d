package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
)

var avatarCases = []testCase{
	{"an avatar comes back as it was set last, until it is removed", anAvatarComesBack},
	{"a deleted user leaves no avatar", aDeletedUserLeavesNoAvatar},
	{"the affiliations of a user are their tenants and accounts", affiliationsComeBack},
}

func anAvatarComesBack(fx *fixture) {
	p, other := fx.person(), fx.person()
	set := func(a identity.Avatar) {
		fx.Helper()
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			return tx.SetAvatar(ctx, p.ID, a, fx.clock.Now())
		})
	}
	set(identity.Avatar{Image: []byte("first\x00"), Version: "1"})
	fx.clock.move(time.Hour)
	want := identity.Avatar{Image: []byte{0, 1, 0xff}, Version: "2"}
	set(want)
	got, err := fx.store.Avatar(fx.Context(), p.ID)
	fx.must(err)
	version, err := fx.store.AvatarVersion(fx.Context(), p.ID)
	fx.must(err)
	if diff := cmp.Diff(want, got); diff != "" || version != "2" {
		fx.Errorf("version %q, and\n%s", version, diff)
	}
	if _, err := fx.store.Avatar(fx.Context(), other.ID); !errors.Is(err, fault.NotFound) {
		fx.Errorf("of another user: %v", err)
	}
	if version, err := fx.store.AvatarVersion(fx.Context(), other.ID); err != nil || version != "" {
		fx.Errorf("of another user: %q, %v", version, err)
	}
	remove := func(ctx context.Context, tx *store.Tx) error { return tx.RemoveAvatar(ctx, p.ID) }
	fx.mustWrite(remove)
	if _, err := fx.store.Avatar(fx.Context(), p.ID); !errors.Is(err, fault.NotFound) {
		fx.Errorf("after it was removed: %v", err)
	}
}

func aDeletedUserLeavesNoAvatar(fx *fixture) {
	p := fx.person()
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(
			tx.SetAvatar(ctx, p.ID, identity.Avatar{Image: []byte{1}, Version: "1"}, fx.clock.Now()),
			tx.DeleteUser(ctx, p.ID, fx.clock.Now()),
		)
	})
	if _, err := fx.store.Avatar(fx.Context(), p.ID); !errors.Is(err, fault.NotFound) {
		fx.Errorf("%v", err)
	}
}

func affiliationsComeBack(fx *fixture) {
	p := fx.person()
	got, err := fx.store.Affiliations(fx.Context(), p.ID)
	fx.must(err)
	if len(got.Tenants) != 0 || len(got.Accounts) != 0 {
		fx.Errorf("of a user who belongs to nothing: %+v", got)
	}
	t := fx.tenantWithCap(1)
	fx.exec(`INSERT INTO members (tenant_id, user_id, role, created_at, updated_at, disabled_at)
		VALUES ($1, $2, 'member', 1, 1, 1)`, t.ID, p.ID)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return tx.SetAccountMember(ctx, t.Account, p.ID, scope.AccountAdmin, fx.clock.Now())
	})
	got, err = fx.store.Affiliations(fx.Context(), p.ID)
	fx.must(err)
	want := identity.Affiliations{
		Tenants: map[ident.TenantID]ident.AccountID{t.ID: t.Account}, Accounts: []ident.AccountID{t.Account},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		fx.Errorf("want -, got +\n%s", diff)
	}
}
