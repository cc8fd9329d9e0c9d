package storetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/text"
)

var searchWordCases = []testCase{
	{"the words of what an older version wrote are written later, and searches are right before", wordsAreFilledIn},
	{"words follow what they are of, and go with it", wordsFollow},
	{"a word that many keys have finds the newest, page by page", commonWordsFindTheNewest},
}

const allWords = `SELECT tenant_id, kind, word, object_id FROM search_words ORDER BY tenant_id, kind, object_id, word`

// forgetWords makes the database one of an older version, which wrote no words. It returns them.
func (fx *fixture) forgetWords() []string {
	fx.Helper()
	words := fx.queryRows(allWords)
	fx.exec(`DELETE FROM search_words`)
	fx.exec(`DELETE FROM search_fills`)
	fx.store = newStore(fx.backend, store.Options{Now: fx.clock.Now, Rand: fx.random})
	return words
}

// namedKey inserts a key of a new member.
func (fx *fixture) namedKey(t tenancy.Tenant, name string) key.Key {
	fx.Helper()
	k, secret := fx.newKey(t, fx.member(t, scope.Member), 1)
	k.Name = name
	fx.insertKey(k, secret)
	return k
}

func (fx *fixture) finds(t tenancy.Tenant, query string, want ...ident.KeyID) {
	fx.Helper()
	got := fx.keyPages(fx.Fatal, t.ID, key.Filter{Query: query}, 2)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		fx.Errorf("%q finds %v, want %v", query, got, want)
	}
}

func wordsAreFilledIn(fx *fixture) {
	t, elsewhere := fx.tenantWithCap(0), fx.tenantWithCap(0)
	night, day := fx.namedKey(t, "Nightly export"), fx.namedKey(t, "Daily export")
	fx.namedKey(elsewhere, "Nightly export")
	subject := machine.Subject{ID: "sub_1", Tenant: t.ID, ExternalID: "cus-42", Name: "Customer"}
	subject.CreatedAt, subject.UpdatedAt = fx.after(0), fx.after(0)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.InsertSubject(ctx, subject)
		return err
	})
	check := func() {
		fx.Helper()
		fx.finds(t, "export", night.ID, day.ID)
		fx.finds(t, "EXP night", night.ID)
		fx.finds(t, "nothing")
		fx.finds(t, day.Owner.Email, day.ID)
	}
	check()
	words := fx.forgetWords()
	check()
	later := fx.namedKey(t, "Later")
	fx.exec(`INSERT INTO search_words (tenant_id, kind, word, object_id) VALUES ('ten_1', 'key', 'gone', 'key_gone')`)
	fx.must(fx.store.FillSearch(fx.Context()))
	check()
	fx.finds(t, "later", later.ID)
	if n := queryValue[int64](fx, `SELECT COUNT(*) FROM search_fills WHERE complete`); n != 8 {
		fx.Errorf("%d parts are complete", n)
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteKey(ctx, later.ID) })
	fx.exec(`DELETE FROM search_words WHERE object_id = $1`, later.Owner.ID)
	if got := fx.queryRows(allWords); !slices.Equal(got, words) {
		fx.Errorf("the words are %q, want %q", got, words)
	}
	fx.exec(`DELETE FROM search_words WHERE kind = 'key'`)
	fx.finds(t, "export") // only words are asked now
}

func wordsFollow(fx *fixture) {
	t := fx.tenantWithCap(0)
	k := fx.namedKey(t, "First name")
	person := ident.UserID(k.Owner.ID)
	words := func(kind string, object any) []string {
		return fx.queryRows(`SELECT word FROM search_words WHERE kind = $1 AND object_id = $2 ORDER BY word`, kind,
			fmt.Sprint(object))
	}
	k.Name = "Second"
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.EditKey(ctx, k) })
	fx.finds(t, "first")
	fx.finds(t, "second", k.ID)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return tx.Rename(ctx, person, "Zoë Quill", fx.after(time.Hour))
	})
	if got := words("name", person); !slices.Equal(got, []string{"quill", "zoë"}) {
		fx.Errorf("a person is found by %q", got)
	}
	fx.finds(t, k.Owner.Email, k.ID)
	for _, query := range []string{"zo", "QUI zoë", k.Owner.Email} {
		found, err := fx.store.FoundMembers(fx.Context(), t.ID, text.NewWordQuery(query), 5)
		fx.must(err)
		if len(found) != 1 || found[0].User.ID != person {
			fx.Errorf("%q finds the members %v", query, found)
		}
	}
	byID, err := fx.store.KeysOfID(fx.Context(), t.ID, string(k.ID[:6]), 5)
	fx.must(err)
	if len(byID) != 1 || byID[0].ID != k.ID {
		fx.Errorf("the beginning of an id finds %v", byID)
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return tx.DeleteUser(ctx, person, fx.after(time.Hour))
	})
	if got := slices.Concat(words("name", person), words("address", person)); len(got) > 0 {
		fx.Errorf("a deleted person is found by %q", got)
	}
	subject := machine.Subject{ID: "sub_1", Tenant: t.ID, ExternalID: "cus-42", Name: "Customer"}
	subject.CreatedAt, subject.UpdatedAt = fx.after(0), fx.after(0)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.InsertSubject(ctx, subject)
		return err
	})
	if got := words("external", subject.ID); !slices.Equal(got, []string{"42", "cus"}) {
		fx.Errorf("a subject is found by %q", got)
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return tx.DeleteSubject(ctx, t.ID, subject.ID, fx.after(time.Hour))
	})
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteKey(ctx, k.ID) })
	for _, object := range []any{subject.ID, k.ID} {
		if n := queryValue[int64](fx, `SELECT COUNT(*) FROM search_words WHERE kind <> 'owner' AND object_id = $1`,
			object); n > 0 {
			fx.Errorf("%s has %d words", object, n)
		}
	}
}

func commonWordsFindTheNewest(fx *fixture) {
	t := fx.tenantWithCap(0)
	old := fx.namedKey(t, "Key of old")
	fx.newerKeys(t, fx.member(t, scope.Member), 2_100)
	fx.forgetWords()
	fx.must(fx.store.FillSearch(fx.Context()))
	all := fx.keyPages(fx.Fatal, t.ID, key.Filter{Query: "key"}, 200)
	if len(all) != 2_101 || all[2_100] != old.ID || len(slices.Compact(slices.Sorted(slices.Values(all)))) != 2_101 {
		fx.Errorf("a common word finds %d keys", len(all))
	}
	fx.finds(t, "key old", old.ID)
	fx.finds(t, "of", old.ID)
	fx.finds(t, old.Owner.Email, old.ID)
}
