package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

var claimCases = []testCase{
	{"a claim is its owner's alone, until it is used or has run out", aClaimBelongsToItsOwner},
	{"late are the claims that ran out unused, of keys that still wait", lateClaimsAreOfKeysThatWait},
	{"who is no live member any more claims nothing", onlyMembersClaimKeys},
	{"a ticket that this server never made costs no read", aForgedTokenCostsNoRead},
	{"a key that waits for its secret has no digest, and a claim goes with its key", aWaitingKeyHasNoDigest},
}

// waitingKey inserts a key that waits for its secret, and a claim for it with the given lifetime.
func (fx *fixture) waitingKey(t tenancy.Tenant, owner principal.Person, within time.Duration) (key.Key, key.Claim) {
	fx.Helper()
	k, secret := fx.newKey(t, owner, 0)
	k.SecretSetAt = time.Time{}
	k.Last4 = ""
	secret.Last4 = ""
	secret.Digest = credential.Sealed{}
	fx.insertKey(k, secret)
	c := key.Claim{
		ID: ident.New[ident.LinkID](fx.clock.Now(), fx.random), Tenant: t.ID, Key: k.ID, Owner: owner.ID,
		CreatedBy: owner.ID,
		Token:     sha256.Sum256([]byte(k.ID)), CreatedAt: fx.clock.Now(), ExpiresAt: fx.after(within),
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.InsertClaim(ctx, c) })
	return k, c
}

func (fx *fixture) useClaim(c key.Claim, by ident.UserID, at time.Time) error {
	return fx.write(asChange(func(ctx context.Context, tx *store.Tx) error {
		return tx.UseClaim(ctx, c.Token, by, at)
	}))
}

func aClaimBelongsToItsOwner(fx *fixture) {
	t := fx.tenantWithCap(0)
	owner, other := fx.member(t, scope.Member), fx.member(t, scope.Member)
	_, c := fx.waitingKey(t, owner, time.Hour)
	fx.waitingKey(t, owner, time.Hour)
	unknown := c
	unknown.Token[0]++
	for _, refused := range []struct {
		why   string
		claim key.Claim
		by    ident.UserID
		at    time.Time
	}{
		{"another's", c, other.ID, fx.clock.Now()},
		{"unknown", unknown, owner.ID, fx.clock.Now()},
		{"run out", c, owner.ID, c.ExpiresAt},
	} {
		if _, err := fx.store.Claim(fx.Context(), refused.claim.Token, refused.by, refused.at); !errors.Is(err,
			fault.NotFound) {
			fx.Errorf("%s: found (%v)", refused.why, err)
		}
		live := fx.store.CheckClaim(fx.Context(), refused.claim.Token, refused.at)
		if anothers := refused.by == other.ID; anothers != (live == nil) {
			fx.Errorf("%s: whether it is live: %v", refused.why, live)
		}
		if err := fx.useClaim(refused.claim, refused.by, refused.at); !errors.Is(err, fault.NotFound) {
			fx.Errorf("%s: used (%v)", refused.why, err)
		}
	}
	got, err := fx.store.Claim(fx.Context(), c.Token, owner.ID, fx.clock.Now())
	if diff := diff.Diff(c, got); diff != "" || err != nil {
		fx.Errorf("the claim is otherwise (%v):\n%s", err, diff)
	}
	fx.must(fx.useClaim(c, owner.ID, fx.after(time.Hour-time.Microsecond)))
	if err := fx.useClaim(c, owner.ID, fx.clock.Now()); !errors.Is(err, fault.NotFound) {
		fx.Errorf("used twice (%v)", err)
	}
	if _, err := fx.store.Claim(fx.Context(), c.Token, owner.ID, fx.clock.Now()); !errors.Is(err, fault.NotFound) {
		fx.Errorf("found after its use (%v)", err)
	}
	if err := fx.store.CheckClaim(fx.Context(), c.Token, fx.clock.Now()); !errors.Is(err, fault.NotFound) {
		fx.Errorf("live after its use (%v)", err)
	}
}

func lateClaimsAreOfKeysThatWait(fx *fixture) {
	t := fx.tenantWithCap(0)
	owner := fx.member(t, scope.Member)
	_, late := fx.waitingKey(t, owner, time.Hour)
	fx.waitingKey(t, owner, time.Hour+time.Microsecond)
	_, used := fx.waitingKey(t, owner, time.Minute)
	fx.must(fx.useClaim(used, owner.ID, fx.clock.Now()))
	claimed, _ := fx.waitingKey(t, owner, time.Minute)
	fx.exec(`UPDATE keys SET secret_set_at = 1 WHERE id = $1`, claimed.ID)
	revoked, _ := fx.waitingKey(t, owner, time.Minute)
	fx.exec(`UPDATE keys SET revoked_at = 1 WHERE id = $1`, revoked.ID)
	got, err := fx.store.KeysUnclaimedBy(fx.Context(), fx.after(time.Hour))
	if diff := diff.Diff([]key.Ref{{Tenant: late.Tenant, Key: late.Key}}, got); diff != "" || err != nil {
		fx.Errorf("late are others (%v):\n%s", err, diff)
	}
}

func aWaitingKeyHasNoDigest(fx *fixture) {
	t := fx.tenantWithCap(0)
	k, c := fx.waitingKey(t, fx.member(t, scope.Member), time.Hour)
	if got := fx.queryRows(`SELECT digest, digest_version FROM key_secrets`); !slices.Equal(got, []string{"-|-"}) {
		fx.Errorf("of no secret is stored %v", got)
	}
	if facts := fx.facts(k.Lookups[0]); len(facts.Secrets) > 0 || !facts.SecretSetAt.IsZero() {
		fx.Errorf("the facts are %+v", facts)
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteKey(ctx, k.ID) })
	if _, err := fx.store.Claim(fx.Context(), c.Token, c.Owner, fx.clock.Now()); !errors.Is(err, fault.NotFound) {
		fx.Errorf("the claim of a deleted key is found (%v)", err)
	}
}

func onlyMembersClaimKeys(fx *fixture) {
	t := fx.tenantWithCap(0)
	admin, owner := fx.signIn(fx.member(t, scope.Admin)), fx.member(t, scope.Member)
	spec := anyKey()
	spec.Owner, spec.Delivery = ident.PartyID(owner.ID), key.ByLink
	issued, err := fx.services().keys.Create(fx.Context(), admin, t.ID, spec)
	fx.must(err)
	fx.setAccountRole(t.Account, owner, scope.AccountAdmin) // who owns no key without a membership
	as := fx.signIn(owner)
	claim := func() error { return secondOf(fx.built.keys.Claim(fx.Context(), as, issued.Link.Token.Reveal())) }
	for _, c := range []struct{ given, undone string }{
		{`UPDATE members SET disabled_at = 1`, `UPDATE members SET disabled_at = NULL`},
		{`UPDATE users SET disabled_at = 1`, `UPDATE users SET disabled_at = NULL`},
		{`UPDATE tenants SET disabled_at = 1`, `UPDATE tenants SET disabled_at = NULL`},
		{`UPDATE accounts SET disabled_at = 1`, `UPDATE accounts SET disabled_at = NULL`},
	} {
		fx.exec(c.given)
		if err := claim(); !errors.Is(err, fault.LinkInvalid) {
			fx.Errorf("after %s: %v, want link invalid", c.given, err)
		}
		fx.exec(c.undone)
	}
	fx.must(claim())
}

// claimCounter counts the claims that are looked up.
type claimCounter struct {
	key.Store
	reads *int
}

// Claim implements key.Store.
func (c claimCounter) Claim(ctx context.Context, token credential.TokenHash, owner ident.UserID,
	now time.Time,
) (key.Claim, error) {
	*c.reads++
	return c.Store.Claim(ctx, token, owner, now)
}

func aForgedTokenCostsNoRead(fx *fixture) {
	as := fx.signIn(fx.member(fx.tenantWithCap(0), scope.Member))
	keys, reads := fx.copyKeyService(), 0
	keys.Store = claimCounter{keys.Store, &reads}
	for _, token := range []string{"", "x", strings.Repeat("A", 59), strings.Repeat("A", 5000)} {
		if _, err := keys.Claim(fx.Context(), as, token); !errors.Is(err, fault.LinkInvalid) || reads > 0 {
			fx.Errorf("%d reads and %v, want link invalid without a read", reads, err)
		}
	}
}
