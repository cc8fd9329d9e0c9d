package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
)

var factGuarantees = []guarantee{
	{"the facts of a key are all that is stored of it", factsAreAllThatIsStored},
	{"a key of two secrets is found by either, and shows the current one's id", twoSecretsOneKey},
	{"a secret without a digest is left out", aSecretWithoutADigestIsLeftOut},
	{"the facts tell the state of owner, membership and account role", factsTellTheOwnersState},
	{"an unknown lookup is not found", anUnknownLookupIsNotFound},
	{"the facts of a tenant are its rules and the state of its applications", factsOfATenant},
}

// facts gives the facts of a lookup, its lists in order.
func (h *house) facts(lookup string) verify.KeyRow {
	h.Helper()
	got, err := h.store.KeyFacts(h.Context(), lookup)
	h.must(err)
	slices.Sort(got.Applications.IDs)
	slices.SortFunc(got.Secrets, func(a, b verify.SecretRow) int { return b.Serial - a.Serial })
	return got
}

// factsOf is what the facts of a stored key must be, without its secrets; its owner is a member.
func factsOf(k key.Key) verify.KeyRow {
	return verify.KeyRow{
		ID: k.ID, Tenant: k.Tenant, PublicID: k.PublicID, Owner: k.Owner, OwnerLive: true, Member: scope.Member, MemberLive: true,
		Scopes: k.Scopes, Applications: k.Applications, SecretSetAt: k.SecretSetAt, ExpiresAt: k.ExpiresAt, DisabledAt: k.DisabledAt,
		RevokedAt: k.RevokedAt, Slot: k.Slot, LastUsedAt: k.LastUsedAt,
	}
}

func (h *house) currentOf(k key.Key) verify.SecretRow {
	return verify.SecretRow{Serial: 1, Shape: k.Shape, PublicID: k.PublicID, SetAt: h.clock.Now(), Digest: credential.Sealed{Version: 1, Bytes: []byte("sealed " + k.ID)}}
}

// previousOf is what house.previous stores.
func (h *house) previousOf(k key.Key) verify.SecretRow {
	return verify.SecretRow{
		Previous: true, PublicID: "old_id", Shape: credential.Shape{Style: credential.Pair, Prefix: "old", Label: "older", Domain: "old.example"},
		Digest: credential.Sealed{Version: 4, Bytes: []byte("previous " + k.ID)}, SetAt: h.clock.Now(), Until: h.later(time.Hour),
	}
}

func (h *house) factsAre(lookup string, want verify.KeyRow) {
	h.Helper()
	if diff := diff.Diff(want, h.facts(lookup)); diff != "" {
		h.Errorf("the facts of %s are otherwise:\n%s", lookup, diff)
	}
}

func factsAreAllThatIsStored(h *house) {
	t := h.aTenant(0)
	full := h.fullKey(t)
	plain, secret := h.stored(t, full.Owner, 1)
	plain.Scopes = nil
	h.insert(plain, secret)
	for _, k := range []key.Key{full, plain} {
		want := factsOf(k)
		want.Secrets = []verify.SecretRow{h.currentOf(k)}
		h.factsAre(k.Lookups[0], want)
	}
	h.sql(`UPDATE keys SET slot = NULL`)
	if got := h.facts(full.Lookups[0]).Slot; got != 0 {
		h.Errorf("a key without a slot has slot %d", got)
	}
}

func twoSecretsOneKey(h *house) {
	t := h.aTenant(0)
	apart := h.fullKey(t) // with a previous secret under a lookup of its own
	want := factsOf(apart)
	want.Secrets = []verify.SecretRow{h.currentOf(apart)}
	h.factsAre(apart.Lookups[0], want)
	want.Secrets = []verify.SecretRow{h.previousOf(apart)}
	h.factsAre(apart.Lookups[1], want)

	shared, secret := h.stored(t, apart.Owner, 1)
	shared.Scopes = scope.NewSet("a:b", "c:d", "e:f")
	h.insert(shared, secret)
	h.previous(shared, secret.Lookup)
	want = factsOf(shared)
	want.Secrets = []verify.SecretRow{h.currentOf(shared), h.previousOf(shared)}
	h.factsAre(secret.Lookup, want)
}

func aSecretWithoutADigestIsLeftOut(h *house) {
	t := h.aTenant(0)
	k, secret := h.stored(t, h.member(t, scope.Member), 1)
	h.insert(k, secret)
	h.previous(k, secret.Lookup)
	want := factsOf(k)
	for _, c := range []struct {
		without string
		left    []verify.SecretRow
	}{
		{"position = 'previous'", []verify.SecretRow{h.currentOf(k)}},
		{"position = 'current'", nil},
	} {
		h.sql(`UPDATE key_secrets SET digest = NULL, digest_version = NULL WHERE ` + c.without)
		want.Secrets = c.left
		h.factsAre(secret.Lookup, want)
	}
}

func factsTellTheOwnersState(h *house) {
	t := h.aTenant(0)
	k, secret := h.stored(t, h.member(t, scope.Member), 1)
	h.insert(k, secret)
	owner, as := string(k.Owner.ID), func(alter func(*verify.KeyRow)) verify.KeyRow {
		want := factsOf(k)
		want.Secrets = []verify.SecretRow{h.currentOf(k)}
		alter(&want)
		return want
	}
	for _, c := range []struct {
		given, undone string
		want          verify.KeyRow
	}{
		{`UPDATE users SET disabled_at = 1`, `UPDATE users SET disabled_at = NULL`, as(func(r *verify.KeyRow) { r.OwnerLive = false })},
		{`UPDATE users SET deleted_at = 1`, `UPDATE users SET deleted_at = NULL`, as(func(r *verify.KeyRow) { r.OwnerLive = false })},
		{`UPDATE members SET disabled_at = 1`, `UPDATE members SET disabled_at = NULL`, as(func(r *verify.KeyRow) { r.MemberLive = false })},
		{`UPDATE members SET role = 'auditor'`, `UPDATE members SET role = 'member'`, as(func(r *verify.KeyRow) { r.Member = scope.Auditor })},
		{
			`UPDATE account_members SET user_id = '` + owner + `'`, `DELETE FROM account_members`,
			as(func(r *verify.KeyRow) { r.AccountRole = scope.AccountOwner }),
		},
		{`DELETE FROM members`, ``, as(func(r *verify.KeyRow) { r.Member, r.MemberLive = "", false })},
		{
			`UPDATE users SET email = NULL, canonical_email = NULL, name = NULL`, ``,
			as(func(r *verify.KeyRow) { r.Member, r.MemberLive, r.Owner.Email, r.Owner.Name = "", false, "", "" }),
		},
	} {
		h.sql(c.given)
		h.factsAre(secret.Lookup, c.want)
		h.optionally(c.undone)
	}
}

func anUnknownLookupIsNotFound(h *house) {
	k := h.fullKey(h.aTenant(0))
	for _, lookup := range []string{"unknown", "", string(k.PublicID), strings.ToUpper(k.Lookups[0]), k.Lookups[0] + " ", k.Lookups[0][1:]} {
		if got, err := h.store.KeyFacts(h.Context(), lookup); !errors.Is(err, fault.NotFound) || got.ID != "" {
			h.Errorf("%q: %+v, %v, want not found", lookup, got, err)
		}
	}
}

func factsOfATenant(h *house) {
	account, _ := h.account()
	t := h.tenant(account.ID, func(s *policy.Settings) { s.KeysPerUser = 7 })
	h.application(h.tenant(account.ID, nil))
	live, off := h.application(t), h.application(t)
	h.sql(`UPDATE applications SET disabled_at = 1 WHERE id = $1`, off.ID)
	got, err := h.store.TenantFacts(h.Context(), t.ID)
	h.must(err)
	want := verify.TenantRow{Tenant: h.bothRules(t.ID), Applications: map[string]bool{string(live.ID): true, string(off.ID): false}}
	if diff := diff.Diff(want, got, diff.AllowUnexported(scope.Catalogue{})); diff != "" {
		h.Errorf("the facts of the tenant are otherwise:\n%s", diff)
	}
	if fmt.Sprint(got.Settings) != fmt.Sprint(t.Settings) {
		h.Errorf("settings %+v, want %+v", got.Settings, t.Settings)
	}
}
