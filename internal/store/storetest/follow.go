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

var followGuarantees = []guarantee{
	{"a follower sees every later change once, in order, with its time", aFollowerSeesEveryLaterChangeOnce},
	{"a follower catches up with more changes than it reads at once", aFollowerCatchesUp},
	{"a follower that cannot read confirms nothing", aFollowerThatCannotReadConfirmsNothing},
	{"a follower knows a database that forgot a change", aFollowerKnowsADatabaseThatForgot},
	{"a schema that a newer version made is not written to, and not followed until it is known again", aNewerSchemaIsLeftAlone},
	{"an invalidation that a newer version made stops what does not know it", anUnknownInvalidationStops},
	{"a watermark never goes back", aWatermarkNeverGoesBack},
	{"what a follower knows is as old as the machine was suspended", aFollowerCountsSuspension},
}

// following begins to follow, behind one change; taken are the times of changes.
func (h *house) following() (f *store.Follower, taken *[]time.Time) {
	h.Helper()
	_, err := h.store.AdoptRoot(h.Context(), credential.NewRoot(h.random))
	h.must(err)
	taken = new([]time.Time)
	f, err = h.store.Follow(h.Context(), func(at time.Time) { *taken = append(*taken, at) })
	h.must(err)
	return f, taken
}

func aFollowerSeesEveryLaterChangeOnce(h *house) {
	f, taken := h.following()
	h.must(f.Pass(h.Context()))
	var want []time.Time
	before := h.stale.count()
	for range 3 {
		want = append(want, h.clock.move(time.Hour))
		h.must(h.write(insertUser(h.user())))
		h.clock.move(time.Minute)
	}
	h.must(f.Pass(h.Context()))
	h.must(f.Pass(h.Context()))
	if fmt.Sprint(*taken) != fmt.Sprint(want) {
		h.Errorf("followed changes of %v, want %v", *taken, want)
	}
	if got := h.stale.count() - before; got != 6 {
		h.Errorf("Outdate was called %d times for 3 changes of this node, want twice each", got)
	}
}

func aFollowerCatchesUp(h *house) {
	f, taken := h.following()
	const many = 2100
	h.sql(fmt.Sprintf(`INSERT INTO audit_events (chain, seq, prev_hash, hash, id, change_number, stale, at, actor_type, actor_id, actor_email, action,
		target_type, target_id, target_name, ip, request_id, details)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		SELECT 'made up', i, prev_hash, hash, 'evt_' || CAST(i AS TEXT), change_number + i, '{}', at, '', '', '', '', '', '', '', '', '', '{}' FROM audit_events, n`, many))
	h.must(f.Pass(h.Context()))
	if len(*taken) != many || f.Changes() != many {
		h.Errorf("followed %d changes, counted %d, want %d", len(*taken), f.Changes(), many)
	}
}

func aFollowerThatCannotReadConfirmsNothing(h *house) {
	f, _ := h.following()
	h.must(h.store.Close())
	before := f.Behind()
	if err := f.Pass(h.Context()); fault.KindOf(err) != fault.Unavailable {
		h.Errorf("following a closed database: %v, want unavailable", err)
	}
	if f.Behind() <= before {
		h.Error("a pass that failed counts")
	}
}

func aFollowerKnowsADatabaseThatForgot(h *house) {
	for what, forget := range map[string]string{
		"lost":              `DELETE FROM audit_events WHERE change_number = (SELECT MAX(change_number) FROM audit_events)`,
		"lost, and another": `UPDATE audit_events SET id = 'evt_other' WHERE change_number = (SELECT MAX(change_number) FROM audit_events)`,
	} {
		f, err := h.store.Follow(h.Context(), func(time.Time) {})
		if err != nil {
			f, _ = h.following()
		}
		h.must(h.write(insertUser(h.user())))
		h.must(f.Pass(h.Context()))
		h.sql(forget)
		if err := f.Pass(h.Context()); !errors.Is(err, store.ErrRewritten) {
			h.Errorf("%s: %v, want ErrRewritten", what, err)
		}
		if err := f.Pass(h.Context()); !errors.Is(err, store.ErrRewritten) {
			h.Errorf("%s, asked again: %v, want ErrRewritten", what, err)
		}
	}
}

// leftAlone fails the test where the store does anything with a database that is beyond it.
func (h *house) leftAlone(f *store.Follower, token credential.TicketHash, reasons ...string) {
	h.Helper()
	before := f.Behind()
	err := f.Pass(h.Context())
	o, ok := errors.AsType[*store.Obsolete](err)
	if !ok || fault.KindOf(err) != fault.Unavailable {
		h.Fatalf("following says %v", err)
	}
	for _, reason := range append(reasons, "upgrade this node") {
		if !strings.Contains(o.Reason, reason) {
			h.Errorf("the reason is %q, and should say %s", o.Reason, reason)
		}
	}
	if f.Behind() <= before {
		h.Error("a pass that refused counts")
	}
	if _, _, err := h.store.Session(h.Context(), token); fault.KindOf(err) != fault.Unavailable {
		h.Errorf("a session is read: %v", err)
	}
	err = h.store.Current(h.Context())
	if known, ok := errors.AsType[*store.Obsolete](err); h.store.Shared() && (!ok || known.Reason != o.Reason) {
		h.Errorf("Current says %v", err)
	}
	if h.store.Shared() {
		h.writesNothing()
	}
}

func aNewerSchemaIsLeftAlone(h *house) {
	f, _ := h.following()
	_, token := h.begun(h.person())
	h.must(f.Pass(h.Context()))
	h.sql(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, TRUE)`)
	before := h.dump() // before the follower looks, a change is refused when it would be recorded
	if err := h.write(insertUser(h.user())); fault.KindOf(err) != fault.Unavailable {
		h.Errorf("a change of a newer schema: %v, want unavailable", err)
	}
	h.unchanged(before)
	h.leftAlone(f, token, "version 99999", fmt.Sprintf("knows %d", h.store.Version()))
	h.sql(`DELETE FROM goose_db_version WHERE version_id = 99999`)
	h.must(f.Pass(h.Context()))
	h.goesOn()
	if _, _, err := h.store.Session(h.Context(), token); err != nil {
		h.Errorf("the session afterwards: %v", err)
	}
}

func anUnknownInvalidationStops(h *house) {
	f, _ := h.following()
	_, token := h.begun(h.person())
	h.must(f.Pass(h.Context()))
	told := h.stale.count()
	h.in(func(context.Context, *store.Tx) error { return nil })
	h.sql(`UPDATE audit_events SET stale = '{"lookups":["a"],"networks":["b"]}' WHERE change_number = (SELECT MAX(change_number) FROM audit_events)`)
	for range 2 { // it does not go on behind it
		h.leftAlone(f, token, "networks", fmt.Sprintf("change %d ", h.changes()))
	}
	h.outdated(told + 1) // by the ledger
	h.sql(`UPDATE audit_events SET stale = '{} {}' WHERE change_number = (SELECT MAX(change_number) FROM audit_events)`)
	h.leftAlone(f, token, "more than one value")
}

func aFollowerCountsSuspension(h *house) {
	_, err := h.store.AdoptRoot(h.Context(), credential.NewRoot(h.random))
	h.must(err)
	var up time.Duration
	s := store.New(h.backend, store.Options{Now: h.clock.Now, Rand: h.random, Uptime: func() time.Duration { return up }})
	f, err := s.Follow(h.Context(), func(time.Time) {})
	h.must(err)
	h.must(f.Pass(h.Context()))
	up += time.Hour // in which no program ran, so that monotonic time stood still
	if got := f.Behind(); got != time.Hour {
		h.Errorf("after a suspension of an hour it is %s behind", got)
	}
	h.must(f.Pass(h.Context()))
	if got := f.Behind(); got != 0 {
		h.Errorf("after a look it is %s behind", got)
	}
}

func aWatermarkNeverGoesBack(h *house) {
	late := h.later(time.Hour)
	for _, at := range []time.Time{late, late.Add(-time.Minute)} {
		h.must(h.store.SetMark(h.Context(), clock.Mark{Time: at, Horizon: at}))
		if got, err := h.store.Mark(h.Context()); err != nil || !got.Time.Equal(late) || !got.Horizon.Equal(late) {
			h.Errorf("the watermark is %v, want %v (%v)", got, late, err)
		}
	}
}
