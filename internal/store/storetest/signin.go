package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/store"
)

var signInCases = []testCase{
	{"failures come back as claimed, until they are forgotten", failuresComeBack},
	{"of many claims on one reading one is granted", oneClaimIsGranted},
	{"an attempt in a bucket is counted whatever was there before", aBucketCounts},
	{"failed sign-ins are no changes", failedSignInsAreNoChanges},
	{"sign-ins of one person at once do not refuse each other", signInsOfOnePersonGoOn},
	{"a password that was replaced since it was judged is not replaced", onlyTheVerifiedPasswordIsReplaced},
	{"every failed sign-in reads and writes alike, whomever it is about", failedSignInsWorkAlike},
}

const newPerson = "somebody@claviger.example"

// failuresAre fails the test if the address has other failures.
func (fx *fixture) failuresAre(address string, want identity.Failures) {
	fx.Helper()
	if got, err := fx.store.Failures(fx.Context(), address); err != nil || got.Count != want.Count ||
		!got.LastAt.Equal(want.LastAt) {
		fx.Errorf("%s has failures %+v (%v), want %+v", address, got, err, want)
	}
}

// reserveAttempt fails the test unless the reservation succeeds or fails as wanted.
func (fx *fixture) reserveAttempt(was, is identity.Failures, want bool) {
	fx.Helper()
	if got, err := fx.store.ReserveAttempt(fx.Context(), newPerson, was, is); err != nil || got != want {
		fx.Errorf("a claim of %+v on %+v: %t (%v), want %t", is, was, got, err, want)
	}
}

func failuresComeBack(fx *fixture) {
	none := identity.Failures{}
	first, second := identity.Failures{Count: 1, LastAt: fx.after(time.Second)},
		identity.Failures{Count: 2, LastAt: fx.after(time.Minute)}
	fx.failuresAre(newPerson, none)
	fx.reserveAttempt(first, second, false) // nothing was reserved before
	fx.reserveAttempt(none, first, true)
	fx.reserveAttempt(none, first, false)
	fx.failuresAre(newPerson, first)
	fx.reserveAttempt(first, second, true)
	fx.reserveAttempt(first, second, false)
	fx.reserveAttempt(identity.Failures{Count: 2, LastAt: first.LastAt}, first, false) // as many, but others
	fx.failuresAre(newPerson, second)
	fx.failuresAre("else@claviger.example", none)
	fx.must(fx.store.DeleteFailures(fx.Context(), "else@claviger.example"))
	fx.failuresAre(newPerson, second)
	fx.must(fx.store.DeleteFailures(fx.Context(), newPerson))
	fx.failuresAre(newPerson, none)
	fx.reserveAttempt(none, first, true)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteFailuresOf(ctx, newPerson, "usr_1 ") })
	fx.failuresAre(newPerson, none)
}

func oneClaimIsGranted(fx *fixture) {
	before := identity.Failures{}
	for count := 1; count <= 3; count++ { // the first makes the row, the others change it
		next := identity.Failures{Count: count, LastAt: fx.after(time.Duration(count) * time.Second)}
		var granted atomic.Int64
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() {
				claimed, err := fx.store.ReserveAttempt(fx.Context(), newPerson, before, next)
				if err != nil {
					fx.Errorf("a claim: %v", err)
				}
				if claimed {
					granted.Add(1)
				}
			})
		}
		all.Wait()
		if granted.Load() != 1 {
			fx.Errorf("%d of 32 claims on %+v were granted, want one", granted.Load(), before)
		}
		before = next
	}
	fx.failuresAre(newPerson, before)
}

func aBucketCounts(fx *fixture) {
	for count := 1; count <= 3; count++ {
		at := fx.after(time.Duration(count) * time.Second)
		fx.must(fx.store.CountAttempt(fx.Context(), "?1", at))
		fx.failuresAre("?1", identity.Failures{Count: count, LastAt: at})
	}
	fx.failuresAre("?2", identity.Failures{})
}

func failedSignInsAreNoChanges(fx *fixture) {
	changes, told := fx.changes(), fx.invalidations.count()
	fx.reserveAttempt(identity.Failures{}, identity.Failures{Count: 1, LastAt: fx.clock.Now()}, true)
	fx.must(fx.store.CountAttempt(fx.Context(), "?1", fx.clock.Now()))
	fx.must(fx.store.DeleteFailures(fx.Context(), newPerson))
	if fx.changes() != changes {
		fx.Error("a failed sign-in counts as a change")
	}
	fx.invalidated(told)
}

func signInsOfOnePersonGoOn(fx *fixture) {
	people := fx.services().identity
	people.Passwords = identity.NewHasher(passwordCost, 16)
	password := credential.NewSecret(longPassword)
	_, err := people.Create(fx.Context(), principal.Operator(),
		identity.NewUser{Email: newPerson, Name: "Some Body", Password: password})
	fx.must(err)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := people.SignIn(fx.Context(), principal.Origin{}, newPerson, password); err != nil {
				fx.Errorf("one of four: %v", err)
			}
		})
	}
	all.Wait()
	fx.failuresAre(newPerson, identity.Failures{})
}

// actBeforeReset runs a function after a password was checked successfully.
type actBeforeReset struct {
	identity.Store
	do func()
}

func (m actBeforeReset) DeleteFailures(ctx context.Context, canonical string) error {
	m.do()
	return m.Store.DeleteFailures(ctx, canonical)
}

func onlyTheVerifiedPasswordIsReplaced(fx *fixture) {
	people := fx.services().identity
	password := credential.NewSecret(longPassword)
	u, err := people.Create(fx.Context(), principal.Operator(),
		identity.NewUser{Email: newPerson, Name: "Some Body", Password: password})
	fx.must(err)
	who, stored := fx.signIn(u.Person()), people.Store
	for what, do := range map[string]func(context.Context, *store.Tx) error{
		"replaced": func(ctx context.Context, tx *store.Tx) error {
			return tx.SetPassword(ctx, u.ID, "another", fx.after(time.Second))
		},
		"disabled": func(ctx context.Context, tx *store.Tx) error {
			return tx.SetUserDisabled(ctx, u.ID, true, fx.clock.Now())
		},
	} {
		fx.must(people.SetPassword(fx.Context(), principal.Operator(), u, password))
		var before dump
		people.Store = actBeforeReset{stored, func() { fx.mustWrite(do); before = fx.dump() }}
		_, err := people.ChangePassword(fx.Context(), who, password, credential.NewSecret("another "+longPassword))
		if fault.KindOf(err) != fault.SignInFailed {
			fx.Errorf("%s: %v, want sign_in_failed", what, err)
		}
		delete(before, "sign_in_failures")
		after := fx.dump()
		delete(after, "sign_in_failures")
		if diff := cmp.Diff(before, after); diff != "" {
			fx.Errorf("%s: the database changed:\n%s", what, diff)
		}
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			return tx.SetUserDisabled(ctx, u.ID, false, fx.clock.Now())
		})
	}
}

// callRecorder records the calls of a sign-in to the store.
type callRecorder struct {
	identity.Store
	calls []string
}

func (w *callRecorder) UserByEmail(ctx context.Context, canonical string) (identity.User, string, error) {
	w.calls = append(w.calls, "read user")
	return w.Store.UserByEmail(ctx, canonical)
}

func (w *callRecorder) KnownClients(ctx context.Context, user ident.UserID, since time.Time) ([]string, error) {
	w.calls = append(w.calls, "read places")
	return w.Store.KnownClients(ctx, user, since)
}

func (w *callRecorder) Failures(ctx context.Context, canonical string) (identity.Failures, error) {
	w.calls = append(w.calls, "read failures")
	return w.Store.Failures(ctx, canonical)
}

func (w *callRecorder) ReserveAttempt(ctx context.Context, canonical string, was, is identity.Failures) (bool, error) {
	w.calls = append(w.calls, "write failures")
	return w.Store.ReserveAttempt(ctx, canonical, was, is)
}

func (w *callRecorder) CountAttempt(ctx context.Context, bucket string, at time.Time) error {
	w.calls = append(w.calls, "write failures")
	return w.Store.CountAttempt(ctx, bucket, at)
}

func failedSignInsWorkAlike(fx *fixture) {
	people := fx.services().identity
	watch := &callRecorder{Store: people.Store}
	people.Store = watch
	password := credential.NewSecret(longPassword)
	for _, name := range []string{"wrong", "disabled", "throttled", "stopped"} {
		_, err := people.Create(fx.Context(), principal.Operator(),
			identity.NewUser{Email: name + "@claviger.example", Name: "A Person", Password: password})
		fx.must(err)
	}
	fx.exec(`UPDATE users SET disabled_at = 1 WHERE email = 'disabled@claviger.example'`)
	for name, count := range map[string]int{"throttled": 20, "stopped": 1_000} {
		_, err := fx.store.ReserveAttempt(fx.Context(), name+"@claviger.example", identity.Failures{},
			identity.Failures{Count: count, LastAt: fx.clock.Now()})
		fx.must(err)
	}
	want := []string{"read user", "read places", "read failures", "write failures", "one statement"}
	for email, given := range map[string]credential.Secret{
		"wrong@claviger.example":     credential.NewSecret("not the " + longPassword),
		"disabled@claviger.example":  password,
		"throttled@claviger.example": password,
		"stopped@claviger.example":   password,
		"nobody@claviger.example":    password,
		"no\x00body":                 password,
	} {
		for range 2 { // for a new row, and for an existing one
			watch.calls = nil
			written := 0
			fx.faults.statement = func(string) error { written++; return nil }
			_, err := people.SignIn(fx.Context(), principal.Origin{}, email, given)
			fx.faults.statement = nil
			if fault.KindOf(err) != fault.SignInFailed {
				fx.Errorf("%q: %v, want sign_in_failed", email, err)
			}
			if written == 1 {
				watch.calls = append(watch.calls, "one statement")
			}
			if !slices.Equal(watch.calls, want) {
				fx.Errorf("%q: %v with %d statements, want %v", email, watch.calls, written, want)
			}
		}
	}
	if rows := fx.queryRows(`SELECT canonical_email FROM sign_in_failures
		WHERE canonical_email LIKE '%nobody%'`); len(rows) > 0 {
		fx.Errorf("an address that nobody has got a row: %s", fmt.Sprint(rows))
	}
}
