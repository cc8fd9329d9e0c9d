package storetest

import (
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/verify"
)

var doubtGuarantees = []guarantee{
	{"a COMMIT in doubt is waited for before Outdate and the answer", aCommitInDoubtIsWaitedFor},
	{"a COMMIT in doubt is looked for until the database answers again", aCommitInDoubtIsLookedForUntilTheDatabaseAnswers},
	{"a COMMIT that stays in doubt ends the process", aCommitThatStaysInDoubtEndsTheProcess},
	{"a COMMIT that fails for want of the disk ends the process", aFatalCommitEndsTheProcess},
	{"a statement that fails for want of the disk ends the process", aFatalStatementEndsTheProcess},
	{"a halted store writes nothing", aHaltedStoreWritesNothing},
}

func aCommitInDoubtIsWaitedFor(h *house) {
	u := h.user()
	order, land, answer := make(chan string, 3), make(chan func() error, 1), make(chan error, 1)
	h.faults.commit = func(commit func() error, _ func(string) error) error {
		land <- commit
		return errInDoubt
	}
	h.stale.hook = func(audit.Stale) {
		order <- "Outdate"
		h.knows(u, true)
	}
	waited := h.waited()
	go func() { answer <- h.write(insertUser(u)) }()
	commit := <-land
	for !h.waits(waited) && len(answer) == 0 {
		runtime.Gosched()
	}
	h.knows(u, false)
	order <- "COMMIT"
	_ = commit() // what it says may be cut off by the end of Write, which waits for it
	err := <-answer
	order <- "Write"
	if got := []string{<-order, <-order, <-order}; !slices.Equal(got, []string{"COMMIT", "Outdate", "Write"}) {
		h.Errorf("came in the order %v", got)
	}
	if err != nil || len(h.fatal) > 0 {
		h.Errorf("Write says %v of a change that was kept, and tells of %v", err, h.fatal)
	}
	h.faults.commit, h.stale.hook = nil, nil
	h.goesOn()
}

// waited counts how often somebody had to wait for the one connection to write with: for one that serves another change, or that is in doubt.
func (h *house) waited() int64 {
	return h.backend.Write.Stats().WaitCount + h.faults.pool.Stats().WaitCount
}

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
		"SetMark":      h.store.SetMark(h.Context(), clock.Mark{Time: at}),
		"CountAttempt": h.store.CountAttempt(h.Context(), "?1", at),
	} {
		if fault.KindOf(err) != fault.Unavailable {
			h.Errorf("%s says %v, want unavailable", what, err)
		}
	}
	h.unchanged(before)
}

// Whether the COMMIT landed or not, it is known once somebody answers, however often nobody does before.
func aCommitInDoubtIsLookedForUntilTheDatabaseAnswers(h *house) {
	for _, kept := range []bool{true, false} {
		for _, step := range []string{"BEGIN", "SET value = value WHERE name = 'change'", "FROM audit_events WHERE change_number"} {
			u, told, fail := h.user(), h.stale.count(), failing(errInjected, 4, step)
			h.faults.commit = func(commit func() error, _ func(string) error) error {
				h.faults.statement = fail
				h.faults.begin = func() error { return fail("BEGIN") }
				if kept {
					return errors.Join(commit(), errInjected)
				}
				return errInjected
			}
			err := h.write(insertUser(u))
			h.faults.commit, h.faults.statement, h.faults.begin = nil, nil, nil
			if kept != (err == nil) || !kept && fault.KindOf(err) != fault.Unavailable || len(h.fatal) > 0 {
				h.Errorf("%s, kept: %t: Write says %v and tells of %v", step, kept, err, h.fatal)
			}
			if left := fail(step); left != nil {
				h.Errorf("%s did not fail as often as it was to", step)
			}
			h.outdated(told + 1)
			h.knows(u, kept)
			h.goesOn()
		}
	}
}

func aCommitThatStaysInDoubtEndsTheProcess(h *house) {
	h.store = store.New(h.backend, store.Options{
		Now: h.clock.Now, Rand: h.random, Outdate: h.stale.add, SettleWithin: 100 * time.Millisecond,
		Fatal: func(err error) { h.fatal = append(h.fatal, err) },
	})
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

func aFatalStatementEndsTheProcess(h *house) {
	before := h.dump()
	h.faults.statement = failing(errFatal, 1, "INTO audit_events")
	if err := h.write(insertUser(h.user())); fault.KindOf(err) != fault.Unavailable {
		h.Errorf("Write says %v, want unavailable", err)
	}
	h.faults.statement = nil
	h.unchanged(before)
	h.outdated(0)
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
