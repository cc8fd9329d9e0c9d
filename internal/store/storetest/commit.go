package storetest

import (
	"context"
	"errors"
	"slices"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/store"
)

var commitCases = []testCase{
	{"Outdate is called after COMMIT and before Write returns", invalidationComesAfterCommit},
	{"Committed is told of each change, with its number, before Write returns", committedIsCalled},
	{
		"Committed is told of a change whose COMMIT was in doubt and landed, and of no other",
		committedIsCalledForKeptChangesOnly,
	},
	{
		"a change that cannot be told of is kept, not acknowledged, and ends the process",
		aFailedNotificationEndsTheProcess,
	},
	{
		"a COMMIT of unknown outcome is answered by what came of it, outdates, and is never repeated",
		aFailedCommitIsNotRepeated,
	},
}

func invalidationComesAfterCommit(fx *fixture) {
	u := fx.user()
	var order []string
	fx.faults.commit = func(commit func() error, _ func(string) error) error {
		defer func() { order = append(order, "COMMIT") }()
		return commit()
	}
	fx.invalidations.onAdd = func(s audit.Invalidation) {
		order = append(order, "Outdate")
		fx.userExists(u, true) // others see it from now on
		if !slices.Equal(s.Lookups, []string{string(u.ID)}) {
			fx.Errorf("told of %v", s)
		}
	}
	fx.must(fx.write(insertUser(u)))
	order = append(order, "Write")
	if !slices.Equal(order, []string{"COMMIT", "Outdate", "Write"}) {
		fx.Errorf("came in the order %v", order)
	}
}

func aFailedCommitIsNotRepeated(fx *fixture) {
	for _, c := range []struct {
		how    string
		commit func(commit func() error, run func(string) error) error
		kept   bool
	}{
		{"its answer is lost", func(commit func() error, _ func(string) error) error {
			return errors.Join(commit(), errInjected)
		}, true},
		{"it never arrives", func(func() error, func(string) error) error { return errInjected }, false},
		{"it fails of contention", func(func() error, func(string) error) error { return errContention }, false},
		{"the engine refuses it", func(commit func() error, run func(string) error) error {
			for _, text := range fx.engine.poisonCommit {
				_ = run(text) // on PostgreSQL this ends the connection, which is an error
			}
			return commit()
		}, false},
	} {
		u, told := fx.user(), fx.invalidations.count()
		fx.faults.commit = c.commit
		runs, err := fx.runs(insertUser(u))
		fx.faults.commit = nil
		if want := map[bool]fault.Kind{true: "", false: fault.Unavailable}[c.kept]; kindOf(err) != want {
			fx.Errorf("%s: Write says %v, want %q", c.how, err, want)
		}
		if runs != 1 {
			fx.Errorf("%s: the change ran %d times, want once", c.how, runs)
		}
		fx.invalidated(told + 1)
		fx.userExists(u, c.kept)
		fx.canWrite()
	}
}

// kindOf returns the kind of a failure; "" for none.
func kindOf(err error) fault.Kind {
	if err == nil {
		return ""
	}
	return fault.KindOf(err)
}

// runs writes a change and counts how often it ran.
func (fx *fixture) runs(c change) (runs int, err error) {
	err = fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		runs++
		return c(ctx, tx)
	})
	return runs, err
}

// canWrite fails the test if the next write fails.
func (fx *fixture) canWrite() {
	fx.Helper()
	next := fx.user()
	fx.must(fx.write(insertUser(next)))
	fx.userExists(next, true)
}

// notifyingStore returns a second store on the backend that calls committed for each change.
func (fx *fixture) notifyingStore(committed func(int64, audit.Event) error) *store.Store {
	return newStore(fx.backend, store.Options{
		Now: fx.clock.Now, Rand: fx.random, Committed: committed,
		Fatal: func(err error) { fx.fatal = append(fx.fatal, err) },
	})
}

func committedIsCalled(fx *fixture) {
	u := fx.user()
	var told []int64
	s := fx.notifyingStore(func(change int64, e audit.Event) error {
		fx.userExists(u, true)
		if e.Action != audit.ActionUserCreate || !e.At.Equal(fx.clock.Now()) || e.ID == "" {
			fx.Errorf("told of %+v", e)
		}
		told = append(told, change)
		return nil
	})
	before := fx.changes()
	fx.must(store.NewLedger(s, func(t *store.Tx) *store.Tx { return t }).Write(fx.Context(), principal.Operator(),
		insertUser(u)))
	if !slices.Equal(told, []int64{before + 1}) {
		fx.Errorf("told of changes %v after %d", told, before)
	}
}

func committedIsCalledForKeptChangesOnly(fx *fixture) {
	var told []int64
	s := fx.notifyingStore(func(change int64, _ audit.Event) error {
		told = append(told, change)
		return nil
	})
	before := fx.changes()
	for _, kept := range []bool{false, true} {
		fx.faults.commit = func(commit func() error, _ func(string) error) error {
			if kept {
				return errors.Join(commit(), errInjected)
			}
			return errInjected
		}
		err := store.NewLedger(s, func(t *store.Tx) *store.Tx { return t }).Write(fx.Context(), principal.Operator(),
			insertUser(fx.user()))
		fx.faults.commit = nil
		if kept != (err == nil) {
			fx.Errorf("kept: %t, and Write says %v", kept, err)
		}
	}
	if !slices.Equal(told, []int64{before + 1}) {
		fx.Errorf("told of changes %v, want %d", told, before+1)
	}
}

func aFailedNotificationEndsTheProcess(fx *fixture) {
	u := fx.user()
	s := fx.notifyingStore(func(int64, audit.Event) error { return errInjected })
	ledger := store.NewLedger(s, func(t *store.Tx) *store.Tx { return t })
	if err := ledger.Write(fx.Context(), principal.Operator(), insertUser(u)); fault.KindOf(err) != fault.Unavailable {
		fx.Errorf("Write says %v, want unavailable", err)
	}
	fx.userExists(u, true)
	if len(fx.fatal) != 1 || !errors.Is(fx.fatal[0], errInjected) || !s.Halted() {
		fx.Errorf("fatal were %v, halted: %t", fx.fatal, s.Halted())
	}
}
