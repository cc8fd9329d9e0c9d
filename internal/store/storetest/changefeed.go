package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/store"
)

var changeFeedCases = []testCase{
	{"a follower sees every later change once, in order, with its time", aFeedDeliversEveryLaterChangeOnce},
	{"a follower catches up with more changes than it reads at once", aFeedCatchesUp},
	{"a follower that cannot read confirms nothing", aFeedThatCannotReadConfirmsNothing},
	{"a follower knows a database that forgot a change", aFeedDetectsALostChange},
	{
		"a schema that a newer version made is not written to, and not followed until it is known again",
		aNewerSchemaIsNotWritten,
	},
	{"an invalidation that a newer version made stops what does not know it", anUnknownInvalidationStops},
	{"a watermark never goes back", aWatermarkNeverGoesBack},
	{"what a follower knows is as old as the machine was suspended", aFeedCountsSuspension},
}

// openFeed opens a feed after the first change. taken are the times of the changes that it
// delivers.
func (fx *fixture) openFeed() (f *store.ChangeFeed, taken *[]time.Time) {
	fx.Helper()
	_, err := fx.store.AdoptRoot(fx.Context(), testRoot)
	fx.must(err)
	taken = new([]time.Time)
	f, err = fx.store.OpenChangeFeed(fx.Context(), func(at time.Time) { *taken = append(*taken, at) })
	fx.must(err)
	return f, taken
}

func aFeedDeliversEveryLaterChangeOnce(fx *fixture) {
	f, taken := fx.openFeed()
	fx.must(f.ReadChanges(fx.Context()))
	var want []time.Time
	before := fx.invalidations.count()
	for range 3 {
		want = append(want, fx.clock.move(time.Hour))
		fx.must(fx.write(insertUser(fx.user())))
		fx.clock.move(time.Minute)
	}
	fx.must(f.ReadChanges(fx.Context()))
	fx.must(f.ReadChanges(fx.Context()))
	if fmt.Sprint(*taken) != fmt.Sprint(want) {
		fx.Errorf("followed changes of %v, want %v", *taken, want)
	}
	if got := fx.invalidations.count() - before; got != 6 {
		fx.Errorf("Outdate was called %d times for 3 changes of this node, want twice each", got)
	}
}

func aFeedCatchesUp(fx *fixture) {
	f, taken := fx.openFeed()
	const many = 2100
	fx.exec(fmt.Sprintf(`INSERT INTO audit_events (chain, seq, prev_hash, hash, id, change_number, stale, at,
		actor_type, actor_id, actor_email, action,
		target_type, target_id, target_name, ip, request_id, details)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		SELECT 'made up', i, prev_hash, hash, 'evt_' || CAST(i AS TEXT), change_number + i, '{}', at, '', '', '', '',
		'', '', '', '', '', '{}' FROM audit_events, n`, many))
	fx.must(f.ReadChanges(fx.Context()))
	if len(*taken) != many || f.Changes() != many {
		fx.Errorf("followed %d changes, counted %d, want %d", len(*taken), f.Changes(), many)
	}
}

func aFeedThatCannotReadConfirmsNothing(fx *fixture) {
	f, _ := fx.openFeed()
	fx.must(fx.store.Close())
	before := f.Lag()
	if err := f.ReadChanges(fx.Context()); fault.KindOf(err) != fault.Unavailable {
		fx.Errorf("following a closed database: %v, want unavailable", err)
	}
	if f.Lag() <= before {
		fx.Error("a pass that failed counts")
	}
}

func aFeedDetectsALostChange(fx *fixture) {
	for what, forget := range map[string]string{
		"lost": `DELETE FROM audit_events
			WHERE change_number = (SELECT MAX(change_number) FROM audit_events)`,
		"lost, and another": `UPDATE audit_events SET id = 'evt_other'
			WHERE change_number = (SELECT MAX(change_number) FROM audit_events)`,
	} {
		f, err := fx.store.OpenChangeFeed(fx.Context(), func(time.Time) {})
		if err != nil {
			f, _ = fx.openFeed()
		}
		fx.must(fx.write(insertUser(fx.user())))
		fx.must(f.ReadChanges(fx.Context()))
		fx.exec(forget)
		if err := f.ReadChanges(fx.Context()); !errors.Is(err, store.ErrRewritten) {
			fx.Errorf("%s: %v, want ErrRewritten", what, err)
		}
		if err := f.ReadChanges(fx.Context()); !errors.Is(err, store.ErrRewritten) {
			fx.Errorf("%s, asked again: %v, want ErrRewritten", what, err)
		}
	}
}

// stopsAtNewerVersion fails the test if the store uses a database of a newer version.
func (fx *fixture) stopsAtNewerVersion(f *store.ChangeFeed, token credential.TokenHash, reasons ...string) {
	fx.Helper()
	before := f.Lag()
	err := f.ReadChanges(fx.Context())
	o, ok := errors.AsType[*store.Obsolete](err)
	if !ok || fault.KindOf(err) != fault.Unavailable {
		fx.Fatalf("following says %v", err)
	}
	for _, reason := range append(reasons, "upgrade this node") {
		if !strings.Contains(o.Reason, reason) {
			fx.Errorf("the reason is %q, and should say %s", o.Reason, reason)
		}
	}
	if f.Lag() <= before {
		fx.Error("a pass that refused counts")
	}
	if _, _, err := fx.store.Session(fx.Context(), token); fault.KindOf(err) != fault.Unavailable {
		fx.Errorf("a session is read: %v", err)
	}
	err = fx.store.Current(fx.Context())
	if known, ok := errors.AsType[*store.Obsolete](err); fx.store.Shared() && (!ok || known.Reason != o.Reason) {
		fx.Errorf("Current says %v", err)
	}
	if fx.store.Shared() {
		fx.refusesWrites()
	}
}

func aNewerSchemaIsNotWritten(fx *fixture) {
	f, _ := fx.openFeed()
	_, token := fx.insertSession(fx.person())
	fx.must(f.ReadChanges(fx.Context()))
	fx.exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, TRUE)`)
	before := fx.dump() // before the feed reads, a change is refused when it would be recorded
	if err := fx.write(insertUser(fx.user())); fault.KindOf(err) != fault.Unavailable {
		fx.Errorf("a change of a newer schema: %v, want unavailable", err)
	}
	fx.isUnchanged(before)
	fx.stopsAtNewerVersion(f, token, "version 99999", fmt.Sprintf("knows %d", fx.store.Known()))
	fx.exec(`DELETE FROM goose_db_version WHERE version_id = 99999`)
	fx.must(f.ReadChanges(fx.Context()))
	fx.canWrite()
	if _, _, err := fx.store.Session(fx.Context(), token); err != nil {
		fx.Errorf("the session afterwards: %v", err)
	}
}

func anUnknownInvalidationStops(fx *fixture) {
	f, _ := fx.openFeed()
	_, token := fx.insertSession(fx.person())
	fx.must(f.ReadChanges(fx.Context()))
	told := fx.invalidations.count()
	fx.mustWrite(func(context.Context, *store.Tx) error { return nil })
	fx.exec(`UPDATE audit_events SET stale = '{"lookups":["a"],"networks":["b"]}'
		WHERE change_number = (SELECT MAX(change_number) FROM audit_events)`)
	for range 2 { // it does not continue after the error
		fx.stopsAtNewerVersion(f, token, "networks", fmt.Sprintf("change %d ", fx.changes()))
	}
	fx.invalidated(told + 1) // by the ledger
	fx.exec(`UPDATE audit_events SET stale = '{} {}'
		WHERE change_number = (SELECT MAX(change_number) FROM audit_events)`)
	fx.stopsAtNewerVersion(f, token, "more than one value")
}

func aFeedCountsSuspension(fx *fixture) {
	_, err := fx.store.AdoptRoot(fx.Context(), testRoot)
	fx.must(err)
	var up time.Duration
	s := newStore(fx.backend,
		store.Options{Now: fx.clock.Now, Rand: fx.random, Uptime: func() time.Duration { return up }})
	f, err := s.OpenChangeFeed(fx.Context(), func(time.Time) {})
	fx.must(err)
	fx.must(f.ReadChanges(fx.Context()))
	up += time.Hour // no program ran meanwhile, so monotonic time stood still
	if got := f.Lag(); got != time.Hour {
		fx.Errorf("after a suspension of an hour it is %s behind", got)
	}
	fx.must(f.ReadChanges(fx.Context()))
	if got := f.Lag(); got != 0 {
		fx.Errorf("after a look it is %s behind", got)
	}
}

func aWatermarkNeverGoesBack(fx *fixture) {
	late := fx.after(time.Hour)
	for _, at := range []time.Time{late, late.Add(-time.Minute)} {
		fx.must(fx.store.SetMark(fx.Context(), clock.Mark{Time: at, Horizon: at}))
		if got, err := fx.store.Mark(fx.Context()); err != nil || !got.Time.Equal(late) || !got.Horizon.Equal(late) {
			fx.Errorf("the watermark is %v, want %v (%v)", got, late, err)
		}
	}
}
