package storetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

var contentionCases = []testCase{
	{"contention at any step is repeated until the change is kept, once", contentionIsRepeated},
	{"contention without end is given up and leaves nothing", endlessContentionIsGivenUp},
	{
		"a connection that is lost before COMMIT costs one more attempt, quietly, and a second one is final",
		aLostConnectionIsReplacedOnce,
	},
	{
		"a transaction that does not begin costs one more attempt, quietly, and a second one is final",
		aTransactionIsBegunTwice,
	},
	{"any other failure is final", otherFailuresAreFinal},
	{"what the engine rejects is a fault of ours, and nobody is told to try again", whatIsRejectedIsInternal},
	{"a slot that was taken meanwhile is looked for again", aTakenSlotIsLookedForAgain},
	{"a slot is never given twice", aSlotIsNeverGivenTwice},
	{
		"two who change each other's keys, memberships and standings never stand in each other's way",
		peopleAreLockedInOneOrder,
	},
}

// failTimes returns a hook that returns err for the first statements that contain the text.
func failTimes(err error, times int, at string) func(string) error {
	return func(text string) error {
		if !strings.Contains(text, at) || times == 0 {
			return nil
		}
		times--
		return err
	}
}

func contentionIsRepeated(fx *fixture) {
	const times = 3
	for _, step := range []string{
		"BEGIN", "INTO users", "WHERE name = 'change'", "JOIN audit_heads",
		"INTO audit_heads", "INTO audit_events",
	} {
		u := fx.user()
		changes := fx.changes()
		told := fx.invalidations.count()
		fail := failTimes(errContention, times, step)
		fx.faults.begin = func() error { return fail("BEGIN") }
		fx.faults.statement = fail
		fx.must(fx.write(insertUser(u)))
		fx.faults.begin, fx.faults.statement = nil, nil
		fx.userExists(u, true)
		fx.invalidated(told + 1)
		if got := fx.changes(); got != changes+1 {
			fx.Errorf("%s: %d changes were counted, want one", step, got-changes)
		}
		if left := fail(step); left != nil {
			fx.Errorf("%s did not fail as often as it was to", step)
		}
	}
}

func aLostConnectionIsReplacedOnce(fx *fixture) {
	for _, step := range []string{
		"BEGIN", "INTO users", "WHERE name = 'change'", "JOIN audit_heads",
		"INTO audit_heads", "INTO audit_events",
	} {
		for _, lost := range []int{1, 2} {
			u, changes := fx.user(), fx.changes()
			fail := failTimes(errLost, lost, step)
			fx.faults.begin = func() error { return fail("BEGIN") }
			fx.faults.statement = fail
			err := fx.write(insertUser(u))
			fx.faults.begin, fx.faults.statement = nil, nil
			if kept := lost == 1; kept != (err == nil) || !kept && fault.KindOf(err) != fault.Unavailable {
				fx.Errorf("%s, lost %d times: Write says %v", step, lost, err)
			}
			fx.userExists(u, lost == 1)
			if got := fx.changes() - changes; got != int64(2-lost) {
				fx.Errorf("%s, lost %d times: %d changes were counted", step, lost, got)
			}
		}
	}
}

func aTransactionIsBegunTwice(fx *fixture) {
	for _, failures := range []int{1, 2} {
		u, changes := fx.user(), fx.changes()
		fail := failTimes(errInjected, failures, "BEGIN")
		fx.faults.begin = func() error { return fail("BEGIN") }
		err := fx.write(insertUser(u))
		fx.faults.begin = nil
		if kept := failures == 1; kept != (err == nil) || !kept && fault.KindOf(err) != fault.Unavailable {
			fx.Errorf("BEGIN failed %d times: Write says %v", failures, err)
		}
		fx.userExists(u, failures == 1)
		if got := fx.changes() - changes; got != int64(2-failures) {
			fx.Errorf("BEGIN failed %d times: %d changes were counted", failures, got)
		}
	}
	fail := failTimes(errInjected, 1, "BEGIN")
	fx.faults.begin = func() error { return fail("BEGIN") }
	defer func() { fx.faults.begin = nil }()
	if err := fx.store.Writable(fx.Context()); err != nil {
		fx.Errorf("readiness: %v", err)
	}
}

// whatIsRejectedIsInternal renames a table and a column, so that the database rejects the queries.
func whatIsRejectedIsInternal(fx *fixture) {
	u := fx.user()
	fx.must(fx.write(insertUser(u)))
	for change, undo := range map[string]string{
		`ALTER TABLE users RENAME TO users_away`:            `ALTER TABLE users_away RENAME TO users`,
		`ALTER TABLE users RENAME COLUMN name TO name_away`: `ALTER TABLE users RENAME COLUMN name_away TO name`,
	} {
		fx.exec(change)
		runs, written := fx.runs(insertUser(fx.user()))
		_, read := fx.store.User(fx.Context(), u.ID)
		for what, err := range map[string]error{"a change": written, "a read": read} {
			if !errors.Is(err, fault.Internal) || fault.RetryAfter(err) != 0 || runs != 1 {
				fx.Errorf("%s: %s says %v after %d attempts, want an internal failure at once", change, what, err, runs)
			}
		}
		fx.exec(undo)
		fx.userExists(u, true)
	}
}

func endlessContentionIsGivenUp(fx *fixture) {
	before := fx.dump()
	fx.faults.statement = failTimes(errContention, -1, "INTO audit_events")
	runs, err := fx.runs(insertUser(fx.user()))
	fx.faults.statement = nil
	if fault.KindOf(err) != fault.Unavailable {
		fx.Errorf("Write says %v, want unavailable", err)
	}
	if runs < 3 || runs > 100 {
		fx.Errorf("gave up after %d attempts", runs)
	}
	fx.isUnchanged(before)
	fx.invalidated(0)
}

func otherFailuresAreFinal(fx *fixture) {
	before := fx.dump()
	fx.faults.statement = failTimes(errInjected, 1, "INTO audit_events")
	runs, err := fx.runs(insertUser(fx.user()))
	fx.faults.statement = nil
	if runs != 1 || !errors.Is(err, errInjected) {
		fx.Errorf("ran %d times and ended with %v, want once and the failure", runs, err)
	}
	fx.isUnchanged(before)
}

func aTakenSlotIsLookedForAgain(fx *fixture) {
	t := fx.tenantWithCap(0)
	owner := fx.member(t, "member")
	fx.insertKey(fx.newKey(t, owner, 1))
	next, secret := fx.newKey(t, owner, 1)
	runs, err := fx.runs(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		err := tx.InsertKey(ctx, next, secret)
		next.Slot = 2 // as the change would find on its second look
		return event(audit.ActionKeyCreate), err
	})
	fx.must(err)
	if runs != 2 {
		fx.Errorf("the change ran %d times, want twice", runs)
	}
	if got, err := fx.store.Key(fx.Context(), t.ID, next.ID); err != nil || got.Slot != 2 {
		fx.Errorf("the key has slot %d, want 2 (%v)", got.Slot, err)
	}
}

func aSlotIsNeverGivenTwice(fx *fixture) {
	t := fx.tenantWithCap(0)
	owner := fx.member(t, "member")
	fx.insertKey(fx.newKey(t, owner, 1))
	before := fx.dump()
	second, secret := fx.newKey(t, owner, 1)
	_, err := fx.runs(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		return event(audit.ActionKeyCreate), tx.InsertKey(ctx, second, secret)
	})
	if fault.KindOf(err) != fault.Unavailable {
		fx.Errorf("Write says %v, want unavailable", err)
	}
	fx.isUnchanged(before)
}

func peopleAreLockedInOneOrder(fx *fixture) {
	const rounds = 12
	t := fx.tenantWithCap(0)
	pair := [2]principal.Person{fx.member(t, scope.Admin), fx.member(t, scope.Admin)}
	var signedIn [2]principal.Principal
	for i, p := range pair {
		_, err := fx.services().accounts.SetAccountMember(fx.Context(), principal.Operator(), t.Account, p.ID,
			scope.AccountOwner, "")
		fx.must(err)
		signedIn[i] = fx.signIn(p)
	}
	var attempts atomic.Int64
	fx.faults.begin = func() error {
		attempts.Add(1)
		return nil
	}
	role, s := scope.Admin, fx.services()
	changes := []func(who principal.Principal, other ident.UserID) error{
		func(who principal.Principal, other ident.UserID) error {
			spec := anyKey()
			spec.Owner, spec.Delivery = ident.PartyID(other), key.ByLink
			_, err := s.keys.Create(fx.Context(), who, t.ID, spec)
			return err
		},
		func(who principal.Principal, other ident.UserID) error {
			_, err := s.tenancy.ChangeMember(fx.Context(), who, t.ID, other, tenancy.MemberChange{Role: &role})
			return err
		},
		func(who principal.Principal, other ident.UserID) error {
			_, err := s.accounts.SetAccountMember(fx.Context(), who, t.Account, other, scope.AccountOwner, "")
			return err
		},
	}
	var all sync.WaitGroup
	start := make(chan struct{})
	for i, who := range signedIn {
		for _, change := range changes {
			all.Go(func() {
				<-start
				for range rounds {
					if err := change(who, pair[1-i].ID); err != nil {
						fx.Error(err)
					}
				}
			})
		}
	}
	close(start)
	all.Wait()
	fx.faults.begin = nil
	if want := int64(len(pair) * len(changes) * rounds); attempts.Load() != want {
		fx.Errorf("%d changes made %d attempts: two held what the other waited for", want, attempts.Load())
	}
}
