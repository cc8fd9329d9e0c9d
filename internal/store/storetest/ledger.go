package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/store"
)

var ledgerGuarantees = []guarantee{
	{"a change is kept with its event and its number", aChangeIsKeptWithItsEventAndNumber},
	{"an error in the change leaves nothing", anErrorInTheChangeLeavesNothing},
	{"an error at any step of recording leaves nothing", anErrorInRecordingLeavesNothing},
	{"a panic in the change leaves nothing and blocks nobody", aPanicLeavesNothing},
	{"nothing to do leaves no record", nothingToDoLeavesNoRecord},
	{"a change without an event is refused", aChangeWithoutAnEventIsRefused},
	{"a caller who leaves does not stop a write half way", aCallerWhoLeavesStopsNothing},
	{"an error keeps its kind, and one without is unavailable", anErrorKeepsItsKind},
	{"what is read in a change is what the change wrote", aChangeReadsWhatItWrote},
}

// insertUser is the change that most tests make.
func insertUser(u identity.User) change {
	return func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		_, err := tx.InsertUser(ctx, u, "")
		e := event(audit.ActionUserCreate).OutdatesLookups(string(u.ID))
		return e, err
	}
}

// changes gives the value of the counter of changes.
func (h *house) changes() int64 {
	h.Helper()
	return ask[int64](h, `SELECT value FROM counters WHERE name = 'change'`)
}

// knows fails the test where the user is not there, or there and should not be.
func (h *house) knows(u identity.User, want bool) {
	h.Helper()
	_, _, err := h.store.UserByEmail(h.Context(), u.Canonical)
	if got := err == nil; got != want {
		h.Errorf("the user is stored: %t, want %t (%v)", got, want, err)
	}
}

func aChangeIsKeptWithItsEventAndNumber(h *house) {
	u, before := h.user(), h.changes()
	h.must(h.write(insertUser(u)))
	h.knows(u, true)
	if got := h.changes(); got != before+1 {
		h.Errorf("the counter of changes went from %d to %d", before, got)
	}
	want := []string{fmt.Sprintf(`user.create|%d|{"lookups":["%s"]}|operator`, before+1, u.ID)}
	if got := h.rows(`SELECT action, change_number, stale, actor_type FROM audit_events`); fmt.Sprint(got) != fmt.Sprint(want) {
		h.Errorf("recorded %v, want %v", got, want)
	}
}

func anErrorInTheChangeLeavesNothing(h *house) {
	before := h.dump()
	err := h.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		e, err := insertUser(h.user())(ctx, tx)
		return e, errors.Join(err, errInjected)
	})
	if !errors.Is(err, errInjected) {
		h.Errorf("the cause is lost: %v", err)
	}
	h.unchanged(before)
	h.outdated(0)
}

// outdated fails the test where the store did not call so many changes stale.
func (h *house) outdated(want int) {
	h.Helper()
	if got := h.stale.count(); got != want {
		h.Errorf("Outdate was called %d times, want %d", got, want)
	}
}

func anErrorInRecordingLeavesNothing(h *house) {
	before := h.dump()
	for _, step := range []string{"UPDATE counters SET value = value + 1 WHERE name = 'change'", "JOIN audit_heads", "INTO audit_heads", "INTO audit_events"} {
		failed := 0
		h.faults.statement = func(text string) error {
			if !strings.Contains(text, step) {
				return nil
			}
			failed++
			return errInjected
		}
		err := h.write(insertUser(h.user()))
		h.faults.statement = nil
		if !errors.Is(err, errInjected) || !errors.Is(err, fault.Unavailable) {
			h.Errorf("%s failed, Write says: %v", step, err)
		}
		if failed != 1 {
			h.Errorf("%s was tried %d times, want once", step, failed)
		}
		h.unchanged(before)
	}
	h.outdated(0)
}

func aPanicLeavesNothing(h *house) {
	before := h.dump()
	got := func() (value any) {
		defer func() { value = recover() }()
		return h.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			_, err := insertUser(h.user())(ctx, tx)
			h.must(err)
			panic("a bug in a change")
		})
	}()
	if got != "a bug in a change" {
		h.Errorf("the panic came out as %v", got)
	}
	h.unchanged(before)
	h.outdated(0)
	h.must(h.write(insertUser(h.user())))
}

func nothingToDoLeavesNoRecord(h *house) {
	before := h.dump()
	for _, nothing := range []error{audit.ErrNothing, fmt.Errorf("so it is: %w", audit.ErrNothing)} {
		err := h.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			e, err := insertUser(h.user())(ctx, tx)
			h.must(err)
			return e, nothing
		})
		if err != nil {
			h.Errorf("nothing to do is no failure: %v", err)
		}
	}
	h.unchanged(before)
	h.outdated(2) // what was found done may have been committed by a write that has not told yet
}

func aChangeWithoutAnEventIsRefused(h *house) {
	before := h.dump()
	err := h.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		_, err := insertUser(h.user())(ctx, tx)
		return audit.Event{}, err
	})
	if err == nil {
		h.Error("a change without an event was kept")
	}
	h.unchanged(before)
	h.outdated(0)
}

func aCallerWhoLeavesStopsNothing(h *house) {
	ctx, leave := context.WithCancel(h.Context())
	early, late := h.user(), h.user()
	h.must(h.ledger().Write(ctx, principal.Operator(), func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		leave()
		if _, bounded := ctx.Deadline(); !bounded {
			h.Error("a write goes on without end")
		}
		return insertUser(early)(ctx, tx)
	}))
	h.must(h.ledger().Write(ctx, principal.Operator(), insertUser(late)))
	h.knows(early, true)
	h.knows(late, true)
}

func anErrorKeepsItsKind(h *house) {
	for _, c := range []struct {
		given error
		want  fault.Kind
	}{
		{fault.New(fault.Forbidden, "No."), fault.Forbidden},
		{fmt.Errorf("deeper: %w", fault.NotFound), fault.NotFound},
		{fault.Refuse(fault.Field{Name: "name", Code: "required"}), fault.ValidationFailed},
		{errInjected, fault.Unavailable},
		{errFatal, fault.Unavailable},
	} {
		err := h.write(func(context.Context, *store.Tx) (audit.Event, error) { return audit.Event{}, c.given })
		if fault.KindOf(err) != c.want || !errors.Is(err, c.given) {
			h.Errorf("%v comes out as %v, want kind %s", c.given, err, c.want)
		}
	}
	if len(h.fatal) != 1 || !errors.Is(h.fatal[0], errFatal) {
		h.Errorf("told of failures that end trust: %v, want the one", h.fatal)
	}
}

func aChangeReadsWhatItWrote(h *house) {
	a, _ := h.account()
	made := h.tenant(a.ID, nil)
	h.in(func(ctx context.Context, tx *store.Tx) error {
		second := made
		second.ID = "ten_second"
		_, err := tx.InsertTenant(ctx, second)
		h.must(err)
		if got, err := tx.LockTenantsOf(ctx, a.ID); err != nil || len(got) != 2 {
			h.Errorf("the account has %v within the change, want two tenants (%v)", got, err)
		}
		if _, err := h.store.Tenant(ctx, second.ID); !errors.Is(err, fault.NotFound) {
			h.Errorf("others see the change before it is kept: %v", err)
		}
		return nil
	})
	_, err := h.store.Tenant(h.Context(), "ten_second")
	h.must(err)
}
