package storetest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/journal"
)

var nodeCases = []testCase{
	{"a node is alive until its lease ends or it leaves", nodesAreAliveForAWhile},
}

func nodesAreAliveForAWhile(fx *fixture) {
	ctx, now := fx.Context(), fx.clock.Now()
	a, b := journal.Node{ID: "aaaa", Name: "host-a"}, journal.Node{ID: "bbbb", Name: "host-b"}
	keep := func(n journal.Node, at time.Time, want bool) {
		fx.Helper()
		held, err := fx.store.RenewNode(ctx, n, at, at.Add(time.Minute))
		fx.must(err)
		if held != want {
			fx.Errorf("%+v is held: %t, want %t", n, held, want)
		}
	}
	demand := func(at time.Time, want ...journal.Node) {
		fx.Helper()
		got, err := fx.store.Nodes(ctx, at)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			fx.Errorf("%v\n%s", err, diff)
		}
	}
	demand(now)
	_, err := fx.store.AcquireLease(ctx, "plan_notices", "other", now, now.Add(time.Hour))
	fx.must(err)
	keep(b, now, true)
	keep(a, now.Add(30*time.Second), true)
	demand(now.Add(59*time.Second), a, b)
	demand(now.Add(time.Minute), a)
	keep(journal.Node{ID: "aaaa", Name: "host-c"}, now.Add(40*time.Second), false) // a copy of its directory
	keep(a, now.Add(80*time.Second), true)
	demand(now, a) // b is forgotten
	fx.must(fx.store.RemoveNode(ctx, journal.Node{ID: "aaaa", Name: "host-c"}))
	demand(now, a)
	fx.must(fx.store.RemoveNode(ctx, a))
	demand(now)
}
