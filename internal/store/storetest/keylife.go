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
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// insertPrevious adds a previous secret to the key, under the lookup, which it returns. It lives
// for an hour.
func (fx *fixture) insertPrevious(k key.Key, lookup string) string {
	fx.Helper()
	fx.exec(`INSERT INTO key_secrets (key_id, position, serial, lookup, public_id, last4, style, prefix, label, domain,
		digest, digest_version, set_at, until, set_by)
		VALUES ($1, 'previous', 0, $2, 'old_id', 'last', 'pair', 'old', 'older', 'old.example', $3, 4, $4, $5, $6)`,
		k.ID, lookup, []byte("previous "+k.ID), fx.clock.Now().UnixMicro(), fx.after(time.Hour).UnixMicro(),
		k.CreatedBy.ID)
	return lookup
}

func aSecretIsReplaced(fx *fixture) {
	t := fx.tenantWithCap(0)
	want, other := fx.fullKey(t), fx.fullKey(t)
	slices.Sort(other.Lookups)
	fx.exec(`UPDATE key_secrets SET copy = digest, copy_version = 1 WHERE key_id = $1`, want.ID)
	was, current := want, want.Lookups[0]
	for i, c := range []struct {
		lookup   string
		previous key.Previous
	}{
		{
			"a new id",
			key.Previous{
				PublicID: was.PublicID, Last4: was.Last4, SetAt: fx.clock.Now(), SetBy: was.SetBy,
				Until: fx.after(3 * time.Hour),
			},
		},
		{"another id", key.Previous{}},
		// the id is kept
		{
			"another id",
			key.Previous{
				PublicID: "public 1", Last4: "four", SetAt: fx.after(time.Hour), SetBy: was.CreatedBy.ID,
				Until: fx.after(5 * time.Hour),
			},
		},
	} {
		s := key.Secret{
			Serial: i + 2, Shape: credential.Shape{Style: credential.Pair}, Lookup: c.lookup,
			PublicID: fmt.Sprintf("public %d", i), Last4: "four",
			Digest: credential.Sealed{Version: 1, Bytes: []byte("sealed " + want.ID)},
			SetAt:  fx.after(time.Duration(i) * time.Hour), SetBy: was.CreatedBy.ID,
		}
		want.PublicID = s.PublicID
		want.Last4 = s.Last4
		want.Serial = s.Serial
		want.Shape = s.Shape
		want.SecretSetAt = s.SetAt
		want.Previous = c.previous
		want.SetBy = s.SetBy
		want.Slot = int64(i + 10)
		want.ExpiresAt = fx.after(7 * time.Hour)
		want.UpdatedAt = fx.after(8 * time.Hour)
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.ReplaceSecret(ctx, want, s) })
		want.Lookups = []string{c.lookup}
		if !c.previous.Until.IsZero() {
			want.Lookups = append(want.Lookups, current)
			slices.Sort(want.Lookups)
		}
		current = c.lookup
		if diff := diff.Diff([]key.Key{want, other},
			[]key.Key{fx.readEveryWay(want)[0], fx.readEveryWay(other)[0]}); diff != "" {
			fx.Errorf("after refresh %d the keys are otherwise:\n%s", i, diff)
		}
		if got := queryValue[int64](fx, `SELECT COUNT(copy) + COUNT(copy_version) FROM key_secrets WHERE key_id = $1`,
			want.ID); got != 0 {
			fx.Errorf("%d copies of replaced secrets are kept", got)
		}
	}
	for range 2 {
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			if err := tx.EndPrevious(ctx, want.ID,
				fx.after(9*time.Hour)); (err == nil) == want.Previous.Until.IsZero() {
				fx.Errorf("the end of a previous secret until %v says %v", want.Previous.Until, err)
			}
			return nil
		})
		want.Previous = key.Previous{}
		want.UpdatedAt = fx.after(9 * time.Hour)
		want.Lookups = []string{current}
		if diff := diff.Diff([]key.Key{want, other},
			[]key.Key{fx.readEveryWay(want)[0], fx.readEveryWay(other)[0]}); diff != "" {
			fx.Errorf("without a previous secret the keys are otherwise:\n%s", diff)
		}
	}
}

func noSlotIsNull(fx *fixture) {
	t := fx.tenantWithCap(0)
	owner := fx.member(t, scope.Member)
	for range 2 { // only one key could have slot 0
		fx.insertKey(fx.newKey(t, owner, 0))
	}
	if got := fx.queryRows(`SELECT slot FROM keys`); !slices.Equal(got, []string{"-", "-"}) {
		fx.Errorf("no slot is stored as %v", got)
	}
}

func copiesAreKeptAndDestroyed(fx *fixture) {
	t, other := fx.tenantWithCap(0), fx.tenantWithCap(0)
	sealed := credential.Sealed{Version: 7, Bytes: []byte("sealed secret")}
	kept := map[ident.TenantID]ident.KeyID{}
	for _, at := range []tenancy.Tenant{t, other} {
		k, s := fx.newKey(at, fx.member(at, scope.Member), 1)
		s.Copy, kept[at.ID] = sealed, k.ID
		fx.insertKey(k, s)
	}
	once, s := fx.newKey(t, fx.member(t, scope.Member), 1)
	fx.insertKey(once, s)
	expect := func(when string, id ident.KeyID, want credential.Sealed) {
		fx.Helper()
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			got, err := tx.SecretCopy(ctx, id)
			if !diff.Equal(got, want) || errors.Is(err, fault.NotFound) != (want.Version == 0) {
				fx.Errorf("%s the copy is %v, %v, want %v", when, got, err, want)
			}
			return audit.ErrNothing
		})
	}
	expect("kept,", kept[t.ID], sealed)
	expect("not kept,", once.ID, credential.Sealed{})
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.ForgetCopies(ctx, t.ID) })
	expect("destroyed,", kept[t.ID], credential.Sealed{})
	expect("of another tenant,", kept[other.ID], sealed)
	fx.exec(`UPDATE key_secrets SET digest = NULL, digest_version = NULL`)
	expect("without a digest,", kept[other.ID], credential.Sealed{})
}

func aRevokedKeyIsATombstone(fx *fixture) {
	t := fx.tenantWithCap(0)
	want := fx.fullKey(t)
	other := fx.fullKey(t)
	fx.exec(`UPDATE key_secrets SET copy = digest, copy_version = 1`)
	at, by := fx.after(3*time.Hour), want.CreatedBy.ID
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.RevokeKey(ctx, want.ID, at, by, "") })
	want.RevokedAt = at
	want.UpdatedAt = at
	want.RevokedReason = ""
	want.Slot = 0
	slices.Sort(want.Lookups)
	if diff := diff.Diff(want, fx.readEveryWay(want)[0]); diff != "" {
		fx.Errorf("a revoked key is otherwise:\n%s", diff)
	}
	if got := queryValue[string](fx, `SELECT revoked_by FROM keys WHERE id = $1`, want.ID); got != string(by) {
		fx.Errorf("revoked by %s, want %s", got, by)
	}
	const copies = `SELECT COUNT(digest), COUNT(copy), COUNT(copy_version) FROM key_secrets WHERE key_id = $1`
	for id, wanted := range map[ident.KeyID]string{want.ID: "2|0|0", other.ID: "2|2|2"} {
		if got := fx.queryRows(copies, id); !slices.Equal(got, []string{wanted}) {
			fx.Errorf("%s has digests, copies and versions %v, want %s", id, got, wanted)
		}
	}
	if got := fx.readEveryWay(other)[0]; got.Slot != other.Slot || !got.RevokedAt.Equal(other.RevokedAt) {
		fx.Error("another key was revoked along")
	}
}

func aKeyIsDisabledAndEnabled(fx *fixture) {
	t := fx.tenantWithCap(0)
	want, other := fx.fullKey(t), fx.fullKey(t)
	slices.Sort(want.Lookups)
	slices.Sort(other.Lookups)
	for i, by := range []ident.PartyID{"", want.Owner.ID, want.CreatedBy.ID, ""} {
		want.DisabledAt = time.Time{}
		want.DisabledBy = by
		want.DisabledByAdmin = by == want.CreatedBy.ID
		want.UpdatedAt = fx.after(time.Duration(i) * time.Minute)
		if by != "" {
			want.DisabledAt = fx.after(time.Duration(i) * time.Hour)
		}
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.SetDisabled(ctx, want) })
		if diff := diff.Diff([]key.Key{want, other},
			[]key.Key{fx.readEveryWay(want)[0], fx.readEveryWay(other)[0]}); diff != "" {
			fx.Errorf("disabled by %q the keys are otherwise:\n%s", by, diff)
		}
	}
}

func aDeletedKeyIsGone(fx *fixture) {
	t := fx.tenantWithCap(0)
	gone, stays := fx.fullKey(t), fx.fullKey(t)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteKey(ctx, gone.ID) })
	for table, want := range map[string]int64{"keys": 1, "key_secrets": 2, "key_grants": 5, "key_uses": 1} {
		if got := queryValue[int64](fx, `SELECT COUNT(*) FROM `+table); got != want {
			fx.Errorf("%d rows are left in %s, want %d", got, table, want)
		}
	}
	for _, lookup := range gone.Lookups {
		if _, err := fx.store.KeyFacts(fx.Context(), lookup); !errors.Is(err, fault.NotFound) {
			fx.Errorf("a deleted key has facts (%v)", err)
		}
	}
	fx.readEveryWay(stays)
}

func slotHoldersAreKeysWithASlot(fx *fixture) {
	t := fx.tenantWithCap(0)
	owner, other := fx.member(t, scope.Member), fx.member(t, scope.Member)
	var want []key.SlotHolder
	for slot := int64(5); slot > 0; slot-- {
		k, secret := fx.newKey(t, owner, slot)
		k.ExpiresAt = fx.after(time.Duration(slot) * time.Hour)
		fx.insertKey(k, secret)
		want = slices.Insert(want, 0,
			key.SlotHolder{Key: k.ID, Slot: slot, ExpiresAt: k.ExpiresAt, SecretSetAt: k.SecretSetAt})
	}
	fx.insertKey(fx.newKey(t, other, 9))
	fx.insertKey(fx.newKey(fx.tenantWithCap(0), owner, 8))
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		fx.must(tx.FreeSlots(ctx, nil))
		fx.must(tx.FreeSlots(ctx, []ident.KeyID{want[1].Key, want[3].Key, want[4].Key}))
		got, err := tx.SlotHolders(ctx, t.ID, ident.PartyID(owner.ID))
		fx.must(err)
		if diff := diff.Diff([]key.SlotHolder{want[0], want[2]}, got); diff != "" {
			fx.Errorf("holds are otherwise:\n%s", diff)
		}
		for user, highest := range map[ident.UserID]int64{owner.ID: 3, other.ID: 9, "usr_unknown": 0} {
			if got, err := tx.HighestSlot(ctx, t.ID, ident.PartyID(user)); err != nil || got != highest {
				fx.Errorf("highest slot of %s is %d, want %d (%v)", user, got, highest, err)
			}
		}
		return nil
	})
}
