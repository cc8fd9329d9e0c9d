package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/journal"
	"github.com/claviger-dev/claviger/internal/store"
)

var nodeCases = []testCase{
	{"a node is alive until its lease ends or it leaves", nodesAreAliveForAWhile},
	{"a live node of an older version is told from the others", olderNodesAreKnown},
	{"what older nodes do not understand waits until the upgrade is finished", theUpgradeIsRequired},
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

func olderNodesAreKnown(fx *fixture) {
	ctx, now := fx.Context(), fx.clock.Now()
	until := now.Add(time.Minute)
	demand := func(when string, want ...journal.Node) {
		fx.Helper()
		got, err := fx.store.OlderNodes(ctx, now)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			fx.Errorf("%s: %v\n%s", when, err, diff)
		}
	}
	a, old := journal.Node{ID: "aaaa", Name: "host-a"}, journal.Node{ID: "bbbb", Name: "host-b"}
	_, err := fx.store.RenewNode(ctx, a, now, until)
	fx.must(err)
	demand("only a node of this version")
	// the version before has one lease
	renewAsOld := func(n journal.Node, until time.Time) {
		fx.Helper()
		held, err := fx.store.AcquireLease(ctx, "node/"+n.ID, n.Name, now, until)
		fx.must(err)
		if !held {
			fx.Errorf("%+v is not held", n)
		}
	}
	renewAsOld(old, until)
	demand("beside an older node", old)
	renewAsOld(a, until.Add(time.Second))
	demand("after the older version ran on the data directory again", a, old)
	_, err = fx.store.RenewNode(ctx, a, now, until.Add(2*time.Second))
	fx.must(err)
	_, err = fx.store.RenewNode(ctx, old, now, until.Add(time.Second))
	fx.must(err)
	demand("after both were replaced")
	fx.exec(fmt.Sprintf(`UPDATE leases SET holder = '%d' WHERE name = 'schema/bbbb'`, fx.store.Known()-1))
	demand("with a node that knows less", old)
	fx.must(fx.store.RemoveNode(ctx, old))
	demand("after it left")
	const names = `SELECT name FROM leases ORDER BY name`
	if got := fx.queryRows(names); len(got) != 2 {
		fx.Errorf("a node that left has a lease: %q", got)
	}
	now = until.Add(time.Hour)
	_, err = fx.store.RenewNode(ctx, old, now, now.Add(time.Minute))
	fx.must(err)
	if got := fx.queryRows(names); len(got) != 2 {
		fx.Errorf("a node that is no longer alive has a lease: %q", got)
	}
}

func theUpgradeIsRequired(fx *fixture) {
	f, _ := fx.openFeed()
	require := func() error {
		return fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			return event(audit.ActionNoticeRetry), tx.RequireUpgrade(ctx)
		})
	}
	demand := func(when string, want bool) {
		fx.Helper()
		if got, err := fx.store.Upgraded(fx.Context()); got != want || err != nil {
			fx.Errorf("%s: upgraded is %t, %v", when, got, err)
		}
		err := require()
		if want && err != nil || !want && (!errors.Is(err, fault.Conflict) ||
			!strings.Contains(err.Error(), "claviger migrate finish")) {
			fx.Errorf("%s: %v", when, err)
		}
	}
	fx.exec(fmt.Sprintf(`DELETE FROM goose_db_version WHERE version_id = %d`, fx.store.Known()))
	demand("expanded", false)
	demand("still expanded", false)
	fx.exec(fmt.Sprintf(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, TRUE)`, fx.store.Known()))
	demand("finished by another process", true)
	fx.must(f.ReadChanges(fx.Context()))
	fx.must(fx.store.Current(fx.Context()))
	fx.canWrite()
}
