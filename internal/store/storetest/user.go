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

var userGuarantees = []guarantee{
	{"a user comes back as inserted, with a number", aUserComesBack},
	{"an address belongs to one user", anAddressBelongsToOne},
	{"a new password replaces the old one", aNewPasswordReplaces},
	{"a disabled user is found as such, a deleted or unknown one is not", disabledAndDeletedUsers},
}

func aUserComesBack(h *house) {
	for number := range int64(2) {
		want := h.user()
		h.in(func(ctx context.Context, tx *store.Tx) (err error) {
			want.Number, err = tx.InsertUser(ctx, want, "encoded password")
			return err
		})
		got, password, err := h.store.UserByEmail(h.Context(), want.Canonical)
		h.must(err)
		if diff := cmp.Diff(want, got); diff != "" || password != "encoded password" {
			h.Errorf("came back with password %q and otherwise:\n%s", password, diff)
		}
		if want.Number != number+1 {
			h.Errorf("user has number %d, want %d", want.Number, number+1)
		}
	}
}

func anAddressBelongsToOne(h *house) {
	first, second, third := h.user(), h.user(), h.user()
	h.must(h.write(insertUser(first)))
	before := h.dump()
	second.Canonical = first.Canonical
	if err := h.write(insertUser(second)); fault.KindOf(err) != fault.Conflict {
		h.Errorf("the same address again: %v, want conflict", err)
	}
	h.unchanged(before)
	h.must(h.write(insertUser(third)))
	if got := fmt.Sprint(h.rows(`SELECT number FROM users ORDER BY number`)); got != "[1 2]" {
		h.Errorf("users have numbers %s, want [1 2]", got)
	}
}

func aNewPasswordReplaces(h *house) {
	u := h.user()
	h.must(h.write(insertUser(u)))
	set := func(id ident.UserID, at time.Time) error {
		return h.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			return event(audit.ActionUserPassword), tx.SetPassword(ctx, id, "another", at)
		})
	}
	at := h.later(time.Hour)
	h.must(set(u.ID, at))
	got, password, err := h.store.UserByEmail(h.Context(), u.Canonical)
	h.must(err)
	if u.Number, u.PasswordSetAt, u.UpdatedAt = 1, at, at; password != "another" || !cmp.Equal(got, u) {
		h.Errorf("after a new password there is %q of %+v", password, got)
	}
	before := h.dump()
	if err := set("usr_nobody", at); !errors.Is(err, fault.NotFound) {
		h.Errorf("a password for nobody: %v, want not found", err)
	}
	h.unchanged(before)
}

func disabledAndDeletedUsers(h *house) {
	u := h.user()
	h.must(h.write(insertUser(u)))
	h.sql(`UPDATE users SET disabled_at = 1`)
	got, _, err := h.store.UserByEmail(h.Context(), u.Canonical)
	h.must(err)
	if !got.Disabled {
		h.Error("a disabled user comes back as a live one")
	}
	h.sql(`UPDATE users SET deleted_at = 1, email = NULL, canonical_email = NULL, name = NULL, password = NULL`)
	for _, email := range []string{u.Canonical, "", "nobody@claviger.example"} {
		if got, _, err := h.store.UserByEmail(h.Context(), email); !errors.Is(err, fault.NotFound) || !cmp.Equal(got, identity.User{}) {
			h.Errorf("%q is %+v, %v, want not found", email, got, err)
		}
	}
}
