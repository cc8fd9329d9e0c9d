package storetest

import (
	"cmp"
	"context"
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
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/verify"
)

var keyGuarantees = []guarantee{
	{"a key comes back as inserted, by every way", aKeyComesBack},
	{"a time that is not set is NULL, and NULL is a time that is not set", unsetTimesAreNull},
	{"another tenant's key is not found", anothersKeyIsNotFound},
	{"pages run from the newest back and leave nothing out, of one owner and of all", keyPagesAreWhole},
	{"an edited key is what it was edited to, and is searched by that", anEditedKeyIsOtherwise},
	{"a replaced secret becomes the previous one where the key has one, and else is gone", aSecretIsReplaced},
	{"a key without a slot is stored with none", noSlotIsNull},
	{"a search looks in name, public id and the owner's address, for the text itself", aSearchIsForTheTextItself},
	{"a person's own keys are those of tenants where they are a live member", ownKeysAreOfLiveMemberships},
	{"a sealed copy is kept with its secret, and a tenant's are destroyed at once", copiesAreKeptAndDestroyed},
	{"a revoked key keeps its digest and loses its slot and its sealed copy", aRevokedKeyIsATombstone},
	{"a key is disabled and enabled as told", aKeyIsDisabledAndEnabled},
	{"a deleted key takes its secrets, grants and uses along", aDeletedKeyIsGone},
	{"an owner's holds are the keys with a slot", holdsAreKeysWithASlot},
}

// fullKey is a key that has everything, stored.
func (h *house) fullKey(t tenancy.Tenant) key.Key {
	h.Helper()
	k, secret := h.stored(t, h.member(t, scope.Member), 3)
	k.CreatedBy = h.member(t, scope.Admin)
	k.Name, k.Description, k.Delivery = "Ünïcode & <markup> '\"", "two\nlines", key.ByLink
	k.Shape = credential.Shape{Style: credential.Client, Prefix: "pre", Label: "lab", Domain: "claviger.example"}
	secret.Shape = k.Shape
	k.Scopes = scope.NewSet("films:read", "films:delete", scope.AuditRead)
	k.Applications = scope.Applications{IDs: []string{string(h.application(t).ID), string(h.application(t).ID)}}
	slices.Sort(k.Applications.IDs)
	for i, at := range []*time.Time{&k.CreatedAt, &k.UpdatedAt, &k.SecretSetAt, &k.ExpiresAt} {
		*at = h.later(time.Duration(i) * time.Microsecond)
	}
	h.insert(k, secret)
	k.LastUsedAt, k.LastUsedIP = h.later(time.Minute), "2001:db8::1"
	k.DisabledAt, k.DisabledBy, k.DisabledByAdmin, k.EnabledAt = h.later(time.Hour), k.CreatedBy.ID, true, h.later(30*time.Minute)
	h.in(func(ctx context.Context, tx *store.Tx) error { return tx.SetDisabled(ctx, k) })
	k.RevokedAt, k.RevokedReason = h.later(2*time.Hour), "lost"
	h.use(verify.Use{Key: k.ID, At: k.LastUsedAt, IP: k.LastUsedIP})
	h.sql(`UPDATE keys SET revoked_at = $2, revoked_reason = $3 WHERE id = $1`, k.ID, k.RevokedAt.UnixMicro(), k.RevokedReason)
	k.Lookups = append(k.Lookups, h.previous(k, "before-"+k.Lookups[0]))
	k.Previous = key.Previous{PublicID: "old_id", Last4: "last", SetAt: h.clock.Now(), Until: h.later(time.Hour)}
	return k
}

// previous gives the key a secret of before a refresh, under the lookup, which it gives back. It lives for an hour.
func (h *house) previous(k key.Key, lookup string) string {
	h.Helper()
	h.sql(`INSERT INTO key_secrets (key_id, position, serial, lookup, public_id, last4, style, prefix, label, domain, digest, digest_version, set_at, until)
		VALUES ($1, 'previous', 0, $2, 'old_id', 'last', 'pair', 'old', 'older', 'old.example', $3, 4, $4, $5)`,
		k.ID, lookup, []byte("previous "+k.ID), h.clock.Now().UnixMicro(), h.later(time.Hour).UnixMicro())
	return lookup
}

// everyWay reads a key by itself, in a list, in its owner's list, and within a change.
func (h *house) everyWay(k key.Key) []key.Key {
	h.Helper()
	one, err := h.store.Key(h.Context(), k.Tenant, k.ID)
	h.must(err)
	found := []key.Key{one}
	for _, filter := range []key.Filter{{}, {Owner: k.Owner.ID}} {
		list, err := h.store.Keys(h.Context(), k.Tenant, filter, key.Page{Limit: 10})
		h.must(err)
		found = append(found, list[slices.IndexFunc(list, func(l key.Key) bool { return l.ID == k.ID })])
	}
	h.in(func(ctx context.Context, tx *store.Tx) error {
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

func aKeyComesBack(h *house) {
	t := h.aTenant(0)
	plain, secret := h.stored(t, h.member(t, scope.Member), 1)
	h.insert(plain, secret)
	for _, want := range []key.Key{h.fullKey(t), plain} {
		slices.Sort(want.Lookups)
		for i, got := range h.everyWay(want) {
			if diff := diff.Diff(want, got); diff != "" {
				h.Errorf("way %d gives it otherwise:\n%s", i, diff)
			}
		}
	}
}

func unsetTimesAreNull(h *house) {
	t := h.aTenant(0)
	want, secret := h.stored(t, h.member(t, scope.Member), 1)
	want.SecretSetAt = time.Time{}
	h.insert(want, secret)
	const columns = `secret_set_at, expires_at, disabled_at, disabled_by, revoked_at, revoked_by, revoked_reason`
	if got := h.rows(`SELECT ` + columns + ` FROM keys`); !slices.Equal(got, []string{"-|-|-|-|-|-|-"}) {
		h.Errorf("%s are stored as %v", columns, got)
	}
	if got := h.rows(`SELECT until, last_used_at, copy, copy_version FROM key_secrets`); !slices.Equal(got, []string{"-|-|-|-"}) {
		h.Errorf("of the secret is stored %v", got)
	}
	for _, got := range h.everyWay(want) {
		if diff := diff.Diff(want, got); diff != "" {
			h.Errorf("came back otherwise:\n%s", diff)
		}
	}
	facts, err := h.store.KeyFacts(h.Context(), secret.Lookup)
	h.must(err)
	for what, at := range map[string]time.Time{
		"secret set": facts.SecretSetAt, "expires": facts.ExpiresAt, "disabled": facts.DisabledAt, "revoked": facts.RevokedAt,
		"last used": facts.LastUsedAt, "until": facts.Secrets[0].Until,
	} {
		if !at.IsZero() {
			h.Errorf("%s at %v, want the zero time", what, at)
		}
	}
}

func anothersKeyIsNotFound(h *house) {
	mine, theirs := h.aTenant(0), h.aTenant(0)
	k := h.fullKey(theirs)
	before := h.dump()
	for _, id := range []ident.KeyID{k.ID, "key_unknown", ""} {
		if _, err := h.store.Key(h.Context(), mine.ID, id); !errors.Is(err, fault.NotFound) {
			h.Errorf("%q: %v, want not found", id, err)
		}
		for _, err := range []error{
			h.write(changing(func(ctx context.Context, tx *store.Tx) error { return second(tx.LockKey(ctx, mine.ID, id)) })),
			h.write(changing(func(ctx context.Context, tx *store.Tx) error { return second(tx.KeyOwner(ctx, mine.ID, id)) })),
			h.write(changing(func(ctx context.Context, tx *store.Tx) error {
				return tx.EditKey(ctx, key.Key{ID: "key_unknown", UpdatedAt: h.clock.Now()})
			})),
			h.write(changing(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteKey(ctx, "key_unknown") })),
			h.write(changing(func(ctx context.Context, tx *store.Tx) error {
				return tx.SetDisabled(ctx, key.Key{ID: "key_unknown", UpdatedAt: h.clock.Now()})
			})),
			h.write(changing(func(ctx context.Context, tx *store.Tx) error {
				return tx.RevokeKey(ctx, "key_unknown", h.clock.Now(), k.Owner.ID, "")
			})),
		} {
			if !errors.Is(err, fault.NotFound) {
				h.Errorf("a change of %q: %v, want not found", id, err)
			}
		}
	}
	if got := h.keyPages(h.T.Fatal, mine.ID, key.Filter{Owner: k.Owner.ID}, 10); len(got) > 0 {
		h.Errorf("a tenant lists another's %v", got)
	}
	h.unchanged(before)
}

// changing makes a change of what only does.
func changing(do func(context.Context, *store.Tx) error) change {
	return func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		return event(audit.ActionNoticeRetry), do(ctx, tx)
	}
}

func second[T any](_ T, err error) error { return err }

// keyPages reads a whole list, page after page.
func (h *house) keyPages(fatal func(...any), t ident.TenantID, filter key.Filter, limit int) (ids []ident.KeyID) {
	page := key.Page{Limit: limit}
	for {
		got, err := h.store.Keys(h.Context(), t, filter, page)
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

func keyPagesAreWhole(h *house) {
	account, _ := h.account()
	owners := []principal.Person{h.person(), h.person()}
	settings, err := policy.Standard.Settings()
	h.must(err)
	rapid.Check(h, func(t *rapid.T) {
		tenant := h.inserted(account.ID, policy.Standard, settings)
		var want []key.Key
		h.in(func(ctx context.Context, tx *store.Tx) error {
			for i, tie := range rapid.SliceOfN(rapid.IntRange(0, 3), 0, 7).Draw(t, "microsecond of creation") {
				k, secret := h.stored(tenant, rapid.SampledFrom(owners).Draw(t, "owner"), int64(i+1))
				k.CreatedAt = h.later(time.Duration(tie) * time.Microsecond)
				if want = append(want, k); tx.InsertKey(ctx, k, secret) != nil {
					t.Fatal("a key was not inserted")
				}
			}
			return nil
		})
		slices.SortFunc(want, func(a, b key.Key) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID)) })
		limit := rapid.IntRange(1, 8).Draw(t, "limit")
		for _, owner := range []ident.UserID{"", owners[0].ID, owners[1].ID} {
			var ids []ident.KeyID
			for _, k := range want {
				if owner == "" || k.Owner.ID == owner {
					ids = append(ids, k.ID)
				}
			}
			if diff := diff.Diff(ids, h.keyPages(t.Fatal, tenant.ID, key.Filter{Owner: owner}, limit)); diff != "" {
				t.Fatalf("pages of owner %q, put together, are otherwise:\n%s", owner, diff)
			}
		}
	})
}

func anEditedKeyIsOtherwise(h *house) {
	t := h.aTenant(0)
	want, other := h.fullKey(t), h.fullKey(t)
	slices.Sort(want.Lookups)
	slices.Sort(other.Lookups)
	for _, e := range []struct {
		scopes       []scope.Scope
		applications scope.Applications
		expires      time.Time
	}{
		{[]scope.Scope{scope.Every}, scope.Applications{All: true}, time.Time{}},
		{[]scope.Scope{"films:read", scope.AuditRead}, scope.Applications{IDs: []string{string(h.application(t).ID)}}, h.later(9 * time.Hour)},
	} {
		want.Name, want.Description, want.UpdatedAt = "Ⅳ Ämter", "other", h.later(8*time.Hour)
		want.Scopes, want.Applications, want.ExpiresAt = scope.NewSet(e.scopes...), e.applications, e.expires
		h.in(func(ctx context.Context, tx *store.Tx) error { return tx.EditKey(ctx, want) })
		if diff := diff.Diff([]key.Key{want, other}, []key.Key{h.everyWay(want)[0], h.everyWay(other)[0]}); diff != "" {
			h.Errorf("the keys are otherwise:\n%s", diff)
		}
	}
	if got := ask[string](h, `SELECT search FROM keys WHERE id = $1`, want.ID); got != "iv ämter "+strings.ToLower(want.PublicID) {
		h.Errorf("the key is searched by %q", got)
	}
}

func aSecretIsReplaced(h *house) {
	t := h.aTenant(0)
	want, other := h.fullKey(t), h.fullKey(t)
	slices.Sort(other.Lookups)
	h.sql(`UPDATE key_secrets SET copy = digest, copy_version = 1 WHERE key_id = $1`, want.ID)
	was, current := want, want.Lookups[0]
	for i, c := range []struct {
		lookup   string
		previous key.Previous
	}{
		{"a new id", key.Previous{PublicID: was.PublicID, Last4: was.Last4, SetAt: h.clock.Now(), Until: h.later(3 * time.Hour)}},
		{"another id", key.Previous{}},
		{"another id", key.Previous{PublicID: "public 1", Last4: "four", SetAt: h.later(time.Hour), Until: h.later(5 * time.Hour)}}, // the id is kept
	} {
		s := key.Secret{
			Serial: i + 2, Shape: credential.Shape{Style: credential.Pair}, Lookup: c.lookup, PublicID: fmt.Sprintf("public %d", i), Last4: "four",
			Digest: credential.Sealed{Version: 1, Bytes: []byte("sealed " + want.ID)}, SetAt: h.later(time.Duration(i) * time.Hour),
		}
		want.PublicID, want.Last4, want.Serial, want.Shape, want.SecretSetAt, want.Previous = s.PublicID, s.Last4, s.Serial, s.Shape, s.SetAt, c.previous
		want.Slot, want.ExpiresAt, want.UpdatedAt = int64(i+10), h.later(7*time.Hour), h.later(8*time.Hour)
		h.in(func(ctx context.Context, tx *store.Tx) error { return tx.ReplaceSecret(ctx, want, s) })
		if want.Lookups = []string{c.lookup}; !c.previous.Until.IsZero() {
			want.Lookups = append(want.Lookups, current)
			slices.Sort(want.Lookups)
		}
		current = c.lookup
		if diff := diff.Diff([]key.Key{want, other}, []key.Key{h.everyWay(want)[0], h.everyWay(other)[0]}); diff != "" {
			h.Errorf("after refresh %d the keys are otherwise:\n%s", i, diff)
		}
		if got := ask[int64](h, `SELECT COUNT(copy) + COUNT(copy_version) FROM key_secrets WHERE key_id = $1`, want.ID); got != 0 {
			h.Errorf("%d copies of replaced secrets are kept", got)
		}
	}
	if got := ask[string](h, `SELECT search FROM keys WHERE id = $1`, want.ID); !strings.HasSuffix(got, " public 2") {
		h.Errorf("the key is searched by %q", got)
	}
	for range 2 {
		h.in(func(ctx context.Context, tx *store.Tx) error {
			if err := tx.EndPrevious(ctx, want.ID, h.later(9*time.Hour)); (err == nil) == want.Previous.Until.IsZero() {
				h.Errorf("the end of a previous secret until %v says %v", want.Previous.Until, err)
			}
			return nil
		})
		want.Previous, want.UpdatedAt, want.Lookups = key.Previous{}, h.later(9*time.Hour), []string{current}
		if diff := diff.Diff([]key.Key{want, other}, []key.Key{h.everyWay(want)[0], h.everyWay(other)[0]}); diff != "" {
			h.Errorf("without a previous secret the keys are otherwise:\n%s", diff)
		}
	}
}

func noSlotIsNull(h *house) {
	t := h.aTenant(0)
	owner := h.member(t, scope.Member)
	for range 2 { // of which a slot 0 could have only one
		h.insert(h.stored(t, owner, 0))
	}
	if got := h.rows(`SELECT slot FROM keys`); !slices.Equal(got, []string{"-", "-"}) {
		h.Errorf("no slot is stored as %v", got)
	}
}

func aSearchIsForTheTextItself(h *house) {
	t := h.aTenant(0)
	owner, other := h.member(t, scope.Member), h.member(t, scope.Member)
	k, secret := h.stored(t, owner, 1)
	k.Name = `Ⅳ Ämter 100%_\ done`
	h.insert(k, secret)
	for _, c := range []struct {
		query string
		found bool
	}{
		{k.Name, true},
		{"iv ä", true},
		{"IV Ä", true},
		{"A\u0308mter", true},
		{"100%", true},
		{"%_\\", true},
		{"ämter done", false},
		{"1%d", false},
		{"100_", false},
		{`\`, true},
		{`\\`, false},
		{k.PublicID, true},
		{strings.ToUpper(k.PublicID), true},
		{owner.Email, true},
		{"@CLAVIGER", true},
		{other.Email, false},
		{"'", false},
	} {
		for _, filter := range []key.Filter{{Query: c.query}, {Query: c.query, Owner: owner.ID}} {
			if got := h.keyPages(h.Fatal, t.ID, filter, 5); slices.Equal(got, []ident.KeyID{k.ID}) != c.found {
				h.Errorf("%+v finds %v", filter, got)
			}
		}
		own, err := h.store.OwnKeys(h.Context(), key.Filter{Query: c.query, Owner: owner.ID}, key.Page{Limit: 5})
		if h.must(err); (len(own) == 1) != c.found {
			h.Errorf("of one's own %q finds %v", c.query, own)
		}
		if got := h.keyPages(h.Fatal, t.ID, key.Filter{Query: c.query, Owner: other.ID}, 5); len(got) > 0 {
			h.Errorf("of another's keys %q finds %v", c.query, got)
		}
	}
}

func ownKeysAreOfLiveMemberships(h *house) {
	one, two := h.aTenant(0), h.aTenant(0)
	owner := h.member(one, scope.Member)
	h.join(two, owner, scope.Auditor)
	var want []ident.KeyID
	for _, t := range []tenancy.Tenant{one, two, one} {
		k, secret := h.stored(t, owner, int64(len(want)+1))
		k.CreatedAt = h.later(time.Duration(len(want)) * time.Hour)
		h.insert(k, secret)
		h.insert(h.stored(t, h.member(t, scope.Member), 1))
		want = slices.Insert(want, 0, k.ID)
	}
	expect := func(when string, want ...ident.KeyID) {
		h.Helper()
		var got []ident.KeyID
		for page := (key.Page{Limit: 1}); ; {
			keys, err := h.store.OwnKeys(h.Context(), key.Filter{Owner: owner.ID}, page)
			if h.must(err); len(keys) == 0 {
				break
			}
			got = append(got, keys[0].ID)
			page.BeforeTime, page.BeforeID = keys[0].CreatedAt, keys[0].ID
		}
		if diff := diff.Diff(want, got); diff != "" {
			h.Errorf("%s own keys are otherwise:\n%s", when, diff)
		}
	}
	expect("at first", want...)
	for _, off := range []string{
		`UPDATE members SET disabled_at = 1 WHERE tenant_id = $1`, `UPDATE tenants SET disabled_at = 1 WHERE id = $1`,
		`UPDATE accounts SET disabled_at = 1 WHERE id = (SELECT account_id FROM tenants WHERE id = $1)`,
	} {
		h.sql(off, two.ID)
		expect("after "+off, want[0], want[2])
		h.sql(strings.Replace(off, "= 1", "= NULL", 1), two.ID)
	}
	h.sql(`DELETE FROM members WHERE tenant_id = $1`, two.ID)
	expect("without a membership", want[0], want[2])
}

func copiesAreKeptAndDestroyed(h *house) {
	t, other := h.aTenant(0), h.aTenant(0)
	sealed := credential.Sealed{Version: 7, Bytes: []byte("sealed secret")}
	kept := map[ident.TenantID]ident.KeyID{}
	for _, at := range []tenancy.Tenant{t, other} {
		k, s := h.stored(at, h.member(at, scope.Member), 1)
		s.Copy, kept[at.ID] = sealed, k.ID
		h.insert(k, s)
	}
	once, s := h.stored(t, h.member(t, scope.Member), 1)
	h.insert(once, s)
	expect := func(when string, id ident.KeyID, want credential.Sealed) {
		h.Helper()
		h.in(func(ctx context.Context, tx *store.Tx) error {
			got, err := tx.SecretCopy(ctx, id)
			if !diff.Equal(got, want) || errors.Is(err, fault.NotFound) != (want.Version == 0) {
				h.Errorf("%s the copy is %v, %v, want %v", when, got, err, want)
			}
			return audit.ErrNothing
		})
	}
	expect("kept,", kept[t.ID], sealed)
	expect("not kept,", once.ID, credential.Sealed{})
	h.in(func(ctx context.Context, tx *store.Tx) error { return tx.ForgetCopies(ctx, t.ID) })
	expect("destroyed,", kept[t.ID], credential.Sealed{})
	expect("of another tenant,", kept[other.ID], sealed)
	h.sql(`UPDATE key_secrets SET digest = NULL, digest_version = NULL`)
	expect("without a digest,", kept[other.ID], credential.Sealed{})
}

func aRevokedKeyIsATombstone(h *house) {
	t := h.aTenant(0)
	want := h.fullKey(t)
	other := h.fullKey(t)
	h.sql(`UPDATE key_secrets SET copy = digest, copy_version = 1`)
	at, by := h.later(3*time.Hour), want.CreatedBy.ID
	h.in(func(ctx context.Context, tx *store.Tx) error { return tx.RevokeKey(ctx, want.ID, at, by, "") })
	want.RevokedAt, want.UpdatedAt, want.RevokedReason, want.Slot = at, at, "", 0
	slices.Sort(want.Lookups)
	if diff := diff.Diff(want, h.everyWay(want)[0]); diff != "" {
		h.Errorf("a revoked key is otherwise:\n%s", diff)
	}
	if got := ask[string](h, `SELECT revoked_by FROM keys WHERE id = $1`, want.ID); got != string(by) {
		h.Errorf("revoked by %s, want %s", got, by)
	}
	const copies = `SELECT COUNT(digest), COUNT(copy), COUNT(copy_version) FROM key_secrets WHERE key_id = $1`
	for id, wanted := range map[ident.KeyID]string{want.ID: "2|0|0", other.ID: "2|2|2"} {
		if got := h.rows(copies, id); !slices.Equal(got, []string{wanted}) {
			h.Errorf("%s has digests, copies and versions %v, want %s", id, got, wanted)
		}
	}
	if got := h.everyWay(other)[0]; got.Slot != other.Slot || !got.RevokedAt.Equal(other.RevokedAt) {
		h.Error("another key was revoked along")
	}
}

func aKeyIsDisabledAndEnabled(h *house) {
	t := h.aTenant(0)
	want, other := h.fullKey(t), h.fullKey(t)
	slices.Sort(want.Lookups)
	slices.Sort(other.Lookups)
	for i, by := range []ident.UserID{"", want.Owner.ID, want.CreatedBy.ID, ""} {
		want.DisabledAt, want.DisabledBy, want.DisabledByAdmin = time.Time{}, by, by == want.CreatedBy.ID
		if want.UpdatedAt = h.later(time.Duration(i) * time.Minute); by != "" {
			want.DisabledAt = h.later(time.Duration(i) * time.Hour)
		}
		h.in(func(ctx context.Context, tx *store.Tx) error { return tx.SetDisabled(ctx, want) })
		if diff := diff.Diff([]key.Key{want, other}, []key.Key{h.everyWay(want)[0], h.everyWay(other)[0]}); diff != "" {
			h.Errorf("disabled by %q the keys are otherwise:\n%s", by, diff)
		}
	}
}

func aDeletedKeyIsGone(h *house) {
	t := h.aTenant(0)
	gone, stays := h.fullKey(t), h.fullKey(t)
	h.in(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteKey(ctx, gone.ID) })
	for table, want := range map[string]int64{"keys": 1, "key_secrets": 2, "key_grants": 5, "key_uses": 1} {
		if got := ask[int64](h, `SELECT COUNT(*) FROM `+table); got != want {
			h.Errorf("%d rows are left in %s, want %d", got, table, want)
		}
	}
	for _, lookup := range gone.Lookups {
		if _, err := h.store.KeyFacts(h.Context(), lookup); !errors.Is(err, fault.NotFound) {
			h.Errorf("a deleted key has facts (%v)", err)
		}
	}
	h.everyWay(stays)
}

func holdsAreKeysWithASlot(h *house) {
	t := h.aTenant(0)
	owner, other := h.member(t, scope.Member), h.member(t, scope.Member)
	var want []key.Hold
	for slot := int64(5); slot > 0; slot-- {
		k, secret := h.stored(t, owner, slot)
		k.ExpiresAt = h.later(time.Duration(slot) * time.Hour)
		h.insert(k, secret)
		want = slices.Insert(want, 0, key.Hold{Key: k.ID, Slot: slot, ExpiresAt: k.ExpiresAt, SecretSetAt: k.SecretSetAt})
	}
	h.insert(h.stored(t, other, 9))
	h.insert(h.stored(h.aTenant(0), owner, 8))
	h.in(func(ctx context.Context, tx *store.Tx) error {
		h.must(tx.FreeSlots(ctx, nil))
		h.must(tx.FreeSlots(ctx, []ident.KeyID{want[1].Key, want[3].Key, want[4].Key}))
		got, err := tx.Holds(ctx, t.ID, owner.ID)
		h.must(err)
		if diff := diff.Diff([]key.Hold{want[0], want[2]}, got); diff != "" {
			h.Errorf("holds are otherwise:\n%s", diff)
		}
		for user, highest := range map[ident.UserID]int64{owner.ID: 3, other.ID: 9, "usr_unknown": 0} {
			if got, err := tx.HighestSlot(ctx, t.ID, user); err != nil || got != highest {
				h.Errorf("highest slot of %s is %d, want %d (%v)", user, got, highest, err)
			}
		}
		return nil
	})
}
