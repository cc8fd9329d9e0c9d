package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

var managementKeyCases = []testCase{
	{"a management key comes back as inserted, edited and revoked", aManagementKeyComesBack},
	{"a refresh keeps the previous secret for its overlap, and no other", aManagementSecretIsReplaced},
	{"another tenant's management key is not found", anothersManagementKeyIsNotFound},
	{"management keys are listed page by page, newest first", managementKeysAreListed},
	{"neither revoked nor expired management keys count", onlyManagementKeysAliveCount},
	{"a tenant's live management keys are listed with both secrets", liveManagementKeysAreListed},
	{"of the uses of a management key the latest is kept", theLatestManagementUseIsKept},
	{"the digests of expired management keys are found and deleted", expiredManagementDigestsAreDeleted},
	{"previous secrets of management keys that ended long ago are found", oldPreviousManagementSecretsAreFound},
	{"a deleted management key leaves nothing", aDeletedManagementKeyLeavesNothing},
	{"a management key stops with its service account", aManagementKeyStopsWithItsServiceAccount},
}

// newManagementKey returns a management key that is not stored yet, and its secret.
func (fx *fixture) newManagementKey(a machine.ServiceAccount) (machine.ManagementKey, machine.ManagementSecret) {
	now := fx.clock.move(time.Second)
	networks, _ := policy.ParseAddresses("", []string{"192.0.2.0/24", "2001:db8::/32"})
	k := machine.ManagementKey{
		ID: ident.New[ident.ManagementKeyID](now, fx.random), Tenant: a.Tenant, Name: "A program",
		ServiceAccount: machine.ManagementOwner{
			Party: a.Party(), Role: a.Role, Active: true, Exists: true,
		},
		Rights: policy.ManagementRights{
			Permissions: []policy.Permission{policy.MayCreateKeys, policy.MayWriteSubjects},
			Owners:      []ident.PartyType{ident.ServiceAccountParty, ident.SubjectParty},
			Ceilings: policy.Ceilings{
				Scopes: scope.NewSet("films:read"), Applications: scope.Applications{IDs: []string{"app_1"}},
				Plans: []string{"", "free"}, MaxLifetimeDays: 30, CreatesPerHour: 7, Addresses: networks,
			},
			Addresses: networks,
		},
		ExpiresAt: now.Add(90 * policy.Day), CreatedBy: principal.Party{ID: ident.PartyID(ident.OperatorParty)},
		CreatedAt: now, UpdatedAt: now,
	}
	s := fx.managementSecret(1)
	k.Serial, k.PublicID = s.Serial, s.PublicID
	k.TagVersion, k.Last4 = s.TagVersion, s.Last4
	k.SecretSetAt, k.SetBy = s.SetAt, s.SetBy
	return k, s
}

// managementSecret returns a secret whose lookup no other has.
func (fx *fixture) managementSecret(serial int) machine.ManagementSecret {
	now := fx.clock.move(time.Second)
	name := string(ident.New[ident.KeyID](now, fx.random))
	return machine.ManagementSecret{
		Serial: serial, Lookup: "lookup " + name, PublicID: "mk_" + name, TagVersion: 3, Last4: "WXYZ",
		Digest: credential.Sealed{Bytes: []byte("digest of " + name), Version: 2},
		SetAt:  now, SetBy: ident.PartyID(ident.OperatorParty),
	}
}

// managementKey stores a management key of the service account.
func (fx *fixture) managementKey(a machine.ServiceAccount) (machine.ManagementKey, machine.ManagementSecret) {
	fx.Helper()
	k, s := fx.newManagementKey(a)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.InsertManagementKey(ctx, k, s) })
	return k, s
}

// expectManagementKey fails the test unless the management key is stored like that.
func (fx *fixture) expectManagementKey(what string, want machine.ManagementKey) {
	fx.Helper()
	got, err := fx.store.ManagementKey(fx.Context(), want.Tenant, want.ID)
	fx.must(err)
	var locked machine.ManagementKey
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) (err error) {
		locked, err = tx.LockManagementKey(ctx, want.Tenant, want.ID)
		return err
	})
	if d := diff.Diff(want, got) + diff.Diff(want, locked); d != "" {
		fx.Errorf("%s, it came back otherwise:\n%s", what, d)
	}
}

// expectSecrets fails the test unless the lookup finds the secrets with these serials.
func (fx *fixture) expectSecrets(what, lookup string, want ...machine.ManagementSecret) {
	fx.Helper()
	_, found, err := fx.store.ManagementKeyByLookup(fx.Context(), lookup)
	if len(want) == 0 && !errors.Is(err, fault.NotFound) || len(want) > 0 && err != nil || len(found) != len(want) {
		fx.Errorf("%s: %d secrets, %v", what, len(found), err)
		return
	}
	for i, s := range want {
		if found[i].Serial != s.Serial || string(found[i].Digest.Bytes) != string(s.Digest.Bytes) ||
			found[i].Digest.Version != s.Digest.Version {
			fx.Errorf("%s: %+v, want %+v", what, found[i], s)
		}
	}
}

func aManagementKeyComesBack(fx *fixture) {
	t := fx.tenantWithCap(0)
	k, s := fx.managementKey(fx.serviceAccount(t.ID))
	fx.expectManagementKey("inserted", k)
	fx.expectSecrets("inserted", s.Lookup, s)
	k.Name = "Renamed"
	k.Rights.Permissions = []policy.Permission{policy.MayReadKeys}
	k.Rights.Ceilings.Plans = nil
	k.Rights.Addresses = policy.Addresses{}
	k.ExpiresAt, k.UpdatedAt = fx.after(time.Hour), fx.after(time.Minute)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.EditManagementKey(ctx, k) })
	fx.expectManagementKey("edited", k)
	k.Hour = principal.HourlyCount{Began: fx.clock.Now(), Count: 3}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return tx.CountManagementHour(ctx, k.ID, k.Hour)
	})
	fx.expectManagementKey("counted", k)
	k.RevokedAt, k.UpdatedAt = fx.clock.Now(), fx.clock.Now()
	k.RevokedBy, k.RevokedReason = "usr_1", "leaked"
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return tx.RevokeManagementKey(ctx, k.ID, k.RevokedAt, k.RevokedBy, k.RevokedReason)
	})
	fx.expectManagementKey("revoked", k)
}

// refreshManagementKey replaces the secret. The one before stays for the overlap.
func (fx *fixture) refreshManagementKey(k *machine.ManagementKey, overlap time.Duration) machine.ManagementSecret {
	fx.Helper()
	s := fx.managementSecret(k.Serial + 1)
	previous := machine.PreviousSecret{PublicID: k.PublicID, Last4: k.Last4, SetAt: k.SecretSetAt, SetBy: k.SetBy}
	k.Previous = machine.PreviousSecret{}
	if overlap > 0 {
		k.Previous = previous
		k.Previous.Until = s.SetAt.Add(overlap)
	}
	k.Serial, k.PublicID = s.Serial, s.PublicID
	k.SecretSetAt, k.ExpiresAt = s.SetAt, s.SetAt.Add(30*policy.Day)
	k.UpdatedAt = s.SetAt
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.ReplaceManagementSecret(ctx, *k, s) })
	return s
}

func aManagementSecretIsReplaced(fx *fixture) {
	t := fx.tenantWithCap(0)
	k, first := fx.managementKey(fx.serviceAccount(t.ID))
	second := fx.refreshManagementKey(&k, time.Hour)
	fx.expectManagementKey("refreshed", k)
	fx.expectSecrets("with an overlap", first.Lookup, first)
	fx.expectSecrets("with an overlap", second.Lookup, second)
	third := fx.refreshManagementKey(&k, time.Hour)
	fx.expectSecrets("the one before the previous", first.Lookup)
	fx.expectSecrets("the previous", second.Lookup, second)
	k.Previous, k.UpdatedAt = machine.PreviousSecret{}, fx.after(time.Minute)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return tx.EndPreviousManagementSecret(ctx, k.ID, k.UpdatedAt)
	})
	fx.expectManagementKey("with the previous secret ended", k)
	fx.expectSecrets("ended", second.Lookup)
	fx.expectSecrets("the current", third.Lookup, third)
	fx.refreshManagementKey(&k, 0)
	fx.expectManagementKey("refreshed without an overlap", k)
	fx.expectSecrets("without an overlap", third.Lookup)
}

func anothersManagementKeyIsNotFound(fx *fixture) {
	t, other := fx.tenantWithCap(0), fx.tenantWithCap(0)
	a := fx.serviceAccount(t.ID)
	k, _ := fx.managementKey(a)
	_, err := fx.store.ManagementKey(fx.Context(), other.ID, k.ID)
	errExists := fx.store.ServiceAccountExists(fx.Context(), other.ID, a.ID)
	list, errList := fx.store.ManagementKeysOf(fx.Context(), other.ID, a.ID, machine.ManagementKeyPage{Limit: 5})
	if !errors.Is(err, fault.NotFound) || !errors.Is(errExists, fault.NotFound) || errList != nil || len(list) > 0 {
		fx.Errorf("in another tenant: %v, %v, %d in the list, %v", err, errExists, len(list), errList)
	}
	for what, lock := range map[string]func(context.Context, *store.Tx) error{
		"the management key": func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.LockManagementKey(ctx, other.ID, k.ID)
			return err
		},
		"its authority": func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.ManagementAuthority(ctx, other.ID, k.ID)
			return err
		},
		"its service account": func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.LockManagementOwner(ctx, other.ID, a.ID)
			return err
		},
	} {
		err := fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			return audit.Event{}, lock(ctx, tx)
		})
		if !errors.Is(err, fault.NotFound) {
			fx.Errorf("%s, in another tenant: %v", what, err)
		}
	}
}

func managementKeysAreListed(fx *fixture) {
	t := fx.tenantWithCap(0)
	a := fx.serviceAccount(t.ID)
	fx.managementKey(fx.serviceAccount(t.ID))
	var want []ident.ManagementKeyID
	for range 5 {
		k, _ := fx.managementKey(a)
		want = append(want, k.ID)
	}
	slices.Reverse(want)
	var got []ident.ManagementKeyID
	for page := (machine.ManagementKeyPage{Limit: 2}); ; {
		list, err := fx.store.ManagementKeysOf(fx.Context(), t.ID, a.ID, page)
		fx.must(err)
		for _, k := range list {
			got = append(got, k.ID)
			page.BeforeTime, page.BeforeID = k.CreatedAt, k.ID
		}
		if len(list) < 2 {
			break
		}
	}
	if !slices.Equal(got, want) {
		fx.Errorf("listed %v, want %v", got, want)
	}
}

func onlyManagementKeysAliveCount(fx *fixture) {
	t := fx.tenantWithCap(0)
	a := fx.serviceAccount(t.ID)
	fx.managementKey(fx.serviceAccount(t.ID))
	var keys []machine.ManagementKey
	for range 3 {
		k, _ := fx.managementKey(a)
		keys = append(keys, k)
	}
	now := fx.clock.Now()
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		keys[0].ExpiresAt = now
		err := tx.EditManagementKey(ctx, keys[0])
		return errors.Join(err, tx.RevokeManagementKey(ctx, keys[1].ID, now, "", ""))
	})
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		n, err := tx.CountManagementKeys(ctx, a.ID, now)
		if n != 1 {
			fx.Errorf("%d are alive, want 1", n)
		}
		return err
	})
}

func liveManagementKeysAreListed(fx *fixture) {
	t, other := fx.tenantWithCap(0), fx.tenantWithCap(0)
	a := fx.serviceAccount(t.ID)
	first, _ := fx.managementKey(a)
	expired, _ := fx.managementKey(a)
	revoked, _ := fx.managementKey(a)
	fx.managementKey(fx.serviceAccount(other.ID))
	last, _ := fx.managementKey(fx.serviceAccount(t.ID))
	fx.refreshManagementKey(&first, time.Hour)
	fx.must(fx.store.RecordManagementUse(fx.Context(), first.ID, fx.after(time.Minute), "192.0.2.1"))
	first.LastUsedAt, first.LastUsedIP = fx.after(time.Minute), "192.0.2.1"
	now := fx.clock.Now()
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		expired.ExpiresAt = now
		err := tx.EditManagementKey(ctx, expired)
		return errors.Join(err, tx.RevokeManagementKey(ctx, revoked.ID, now, "", ""))
	})
	got, err := fx.store.LiveManagementKeys(fx.Context(), t.ID, now)
	fx.must(err)
	if d := diff.Diff([]machine.ManagementKey{last, first}, got); d != "" {
		fx.Errorf("listed otherwise:\n%s", d)
	}
}

func theLatestManagementUseIsKept(fx *fixture) {
	t := fx.tenantWithCap(0)
	k, _ := fx.managementKey(fx.serviceAccount(t.ID))
	for i, minutes := range []int{1, 5, 3} {
		fx.must(fx.store.RecordManagementUse(fx.Context(), k.ID, fx.after(time.Duration(minutes)*time.Minute),
			fmt.Sprintf("192.0.2.%d", i)))
	}
	k.LastUsedAt, k.LastUsedIP = fx.after(5*time.Minute), "192.0.2.1"
	fx.expectManagementKey("used", k)
}

func expiredManagementDigestsAreDeleted(fx *fixture) {
	t := fx.tenantWithCap(0)
	a := fx.serviceAccount(t.ID)
	k, first := fx.managementKey(a)
	second := fx.refreshManagementKey(&k, time.Hour)
	revoked, _ := fx.managementKey(a)
	later, s := fx.managementKey(a)
	later.ExpiresAt = k.ExpiresAt.Add(time.Microsecond)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		err := tx.EditManagementKey(ctx, later)
		return errors.Join(err, tx.RevokeManagementKey(ctx, revoked.ID, fx.clock.Now(), "", ""))
	})
	expired := func(want ...machine.ManagementKeyRef) {
		fx.Helper()
		got, err := fx.store.ManagementKeysExpiredBy(fx.Context(), k.ExpiresAt)
		if err != nil || !slices.Equal(got, want) {
			fx.Errorf("%v are expired, %v, want %v", got, err, want)
		}
	}
	expired(machine.ManagementKeyRef{Tenant: t.ID, Account: a.ID, ID: k.ID})
	for _, want := range []int{2, 0} {
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			n, err := tx.ForgetManagementDigests(ctx, k.ID)
			if n != want {
				fx.Errorf("%d digests were deleted, want %d", n, want)
			}
			return err
		})
	}
	expired()
	fx.expectManagementKey("without digests", k)
	fx.expectSecrets("the previous, deleted", first.Lookup)
	fx.expectSecrets("the current, deleted", second.Lookup)
	fx.expectSecrets("of another one", s.Lookup, s)
}

func oldPreviousManagementSecretsAreFound(fx *fixture) {
	t := fx.tenantWithCap(0)
	a := fx.serviceAccount(t.ID)
	fx.managementKey(a) // without a previous secret
	k, _ := fx.managementKey(a)
	fx.refreshManagementKey(&k, time.Hour)
	for by, want := range map[time.Time][]machine.ManagementKeyRef{
		k.Previous.Until:                        {{Tenant: t.ID, Account: a.ID, ID: k.ID}},
		k.Previous.Until.Add(-time.Microsecond): nil,
	} {
		got, err := fx.store.ManagementKeysWithPreviousEndedBy(fx.Context(), by)
		if err != nil || !slices.Equal(got, want) {
			fx.Errorf("ended by %s: %v (%v), want %v", by, got, err, want)
		}
	}
}

func aDeletedManagementKeyLeavesNothing(fx *fixture) {
	t := fx.tenantWithCap(0)
	k, s := fx.managementKey(fx.serviceAccount(t.ID))
	fx.must(fx.store.RecordManagementUse(fx.Context(), k.ID, fx.clock.Now(), "192.0.2.1"))
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteManagementKey(ctx, k.ID) })
	if _, err := fx.store.ManagementKey(fx.Context(), t.ID, k.ID); !errors.Is(err, fault.NotFound) {
		fx.Errorf("deleted, it is %v", err)
	}
	fx.expectSecrets("deleted", s.Lookup)
}

func aManagementKeyStopsWithItsServiceAccount(fx *fixture) {
	t := fx.tenantWithCap(0)
	for what, change := range map[string]func(*machine.ServiceAccount, *machine.ManagementOwner){
		"disabled": func(a *machine.ServiceAccount, o *machine.ManagementOwner) { a.Disabled, o.Active = true, false },
		"lowered": func(a *machine.ServiceAccount, o *machine.ManagementOwner) {
			a.Role, o.Role = scope.Member, scope.Member
		},
	} {
		a := fx.serviceAccount(t.ID)
		k, _ := fx.managementKey(a)
		change(&a, &k.ServiceAccount)
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.UpdateServiceAccount(ctx, a) })
		fx.expectManagementKey(what, k)
		fx.expectAuthority(t, k)
	}
}

// expectAuthority fails the test unless a transaction finds that the management key may do what its
// row says.
func (fx *fixture) expectAuthority(t tenancy.Tenant, k machine.ManagementKey) {
	fx.Helper()
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		got, err := tx.ManagementAuthority(ctx, t.ID, k.ID)
		if d := diff.Diff(k.Authority(), got); d != "" {
			fx.Errorf("its authority is otherwise:\n%s", d)
		}
		return err
	})
}
