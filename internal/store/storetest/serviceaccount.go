package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

var serviceAccountCases = []testCase{
	{"a service account comes back as inserted and as updated", aServiceAccountComesBack},
	{"another tenant's service account is not found", anothersServiceAccountIsNotFound},
	{"service accounts are listed page by page, newest first", serviceAccountsAreListed},
	{"of a deleted service account only the id is left", aDeletedServiceAccountLeavesItsID},
	{"who leaves the tenant, or is deleted, is no steward any more", stewardsLeave},
	{"only active members get the notices of stewards", stewardsWhoGetNotices},
	{"keys of an owner that ended are revoked in batches", endedKeysAreRevokedInBatches},
	{"a user's keys in all tenants end in one short write", keysOfAUserEndInOneShortWrite},
}

// newServiceAccount is a service account that is not stored yet.
func (fx *fixture) newServiceAccount(t ident.TenantID, stewards ...principal.Person) machine.ServiceAccount {
	now := fx.clock.move(time.Second)
	slices.SortFunc(stewards, func(a, b principal.Person) int { return slices.Compare([]byte(a.ID), []byte(b.ID)) })
	return machine.ServiceAccount{
		ID: ident.New[ident.ServiceAccountID](now, fx.random), Tenant: t, Name: "A robot", Description: "line\nbreak",
		Role: scope.Auditor, Stewards: stewards, CreatedBy: principal.Party{ID: ident.PartyID(ident.OperatorParty)},
		CreatedAt: now, UpdatedAt: now,
	}
}

// serviceAccount stores a service account.
func (fx *fixture) serviceAccount(t ident.TenantID, stewards ...principal.Person) machine.ServiceAccount {
	fx.Helper()
	a := fx.newServiceAccount(t, stewards...)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) (err error) {
		a.Number, err = tx.InsertServiceAccount(ctx, a)
		return err
	})
	return a
}

// expectServiceAccount fails the test unless the service account is stored like that.
func (fx *fixture) expectServiceAccount(want machine.ServiceAccount) {
	fx.Helper()
	got, err := fx.store.ServiceAccount(fx.Context(), want.Tenant, want.ID)
	fx.must(err)
	var locked machine.ServiceAccount
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) (err error) {
		locked, err = tx.LockServiceAccount(ctx, want.Tenant, want.ID)
		return err
	})
	if diff := diff.Diff([]machine.ServiceAccount{want, want}, []machine.ServiceAccount{got, locked}); diff != "" {
		fx.Errorf("came back otherwise:\n%s", diff)
	}
}

func aServiceAccountComesBack(fx *fixture) {
	t := fx.tenantWithCap(0)
	first, second := fx.member(t, scope.Member), fx.member(t, scope.Admin)
	a := fx.serviceAccount(t.ID, first, second)
	fx.expectServiceAccount(a)
	a.Name, a.Description = "Another robot", ""
	a.Role, a.Disabled = scope.Admin, true
	a.Stewards = []principal.Person{second}
	a.UpdatedAt = fx.clock.move(time.Second)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(tx.UpdateServiceAccount(ctx, a), tx.ReplaceStewards(ctx, a))
	})
	fx.expectServiceAccount(a)
	a.CreatedBy = first.Party()
	fx.exec(`UPDATE service_accounts SET created_by = '` + string(first.ID) + `'`)
	fx.expectServiceAccount(a)
}

func anothersServiceAccountIsNotFound(fx *fixture) {
	mine, theirs := fx.tenantWithCap(0), fx.tenantWithCap(0)
	a := fx.serviceAccount(theirs.ID)
	for _, id := range []ident.ServiceAccountID{a.ID, "sva_unknown", ""} {
		if got, err := fx.store.ServiceAccount(fx.Context(), mine.ID, id); !errors.Is(err, fault.NotFound) ||
			got.ID != "" {
			fx.Errorf("%q is %+v, %v, want not found", id, got, err)
		}
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			if _, err := tx.LockServiceAccount(ctx, mine.ID, id); !errors.Is(err, fault.NotFound) {
				fx.Errorf("locking %q: %v, want not found", id, err)
			}
			return nil
		})
	}
}

func serviceAccountsAreListed(fx *fixture) {
	t := fx.tenantWithCap(0)
	steward := fx.member(t, scope.Member)
	var want []machine.ServiceAccount
	for range 5 {
		want = append(want, fx.serviceAccount(t.ID, steward))
	}
	slices.Reverse(want)
	fx.serviceAccount(fx.tenantWithCap(0).ID)
	var got []machine.ServiceAccount
	for page := (paging.Page{Limit: 2}); ; {
		part, err := fx.store.ServiceAccounts(fx.Context(), t.ID, page)
		fx.must(err)
		got = append(got, part...)
		if len(part) < 2 {
			break
		}
		page.BeforeTime, page.BeforeID = part[1].CreatedAt, string(part[1].ID)
	}
	if diff := diff.Diff(want, got); diff != "" {
		fx.Errorf("listed otherwise:\n%s", diff)
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		for most, want := range map[int]int{3: 3, 5: 5, 9: 5} {
			if n, err := tx.CountServiceAccounts(ctx, t.ID, most); err != nil || n != want {
				fx.Errorf("up to %d there are %d, want %d (%v)", most, n, want, err)
			}
		}
		return nil
	})
}

func aDeletedServiceAccountLeavesItsID(fx *fixture) {
	t := fx.tenantWithCap(0)
	a := fx.serviceAccount(t.ID, fx.member(t, scope.Member))
	k, secret := fx.newKeyOf(t, a.Party(), 1)
	fx.insertKey(k, secret)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return tx.DeleteServiceAccount(ctx, a, fx.clock.Now(), "usr_1", "Gone.")
	})
	if _, err := fx.store.ServiceAccount(fx.Context(), t.ID, a.ID); !errors.Is(err, fault.NotFound) {
		fx.Errorf("it is still there: %v", err)
	}
	got, err := fx.store.Key(fx.Context(), t.ID, k.ID)
	if err != nil || got.Owner != (principal.Party{ID: ident.PartyID(a.ID)}) || len(got.Stewards) > 0 ||
		!got.OwnerDeletedAt.Equal(fx.clock.Now()) {
		fx.Errorf("its key is %+v, %v", got, err)
	}
	if facts := fx.facts(secret.Lookup); !facts.OwnerEnded || facts.OwnerLive {
		fx.Errorf("the facts of its key are %+v", facts)
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		if n, err := tx.CountServiceAccounts(ctx, t.ID, 9); err != nil || n != 0 {
			fx.Errorf("%d are left (%v)", n, err)
		}
		return nil
	})
}

func stewardsLeave(fx *fixture) {
	t := fx.tenantWithCap(0)
	leaves, deleted := fx.member(t, scope.Member), fx.member(t, scope.Member)
	stays := fx.member(t, scope.Member)
	a := fx.serviceAccount(t.ID, leaves, deleted, stays)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(tx.DeleteMember(ctx, t.ID, leaves.ID), tx.RemoveMemberships(ctx, deleted.ID))
	})
	a.Stewards = []principal.Person{stays}
	fx.expectServiceAccount(a)
	for person, want := range map[ident.UserID]int{leaves.ID: 0, deleted.ID: 0, stays.ID: 1} {
		if got, err := fx.store.StewardedBy(fx.Context(), t.ID, person); err != nil || len(got) != want {
			fx.Errorf("%s is steward of %v (%v)", person, got, err)
		}
	}
}

func stewardsWhoGetNotices(fx *fixture) {
	t := fx.tenantWithCap(0)
	active, off := fx.member(t, scope.Member), fx.member(t, scope.Member)
	away := fx.member(t, scope.Member)
	admin, formerAdmin := fx.member(t, scope.Admin), fx.member(t, scope.Admin)
	a := fx.serviceAccount(t.ID, active, off, away)
	fx.exec(`UPDATE members SET disabled_at = 1 WHERE user_id = '` + string(off.ID) + `' OR user_id = '` +
		string(formerAdmin.ID) + `'`)
	fx.exec(`UPDATE users SET disabled_at = 1 WHERE id = '` + string(away.ID) + `'`)
	got, err := fx.store.Stewards(fx.Context(), a.ID)
	if err != nil || !slices.Equal(got, []ident.UserID{active.ID}) {
		fx.Errorf("stewards: %v (%v)", got, err)
	}
	got, err = fx.store.AdminsOf(fx.Context(), t.ID)
	if err != nil || !slices.Equal(got, []ident.UserID{admin.ID}) {
		fx.Errorf("admins: %v (%v)", got, err)
	}
}

func endedKeysAreRevokedInBatches(fx *fixture) {
	for _, mode := range []policy.RevokeMode{policy.Tombstone, policy.Delete} {
		t := fx.tenantWithCap(0)
		owner := fx.serviceAccount(t.ID).Party()
		const keys = 2*tenancy.MaxEndedAtOnce + 3
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			for i := range keys {
				k, s := fx.newKeyOf(t, owner, int64(i+1))
				if err := tx.InsertKey(ctx, k, s); err != nil {
					return err
				}
			}
			return nil
		})
		other, secret := fx.newKey(t, fx.member(t, scope.Member), 1)
		fx.insertKey(other, secret)
		o := tenancy.EndedOwner{Tenant: t.ID, ID: owner.ID, At: fx.clock.Now(), By: "usr_1", Reason: "Gone."}
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			n, err := tx.EndOwner(ctx, o, mode)
			if n != keys {
				fx.Errorf("%s: the end revokes %d keys, want %d", mode, n, keys)
			}
			return err
		})
		listed, err := fx.store.EndedOwners(fx.Context())
		if err != nil || !slices.Equal(listed, []tenancy.EndedOwner{o}) {
			fx.Errorf("%s: listed %+v (%v)", mode, listed, err)
		}
		for at, want := (&tenancy.KeyPosition{}), tenancy.MaxEndedAtOnce; at != nil; want = 3 {
			fx.mustWrite(func(ctx context.Context, tx *store.Tx) (err error) {
				var n int
				n, at, err = tx.RevokeEnded(ctx, o, mode, *at)
				if n != want {
					fx.Errorf("%s: a batch of %d, want %d", mode, n, want)
				}
				return err
			})
		}
		left, err := fx.store.EndedOwners(fx.Context())
		if err != nil || len(left) > 0 {
			fx.Errorf("%s: still listed: %+v (%v)", mode, left, err)
		}
		revoked := map[policy.RevokeMode]int64{policy.Tombstone: keys, policy.Delete: 0}[mode]
		n := queryValue[int64](fx, `SELECT COUNT(*) FROM keys
			WHERE revoked_reason = 'Gone.' AND slot IS NULL AND owner_id = '`+string(owner.ID)+`'`)
		if n != revoked {
			fx.Errorf("%s: %d rows of revoked keys, want %d", mode, n, revoked)
		}
		if got, err := fx.store.Key(fx.Context(), t.ID, other.ID); err != nil || !got.RevokedAt.IsZero() {
			fx.Errorf("%s: another owner's key is %+v (%v)", mode, got, err)
		}
	}
}

// The first end of a user in a tenant counts: a later one finds all keys revoked.
func keysOfAUserEndInOneShortWrite(fx *fixture) {
	for _, mode := range []policy.RevokeMode{policy.Tombstone, policy.Delete} {
		owner := fx.person()
		tenants := []tenancy.Tenant{fx.tenantWithCap(0), fx.tenantWithCap(0), fx.tenantWithCap(0), fx.tenantWithCap(0)}
		held := []int{tenancy.MaxEndedAtOnce - 1, 2, 3, 0}
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			for i, t := range tenants {
				for slot := range held[i] {
					k, s := fx.newKeyOf(t, owner.Party(), int64(slot+1))
					if err := tx.InsertKey(ctx, k, s); err != nil {
						return err
					}
				}
			}
			return nil
		})
		end := func(at time.Time, want ...int) {
			fx.Helper()
			fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
				for i, t := range tenants {
					n, err := tx.RevokeKeysOf(ctx, t.ID, owner.ID, mode, at, owner.ID, "Gone.")
					if err != nil {
						return err
					}
					if n != int64(want[i]) {
						fx.Errorf("%s: the end in tenant %d revokes %d keys, want %d", mode, i, n, want[i])
					}
				}
				return nil
			})
		}
		at := fx.clock.Now()
		end(at, held...)
		left := queryValue[int64](fx, `SELECT COUNT(*) FROM keys WHERE revoked_at IS NULL AND owner_id = '`+
			string(owner.ID)+`'`)
		if left != 4 {
			fx.Errorf("%s: the end leaves the rows of %d keys, want 4", mode, left)
		}
		end(fx.after(time.Hour), 0, 0, 0, 0)
		want := []tenancy.EndedOwner{
			{Tenant: tenants[1].ID, ID: owner.Party().ID, At: at, By: owner.Party().ID, Reason: "Gone."},
			{Tenant: tenants[2].ID, ID: owner.Party().ID, At: at, By: owner.Party().ID, Reason: "Gone."},
		}
		slices.SortFunc(want, func(a, b tenancy.EndedOwner) int { return cmp.Compare(a.Tenant, b.Tenant) })
		listed, err := fx.store.EndedOwners(fx.Context())
		if err != nil || !slices.Equal(listed, want) {
			fx.Errorf("%s: listed %+v (%v), want %+v", mode, listed, err, want)
		}
		fx.must(fx.services().endedOwners.RevokeKeys(fx.Context()))
	}
}
