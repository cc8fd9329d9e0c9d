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
