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
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/store"
)

var signInGuarantees = []guarantee{
	{"failures come back as claimed, until they are forgotten", failuresComeBack},
	{"of many claims on one reading one is granted", oneClaimIsGranted},
	{"an attempt in a bucket is counted whatever was there before", aBucketCounts},
	{"failed sign-ins are no changes", failedSignInsAreNoChanges},
	{"sign-ins of one person at once do not refuse each other", signInsOfOnePersonGoOn},
	{"a password that was replaced since it was judged is not replaced", onlyTheJudgedPasswordIsReplaced},
	{"every failed sign-in reads and writes alike, whomever it is about", failedSignInsWorkAlike},
}

const somebody = "somebody@claviger.example"

// failures fails the test where there are others on the address.
func (h *house) failures(address string, want identity.Failures) {
	h.Helper()
	if got, err := h.store.Failures(h.Context(), address); err != nil || got.Count != want.Count || !got.LastAt.Equal(want.LastAt) {
		h.Errorf("%s has failures %+v (%v), want %+v", address, got, err, want)
	}
}

// claim fails the test where the claim is not granted, or not refused, as wanted.
func (h *house) claim(was, is identity.Failures, want bool) {
	h.Helper()
	if got, err := h.store.ClaimAttempt(h.Context(), somebody, was, is); err != nil || got != want {
		h.Errorf("a claim of %+v on %+v: %t (%v), want %t", is, was, got, err, want)
	}
}

func failuresComeBack(h *house) {
	none := identity.Failures{}
	first, second := identity.Failures{Count: 1, LastAt: h.later(time.Second)}, identity.Failures{Count: 2, LastAt: h.later(time.Minute)}
	h.failures(somebody, none)
	h.claim(first, second, false) // nothing was claimed before
	h.claim(none, first, true)
	h.claim(none, first, false)
	h.failures(somebody, first)
	h.claim(first, second, true)
	h.claim(first, second, false)
	h.claim(identity.Failures{Count: 2, LastAt: first.LastAt}, first, false) // as many, but others
	h.failures(somebody, second)
	h.failures("else@claviger.example", none)
	h.must(h.store.ForgetFailures(h.Context(), "else@claviger.example"))
	h.failures(somebody, second)
	h.must(h.store.ForgetFailures(h.Context(), somebody))
	h.failures(somebody, none)
	h.claim(none, first, true)
	h.in(func(ctx context.Context, tx *store.Tx) error { return tx.ForgetFailures(ctx, somebody) })
	h.failures(somebody, none)
}

func oneClaimIsGranted(h *house) {
	before := identity.Failures{}
	for count := 1; count <= 3; count++ { // the first makes the row, the others change it
		next := identity.Failures{Count: count, LastAt: h.later(time.Duration(count) * time.Second)}
		var granted atomic.Int64
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() {
				claimed, err := h.store.ClaimAttempt(h.Context(), somebody, before, next)
				if err != nil {
					h.Errorf("a claim: %v", err)
				}
				if claimed {
					granted.Add(1)
				}
			})
		}
		all.Wait()
		if granted.Load() != 1 {
			h.Errorf("%d of 32 claims on %+v were granted, want one", granted.Load(), before)
		}
		before = next
	}
	h.failures(somebody, before)
}

func aBucketCounts(h *house) {
	for count := 1; count <= 3; count++ {
		at := h.later(time.Duration(count) * time.Second)
		h.must(h.store.CountAttempt(h.Context(), "?1", at))
		h.failures("?1", identity.Failures{Count: count, LastAt: at})
	}
	h.failures("?2", identity.Failures{})
}

func failedSignInsAreNoChanges(h *house) {
	changes, told := h.changes(), h.stale.count()
	h.claim(identity.Failures{}, identity.Failures{Count: 1, LastAt: h.clock.Now()}, true)
	h.must(h.store.CountAttempt(h.Context(), "?1", h.clock.Now()))
	h.must(h.store.ForgetFailures(h.Context(), somebody))
	if h.changes() != changes {
		h.Error("a failed sign-in counts as a change")
	}
	h.outdated(told)
}

func signInsOfOnePersonGoOn(h *house) {
	people := h.services().identity
	people.Passwords = identity.NewHasher(passwordCost, 16)
	password := credential.NewSecret(longPassword)
	_, err := people.Create(h.Context(), principal.Operator(), identity.NewUser{Email: somebody, Name: "Some Body", Password: password})
	h.must(err)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := people.SignIn(h.Context(), principal.Origin{}, somebody, password); err != nil {
				h.Errorf("one of four: %v", err)
			}
		})
	}
	all.Wait()
	h.failures(somebody, identity.Failures{})
}

// meanwhile does something once a password has been judged to be right.
type meanwhile struct {
	identity.Store
	do func()
}

func (m meanwhile) ForgetFailures(ctx context.Context, canonical string) error {
	m.do()
	return m.Store.ForgetFailures(ctx, canonical)
}

func onlyTheJudgedPasswordIsReplaced(h *house) {
	people := h.services().identity
	password := credential.NewSecret(longPassword)
	u, err := people.Create(h.Context(), principal.Operator(), identity.NewUser{Email: somebody, Name: "Some Body", Password: password})
	h.must(err)
	who, stored := h.as(u.Person()), people.Store
	for what, do := range map[string]func(context.Context, *store.Tx) error{
		"replaced": func(ctx context.Context, tx *store.Tx) error {
			return tx.SetPassword(ctx, u.ID, "another", h.later(time.Second))
		},
		"disabled": func(ctx context.Context, tx *store.Tx) error {
			return tx.SetUserDisabled(ctx, u.ID, true, h.clock.Now())
		},
	} {
		h.must(people.SetPassword(h.Context(), principal.Operator(), u, password))
		var before dump
		people.Store = meanwhile{stored, func() { h.in(do); before = h.dump() }}
		_, err := people.ChangePassword(h.Context(), who, password, credential.NewSecret("another "+longPassword))
		if fault.KindOf(err) != fault.SignInFailed {
			h.Errorf("%s: %v, want sign_in_failed", what, err)
		}
		delete(before, "sign_in_failures")
		after := h.dump()
		delete(after, "sign_in_failures")
		if diff := cmp.Diff(before, after); diff != "" {
			h.Errorf("%s: the database changed:\n%s", what, diff)
		}
		h.in(func(ctx context.Context, tx *store.Tx) error {
			return tx.SetUserDisabled(ctx, u.ID, false, h.clock.Now())
		})
	}
}

// watched notes what a sign-in asks of the store.
type watched struct {
	identity.Store
	asked []string
}

func (w *watched) UserByEmail(ctx context.Context, canonical string) (identity.User, string, error) {
	w.asked = append(w.asked, "read user")
	return w.Store.UserByEmail(ctx, canonical)
}

func (w *watched) Failures(ctx context.Context, canonical string) (identity.Failures, error) {
	w.asked = append(w.asked, "read failures")
	return w.Store.Failures(ctx, canonical)
}

func (w *watched) ClaimAttempt(ctx context.Context, canonical string, was, is identity.Failures) (bool, error) {
	w.asked = append(w.asked, "write failures")
	return w.Store.ClaimAttempt(ctx, canonical, was, is)
}

func (w *watched) CountAttempt(ctx context.Context, bucket string, at time.Time) error {
	w.asked = append(w.asked, "write failures")
	return w.Store.CountAttempt(ctx, bucket, at)
}

func failedSignInsWorkAlike(h *house) {
	people := h.services().identity
	watch := &watched{Store: people.Store}
	people.Store = watch
	password := credential.NewSecret(longPassword)
	for _, name := range []string{"wrong", "disabled", "throttled", "locked"} {
		_, err := people.Create(h.Context(), principal.Operator(), identity.NewUser{Email: name + "@claviger.example", Name: "A Person", Password: password})
		h.must(err)
	}
	h.sql(`UPDATE users SET disabled_at = 1 WHERE email = 'disabled@claviger.example'`)
	for name, count := range map[string]int{"throttled": 20, "locked": identity.MaxFailures} {
		_, err := h.store.ClaimAttempt(h.Context(), name+"@claviger.example", identity.Failures{}, identity.Failures{Count: count, LastAt: h.clock.Now()})
		h.must(err)
	}
	want := []string{"read user", "read failures", "write failures", "one statement"}
	for email, given := range map[string]credential.Secret{
		"wrong@claviger.example":     credential.NewSecret("not the " + longPassword),
		"disabled@claviger.example":  password,
		"throttled@claviger.example": password,
		"locked@claviger.example":    password,
		"nobody@claviger.example":    password,
		"no\x00body":                 password,
	} {
		for range 2 { // on a row that is new, and on one that is there
			watch.asked = nil
			written := 0
			h.faults.statement = func(string) error { written++; return nil }
			_, err := people.SignIn(h.Context(), principal.Origin{}, email, given)
			h.faults.statement = nil
			if fault.KindOf(err) != fault.SignInFailed {
				h.Errorf("%q: %v, want sign_in_failed", email, err)
			}
			if written == 1 {
				watch.asked = append(watch.asked, "one statement")
			}
			if !slices.Equal(watch.asked, want) {
				h.Errorf("%q: %v with %d statements, want %v", email, watch.asked, written, want)
			}
		}
	}
	if rows := h.rows(`SELECT canonical_email FROM sign_in_failures WHERE canonical_email LIKE '%nobody%'`); len(rows) > 0 {
		h.Errorf("an address that nobody has got a row: %s", fmt.Sprint(rows))
	}
}
