package storetest

import (
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/usage"
)

var doubtCases = []testCase{
	{"a COMMIT in doubt is waited for before Outdate and the answer", aCommitInDoubtIsWaitedFor},
	{
		"a COMMIT in doubt is looked for until the database answers again",
		aCommitInDoubtIsLookedForUntilTheDatabaseAnswers,
	},
	{"a COMMIT that stays in doubt ends the process", aCommitThatStaysInDoubtEndsTheProcess},
	{"a COMMIT that fails for want of the disk ends the process", aFatalCommitEndsTheProcess},
	{"a statement that fails for want of the disk ends the process", aFatalStatementEndsTheProcess},
	{"a halted store writes nothing", aHaltedStoreWritesNothing},
}

func aCommitInDoubtIsWaitedFor(fx *fixture) {
	u := fx.user()
	order := make(chan string, 3)
	land := make(chan func() error, 1)
	answer := make(chan error, 1)
	fx.faults.commit = func(commit func() error, _ func(string) error) error {
		land <- commit
		return errInDoubt
	}
	fx.invalidations.onAdd = func(audit.Invalidation) {
		order <- "Outdate"
		fx.userExists(u, true)
	}
	waited := fx.countWaits()
	go func() { answer <- fx.write(insertUser(u)) }()
	commit := <-land
	for !fx.isWaiting(waited) && len(answer) == 0 {
		runtime.Gosched()
	}
	fx.userExists(u, false)
	order <- "COMMIT"
	_ = commit() // its error may be that of the ended Write, which waits for it
	err := <-answer
	order <- "Write"
	if got := []string{<-order, <-order, <-order}; !slices.Equal(got, []string{"COMMIT", "Outdate", "Write"}) {
		fx.Errorf("came in the order %v", got)
	}
	if err != nil || len(fx.fatal) > 0 {
		fx.Errorf("Write says %v of a change that was kept, and tells of %v", err, fx.fatal)
	}
	fx.faults.commit, fx.invalidations.onAdd = nil, nil
	fx.canWrite()
}

// countWaits counts how often a writer had to wait for the single connection or for its turn.
func (fx *fixture) countWaits() int64 {
	n := fx.backend.Write.Stats().WaitCount + fx.faults.pool.Stats().WaitCount
	fx.store.EachGate(func(s admission.Stats, _ string) { n += int64(s.Waiting) })
	return n
}

// isWaiting reports whether a writer now waits for what a transaction holds.
func (fx *fixture) isWaiting(before int64) bool {
	if fx.engine.waiting == "" {
		return fx.countWaits() > before
	}
	return queryValue[int64](fx, fx.engine.waiting) > 0
}

// hasStopped fails the test unless the store reported the failure and refuses writes.
func (fx *fixture) hasStopped(why error) {
	fx.Helper()
	if len(fx.fatal) != 1 || !errors.Is(fx.fatal[0], why) {
		fx.Errorf("told of %v, want %v, once", fx.fatal, why)
	}
	fx.refusesWrites()
}

// refusesWrites fails the test if anything can be written.
func (fx *fixture) refusesWrites() {
	fx.Helper()
	before := fx.dump()
	if runs, err := fx.runs(insertUser(fx.user())); fault.KindOf(err) != fault.Unavailable || runs > 0 {
		fx.Errorf("a change ran %d times and says %v, want unavailable", runs, err)
	}
	at := fx.after(time.Hour)
	for what, err := range map[string]error{
		"RecordUses":   fx.store.RecordUses(fx.Context(), []usage.Use{{Key: "key_x", At: at}}),
		"SetMark":      fx.store.SetMark(fx.Context(), clock.Mark{Time: at}),
		"CountAttempt": fx.store.CountAttempt(fx.Context(), "?1", at),
	} {
		if fault.KindOf(err) != fault.Unavailable {
			fx.Errorf("%s says %v, want unavailable", what, err)
		}
	}
	fx.isUnchanged(before)
}

// The outcome of the COMMIT is found once the database answers, however often it did not before.
func aCommitInDoubtIsLookedForUntilTheDatabaseAnswers(fx *fixture) {
	for _, kept := range []bool{true, false} {
		for _, step := range []string{
			"BEGIN", "SET value = value WHERE name = 'change'",
			"FROM audit_events WHERE change_number",
		} {
			u := fx.user()
			told := fx.invalidations.count()
			fail := failTimes(errInjected, 4, step)
			fx.faults.commit = func(commit func() error, _ func(string) error) error {
				fx.faults.statement = fail
				fx.faults.begin = func() error { return fail("BEGIN") }
				if kept {
					return errors.Join(commit(), errInjected)
				}
				return errInjected
			}
			err := fx.write(insertUser(u))
			fx.faults.commit = nil
			fx.faults.statement = nil
			fx.faults.begin = nil
			if kept != (err == nil) || !kept && fault.KindOf(err) != fault.Unavailable || len(fx.fatal) > 0 {
				fx.Errorf("%s, kept: %t: Write says %v and tells of %v", step, kept, err, fx.fatal)
			}
			if left := fail(step); left != nil {
				fx.Errorf("%s did not fail as often as it was to", step)
			}
			fx.invalidated(told + 1)
			fx.userExists(u, kept)
			fx.canWrite()
		}
	}
}

func aCommitThatStaysInDoubtEndsTheProcess(fx *fixture) {
	fx.store = newStore(fx.backend, store.Options{
		Now: fx.clock.Now, Rand: fx.random, Invalidate: fx.invalidations.add, ResolveWithin: time.Second,
		Fatal: func(err error) { fx.fatal = append(fx.fatal, err) },
	})
	told := fx.invalidations.count()
	fx.faults.commit = func(func() error, func(string) error) error {
		fx.faults.statement = func(string) error { return errInjected } // nothing gets through any more
		return errors.New("the answer is lost")
	}
	err := fx.write(insertUser(fx.user()))
	fx.faults.commit, fx.faults.statement = nil, nil
	if fault.KindOf(err) != fault.Unavailable {
		fx.Errorf("Write says %v, want unavailable", err)
	}
	fx.invalidated(told + 1)
	fx.hasStopped(errInjected)
}

func aFatalCommitEndsTheProcess(fx *fixture) {
	told := fx.invalidations.count()
	fx.faults.commit = func(func() error, func(string) error) error { return errFatal }
	err := fx.write(insertUser(fx.user()))
	fx.faults.commit = nil
	if fault.KindOf(err) != fault.Unavailable {
		fx.Errorf("Write says %v, want unavailable", err)
	}
	fx.invalidated(told + 1)
	fx.hasStopped(errFatal)
}

func aFatalStatementEndsTheProcess(fx *fixture) {
	before := fx.dump()
	fx.faults.statement = failTimes(errFatal, 1, "INTO audit_events")
	if err := fx.write(insertUser(fx.user())); fault.KindOf(err) != fault.Unavailable {
		fx.Errorf("Write says %v, want unavailable", err)
	}
	fx.faults.statement = nil
	fx.isUnchanged(before)
	fx.invalidated(0)
	fx.hasStopped(errFatal)
}

func aHaltedStoreWritesNothing(fx *fixture) {
	p := fx.person()
	s, token := fx.insertSession(p)
	fx.store.Halt()
	fx.refusesWrites()
	if err := fx.store.Touch(fx.Context(), s.ID, fx.after(time.Hour)); fault.KindOf(err) != fault.Unavailable {
		fx.Errorf("Touch says %v, want unavailable", err)
	}
	got, _, err := fx.store.Session(fx.Context(), token)
	if err != nil || !got.LastSeenAt.Equal(s.LastSeenAt) {
		fx.Errorf("the session was last seen %v, want %v (%v)", got.LastSeenAt, s.LastSeenAt, err)
	}
	if len(fx.fatal) > 0 {
		fx.Errorf("Halt called Fatal, although its caller knows already: %v", fx.fatal)
	}
}
