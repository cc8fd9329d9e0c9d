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
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

var contentionGuarantees = []guarantee{
	{"contention at any step is repeated until the change is kept, once", contentionIsRepeated},
	{"contention without end is given up and leaves nothing", endlessContentionIsGivenUp},
	{"a connection that is lost before COMMIT costs one more attempt, quietly, and a second one is final", aLostConnectionIsReplacedOnce},
	{"any other failure is final", otherFailuresAreFinal},
	{"a slot that was taken meanwhile is looked for again", aTakenSlotIsLookedForAgain},
	{"a slot is never given twice", aSlotIsNeverGivenTwice},
	{"two who change each other's keys, memberships and standings never stand in each other's way", peopleAreLockedInOneOrder},
}

// failing gives err so many times at the statements that hold the text, and then nothing.
func failing(err error, times int, at string) func(string) error {
	return func(text string) error {
		if !strings.Contains(text, at) || times == 0 {
			return nil
		}
		times--
		return err
	}
}

func contentionIsRepeated(h *house) {
	const times = 3
	for _, step := range []string{"BEGIN", "INTO users", "WHERE name = 'change'", "JOIN audit_heads", "INTO audit_heads", "INTO audit_events"} {
		u, changes, told := h.user(), h.changes(), h.stale.count()
		fail := failing(errContention, times, step)
		h.faults.begin = func() error { return fail("BEGIN") }
		h.faults.statement = fail
		h.must(h.write(insertUser(u)))
		h.faults.begin, h.faults.statement = nil, nil
		h.knows(u, true)
		h.outdated(told + 1)
		if got := h.changes(); got != changes+1 {
			h.Errorf("%s: %d changes were counted, want one", step, got-changes)
		}
		if left := fail(step); left != nil {
			h.Errorf("%s did not fail as often as it was to", step)
		}
	}
}

func aLostConnectionIsReplacedOnce(h *house) {
	for _, step := range []string{"BEGIN", "INTO users", "WHERE name = 'change'", "JOIN audit_heads", "INTO audit_heads", "INTO audit_events"} {
		for _, lost := range []int{1, 2} {
			u, changes := h.user(), h.changes()
			fail := failing(errLost, lost, step)
			h.faults.begin = func() error { return fail("BEGIN") }
			h.faults.statement = fail
			err := h.write(insertUser(u))
			h.faults.begin, h.faults.statement = nil, nil
			if kept := lost == 1; kept != (err == nil) || !kept && fault.KindOf(err) != fault.Unavailable {
				h.Errorf("%s, lost %d times: Write says %v", step, lost, err)
			}
			h.knows(u, lost == 1)
			if got := h.changes() - changes; got != int64(2-lost) {
				h.Errorf("%s, lost %d times: %d changes were counted", step, lost, got)
			}
		}
	}
}

func endlessContentionIsGivenUp(h *house) {
	before := h.dump()
	h.faults.statement = failing(errContention, -1, "INTO audit_events")
	runs, err := h.runs(insertUser(h.user()))
	h.faults.statement = nil
	if fault.KindOf(err) != fault.Unavailable {
		h.Errorf("Write says %v, want unavailable", err)
	}
	if runs < 3 || runs > 100 {
		h.Errorf("gave up after %d attempts", runs)
	}
	h.unchanged(before)
	h.outdated(0)
}

func otherFailuresAreFinal(h *house) {
	before := h.dump()
	h.faults.statement = failing(errInjected, 1, "INTO audit_events")
	runs, err := h.runs(insertUser(h.user()))
	h.faults.statement = nil
	if runs != 1 || !errors.Is(err, errInjected) {
		h.Errorf("ran %d times and ended with %v, want once and the failure", runs, err)
	}
	h.unchanged(before)
}

func aTakenSlotIsLookedForAgain(h *house) {
	t := h.aTenant(0)
	owner := h.member(t, "member")
	h.insert(h.stored(t, owner, 1))
	next, secret := h.stored(t, owner, 1)
	runs, err := h.runs(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		err := tx.InsertKey(ctx, next, secret)
		next.Slot = 2 // as the change would find on its second look
		return event(audit.ActionKeyCreate), err
	})
	h.must(err)
	if runs != 2 {
		h.Errorf("the change ran %d times, want twice", runs)
	}
	if got, err := h.store.Key(h.Context(), t.ID, next.ID); err != nil || got.Slot != 2 {
		h.Errorf("the key has slot %d, want 2 (%v)", got.Slot, err)
	}
}

func aSlotIsNeverGivenTwice(h *house) {
	t := h.aTenant(0)
	owner := h.member(t, "member")
	h.insert(h.stored(t, owner, 1))
	before := h.dump()
	second, secret := h.stored(t, owner, 1)
	_, err := h.runs(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		return event(audit.ActionKeyCreate), tx.InsertKey(ctx, second, secret)
	})
	if fault.KindOf(err) != fault.Unavailable {
		h.Errorf("Write says %v, want unavailable", err)
	}
	h.unchanged(before)
}

func peopleAreLockedInOneOrder(h *house) {
	const rounds = 12
	t := h.aTenant(0)
	pair := [2]principal.Person{h.member(t, scope.Admin), h.member(t, scope.Admin)}
	var signedIn [2]principal.Principal
	for i, p := range pair {
		_, err := h.services().tenancy.SetStanding(h.Context(), principal.Operator(), t.Account, p.ID, scope.AccountOwner)
		h.must(err)
		signedIn[i] = h.as(p)
	}
	var attempts atomic.Int64
	h.faults.begin = func() error {
		attempts.Add(1)
		return nil
	}
	role, s := scope.Admin, h.services()
	changes := []func(who principal.Principal, other ident.UserID) error{
		func(who principal.Principal, other ident.UserID) error {
			spec := anyKey()
			spec.Owner = other
			_, err := s.keys.Create(h.Context(), who, t.ID, spec)
			return err
		},
		func(who principal.Principal, other ident.UserID) error {
			_, err := s.tenancy.ChangeMember(h.Context(), who, t.ID, other, tenancy.MemberChange{Role: &role})
			return err
		},
		func(who principal.Principal, other ident.UserID) error {
			_, err := s.tenancy.SetStanding(h.Context(), who, t.Account, other, scope.AccountOwner)
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
						h.Error(err)
					}
				}
			})
		}
	}
	close(start)
	all.Wait()
	h.faults.begin = nil
	if want := int64(len(pair) * len(changes) * rounds); attempts.Load() != want {
		h.Errorf("%d changes made %d attempts: two held what the other waited for", want, attempts.Load())
	}
}
