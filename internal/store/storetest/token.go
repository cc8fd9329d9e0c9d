package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/token"
)

var tokenCases = []testCase{
	{"the facts of a key have its revoked tokens until they expire", factsHaveRevokedTokens},
	{"revocations of expired tokens are deleted, and no others", expiredRevocationsAreDeleted},
	{"only the key's revocations that have not expired count", onlyValidRevocationsCount},
	{"the revocation of a token that cannot be read is no fact", anUnreadableRevocationIsNoFact},
	{"a key row is locked in its own tenant only", aKeyRowIsLockedInItsTenant},
	{"a signing key comes back as inserted until it is deleted", aSigningKeyComesBack},
	{"a database that was never restored accepts tokens of any age", tokensSinceTheRestore},
}

// tokenID returns the id of a token for tests.
func tokenID(n byte) credential.AccessTokenID { return credential.AccessTokenID{0: 0xa0, 15: n} }

// revokeToken stores the revocation of a token that expires at that time.
func (fx *fixture) revokeToken(k key.Key, id credential.AccessTokenID, expires time.Time) {
	fx.Helper()
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return tx.InsertRevokedToken(ctx, k.ID, id.String(), expires)
	})
}

// revokedAre fails the test unless the facts of the key have these revoked tokens.
func (fx *fixture) revokedAre(what string, k key.Key, want ...credential.AccessTokenID) {
	fx.Helper()
	got := fx.facts(k.Lookups[0]).RevokedTokens
	slices.SortFunc(got, func(a, b credential.AccessTokenID) int { return slices.Compare(a[:], b[:]) })
	if d := diff.Diff(want, got); d != "" {
		fx.Errorf("%s, the revoked tokens are otherwise:\n%s", what, d)
	}
}

// storedKey inserts a key of a new member.
func (fx *fixture) storedKey(t tenancy.Tenant) key.Key {
	fx.Helper()
	k, secret := fx.newKey(t, fx.member(t, scope.Member), 1)
	fx.insertKey(k, secret)
	return k
}

func factsHaveRevokedTokens(fx *fixture) {
	t := fx.tenantWithCap(0)
	k, other := fx.storedKey(t), fx.storedKey(t)
	fx.revokedAre("none revoked", k)
	// The last revocation is of the token that expires first.
	fx.revokeToken(k, tokenID(2), fx.after(2*time.Minute))
	fx.revokeToken(k, tokenID(1), fx.after(time.Minute))
	fx.revokeToken(other, tokenID(3), fx.after(time.Hour))
	fx.revokedAre("two revoked", k, tokenID(1), tokenID(2))
	fx.clock.move(time.Minute - time.Microsecond)
	fx.revokedAre("before the first expires", k, tokenID(1), tokenID(2))
	fx.clock.move(time.Microsecond)
	fx.revokedAre("when the first expires", k, tokenID(2))
	fx.clock.move(time.Minute)
	fx.revokedAre("when both have expired", k)
	fx.revokedAre("of another key", other, tokenID(3))
}

func expiredRevocationsAreDeleted(fx *fixture) {
	k := fx.storedKey(fx.tenantWithCap(0))
	for n := range byte(4) {
		fx.revokeToken(k, tokenID(n), fx.after(time.Duration(n)*time.Minute))
	}
	at := fx.clock.move(2 * time.Minute)
	for _, want := range []int64{2, 1, 0} {
		found, err := fx.store.HasExpiredRevocations(fx.Context(), at)
		if found != (want > 0) || err != nil {
			fx.Errorf("it is %t that some have expired, %v, want %d", found, err, want)
		}
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			n, err := tx.DeleteExpiredRevocations(ctx, at, 2)
			if n != want {
				fx.Errorf("%d were deleted, want %d", n, want)
			}
			return err
		})
	}
	fx.revokedAre("swept", k, tokenID(3))
}

func onlyValidRevocationsCount(fx *fixture) {
	t := fx.tenantWithCap(0)
	k, other := fx.storedKey(t), fx.storedKey(t)
	fx.revokeToken(k, tokenID(1), fx.after(time.Minute))
	fx.revokeToken(k, tokenID(2), fx.after(time.Hour))
	fx.revokeToken(other, tokenID(3), fx.after(time.Hour))
	now := fx.clock.move(time.Minute)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		n, err := tx.CountRevokedTokens(ctx, k.ID, now)
		if n != 1 {
			fx.Errorf("%d are revoked, want 1", n)
		}
		for id, want := range map[credential.AccessTokenID]bool{tokenID(2): true, tokenID(3): false} {
			revoked, errRead := tx.TokenRevoked(ctx, k.ID, id.String())
			if revoked != want {
				fx.Errorf("that %s is revoked for this key is %t, want %t", id, revoked, want)
			}
			err = errors.Join(err, errRead)
		}
		return err
	})
}

// A revocation that is skipped would let the token pass.
func anUnreadableRevocationIsNoFact(fx *fixture) {
	k := fx.storedKey(fx.tenantWithCap(0))
	fx.revokeToken(k, tokenID(1), fx.after(time.Minute))
	whole := tokenID(1).String()
	for _, text := range []string{"", "x", whole[:30], whole + "00"} {
		fx.exec(`UPDATE revoked_tokens SET id = $1`, text)
		got, err := fx.store.KeyFacts(fx.Context(), k.Lookups[0])
		if err == nil || errors.Is(err, fault.NotFound) {
			fx.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func aKeyRowIsLockedInItsTenant(fx *fixture) {
	mine, theirs := fx.tenantWithCap(0), fx.tenantWithCap(0)
	k := fx.storedKey(mine)
	for t, want := range map[*tenancy.Tenant]bool{&mine: true, &theirs: false} {
		err := fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			return event(audit.ActionTokenRevoke), tx.LockKeyRow(ctx, t.ID, k.ID)
		})
		if (err == nil) != want || (!want && !errors.Is(err, fault.NotFound)) {
			fx.Errorf("that it is locked is %t: %v", want, err)
		}
	}
}

func aSigningKeyComesBack(fx *fixture) {
	want := []token.SigningKey{
		{
			ID: "kid_1", Algorithm: policy.RS256, Public: []byte("public"), Private: []byte{0, 255},
			CreatedAt: fx.clock.Now(), UsedFrom: fx.after(time.Hour),
		},
		{
			ID: "kid_2", Algorithm: policy.EdDSA, Public: []byte{0}, Private: []byte("sealed"),
			CreatedAt: fx.after(time.Minute), UsedFrom: fx.after(time.Minute),
		},
	}
	expect := func(what string, want []token.SigningKey) {
		fx.Helper()
		sorted := func(keys []token.SigningKey) []token.SigningKey {
			slices.SortFunc(keys, func(a, b token.SigningKey) int { return a.CreatedAt.Compare(b.CreatedAt) })
			return keys
		}
		got, err := fx.store.SigningKeys(fx.Context())
		fx.must(err)
		if d := diff.Diff(want, sorted(got)); d != "" {
			fx.Errorf("%s, they are otherwise:\n%s", what, d)
		}
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			locked, err := tx.LockSigningKeys(ctx)
			if d := diff.Diff(want, sorted(locked)); d != "" {
				fx.Errorf("%s, they are locked as others:\n%s", what, d)
			}
			return err
		})
	}
	expect("none inserted", nil)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(tx.InsertSigningKey(ctx, want[0]), tx.InsertSigningKey(ctx, want[1]))
	})
	expect("inserted", want)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteSigningKey(ctx, "kid_1") })
	expect("one deleted", want[1:])
}

func tokensSinceTheRestore(fx *fixture) {
	at, err := fx.store.TokensSince(fx.Context())
	if !at.IsZero() || err != nil {
		fx.Errorf("never restored: %v, %v", at, err)
	}
	fx.exec(`INSERT INTO server_settings (name, value) VALUES ('tokens_since', '1700000000000001')`)
	at, err = fx.store.TokensSince(fx.Context())
	if at.UnixMicro() != 1700000000000001 || err != nil {
		fx.Errorf("restored: %v, %v", at, err)
	}
	fx.exec(`UPDATE server_settings SET value = 'yesterday' WHERE name = 'tokens_since'`)
	at, err = fx.store.TokensSince(fx.Context())
	if err == nil {
		fx.Errorf("unreadable: %v", at)
	}
}
