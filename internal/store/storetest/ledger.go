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

var ledgerCases = []testCase{
	{"a change is kept with its event and its number", aChangeIsKeptWithItsEventAndNumber},
	{"an error in the change leaves nothing", anErrorInTheChangeLeavesNothing},
	{"an error at any step of recording leaves nothing", anErrorInRecordingLeavesNothing},
	{"a panic in the change leaves nothing and blocks nobody", aPanicLeavesNothing},
	{"nothing to do leaves no record", nothingToDoLeavesNoRecord},
	{"a change without an event is refused", aChangeWithoutAnEventIsRefused},
	{"a caller who leaves does not stop a write half way", aCancelledCallerStopsNoWrite},
	{"an error keeps its kind, and one without is unavailable", anErrorKeepsItsKind},
	{"what is read in a change is what the change wrote", aChangeReadsWhatItWrote},
}

// insertUser returns the change that most tests make.
func insertUser(u identity.User) change {
	return func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		_, err := tx.InsertUser(ctx, u, "")
		e := event(audit.ActionUserCreate).InvalidatesLookups(string(u.ID))
		return e, err
	}
}

// changes returns the value of the change counter.
func (fx *fixture) changes() int64 {
	fx.Helper()
	return queryValue[int64](fx, `SELECT value FROM counters WHERE name = 'change'`)
}

// userExists fails the test if the user is not stored although want is true, or is stored although
// want is false.
func (fx *fixture) userExists(u identity.User, want bool) {
	fx.Helper()
	_, _, err := fx.store.UserByEmail(fx.Context(), u.Canonical)
	if got := err == nil; got != want {
		fx.Errorf("the user is stored: %t, want %t (%v)", got, want, err)
	}
}

func aChangeIsKeptWithItsEventAndNumber(fx *fixture) {
	u, before := fx.user(), fx.changes()
	fx.must(fx.write(insertUser(u)))
	fx.userExists(u, true)
	if got := fx.changes(); got != before+1 {
		fx.Errorf("the counter of changes went from %d to %d", before, got)
	}
	want := []string{fmt.Sprintf(`user.create|%d|{"lookups":["%s"]}|operator`, before+1, u.ID)}
	got := fx.queryRows(`SELECT action, change_number, stale, actor_type FROM audit_events`)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		fx.Errorf("recorded %v, want %v", got, want)
	}
}

func anErrorInTheChangeLeavesNothing(fx *fixture) {
	before := fx.dump()
	err := fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		e, err := insertUser(fx.user())(ctx, tx)
		return e, errors.Join(err, errInjected)
	})
	if !errors.Is(err, errInjected) {
		fx.Errorf("the cause is lost: %v", err)
	}
	fx.isUnchanged(before)
	fx.invalidated(0)
}

// invalidated fails the test unless the store made that many invalidations.
func (fx *fixture) invalidated(want int) {
	fx.Helper()
	if got := fx.invalidations.count(); got != want {
		fx.Errorf("Outdate was called %d times, want %d", got, want)
	}
}

func anErrorInRecordingLeavesNothing(fx *fixture) {
	before := fx.dump()
	for _, step := range []string{
		"UPDATE counters SET value = value + 1 WHERE name = 'change'", "JOIN audit_heads",
		"INTO audit_heads", "INTO audit_events",
	} {
		failed := 0
		fx.faults.statement = func(text string) error {
			if !strings.Contains(text, step) {
				return nil
			}
			failed++
			return errInjected
		}
		err := fx.write(insertUser(fx.user()))
		fx.faults.statement = nil
		if !errors.Is(err, errInjected) || !errors.Is(err, fault.Unavailable) {
			fx.Errorf("%s failed, Write says: %v", step, err)
		}
		if failed != 1 {
			fx.Errorf("%s was tried %d times, want once", step, failed)
		}
		fx.isUnchanged(before)
	}
	fx.invalidated(0)
}

func aPanicLeavesNothing(fx *fixture) {
	before := fx.dump()
	got := func() (value any) {
		defer func() { value = recover() }()
		return fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			_, err := insertUser(fx.user())(ctx, tx)
			fx.must(err)
			panic("a bug in a change")
		})
	}()
	if got != "a bug in a change" {
		fx.Errorf("the panic came out as %v", got)
	}
	fx.isUnchanged(before)
	fx.invalidated(0)
	fx.must(fx.write(insertUser(fx.user())))
}

func nothingToDoLeavesNoRecord(fx *fixture) {
	before := fx.dump()
	for _, nothing := range []error{audit.ErrNothing, fmt.Errorf("so it is: %w", audit.ErrNothing)} {
		err := fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			e, err := insertUser(fx.user())(ctx, tx)
			fx.must(err)
			return e, nothing
		})
		if err != nil {
			fx.Errorf("nothing to do is no failure: %v", err)
		}
	}
	fx.isUnchanged(before)
	fx.invalidated(2) // the write that did it may not have invalidated yet
}

func aChangeWithoutAnEventIsRefused(fx *fixture) {
	before := fx.dump()
	err := fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		_, err := insertUser(fx.user())(ctx, tx)
		return audit.Event{}, err
	})
	if err == nil {
		fx.Error("a change without an event was kept")
	}
	fx.isUnchanged(before)
	fx.invalidated(0)
}

func aCancelledCallerStopsNoWrite(fx *fixture) {
	ctx, leave := context.WithCancel(fx.Context())
	early, late := fx.user(), fx.user()
	fx.must(fx.ledger().Write(ctx, principal.Operator(), func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		leave()
		if _, bounded := ctx.Deadline(); !bounded {
			fx.Error("a write goes on without end")
		}
		return insertUser(early)(ctx, tx)
	}))
	fx.must(fx.ledger().Write(ctx, principal.Operator(), insertUser(late)))
	fx.userExists(early, true)
	fx.userExists(late, true)
}

func anErrorKeepsItsKind(fx *fixture) {
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
		err := fx.write(func(context.Context, *store.Tx) (audit.Event, error) { return audit.Event{}, c.given })
		if fault.KindOf(err) != c.want || !errors.Is(err, c.given) {
			fx.Errorf("%v comes out as %v, want kind %s", c.given, err, c.want)
		}
	}
	if len(fx.fatal) != 1 || !errors.Is(fx.fatal[0], errFatal) {
		fx.Errorf("told of failures that end trust: %v, want the one", fx.fatal)
	}
}

func aChangeReadsWhatItWrote(fx *fixture) {
	a, _ := fx.account()
	made := fx.tenant(a.ID, nil)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		second := made
		second.ID = "ten_second"
		_, err := tx.InsertTenant(ctx, second)
		fx.must(err)
		if got, err := tx.LockTenantsOf(ctx, a.ID); err != nil || len(got) != 2 {
			fx.Errorf("the account has %v within the change, want two tenants (%v)", got, err)
		}
		if _, err := fx.store.Tenant(ctx, second.ID); !errors.Is(err, fault.NotFound) {
			fx.Errorf("others see the change before it is kept: %v", err)
		}
		return nil
	})
	_, err := fx.store.Tenant(fx.Context(), "ten_second")
	fx.must(err)
}
