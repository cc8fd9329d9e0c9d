package storetest

import (
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/verify"
)

var doubtGuarantees = []guarantee{
	{"a COMMIT in doubt is waited for before Outdate and the answer", aCommitInDoubtIsWaitedFor},
	{"a COMMIT that stays in doubt ends the process", aCommitThatStaysInDoubtEndsTheProcess},
	{"a COMMIT that fails for want of the disk ends the process", aFatalCommitEndsTheProcess},
	{"a halted store writes nothing", aHaltedStoreWritesNothing},
}

func aCommitInDoubtIsWaitedFor(h *house) {
	u := h.user()
	land := make(chan func() error, 1)
	h.faults.commit = func(commit func() error, _ func(string) error) error {
		land <- commit
		return errInDoubt
	}
	var order []string
	h.stale.hook = func(audit.Stale) {
		order = append(order, "Outdate")
		h.knows(u, true)
	}
	answer := make(chan error, 1)
	waited := h.waited()
	go func() { answer <- h.write(insertUser(u)) }()
	commit := <-land
	for !h.waits(waited) {
		if len(answer) > 0 {
			h.Fatal("Write answered while its COMMIT was in doubt")
		}
		runtime.Gosched()
	}
	h.knows(u, false)
	order = append(order, "COMMIT")
	h.must(commit())
	err := <-answer
	if order = append(order, "Write"); !slices.Equal(order, []string{"COMMIT", "Outdate", "Write"}) {
		h.Errorf("came in the order %v", order)
	}
	if fault.KindOf(err) != fault.Unavailable || len(h.fatal) > 0 {
		h.Errorf("Write says %v and tells of %v, want unavailable and nothing", err, h.fatal)
	}
	h.faults.commit, h.stale.hook = nil, nil
	h.goesOn()
}

// waited counts how often somebody had to wait for the one connection to write with.
func (h *house) waited() int64 { return h.faults.pool.Stats().WaitCount }

// waits reports whether somebody waits now for what a transaction holds.
func (h *house) waits(before int64) bool {
	if h.engine.waiting == "" {
		return h.waited() > before
	}
	return ask[int64](h, h.engine.waiting) > 0
}

// ended fails the test where the store did not tell of the failure, or writes on.
func (h *house) ended(why error) {
	h.Helper()
	if len(h.fatal) != 1 || !errors.Is(h.fatal[0], why) {
		h.Errorf("told of %v, want %v, once", h.fatal, why)
	}
	h.writesNothing()
}

// writesNothing fails the test where anything can be written.
func (h *house) writesNothing() {
	h.Helper()
	before := h.dump()
	if runs, err := h.runs(insertUser(h.user())); fault.KindOf(err) != fault.Unavailable || runs > 0 {
		h.Errorf("a change ran %d times and says %v, want unavailable", runs, err)
	}
	at := h.later(time.Hour)
	for what, err := range map[string]error{
		"RecordUses":   h.store.RecordUses(h.Context(), []verify.Use{{Key: "key_x", At: at}}),
		"SetWatermark": h.store.SetWatermark(h.Context(), at),
	} {
		if fault.KindOf(err) != fault.Unavailable {
			h.Errorf("%s says %v, want unavailable", what, err)
		}
	}
	h.unchanged(before)
}

func aCommitThatStaysInDoubtEndsTheProcess(h *house) {
	told := h.stale.count()
	h.faults.commit = func(func() error, func(string) error) error {
		h.faults.statement = func(string) error { return errInjected } // nobody gets through any more
		return errors.New("the answer is lost")
	}
	err := h.write(insertUser(h.user()))
	h.faults.commit, h.faults.statement = nil, nil
	if fault.KindOf(err) != fault.Unavailable {
		h.Errorf("Write says %v, want unavailable", err)
	}
	h.outdated(told + 1)
	h.ended(errInjected)
}

func aFatalCommitEndsTheProcess(h *house) {
	told := h.stale.count()
	h.faults.commit = func(func() error, func(string) error) error { return errFatal }
	err := h.write(insertUser(h.user()))
	h.faults.commit = nil
	if fault.KindOf(err) != fault.Unavailable {
		h.Errorf("Write says %v, want unavailable", err)
	}
	h.outdated(told + 1)
	h.ended(errFatal)
}

func aHaltedStoreWritesNothing(h *house) {
	p := h.person()
	s, token := h.begun(p)
	h.store.Halt()
	h.writesNothing()
	if err := h.store.Touch(h.Context(), s.ID, h.later(time.Hour)); fault.KindOf(err) != fault.Unavailable {
		h.Errorf("Touch says %v, want unavailable", err)
	}
	got, _, err := h.store.Session(h.Context(), token)
	if err != nil || !got.LastSeenAt.Equal(s.LastSeenAt) {
		h.Errorf("the session was last seen %v, want %v (%v)", got.LastSeenAt, s.LastSeenAt, err)
	}
	if len(h.fatal) > 0 {
		h.Errorf("whoever halts the store knows; told of %v", h.fatal)
	}
}
