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

var commitGuarantees = []guarantee{
	{"Outdate is called after COMMIT and before Write returns", outdateComesAfterCommit},
	{"Committed is told of each change, with its number, before Write returns", committedIsTold},
	{"Committed is told of a change whose COMMIT was in doubt and landed, and of no other", committedIsToldOfWhatLanded},
	{"a change that cannot be told of is kept, not acknowledged, and ends the process", aChangeThatCannotBeToldEndsTheProcess},
	{"a COMMIT of unknown outcome is answered by what came of it, outdates, and is never repeated", aFailedCommitIsNotRepeated},
}

func outdateComesAfterCommit(h *house) {
	u := h.user()
	var order []string
	h.faults.commit = func(commit func() error, _ func(string) error) error {
		defer func() { order = append(order, "COMMIT") }()
		return commit()
	}
	h.stale.hook = func(s audit.Stale) {
		order = append(order, "Outdate")
		h.knows(u, true) // seen by others from now on
		if !slices.Equal(s.Lookups, []string{string(u.ID)}) {
			h.Errorf("told of %v", s)
		}
	}
	h.must(h.write(insertUser(u)))
	if order = append(order, "Write"); !slices.Equal(order, []string{"COMMIT", "Outdate", "Write"}) {
		h.Errorf("came in the order %v", order)
	}
}

func aFailedCommitIsNotRepeated(h *house) {
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
			for _, text := range h.engine.spoil {
				_ = run(text) // on PostgreSQL this ends the connection, which is an error
			}
			return commit()
		}, false},
	} {
		u, told := h.user(), h.stale.count()
		h.faults.commit = c.commit
		runs, err := h.runs(insertUser(u))
		h.faults.commit = nil
		if want := map[bool]fault.Kind{true: "", false: fault.Unavailable}[c.kept]; kindOf(err) != want {
			h.Errorf("%s: Write says %v, want %q", c.how, err, want)
		}
		if runs != 1 {
			h.Errorf("%s: the change ran %d times, want once", c.how, runs)
		}
		h.outdated(told + 1)
		h.knows(u, c.kept)
		h.goesOn()
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
func (h *house) runs(c change) (runs int, err error) {
	err = h.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		runs++
		return c(ctx, tx)
	})
	return runs, err
}

// goesOn fails the test where the next write does not succeed.
func (h *house) goesOn() {
	h.Helper()
	next := h.user()
	h.must(h.write(insertUser(next)))
	h.knows(next, true)
}

// telling is the house's store again, with somebody who wants to know of each change.
func (h *house) telling(committed func(int64, audit.Event) error) *store.Store {
	return store.New(h.backend, store.Options{
		Now: h.clock.Now, Rand: h.random, Committed: committed, Fatal: func(err error) { h.fatal = append(h.fatal, err) },
	})
}

func committedIsTold(h *house) {
	u := h.user()
	var told []int64
	s := h.telling(func(change int64, e audit.Event) error {
		h.knows(u, true)
		if e.Action != audit.ActionUserCreate || !e.At.Equal(h.clock.Now()) || e.ID == "" {
			h.Errorf("told of %+v", e)
		}
		told = append(told, change)
		return nil
	})
	before := h.changes()
	h.must(store.NewLedger(s, func(t *store.Tx) *store.Tx { return t }).Write(h.Context(), principal.Operator(), insertUser(u)))
	if !slices.Equal(told, []int64{before + 1}) {
		h.Errorf("told of changes %v after %d", told, before)
	}
}

func committedIsToldOfWhatLanded(h *house) {
	var told []int64
	s := h.telling(func(change int64, _ audit.Event) error {
		told = append(told, change)
		return nil
	})
	before := h.changes()
	for _, kept := range []bool{false, true} {
		h.faults.commit = func(commit func() error, _ func(string) error) error {
			if kept {
				return errors.Join(commit(), errInjected)
			}
			return errInjected
		}
		err := store.NewLedger(s, func(t *store.Tx) *store.Tx { return t }).Write(h.Context(), principal.Operator(), insertUser(h.user()))
		h.faults.commit = nil
		if kept != (err == nil) {
			h.Errorf("kept: %t, and Write says %v", kept, err)
		}
	}
	if !slices.Equal(told, []int64{before + 1}) {
		h.Errorf("told of changes %v, want %d", told, before+1)
	}
}

func aChangeThatCannotBeToldEndsTheProcess(h *house) {
	u := h.user()
	s := h.telling(func(int64, audit.Event) error { return errInjected })
	ledger := store.NewLedger(s, func(t *store.Tx) *store.Tx { return t })
	if err := ledger.Write(h.Context(), principal.Operator(), insertUser(u)); fault.KindOf(err) != fault.Unavailable {
		h.Errorf("Write says %v, want unavailable", err)
	}
	h.knows(u, true)
	if len(h.fatal) != 1 || !errors.Is(h.fatal[0], errInjected) || !s.Halted() {
		h.Errorf("fatal were %v, halted: %t", h.fatal, s.Halted())
	}
}
