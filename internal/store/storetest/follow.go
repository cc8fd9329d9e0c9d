package storetest

import (
	"errors"
	"fmt"
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
	{"a watermark never goes back", aWatermarkNeverGoesBack},
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

func aWatermarkNeverGoesBack(h *house) {
	late := h.later(time.Hour)
	for _, at := range []time.Time{late, late.Add(-time.Minute)} {
		h.must(h.store.SetMark(h.Context(), clock.Mark{Time: at, Horizon: at}))
		if got, err := h.store.Mark(h.Context()); err != nil || !got.Time.Equal(late) || !got.Horizon.Equal(late) {
			h.Errorf("the watermark is %v, want %v (%v)", got, late, err)
		}
	}
}
