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

var rehearsalGuarantees = []guarantee{
	{"a change that ran before and was rolled back comes out as if it ran once", runningTwiceIsRunningOnce},
}

// rehearsal is a ledger that runs every change in a transaction that is rolled back, and then for good, as after contention.
type rehearsal[Tx any] struct{ audit.Ledger[Tx] }

var errRehearsed = errors.New("this was the rehearsal")

// Write implements audit.Ledger.
func (l rehearsal[Tx]) Write(ctx context.Context, who principal.Principal, change func(context.Context, Tx) (audit.Event, error)) error {
	err := l.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		_, _ = change(ctx, tx)
		return audit.Event{}, errRehearsed
	})
	if !errors.Is(err, errRehearsed) {
		return fmt.Errorf("the rehearsal did not take place: %w", err)
	}
	return l.Ledger.Write(ctx, who, change)
}

func runningTwiceIsRunningOnce(h *house) {
	again := newHouse(h.T, h.open)
	called := map[string]bool{}
	again.faults.statement = func(string) error {
		callersInStore(called)
		return nil
	}
	h.furnish(once)
	again.furnish(twice)
	want, got := play(h), play(again)
	if diff := cmp.Diff(want, got); diff != "" {
		h.Errorf("answers of the services, once (-) and twice (+):\n%s", diff)
	}
	if diff := cmp.Diff(h.dump(), again.dump()); diff != "" {
		h.Errorf("databases, once (-) and twice (+):\n%s", diff)
	}
	for _, name := range functionsOfTx() {
		if !called[name] {
			h.Errorf("no step of play calls store.Tx.%s: add one", name)
		}
	}
}

// functionsOfTx lists what the transaction offers, and so whatever the Tx interface of any domain package can name.
func functionsOfTx() (names []string) {
	for m := range reflect.TypeFor[*store.Tx]().Methods() {
		names = append(names, m.Name)
	}
	return names
}

// callersInStore notes the methods of store.Tx on whose behalf a statement runs.
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
