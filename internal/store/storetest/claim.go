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

var claimGuarantees = []guarantee{
	{"a claim is its owner's alone, until it is used or has run out", aClaimIsItsOwners},
	{"late are the claims that ran out unused, of keys that still wait", lateClaimsAreOfKeysThatWait},
	{"who is no live member any more claims nothing", onlyMembersClaim},
	{"a ticket that this server never made costs no read", aForgedTicketCostsNoRead},
	{"a key that waits for its secret has no digest, and a claim goes with its key", aWaitingKeyHasNoDigest},
}

// waiting stores a key that waits for its secret, and the claim for it that lives so long.
func (h *house) waiting(t tenancy.Tenant, owner principal.Person, within time.Duration) (key.Key, key.Claim) {
	h.Helper()
	k, secret := h.stored(t, owner, 0)
	k.SecretSetAt, k.Last4, secret.Last4, secret.Digest = time.Time{}, "", "", credential.Sealed{}
	h.insert(k, secret)
	c := key.Claim{
		ID: ident.New[ident.LinkID](h.clock.Now(), h.random), Tenant: t.ID, Key: k.ID, Owner: owner.ID, CreatedBy: owner.ID,
		Ticket: sha256.Sum256([]byte(k.ID)), CreatedAt: h.clock.Now(), ExpiresAt: h.later(within),
	}
	h.in(func(ctx context.Context, tx *store.Tx) error { return tx.InsertClaim(ctx, c) })
	return k, c
}

func (h *house) useClaim(c key.Claim, by ident.UserID, at time.Time) error {
	return h.write(changing(func(ctx context.Context, tx *store.Tx) error { return tx.UseClaim(ctx, c.Ticket, by, at) }))
}

func aClaimIsItsOwners(h *house) {
	t := h.aTenant(0)
	owner, other := h.member(t, scope.Member), h.member(t, scope.Member)
	_, c := h.waiting(t, owner, time.Hour)
	h.waiting(t, owner, time.Hour)
	unknown := c
	unknown.Ticket[0]++
	for _, refused := range []struct {
		why   string
		claim key.Claim
		by    ident.UserID
		at    time.Time
	}{
		{"another's", c, other.ID, h.clock.Now()},
		{"unknown", unknown, owner.ID, h.clock.Now()},
		{"run out", c, owner.ID, c.ExpiresAt},
	} {
		if _, err := h.store.Claim(h.Context(), refused.claim.Ticket, refused.by, refused.at); !errors.Is(err, fault.NotFound) {
			h.Errorf("%s: found (%v)", refused.why, err)
		}
		if err := h.useClaim(refused.claim, refused.by, refused.at); !errors.Is(err, fault.NotFound) {
			h.Errorf("%s: used (%v)", refused.why, err)
		}
	}
	got, err := h.store.Claim(h.Context(), c.Ticket, owner.ID, h.clock.Now())
	if diff := diff.Diff(c, got); diff != "" || err != nil {
		h.Errorf("the claim is otherwise (%v):\n%s", err, diff)
	}
	h.must(h.useClaim(c, owner.ID, h.later(time.Hour-time.Microsecond)))
	if err := h.useClaim(c, owner.ID, h.clock.Now()); !errors.Is(err, fault.NotFound) {
		h.Errorf("used twice (%v)", err)
	}
	if _, err := h.store.Claim(h.Context(), c.Ticket, owner.ID, h.clock.Now()); !errors.Is(err, fault.NotFound) {
		h.Errorf("found after its use (%v)", err)
	}
}

func lateClaimsAreOfKeysThatWait(h *house) {
	t := h.aTenant(0)
	owner := h.member(t, scope.Member)
	_, late := h.waiting(t, owner, time.Hour)
	h.waiting(t, owner, time.Hour+time.Microsecond)
	_, used := h.waiting(t, owner, time.Minute)
	h.must(h.useClaim(used, owner.ID, h.clock.Now()))
	claimed, _ := h.waiting(t, owner, time.Minute)
	h.sql(`UPDATE keys SET secret_set_at = 1 WHERE id = $1`, claimed.ID)
	revoked, _ := h.waiting(t, owner, time.Minute)
	h.sql(`UPDATE keys SET revoked_at = 1 WHERE id = $1`, revoked.ID)
	got, err := h.store.LateClaims(h.Context(), h.later(time.Hour))
	if diff := diff.Diff([]key.Ref{{Tenant: late.Tenant, Key: late.Key}}, got); diff != "" || err != nil {
		h.Errorf("late are others (%v):\n%s", err, diff)
	}
}

func aWaitingKeyHasNoDigest(h *house) {
	t := h.aTenant(0)
	k, c := h.waiting(t, h.member(t, scope.Member), time.Hour)
	if got := h.rows(`SELECT digest, digest_version FROM key_secrets`); !slices.Equal(got, []string{"-|-"}) {
		h.Errorf("of no secret is stored %v", got)
	}
	if facts := h.facts(k.Lookups[0]); len(facts.Secrets) > 0 || !facts.SecretSetAt.IsZero() {
		h.Errorf("the facts are %+v", facts)
	}
	h.in(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteKey(ctx, k.ID) })
	if _, err := h.store.Claim(h.Context(), c.Ticket, c.Owner, h.clock.Now()); !errors.Is(err, fault.NotFound) {
		h.Errorf("the claim of a deleted key is found (%v)", err)
	}
}

func onlyMembersClaim(h *house) {
	t := h.aTenant(0)
	admin, owner := h.as(h.member(t, scope.Admin)), h.member(t, scope.Member)
	spec := anyKey()
	spec.Owner, spec.Delivery = owner.ID, key.ByLink
	issued, err := h.services().keys.Create(h.Context(), admin, t.ID, spec)
	h.must(err)
	h.stand(t.Account, owner, scope.AccountAdmin) // who owns no key without a membership
	as := h.as(owner)
	claim := func() error { return second(h.domain.keys.Claim(h.Context(), as, issued.Link.Ticket.Reveal())) }
	for _, c := range []struct{ given, undone string }{
		{`UPDATE members SET disabled_at = 1`, `UPDATE members SET disabled_at = NULL`},
		{`UPDATE users SET disabled_at = 1`, `UPDATE users SET disabled_at = NULL`},
		{`UPDATE tenants SET disabled_at = 1`, `UPDATE tenants SET disabled_at = NULL`},
		{`UPDATE accounts SET disabled_at = 1`, `UPDATE accounts SET disabled_at = NULL`},
	} {
		h.sql(c.given)
		if err := claim(); !errors.Is(err, fault.LinkInvalid) {
			h.Errorf("after %s: %v, want link invalid", c.given, err)
		}
		h.sql(c.undone)
	}
	h.must(claim())
}

// counting counts the claims that are looked for.
type counting struct {
	key.Store
	reads *int
}

// Claim implements key.Store.
func (c counting) Claim(ctx context.Context, ticket credential.TicketHash, owner ident.UserID, now time.Time) (key.Claim, error) {
	*c.reads++
	return c.Store.Claim(ctx, ticket, owner, now)
}

func aForgedTicketCostsNoRead(h *house) {
	as := h.as(h.member(h.aTenant(0), scope.Member))
	keys, reads := *h.services().keys, 0
	keys.Store = counting{keys.Store, &reads}
	for _, ticket := range []string{"", "x", strings.Repeat("A", 59), strings.Repeat("A", 5000)} {
		if _, err := keys.Claim(h.Context(), as, ticket); !errors.Is(err, fault.LinkInvalid) || reads > 0 {
			h.Errorf("%d reads and %v, want link invalid without a read", reads, err)
		}
	}
}
