package storetest

import (
	"context"
	"errors"
	"maps"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/store"
)

var countCases = []testCase{
	{"every write is counted once, by how it ended", writesAreCountedByHowTheyEnd},
}

func writesAreCountedByHowTheyEnd(fx *fixture) {
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
		{"without a fault", func() {}, insertUser(fx.user()), "done", 0, 1},
		{"with nothing to change", func() {}, nothing, "done", 0, 0},
		{"refused by a rule", func() {}, refuses, "refused", 0, 0},
		{
			"after some contention", func() { fx.faults.statement = failTimes(errContention, 3, "INTO audit_events") },
			insertUser(fx.user()), "done", 3, 1,
		},
		{
			"under contention without end", func() { fx.faults.statement = endless }, insertUser(fx.user()),
			"contention",
			19, 0,
		},
		{
			"with a statement that fails",
			func() { fx.faults.statement = failTimes(errInjected, 1, "INTO audit_events") },
			insertUser(fx.user()), "failed", 0, 0,
		},
		{"with a COMMIT that is lost", func() {
			fx.faults.commit = func(func() error, func(string) error) error { return errInjected }
		}, insertUser(fx.user()), "in_doubt", 0, 0},
		{"with a COMMIT whose answer is lost", func() {
			fx.faults.commit = func(commit func() error, _ func(string) error) error {
				return errors.Join(commit(), errInjected)
			}
		}, insertUser(fx.user()), "done", 0, 1},
		{"on a store that was halted", fx.store.Halt, insertUser(fx.user()), "stopping", 0, 0},
	} {
		counts := fx.store.WriteMetrics()
		want := fx.countOutcomes()
		writes := counts.Writes.Read().Count
		retries := counts.Retries.Load()
		events := counts.Events.Load()
		want[c.result]++
		c.fault()
		_ = fx.write(c.write) // what it says is others' to check
		fx.faults.statement, fx.faults.commit = nil, nil
		if got := fx.countOutcomes(); !maps.Equal(got, want) {
			fx.Errorf("%s: %v, want %v", c.how, got, want)
		}
		if n := counts.Writes.Read().Count - writes; n != 1 {
			fx.Errorf("%s: %d were timed", c.how, n)
		}
		if n, m := counts.Retries.Load()-retries, counts.Events.Load()-events; n != c.retries || m != c.events {
			fx.Errorf("%s: %d retries and %d events, want %d and %d", c.how, n, m, c.retries, c.events)
		}
	}
}

func (fx *fixture) countOutcomes() map[string]uint64 {
	all := map[string]uint64{}
	fx.store.WriteMetrics().EachOutcome(func(n uint64, result ...string) { all[result[0]] = n })
	return all
}
