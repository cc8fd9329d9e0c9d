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
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
)

var factCases = []testCase{
	{"the facts of a key are all that is stored of it", factsAreAllThatIsStored},
	{"a key of two secrets is found by either, and shows the current one's id", twoSecretsOneKey},
	{"a secret without a digest is left out", aSecretWithoutADigestIsLeftOut},
	{"addresses or metadata that cannot be read are no facts", unreadableAddressesAreNoFacts},
	{"the facts tell whether the owner set a secret", factsTellWhoSetASecret},
	{"the facts tell the state of owner, membership and account role", factsTellTheOwnersState},
	{"an unknown lookup is not found", anUnknownLookupIsNotFound},
	{"the facts of a tenant are its rules and the state of its applications", factsOfATenant},
}

// facts returns the facts of a lookup, with its lists sorted.
func (fx *fixture) facts(lookup string) verify.KeyRow {
	fx.Helper()
	got, err := fx.store.KeyFacts(fx.Context(), lookup)
	fx.must(err)
	slices.Sort(got.Applications.IDs)
	slices.SortFunc(got.Secrets, func(a, b verify.SecretRow) int { return b.Serial - a.Serial })
	return got
}

// factsOf returns the expected facts of a stored key, without its secrets. Its owner is a member.
func factsOf(k key.Key) verify.KeyRow {
	return verify.KeyRow{
		ID: k.ID, Tenant: k.Tenant, PublicID: k.PublicID, Owner: k.Owner, OwnerLive: true, Role: scope.Member,
		MemberLive: true,
		Scopes:     k.Scopes, Applications: k.Applications, Addresses: k.Addresses, Metadata: k.Metadata,
		SecretSetAt: k.SecretSetAt, ExpiresAt: k.ExpiresAt,
		DisabledAt: k.DisabledAt,
		RevokedAt:  k.RevokedAt, Slot: k.Slot, LastUsedAt: k.LastUsedAt, SecretByOwner: k.OwnerSetSecret(),
	}
}

func (fx *fixture) currentOf(k key.Key) verify.SecretRow {
	return verify.SecretRow{
		Serial: 1, Shape: k.Shape, PublicID: k.PublicID, SetAt: fx.clock.Now(), ByOwner: k.OwnerSetSecret(),
		Digest: credential.Sealed{Version: 1, Bytes: []byte("sealed " + k.ID)},
	}
}

// previousOf returns the secret that insertPrevious stores.
func (fx *fixture) previousOf(k key.Key) verify.SecretRow {
	return verify.SecretRow{
		Previous: true, PublicID: "old_id",
		Shape:  credential.Shape{Style: credential.Pair, Prefix: "old", Label: "older", Domain: "old.example"},
		Digest: credential.Sealed{Version: 4, Bytes: []byte("previous " + k.ID)}, SetAt: fx.clock.Now(),
		Until:   fx.after(time.Hour),
		ByOwner: k.OwnerSetPrevious(),
	}
}

func (fx *fixture) factsAre(lookup string, want verify.KeyRow) {
	fx.Helper()
	if diff := diff.Diff(want, fx.facts(lookup)); diff != "" {
		fx.Errorf("the facts of %s are otherwise:\n%s", lookup, diff)
	}
}

// If the setter of a secret is not recorded, the creator of the key counts.
func factsTellWhoSetASecret(fx *fixture) {
	t := fx.tenantWithCap(0)
	admin := fx.member(t, scope.Admin)
	for name, c := range map[string]struct {
		createdBy, setBy string // owner, admin or ""
		want             bool
	}{
		"own":                        {"owner", "owner", true},
		"of a key that another made": {"admin", "owner", true},
		"set by another":             {"owner", "admin", false},
		"made by another":            {"admin", "admin", false},
		"earlier, own":               {"owner", "", true},
		"earlier, made by another":   {"admin", "", false},
	} {
		owner := fx.member(t, scope.Member)
		people := map[string]principal.Person{"owner": owner, "admin": admin, "": {}}
		k, secret := fx.newKey(t, owner, 1)
		k.CreatedBy, k.SetBy = people[c.createdBy].Party(), ident.PartyID(people[c.setBy].ID)
		secret.SetBy = k.SetBy
		fx.insertKey(k, secret)
		got := fx.facts(secret.Lookup)
		if got.SecretByOwner != c.want || got.Secrets[0].ByOwner != c.want || k.OwnerSetSecret() != c.want {
			fx.Errorf("%s: %t, %t and %t", name, got.SecretByOwner, got.Secrets[0].ByOwner, k.OwnerSetSecret())
		}
	}
}

func factsAreAllThatIsStored(fx *fixture) {
	t := fx.tenantWithCap(0)
	full := fx.fullKey(t)
	plain, secret := fx.newKeyOf(t, full.Owner, 1)
	plain.Scopes = nil
	fx.insertKey(plain, secret)
	for _, k := range []key.Key{full, plain} {
		want := factsOf(k)
		want.Secrets = []verify.SecretRow{fx.currentOf(k)}
		fx.factsAre(k.Lookups[0], want)
	}
	fx.exec(`UPDATE keys SET slot = NULL`)
	if got := fx.facts(full.Lookups[0]).Slot; got != 0 {
		fx.Errorf("a key without a slot has slot %d", got)
	}
}

// A list of addresses that cannot be read must not count as none.
func unreadableAddressesAreNoFacts(fx *fixture) {
	k := fx.fullKey(fx.tenantWithCap(0))
	for column, texts := range map[string][]string{
		"allowed_cidrs": {``, `null`, `{}`, `["10.0.0.1/8"]`, `["10.0.0.0/8"`, `[1]`, `["nowhere"]`},
		"metadata":      {`{`, `[]`, `{"b":1,"a":2}`, `null`},
	} {
		for _, text := range texts {
			fx.exec(`UPDATE keys SET `+column+` = $2 WHERE id = $1`, k.ID, text)
			got, err := fx.store.KeyFacts(fx.Context(), k.Lookups[0])
			if err == nil || errors.Is(err, fault.NotFound) {
				fx.Errorf("%s %q: %+v, %v", column, text, got, err)
			}
		}
		fx.exec(`UPDATE keys SET ` + column + ` = NULL`)
	}
	if got := fx.facts(k.Lookups[0]); got.Addresses.Restricted() || !got.Metadata.Empty() {
		fx.Errorf("without them: %v, %v", got.Addresses.Strings(), got.Metadata.String())
	}
}

func twoSecretsOneKey(fx *fixture) {
	t := fx.tenantWithCap(0)
	apart := fx.fullKey(t) // with a previous secret under a lookup of its own
	want := factsOf(apart)
	want.Secrets = []verify.SecretRow{fx.currentOf(apart)}
	fx.factsAre(apart.Lookups[0], want)
	want.Secrets = []verify.SecretRow{fx.previousOf(apart)}
	fx.factsAre(apart.Lookups[1], want)

	shared, secret := fx.newKeyOf(t, apart.Owner, 1)
	shared.Scopes = scope.NewSet("a:b", "c:d", "e:f")
	fx.insertKey(shared, secret)
	fx.insertPrevious(shared, secret.Lookup)
	want = factsOf(shared)
	want.Secrets = []verify.SecretRow{fx.currentOf(shared), fx.previousOf(shared)}
	fx.factsAre(secret.Lookup, want)
}

func aSecretWithoutADigestIsLeftOut(fx *fixture) {
	t := fx.tenantWithCap(0)
	k, secret := fx.newKey(t, fx.member(t, scope.Member), 1)
	fx.insertKey(k, secret)
	fx.insertPrevious(k, secret.Lookup)
	want := factsOf(k)
	for _, c := range []struct {
		without string
		left    []verify.SecretRow
	}{
		{"position = 'previous'", []verify.SecretRow{fx.currentOf(k)}},
		{"position = 'current'", nil},
	} {
		fx.exec(`UPDATE key_secrets SET digest = NULL, digest_version = NULL WHERE ` + c.without)
		want.Secrets = c.left
		fx.factsAre(secret.Lookup, want)
	}
}

func factsTellTheOwnersState(fx *fixture) {
	t := fx.tenantWithCap(0)
	k, secret := fx.newKey(t, fx.member(t, scope.Member), 1)
	fx.insertKey(k, secret)
	owner, as := string(k.Owner.ID), func(alter func(*verify.KeyRow)) verify.KeyRow {
		want := factsOf(k)
		want.Secrets = []verify.SecretRow{fx.currentOf(k)}
		alter(&want)
		return want
	}
	for _, c := range []struct {
		given, undone string
		want          verify.KeyRow
	}{
		{
			`UPDATE users SET disabled_at = 1`, `UPDATE users SET disabled_at = NULL`,
			as(func(r *verify.KeyRow) { r.OwnerLive = false }),
		},
		{
			`UPDATE users SET deleted_at = 1`, `UPDATE users SET deleted_at = NULL`,
			as(func(r *verify.KeyRow) { r.OwnerLive = false }),
		},
		{
			`UPDATE members SET disabled_at = 1`, `UPDATE members SET disabled_at = NULL`,
			as(func(r *verify.KeyRow) { r.MemberLive = false }),
		},
		{
			`UPDATE members SET role = 'auditor'`, `UPDATE members SET role = 'member'`,
			as(func(r *verify.KeyRow) { r.Role = scope.Auditor }),
		},
		{
			`UPDATE account_members SET user_id = '` + owner + `'`, `DELETE FROM account_members`,
			as(func(r *verify.KeyRow) { r.AccountRole = scope.AccountOwner }),
		},
		{
			`INSERT INTO ended_owners (tenant_id, owner_id, ended_at, reason) VALUES ('` + string(t.ID) + `', '` +
				owner + `', 1, 'Left.')`, `DELETE FROM ended_owners`,
			as(func(r *verify.KeyRow) { r.OwnerEnded = true }),
		},
		{`DELETE FROM members`, ``, as(func(r *verify.KeyRow) { r.Role, r.MemberLive = "", false })},
		{
			`UPDATE users SET email = NULL, canonical_email = NULL, name = NULL`, ``,
			as(func(r *verify.KeyRow) {
				r.Role = ""
				r.MemberLive = false
				r.Owner.Email = ""
				r.Owner.Name = ""
			}),
		},
	} {
		fx.exec(c.given)
		fx.factsAre(secret.Lookup, c.want)
		fx.optionally(c.undone)
	}
}

func anUnknownLookupIsNotFound(fx *fixture) {
	k := fx.fullKey(fx.tenantWithCap(0))
	for _, lookup := range []string{
		"unknown", "", string(k.PublicID), strings.ToUpper(k.Lookups[0]),
		k.Lookups[0] + " ", k.Lookups[0][1:],
	} {
		if got, err := fx.store.KeyFacts(fx.Context(), lookup); !errors.Is(err, fault.NotFound) || got.ID != "" {
			fx.Errorf("%q: %+v, %v, want not found", lookup, got, err)
		}
	}
}

func factsOfATenant(fx *fixture) {
	account, _ := fx.account()
	t := fx.tenant(account.ID, func(s *policy.Settings) { s.KeysPerUser = 7 })
	fx.application(fx.tenant(account.ID, nil))
	live, off := fx.application(t), fx.application(t)
	fx.exec(`UPDATE applications SET disabled_at = 1 WHERE id = $1`, off.ID)
	got, err := fx.store.TenantFacts(fx.Context(), t.ID)
	fx.must(err)
	want := verify.TenantRow{
		Tenant:       fx.tenantRules(t.ID),
		Applications: map[string]bool{string(live.ID): true, string(off.ID): false},
	}
	if diff := diff.Diff(want, got, diff.AllowUnexported(scope.Catalogue{})); diff != "" {
		fx.Errorf("the facts of the tenant are otherwise:\n%s", diff)
	}
	if fmt.Sprint(got.Settings) != fmt.Sprint(t.Settings) {
		fx.Errorf("settings %+v, want %+v", got.Settings, t.Settings)
	}
}
