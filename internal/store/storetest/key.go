package storetest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	diff "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/metadata"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/usage"
)

var keyCases = []testCase{
	{"a key comes back as inserted, by every way", aKeyComesBack},
	{"a time that is not set is NULL, and NULL is a time that is not set", unsetTimesAreNull},
	{"another tenant's key is not found", anothersKeyIsNotFound},
	{"pages run from the newest back and leave nothing out, of one owner and of all", keyPagesAreWhole},
	{"an edited key is what it was edited to, and is searched by that", anEditedKeyIsOtherwise},
	{"a replaced secret becomes the previous one where the key has one, and else is gone", aSecretIsReplaced},
	{"a key without a slot is stored with none", noSlotIsNull},
	{"a search looks in name, public id and the owner's address, for each word", aSearchIsForTheTextItself},
	{"the keys whose secret a person was shown are found behind any number of others", shownKeysAreFoundBehindOthers},
	{"an owner's keys are counted with their latest use, without those that ended", heldKeysAreCounted},
	{"a person's own keys are those of tenants where they are a live member", ownKeysAreOfLiveMemberships},
	{"a sealed copy is kept with its secret, and a tenant's are destroyed at once", copiesAreKeptAndDestroyed},
	{"a revoked key keeps its digest and loses its slot and its sealed copy", aRevokedKeyIsATombstone},
	{"a key is disabled and enabled as told", aKeyIsDisabledAndEnabled},
	{"a deleted key takes its secrets, grants and uses along", aDeletedKeyIsGone},
	{"an owner's holds are the keys with a slot", slotHoldersAreKeysWithASlot},
}

// fullKey inserts a key with every field set.
func (fx *fixture) fullKey(t tenancy.Tenant) key.Key {
	fx.Helper()
	k, secret := fx.newKey(t, fx.member(t, scope.Member), 3)
	k.CreatedBy = fx.member(t, scope.Admin).Party()
	k.Name = "Ünïcode & <markup> '\""
	k.Description = "two\nlines"
	k.Delivery = key.ByLink
	k.Shape = credential.Shape{Style: credential.Client, Prefix: "pre", Label: "lab", Domain: "claviger.example"}
	secret.Shape = k.Shape
	k.Scopes = scope.NewSet("films:read", "films:delete", scope.AuditRead)
	k.Applications = scope.Applications{IDs: []string{string(fx.application(t).ID), string(fx.application(t).ID)}}
	slices.Sort(k.Applications.IDs)
	k.Addresses, k.Metadata = fx.networks("192.0.2.0/24", "2001:db8::/32"), fx.metadata(`{"team":"ünïcode","n":1.50}`)
	for i, at := range []*time.Time{&k.CreatedAt, &k.UpdatedAt, &k.SecretSetAt, &k.ExpiresAt} {
		*at = fx.after(time.Duration(i) * time.Microsecond)
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) (err error) {
		k.Number, err = tx.NextKeyNumber(ctx)
		return err
	})
	fx.insertKey(k, secret)
	k.LastUsedAt, k.LastUsedIP = fx.after(time.Minute), "2001:db8::1"
	k.DisabledAt = fx.after(time.Hour)
	k.DisabledBy = k.CreatedBy.ID
	k.DisabledByAdmin = true
	k.EnabledAt = fx.after(30 * time.Minute)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.SetDisabled(ctx, k) })
	k.RevokedAt, k.RevokedReason = fx.after(2*time.Hour), "lost"
	fx.recordUses(usage.Use{Key: k.ID, At: k.LastUsedAt, IP: k.LastUsedIP})
	fx.exec(`UPDATE keys SET revoked_at = $2, revoked_reason = $3 WHERE id = $1`, k.ID, k.RevokedAt.UnixMicro(),
		k.RevokedReason)
	k.Lookups = append(k.Lookups, fx.insertPrevious(k, "before-"+k.Lookups[0]))
	k.Previous = key.Previous{
		PublicID: "old_id", Last4: "last", SetAt: fx.clock.Now(), SetBy: k.CreatedBy.ID, Until: fx.after(time.Hour),
	}
	return k
}

// networks returns a list of networks.
func (fx *fixture) networks(cidrs ...string) policy.Addresses {
	fx.Helper()
	list, faults := policy.ParseAddresses("allowed_cidrs", cidrs)
	fx.must(fault.Refuse(faults...))
	return list
}

// metadata returns a JSON object.
func (fx *fixture) metadata(text string) metadata.Metadata {
	fx.Helper()
	object, faults := metadata.Parse("metadata", json.RawMessage(text))
	fx.must(fault.Refuse(faults...))
	return object
}

// readEveryWay reads a key alone, by its number if it has one, in a list, in its owner's list, and
// in a change.
func (fx *fixture) readEveryWay(k key.Key) []key.Key {
	fx.Helper()
	one, err := fx.store.Key(fx.Context(), k.Tenant, k.ID)
	fx.must(err)
	found := []key.Key{one}
	if k.Number > 0 {
		numbered, err := fx.store.KeyByNumber(fx.Context(), k.Tenant, k.Number)
		fx.must(err)
		found = append(found, numbered)
	}
	for _, filter := range []key.Filter{{}, {Owner: k.Owner.ID}} {
		list, _, err := fx.store.Keys(fx.Context(), k.Tenant, filter, key.Page{Limit: 10})
		fx.must(err)
		found = append(found, list[slices.IndexFunc(list, func(l key.Key) bool { return l.ID == k.ID })])
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		locked, err := tx.LockKey(ctx, k.Tenant, k.ID)
		found = append(found, locked)
		return err
	})
	for _, f := range found {
		slices.Sort(f.Lookups)
		slices.Sort(f.Applications.IDs)
	}
	return found
}

func aKeyComesBack(fx *fixture) {
	t := fx.tenantWithCap(0)
	plain, secret := fx.newKey(t, fx.member(t, scope.Member), 1)
	fx.insertKey(plain, secret)
	for _, want := range []key.Key{fx.fullKey(t), plain} {
		slices.Sort(want.Lookups)
		for i, got := range fx.readEveryWay(want) {
			if diff := diff.Diff(want, got); diff != "" {
				fx.Errorf("way %d gives it otherwise:\n%s", i, diff)
			}
		}
	}
}

func unsetTimesAreNull(fx *fixture) {
	t := fx.tenantWithCap(0)
	want, secret := fx.newKey(t, fx.member(t, scope.Member), 1)
	want.SecretSetAt = time.Time{}
	fx.insertKey(want, secret)
	const columns = `secret_set_at, expires_at, disabled_at, disabled_by, revoked_at, revoked_by, revoked_reason,
		allowed_cidrs, metadata`
	if got := fx.queryRows(`SELECT ` + columns + ` FROM keys`); !slices.Equal(got, []string{"-|-|-|-|-|-|-|-|-"}) {
		fx.Errorf("%s are stored as %v", columns, got)
	}
	if got := fx.queryRows(`SELECT until, last_used_at, copy, copy_version FROM key_secrets`); !slices.Equal(got,
		[]string{"-|-|-|-"}) {
		fx.Errorf("of the secret is stored %v", got)
	}
	for _, got := range fx.readEveryWay(want) {
		if diff := diff.Diff(want, got); diff != "" {
			fx.Errorf("came back otherwise:\n%s", diff)
		}
	}
	facts, err := fx.store.KeyFacts(fx.Context(), secret.Lookup)
	fx.must(err)
	for what, at := range map[string]time.Time{
		"secret set": facts.SecretSetAt, "expires": facts.ExpiresAt, "disabled": facts.DisabledAt,
		"revoked":   facts.RevokedAt,
		"last used": facts.LastUsedAt, "until": facts.Secrets[0].Until,
	} {
		if !at.IsZero() {
			fx.Errorf("%s at %v, want the zero time", what, at)
		}
	}
}

func anothersKeyIsNotFound(fx *fixture) {
	mine, theirs := fx.tenantWithCap(0), fx.tenantWithCap(0)
	k := fx.fullKey(theirs)
	before := fx.dump()
	for _, number := range []int64{k.Number, k.Number + 1_000_000, 0, -1} {
		if _, err := fx.store.KeyByNumber(fx.Context(), mine.ID, number); !errors.Is(err, fault.NotFound) {
			fx.Errorf("number %d: %v, want not found", number, err)
		}
	}
	for _, id := range []ident.KeyID{k.ID, "key_unknown", ""} {
		if _, err := fx.store.Key(fx.Context(), mine.ID, id); !errors.Is(err, fault.NotFound) {
			fx.Errorf("%q: %v, want not found", id, err)
		}
		for _, err := range []error{
			fx.write(asChange(func(ctx context.Context, tx *store.Tx) error {
				return secondOf(tx.LockKey(ctx, mine.ID, id))
			})),
			fx.write(asChange(func(ctx context.Context, tx *store.Tx) error {
				return secondOf(tx.KeyOwner(ctx, mine.ID, id))
			})),
			fx.write(asChange(func(ctx context.Context, tx *store.Tx) error {
				return tx.EditKey(ctx, key.Key{ID: "key_unknown", UpdatedAt: fx.clock.Now()})
			})),
			fx.write(asChange(func(ctx context.Context, tx *store.Tx) error {
				return tx.DeleteKey(ctx, "key_unknown")
			})),
			fx.write(asChange(func(ctx context.Context, tx *store.Tx) error {
				return tx.SetDisabled(ctx, key.Key{ID: "key_unknown", UpdatedAt: fx.clock.Now()})
			})),
			fx.write(asChange(func(ctx context.Context, tx *store.Tx) error {
				return tx.RevokeKey(ctx, "key_unknown", fx.clock.Now(), k.Owner.ID, "")
			})),
		} {
			if !errors.Is(err, fault.NotFound) {
				fx.Errorf("a change of %q: %v, want not found", id, err)
			}
		}
	}
	if got := fx.keyPages(fx.T.Fatal, mine.ID, key.Filter{Owner: k.Owner.ID}, 10); len(got) > 0 {
		fx.Errorf("a tenant lists another's %v", got)
	}
	fx.isUnchanged(before)
}

// asChange returns a change that runs do.
func asChange(do func(context.Context, *store.Tx) error) change {
	return func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		return event(audit.ActionNoticeRetry), do(ctx, tx)
	}
}

func secondOf[T any](_ T, err error) error { return err }

// keyPages reads a whole list, page by page.
func (fx *fixture) keyPages(fatal func(...any), t ident.TenantID, filter key.Filter, limit int) (ids []ident.KeyID) {
	page := key.Page{Limit: limit}
	for {
		got, _, err := fx.store.Keys(fx.Context(), t, filter, page)
		if err != nil {
			fatal(err)
		}
		for _, k := range got {
			ids = append(ids, k.ID)
			page.BeforeTime, page.BeforeID = k.CreatedAt, k.ID
		}
		if len(got) < limit {
			return ids
		}
	}
}

func keyPagesAreWhole(fx *fixture) {
	account, _ := fx.account()
	owners := []principal.Person{fx.person(), fx.person()}
	settings, err := policy.Standard.Settings()
	fx.must(err)
	rapid.Check(fx, func(t *rapid.T) {
		tenant := fx.insertTenant(account.ID, policy.Standard, settings)
		var want []key.Key
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			for i, tie := range rapid.SliceOfN(rapid.IntRange(0, 3), 0, 7).Draw(t, "microsecond of creation") {
				k, secret := fx.newKey(tenant, rapid.SampledFrom(owners).Draw(t, "owner"), int64(i+1))
				k.CreatedAt = fx.after(time.Duration(tie) * time.Microsecond)
				want = append(want, k)
				if tx.InsertKey(ctx, k, secret) != nil {
					t.Fatal("a key was not inserted")
				}
			}
			return nil
		})
		slices.SortFunc(want,
			func(a, b key.Key) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID)) })
		limit := rapid.IntRange(1, 8).Draw(t, "limit")
		for _, owner := range []ident.PartyID{"", owners[0].Party().ID, owners[1].Party().ID} {
			var ids []ident.KeyID
			for _, k := range want {
				if owner == "" || k.Owner.ID == owner {
					ids = append(ids, k.ID)
				}
			}
			if diff := diff.Diff(ids, fx.keyPages(t.Fatal, tenant.ID, key.Filter{Owner: owner}, limit)); diff != "" {
				t.Fatalf("pages of owner %q, put together, are otherwise:\n%s", owner, diff)
			}
		}
	})
}

func anEditedKeyIsOtherwise(fx *fixture) {
	t := fx.tenantWithCap(0)
	want, other := fx.fullKey(t), fx.fullKey(t)
	slices.Sort(want.Lookups)
	slices.Sort(other.Lookups)
	for _, e := range []struct {
		scopes       []scope.Scope
		applications scope.Applications
		expires      time.Time
		addresses    policy.Addresses
		metadata     metadata.Metadata
	}{
		{
			[]scope.Scope{scope.Every},
			scope.Applications{All: true},
			time.Time{},
			policy.Addresses{},
			metadata.Metadata{},
		},
		{
			[]scope.Scope{"films:read", scope.AuditRead},
			scope.Applications{IDs: []string{string(fx.application(t).ID)}},
			fx.after(9 * time.Hour),
			fx.networks("10.0.0.0/8").Narrowed(fx.networks("::/0")), // nowhere
			fx.metadata(`{"a":{"b":[null]}}`),
		},
	} {
		want.Name = "Ⅳ Ämter"
		want.Description = "other"
		want.UpdatedAt = fx.after(8 * time.Hour)
		want.Scopes = scope.NewSet(e.scopes...)
		want.Applications = e.applications
		want.ExpiresAt = e.expires
		want.Addresses, want.Metadata = e.addresses, e.metadata
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.EditKey(ctx, want) })
		if diff := diff.Diff([]key.Key{want, other},
			[]key.Key{fx.readEveryWay(want)[0], fx.readEveryWay(other)[0]}); diff != "" {
			fx.Errorf("the keys are otherwise:\n%s", diff)
		}
	}
}

func aSearchIsForTheTextItself(fx *fixture) {
	t := fx.tenantWithCap(0)
	owner, other := fx.member(t, scope.Member), fx.member(t, scope.Member)
	k, secret := fx.newKey(t, owner, 1)
	k.Name = `Ⅳ Ämter 100%_\ done`
	fx.insertKey(k, secret)
	for _, c := range []struct {
		query string
		found bool
	}{
		{k.Name, true},
		{"iv ä", true},
		{"IV Ä", true},
		{"A\u0308mter", true},
		{"100%", true},
		{"done ämter", true},
		{"1%d", true},
		{"1%x", false},
		{"00", false},
		{k.PublicID, true},
		{strings.ToUpper(k.PublicID), true},
		{owner.Email, true},
		{"@CLAVIGER", true},
		{other.Email, false},
		{"done", true},
		{"one", false},
		{"done " + strings.ToLower(k.PublicID), true}, // each word may be of another field
		{k.PublicID + " " + owner.Email, true},
		{k.PublicID + " " + other.Email, false},
		{"straße", false},
	} {
		for _, filter := range []key.Filter{{Query: c.query}, {Query: c.query, Owner: ident.PartyID(owner.ID)}} {
			if got := fx.keyPages(fx.Fatal, t.ID, filter, 5); slices.Equal(got, []ident.KeyID{k.ID}) != c.found {
				fx.Errorf("%+v finds %v", filter, got)
			}
		}
		own, _, err := fx.store.OwnKeys(fx.Context(),
			key.Filter{Query: c.query, Owner: owner.Party().ID}, key.Page{Limit: 5})
		fx.must(err)
		if (len(own) == 1) != c.found {
			fx.Errorf("of one's own %q finds %v", c.query, own)
		}
		others := key.Filter{Query: c.query, Owner: other.Party().ID}
		if got := fx.keyPages(fx.Fatal, t.ID, others, 5); len(got) > 0 {
			fx.Errorf("of another's keys %q finds %v", c.query, got)
		}
	}
}

// newerKeys inserts that many keys of an owner that are newer than every other.
func (fx *fixture) newerKeys(t tenancy.Tenant, owner principal.Person, n int) {
	fx.Helper()
	at := fx.after(time.Hour).UnixMicro()
	fx.exec(fmt.Sprintf(`INSERT INTO keys (id, tenant_id, owner_id, created_by, name, description, all_applications,
		delivery, created_at, updated_at, secret_set_at)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		SELECT 'key_newer' || CAST(i AS TEXT), '%s', '%s', '%[3]s', 'Key', '', TRUE, 'direct', %d, %[4]d, %[4]d FROM n`,
		n, t.ID, owner.ID, at))
}

func shownKeysAreFoundBehindOthers(fx *fixture) {
	t, elsewhere := fx.tenantWithCap(0), fx.tenantWithCap(0)
	admin, owner := fx.member(t, scope.Admin), fx.member(t, scope.Member)
	other := fx.member(t, scope.Admin)
	fx.join(elsewhere, admin, scope.Admin)
	age := 0
	insert := func(in tenancy.Tenant, of, by principal.Person, setBy ident.PartyID, alter func(*key.Key)) ident.KeyID {
		age++
		k, secret := fx.newKey(in, of, int64(age))
		k.CreatedBy, secret.SetBy = by.Party(), setBy
		k.CreatedAt = fx.after(-time.Duration(age) * time.Minute)
		if alter != nil {
			alter(&k)
		}
		fx.insertKey(k, secret)
		return k.ID
	}
	byLink := func(k *key.Key) { k.Delivery = key.ByLink }
	set := insert(t, owner, owner, ident.PartyID(admin.ID), nil)
	made := insert(t, owner, admin, "", nil) // of an earlier version, which recorded no setter
	insert(t, owner, admin, "", byLink)
	insert(t, owner, admin, ident.PartyID(owner.ID), nil)
	insert(t, owner, other, "", nil)
	insert(t, admin, admin, ident.PartyID(admin.ID), nil)
	insert(elsewhere, owner, admin, ident.PartyID(admin.ID), nil)
	revoked := insert(t, owner, admin, ident.PartyID(admin.ID), nil)
	fx.exec(`UPDATE keys SET revoked_at = $1 WHERE id = $2`, fx.after(0).UnixMicro(), revoked)
	fx.newerKeys(t, other, 5_001) // one more than a request examines one by one
	for _, c := range []struct {
		filter key.Filter
		want   []ident.KeyID
	}{
		{key.Filter{ShownTo: admin.ID}, []ident.KeyID{set, made, revoked}},
		{key.Filter{ShownTo: admin.ID, Usable: true}, []ident.KeyID{set, made}},
		{key.Filter{ShownTo: admin.ID, Owner: ident.PartyID(owner.ID)}, []ident.KeyID{set, made, revoked}},
		{key.Filter{ShownTo: admin.ID, Owner: ident.PartyID(other.ID)}, nil},
		{key.Filter{ShownTo: owner.ID}, nil},
	} {
		keys, stopped, err := fx.store.Keys(fx.Context(), t.ID, c.filter, key.Page{Limit: 10})
		var got []ident.KeyID
		for _, k := range keys {
			got = append(got, k.ID)
		}
		if err != nil || !slices.Equal(got, c.want) || stopped != nil {
			fx.Errorf("%+v finds %v and stops at %v (%v), want %v", c.filter, got, stopped, err, c.want)
		}
		if pages := fx.keyPages(fx.Fatal, t.ID, c.filter, 1); !slices.Equal(pages, c.want) {
			fx.Errorf("%+v finds %v in pages of one, want %v", c.filter, pages, c.want)
		}
	}
}

func heldKeysAreCounted(fx *fixture) {
	t, elsewhere := fx.tenantWithCap(0), fx.tenantWithCap(0)
	owner, other := fx.member(t, scope.Member), fx.member(t, scope.Member)
	none := fx.member(t, scope.Member)
	fx.join(elsewhere, owner, scope.Member)
	now, byRule := fx.after(0), fx.after(-48*time.Hour)
	used := fx.after(-time.Minute)
	for i, change := range []string{
		"", `disabled_at = 1`, `secret_set_at = NULL`, // these count
		`revoked_at = 1`, `forgotten_at = 1`, fmt.Sprintf(`expires_at = %d`, now.UnixMicro()),
		fmt.Sprintf(`secret_set_at = %d`, byRule.UnixMicro()),
	} {
		k, secret := fx.newKey(t, owner, int64(i+1))
		fx.insertKey(k, secret)
		at := used
		if i > 2 {
			at = now // the latest use of a key that ended is none of the owner's
		}
		fx.exec(`INSERT INTO key_uses (key_id, last_used_at) VALUES ($1, $2)`, k.ID, at.UnixMicro())
		if change != "" {
			fx.exec(`UPDATE keys SET `+change+` WHERE id = $1`, k.ID)
		}
	}
	fx.insertKey(fx.newKey(t, other, 1))
	fx.insertKey(fx.newKey(elsewhere, owner, 1))
	id := func(p principal.Person) ident.PartyID { return ident.PartyID(p.ID) }
	want := map[ident.PartyID]key.Holding{id(owner): {Keys: 3, LastUsedAt: used}, id(other): {Keys: 1}}
	got, err := fx.store.Held(fx.Context(), t.ID, []ident.PartyID{id(owner), id(other), id(none)}, byRule, now)
	fx.must(err)
	if diff := diff.Diff(want, got); diff != "" {
		fx.Errorf("held otherwise:\n%s", diff)
	}
}

func ownKeysAreOfLiveMemberships(fx *fixture) {
	one, two := fx.tenantWithCap(0), fx.tenantWithCap(0)
	owner := fx.member(one, scope.Member)
	fx.join(two, owner, scope.Auditor)
	var want []ident.KeyID
	for _, t := range []tenancy.Tenant{one, two, one} {
		k, secret := fx.newKey(t, owner, int64(len(want)+1))
		k.CreatedAt = fx.after(time.Duration(len(want)) * time.Hour)
		fx.insertKey(k, secret)
		fx.insertKey(fx.newKey(t, fx.member(t, scope.Member), 1))
		want = slices.Insert(want, 0, k.ID)
	}
	expect := func(when string, want ...ident.KeyID) {
		fx.Helper()
		var got []ident.KeyID
		for page := (key.Page{Limit: 1}); ; {
			keys, _, err := fx.store.OwnKeys(fx.Context(), key.Filter{Owner: ident.PartyID(owner.ID)}, page)
			fx.must(err)
			if len(keys) == 0 {
				break
			}
			got = append(got, keys[0].ID)
			page.BeforeTime, page.BeforeID = keys[0].CreatedAt, keys[0].ID
		}
		if diff := diff.Diff(want, got); diff != "" {
			fx.Errorf("%s own keys are otherwise:\n%s", when, diff)
		}
	}
	expect("at first", want...)
	for _, off := range []string{
		`UPDATE members SET disabled_at = 1 WHERE tenant_id = $1`, `UPDATE tenants SET disabled_at = 1 WHERE id = $1`,
		`UPDATE accounts SET disabled_at = 1 WHERE id = (SELECT account_id FROM tenants WHERE id = $1)`,
	} {
		fx.exec(off, two.ID)
		expect("after "+off, want[0], want[2])
		fx.exec(strings.Replace(off, "= 1", "= NULL", 1), two.ID)
	}
	fx.exec(`DELETE FROM members WHERE tenant_id = $1`, two.ID)
	expect("without a membership", want[0], want[2])
}
