package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/store"
)

var userCases = []testCase{
	{"a user comes back as inserted, with a number", aUserComesBack},
	{"an address belongs to one user", anAddressBelongsToOne},
	{"a new password replaces the old one", aNewPasswordReplaces},
	{"a void password leaves none", aVoidPasswordLeavesNone},
	{"a disabled user is found as such, a deleted or unknown one is not", disabledAndDeletedUsers},
	{"addresses kept in an earlier canonical form are brought to today's", addressesAreCanonicalizedAgain},
}

func aUserComesBack(fx *fixture) {
	for number := range int64(2) {
		want := fx.user()
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) (err error) {
			want.Number, err = tx.InsertUser(ctx, want, "encoded password")
			return err
		})
		got, password, err := fx.store.UserByEmail(fx.Context(), want.Canonical)
		fx.must(err)
		if diff := cmp.Diff(want, got); diff != "" || password != "encoded password" {
			fx.Errorf("came back with password %q and otherwise:\n%s", password, diff)
		}
		if want.Number != number+1 {
			fx.Errorf("user has number %d, want %d", want.Number, number+1)
		}
	}
}

func anAddressBelongsToOne(fx *fixture) {
	first := fx.user()
	second := fx.user()
	third := fx.user()
	fx.must(fx.write(insertUser(first)))
	before := fx.dump()
	second.Canonical = first.Canonical
	if err := fx.write(insertUser(second)); fault.KindOf(err) != fault.Conflict {
		fx.Errorf("the same address again: %v, want conflict", err)
	}
	fx.isUnchanged(before)
	fx.must(fx.write(insertUser(third)))
	if got := fmt.Sprint(fx.queryRows(`SELECT number FROM users ORDER BY number`)); got != "[1 2]" {
		fx.Errorf("users have numbers %s, want [1 2]", got)
	}
}

func aNewPasswordReplaces(fx *fixture) {
	u := fx.user()
	fx.must(fx.write(insertUser(u)))
	set := func(id ident.UserID, at time.Time) error {
		return fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			e := event(audit.ActionUserPassword).WithEffects(audit.Effect{
				Kind: audit.EffectPasswordSet, User: id,
				Since: at,
			})
			return e, tx.SetPassword(ctx, id, "another", at)
		})
	}
	at := fx.after(time.Hour)
	fx.must(set(u.ID, at))
	got, password, err := fx.store.UserByEmail(fx.Context(), u.Canonical)
	fx.must(err)
	u.Number = 1
	u.PasswordSetAt = at
	u.UpdatedAt = at
	if password != "another" || !cmp.Equal(got, u) {
		fx.Errorf("after a new password there is %q of %+v", password, got)
	}
	before := fx.dump()
	if err := set("usr_nobody", at); !errors.Is(err, fault.NotFound) {
		fx.Errorf("a password for nobody: %v, want not found", err)
	}
	fx.isUnchanged(before)
}

func aVoidPasswordLeavesNone(fx *fixture) {
	u := fx.user()
	fx.must(fx.write(insertUser(u)))
	at := fx.after(time.Hour)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.VoidPassword(ctx, u.ID, at) })
	got, password, err := fx.store.UserByEmail(fx.Context(), u.Canonical)
	fx.must(err)
	u.Number = 1
	u.PasswordSetAt = at
	u.UpdatedAt = at
	if password != "" || !cmp.Equal(got, u) {
		fx.Errorf("after its password was made void there is %q of %+v", password, got)
	}
}

func disabledAndDeletedUsers(fx *fixture) {
	u := fx.user()
	fx.must(fx.write(insertUser(u)))
	fx.exec(`UPDATE users SET disabled_at = 1`)
	got, _, err := fx.store.UserByEmail(fx.Context(), u.Canonical)
	fx.must(err)
	if !got.Disabled {
		fx.Error("a disabled user comes back as a live one")
	}
	fx.exec(`UPDATE users SET deleted_at = 1, email = NULL, canonical_email = NULL, name = NULL, password = NULL`)
	for _, email := range []string{u.Canonical, "", "nobody@claviger.example"} {
		if got, _, err := fx.store.UserByEmail(fx.Context(), email); !errors.Is(err, fault.NotFound) || !cmp.Equal(got,
			identity.User{}) {
			fx.Errorf("%q is %+v, %v, want not found", email, got, err)
		}
	}
}

func addressesAreCanonicalizedAgain(fx *fixture) {
	kept := []struct{ email, before, after string }{
		{"Ada@Bücher.example", "ada@bücher.example", "ada@xn--bcher-kva.example"},
		{"ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"}, // has the address
		{"Σίσυφος@claviger.example", "σίσυφος@claviger.example", "σίσυφοσ@claviger.example"},
		{"Ada@Claviger.Example", "ada@claviger.example", "ada@claviger.example"},
	}
	for i, k := range kept {
		u := fx.user()
		u.Email, u.Canonical = k.email, k.before
		fx.must(fx.write(insertUser(u)))
		fx.exec(`INSERT INTO links (id, kind, token_hash, email, canonical_email, created_at, expires_at)
			VALUES ($1, 'invitation', $2, $3, $4, 1, 2)`,
			fmt.Sprint("lnk_", i), []byte{byte(i)}, k.email, k.before)
	}
	refold := func() {
		fx.Helper()
		tx, err := fx.backend.Write.BeginTx(fx.Context(), nil)
		fx.must(err)
		fx.must(store.RecanonicalizeAddresses(fx.Context(), tx))
		fx.must(tx.Commit())
	}
	refold()
	for i, got := range fx.queryRows(`SELECT canonical_email FROM users ORDER BY number`) {
		want := kept[i].after
		if i == 0 {
			want = kept[i].before // taken
		}
		if got != want {
			fx.Errorf("%s has become %s, want %s", kept[i].email, got, want)
		}
	}
	for i, got := range fx.queryRows(`SELECT canonical_email FROM links ORDER BY id`) {
		if got != kept[i].after {
			fx.Errorf("the invitation of %s has become %s", kept[i].email, got)
		}
	}
	before := fx.dump()
	refold()
	fx.isUnchanged(before)
}
