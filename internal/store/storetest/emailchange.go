package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/store"
)

var emailChangeCases = []testCase{
	{"a link of a change of address is used once, until it expires or is void", anEmailLinkIsUsedOnce},
	{"the changes of a user are counted, and nobody else's", emailChangesAreCounted},
	{"an address is replaced, unless somebody has it", anAddressIsReplaced},
	{"a void address leaves a user without one", aVoidAddressLeavesNone},
}

// emailLink returns a link of a change of the user; email is "" for the address of before.
func (fx *fixture) emailLink(user ident.UserID, email string) (l identity.EmailLink, token credential.TokenHash) {
	fx.Helper()
	at := fx.clock.Now()
	l = identity.EmailLink{
		ID: ident.New[ident.LinkID](at, fx.random), User: user, Email: email, CreatedAt: at,
		ExpiresAt: at.Add(identity.EmailChangeLifetime),
	}
	token = credential.HashToken(string(l.ID))
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.InsertEmailLink(ctx, l, token) })
	return l, token
}

func (fx *fixture) useEmailLink(token credential.TokenHash) error {
	fx.Helper()
	return fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		return event(audit.ActionUserEdit), tx.UseEmailLink(ctx, token, fx.clock.Now())
	})
}

func anEmailLinkIsUsedOnce(fx *fixture) {
	p, other := fx.person(), fx.person()
	forNew, newToken := fx.emailLink(p.ID, "Next@claviger.example")
	forOld, oldToken := fx.emailLink(p.ID, "")
	fx.emailLink(other.ID, "")
	got, err := fx.store.EmailLink(fx.Context(), newToken, fx.clock.Now())
	fx.must(err)
	if diff := cmp.Diff(forNew, got); diff != "" {
		fx.Errorf("a link came back otherwise:\n%s", diff)
	}
	fx.must(fx.useEmailLink(newToken))
	if err := fx.useEmailLink(newToken); !errors.Is(err, fault.NotFound) {
		fx.Errorf("used again: %v", err)
	}
	if _, err := fx.store.EmailLink(fx.Context(), newToken, fx.clock.Now()); !errors.Is(err, fault.NotFound) {
		fx.Errorf("found after it was used: %v", err)
	}
	forNew.Used = true
	list, err := fx.store.EmailLinks(fx.Context(), p.ID, fx.clock.Now())
	fx.must(err)
	slices.SortFunc(list, func(a, b identity.EmailLink) int { return strings.Compare(b.Email, a.Email) })
	if diff := cmp.Diff([]identity.EmailLink{forNew, forOld}, list); diff != "" {
		fx.Errorf("the links of the change:\n%s", diff)
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.VoidLinks(ctx, p.ID, fx.clock.Now()) })
	if err := fx.useEmailLink(oldToken); !errors.Is(err, fault.NotFound) {
		fx.Errorf("used after it was void: %v", err)
	}
	list, err = fx.store.EmailLinks(fx.Context(), p.ID, fx.clock.Now())
	if err != nil || len(list) != 0 {
		fx.Errorf("after they were void: %v, %v", list, err)
	}
	_, late := fx.emailLink(p.ID, "later@claviger.example")
	fx.clock.move(identity.EmailChangeLifetime)
	if err := fx.useEmailLink(late); !errors.Is(err, fault.NotFound) {
		fx.Errorf("used after an hour: %v", err)
	}
	if list, err := fx.store.EmailLinks(fx.Context(), other.ID, fx.clock.Now()); err != nil || len(list) != 0 {
		fx.Errorf("another user's after an hour: %v, %v", list, err)
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteUser(ctx, p.ID, fx.clock.Now()) })
	if rows := fx.queryRows(`SELECT id FROM links WHERE user_id = $1`, p.ID); len(rows) != 0 {
		fx.Errorf("a deleted user leaves %v", rows)
	}
}

func emailChangesAreCounted(fx *fixture) {
	p, other := fx.person(), fx.person()
	first := fx.clock.Now()
	fx.emailLink(p.ID, "first@claviger.example")
	fx.emailLink(p.ID, "") // not counted
	fx.emailLink(other.ID, "other@claviger.example")
	fx.clock.move(time.Hour)
	fx.emailLink(p.ID, "second@claviger.example")
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		for n, want := range []time.Time{fx.clock.Now(), first, {}} {
			at, err := tx.NthEmailChange(ctx, p.ID, n+1)
			if err != nil || !at.Equal(want) {
				fx.Errorf("change %d was at %s, want %s: %v", n+1, at, want, err)
			}
		}
		return nil
	})
}

func anAddressIsReplaced(fx *fixture) {
	u, other := fx.user(), fx.user()
	fx.must(fx.write(insertUser(u)))
	fx.must(fx.write(insertUser(other)))
	at := fx.after(time.Hour)
	set := func(email, canonical string) error {
		return fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			return event(audit.ActionUserEdit), tx.SetEmail(ctx, u.ID, email, canonical, at)
		})
	}
	if err := set(other.Email, other.Canonical); !errors.Is(err, fault.Conflict) {
		fx.Errorf("somebody else's: %v", err)
	}
	fx.must(set("Next@claviger.example", "next@claviger.example"))
	got, _, err := fx.store.UserByEmail(fx.Context(), "next@claviger.example")
	fx.must(err)
	if got.ID != u.ID || got.Email != "Next@claviger.example" || !got.EmailProven || !got.UpdatedAt.Equal(at) {
		fx.Errorf("%+v", got)
	}
	if _, _, err := fx.store.UserByEmail(fx.Context(), u.Canonical); !errors.Is(err, fault.NotFound) {
		fx.Errorf("by the old address: %v", err)
	}
}

func aVoidAddressLeavesNone(fx *fixture) {
	u := fx.user()
	fx.must(fx.write(insertUser(u)))
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.VoidEmail(ctx, u.ID, fx.after(time.Hour)) })
	got, err := fx.store.User(fx.Context(), u.ID)
	fx.must(err)
	if got.Email != "" || got.Canonical != "" || got.EmailProven || got.Name != u.Name {
		fx.Errorf("%+v", got)
	}
	if _, _, err := fx.store.UserByEmail(fx.Context(), u.Canonical); !errors.Is(err, fault.NotFound) {
		fx.Errorf("by the old address: %v", err)
	}
}
