package storetest

import (
	"context"
	"errors"
	"maps"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/store"
)

var countGuarantees = []guarantee{
	{"every write is counted once, by how it ended", writesAreCountedByHowTheyEnd},
}

func writesAreCountedByHowTheyEnd(h *house) {
	endless := func(string) error { return errContention }
	refuses := func(context.Context, *store.Tx) (audit.Event, error) {
		return audit.Event{}, fault.New(fault.Conflict, "No.")
	}
	nothing := func(context.Context, *store.Tx) (audit.Event, error) { return audit.Event{}, audit.ErrNothing }
	for _, c := range []struct {
		how     string
		fault   func()
		write   change
		result  string
		retries uint64
		events  uint64
	}{
		{"without a fault", func() {}, insertUser(h.user()), "done", 0, 1},
		{"with nothing to change", func() {}, nothing, "done", 0, 0},
		{"refused by a rule", func() {}, refuses, "refused", 0, 0},
		{"after some contention", func() { h.faults.statement = failing(errContention, 3, "INTO audit_events") }, insertUser(h.user()), "done", 3, 1},
		{"under contention without end", func() { h.faults.statement = endless }, insertUser(h.user()), "contention", 19, 0},
		{"with a statement that fails", func() { h.faults.statement = failing(errInjected, 1, "INTO audit_events") }, insertUser(h.user()), "failed", 0, 0},
		{"with a COMMIT that is lost", func() {
			h.faults.commit = func(func() error, func(string) error) error { return errInjected }
		}, insertUser(h.user()), "in_doubt", 0, 0},
		{"with a COMMIT whose answer is lost", func() {
			h.faults.commit = func(commit func() error, _ func(string) error) error { return errors.Join(commit(), errInjected) }
		}, insertUser(h.user()), "done", 0, 1},
		{"on a store that was halted", h.store.Halt, insertUser(h.user()), "stopping", 0, 0},
	} {
		counts := h.store.Counts()
		want, writes, retries, events := h.outcomes(), counts.Writes.Read().Count, counts.Retries.Load(), counts.Events.Load()
		want[c.result]++
		c.fault()
		_ = h.write(c.write) // what it says is others' to check
		h.faults.statement, h.faults.commit = nil, nil
		if got := h.outcomes(); !maps.Equal(got, want) {
			h.Errorf("%s: %v, want %v", c.how, got, want)
		}
		if n := counts.Writes.Read().Count - writes; n != 1 {
			h.Errorf("%s: %d were timed", c.how, n)
		}
		if n, m := counts.Retries.Load()-retries, counts.Events.Load()-events; n != c.retries || m != c.events {
			h.Errorf("%s: %d retries and %d events, want %d and %d", c.how, n, m, c.retries, c.events)
		}
	}
}

func (h *house) outcomes() map[string]uint64 {
	all := map[string]uint64{}
	h.store.Counts().EachOutcome(func(n uint64, result ...string) { all[result[0]] = n })
	return all
}
