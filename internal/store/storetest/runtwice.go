package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/store"
)

var runTwiceCases = []testCase{
	{"a change that ran before and was rolled back comes out as if it ran once", runningTwiceEqualsRunningOnce},
}

// runTwice is a ledger that runs every change first in a transaction that is rolled back, and then
// again, as after contention.
type runTwice[Tx any] struct{ audit.Ledger[Tx] }

var errFirstRun = errors.New("this was the rehearsal")

// Write implements audit.Ledger.
func (l runTwice[Tx]) Write(ctx context.Context, who principal.Principal,
	change func(context.Context, Tx) (audit.Event, error),
) error {
	err := l.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		_, _ = change(ctx, tx)
		return audit.Event{}, errFirstRun
	})
	if !errors.Is(err, errFirstRun) {
		return fmt.Errorf("the rehearsal did not take place: %w", err)
	}
	return l.Ledger.Write(ctx, who, change)
}

func runningTwiceEqualsRunningOnce(fx *fixture) {
	again := newFixture(fx.T, fx.open)
	called := map[string]bool{}
	again.faults.statement = func(string) error {
		callersInStore(called)
		return nil
	}
	fx.buildServices(normalLedger)
	again.buildServices(twiceLedger)
	want, got := runScenario(fx), runScenario(again)
	if diff := cmp.Diff(want, got); diff != "" {
		fx.Errorf("answers of the services, once (-) and twice (+):\n%s", diff)
	}
	if diff := cmp.Diff(fx.dump(), again.dump()); diff != "" {
		fx.Errorf("databases, once (-) and twice (+):\n%s", diff)
	}
	for _, name := range functionsOfTx() {
		if !called[name] {
			fx.Errorf("no step of play calls store.Tx.%s: add one", name)
		}
	}
}

// functionsOfTx returns the methods of the transaction. The Tx interfaces of the domain packages
// consist of them.
func functionsOfTx() (names []string) {
	for m := range reflect.TypeFor[*store.Tx]().Methods() {
		names = append(names, m.Name)
	}
	return names
}

// callersInStore records the methods of store.Tx that are on the stack when a statement runs.
func callersInStore(into map[string]bool) {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	for {
		frame, more := frames.Next()
		if _, name, ok := strings.Cut(frame.Function, "/store.(*Tx)."); ok {
			into[name] = true
		}
		if !more {
			return
		}
	}
}
