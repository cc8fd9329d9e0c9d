package usage_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/usage"
)

// written is a Store that keeps what it is given, or fails.
type written struct {
	uses   []usage.Use
	scopes []usage.ScopeUse
	err    error
}

func (w *written) RecordUses(_ context.Context, batch []usage.Use) error {
	if w.err == nil {
		w.uses = append(w.uses, batch...)
	}
	return w.err
}

func (w *written) RecordScopeUses(_ context.Context, batch []usage.ScopeUse) error {
	if w.err == nil {
		w.scopes = append(w.scopes, batch...)
	}
	return w.err
}

// flush returns what a flush writes, in the order of keys and scopes.
func flush(t *testing.T, r *usage.Recorder) written {
	t.Helper()
	var w written
	if err := r.Flush(t.Context(), &w); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(w.uses, func(a, b usage.Use) int { return cmp.Compare(a.Key, b.Key) })
	slices.SortFunc(w.scopes, func(a, b usage.ScopeUse) int { return cmp.Compare(a.Scope, b.Scope) })
	return w
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at returns a time some seconds after noon.
func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// writeDue returns the uses that a run of the job writes at a time, in the order of keys.
func writeDue(t *testing.T, r *usage.Recorder, now time.Time) []usage.Use {
	t.Helper()
	var w written
	if err := r.WriteDue(t.Context(), &w, now); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(w.uses, func(a, b usage.Use) int { return cmp.Compare(a.Key, b.Key) })
	return w.uses
}

func TestAKeyInUseIsWrittenAtOnceAndThenOnceAMinute(t *testing.T) {
	var r usage.Recorder
	var tracker usage.Tracker
	tracker.Init(time.Time{}, 0)
	for second := range 200 {
		use := usage.Use{Key: "key_1", At: at(second)}
		tracker.Record(&r, use)
		if known, ok := r.LastUse("key_1"); !ok || known.At != use.At.UTC() {
			t.Fatalf("after %d s the last use is %v (known: %t)", second, known.At, ok)
		}
		var want []usage.Use
		if second%60 == 0 {
			want = []usage.Use{use}
		}
		if got := writeDue(t, &r, at(second)); !slices.Equal(got, want) {
			t.Errorf("after %d s %v is written, want %v", second, got, want)
		}
	}
}

func TestAKeyThatWasWrittenAMomentAgoIsNotWrittenAgain(t *testing.T) {
	var r usage.Recorder
	var tracker usage.Tracker // of a node that has just started, or has just read the key again
	tracker.Init(noon, 0)
	tracker.Record(&r, usage.Use{Key: "key_1", At: at(1)})
	if got := writeDue(t, &r, at(59)); got != nil {
		t.Errorf("within a minute %v is written", got)
	}
	if got := writeDue(t, &r, at(60)); len(got) != 1 {
		t.Errorf("after a minute %v is written", got)
	}
}

func TestTheSecretFromBeforeARefreshIsWrittenAtOnce(t *testing.T) {
	var r usage.Recorder
	use := usage.Use{Key: "key_1", At: at(0)}
	r.Record(use)
	writeDue(t, &r, at(0))
	for second := 2; second < 6; second += 2 {
		use := usage.Use{Key: "key_1", At: at(second), PreviousAt: at(second), PreviousSerial: 3}
		r.Record(use)
		r.Record(use)
		if got := writeDue(t, &r, at(second)); !slices.Equal(got, []usage.Use{use}) {
			t.Errorf("after %d s %v is written, want %v", second, got, use)
		}
		if got := writeDue(t, &r, at(second)); got != nil {
			t.Errorf("the same use is written twice: %v", got)
		}
	}
}

func TestAKeyThatNobodyUsesIsForgotten(t *testing.T) {
	var r usage.Recorder
	var tracker usage.Tracker
	tracker.Init(time.Time{}, 0)
	tracker.Record(&r, usage.Use{Key: "key_1", At: at(0)})
	writeDue(t, &r, at(1))
	if got := writeDue(t, &r, at(61)); got != nil || r.Open() != 0 {
		t.Errorf("a minute later %v is written and %d keys are in memory", got, r.Open())
	}
	if use, ok := r.LastUse("key_1"); ok {
		t.Errorf("the last use is still %v", use)
	}
	tracker.Record(&r, usage.Use{Key: "key_1", At: at(100)})
	if got := writeDue(t, &r, at(100)); len(got) != 1 || r.Open() != 1 {
		t.Errorf("when the key is used again, %v is written and %d keys are in memory", got, r.Open())
	}
}

func TestTheOldestUsesAreWrittenFirstAndNoMoreThanAllowed(t *testing.T) {
	r := usage.Recorder{RowsPerSecond: 4} // so 6 a run
	for i := range 15 {
		r.Record(usage.Use{Key: ident.KeyID(fmt.Sprintf("key_%02d", i)), At: at(i)})
	}
	for i, step := range []struct {
		rows    int
		overdue time.Duration // before
	}{{6, 20 * time.Second}, {6, 14 * time.Second}, {3, 8 * time.Second}, {0, 0}} {
		if got := r.Overdue(at(20)); got != step.overdue {
			t.Errorf("before run %d the oldest use is due since %v, want %v", i, got, step.overdue)
		}
		got := writeDue(t, &r, at(20))
		if len(got) != step.rows {
			t.Errorf("run %d writes %d rows, want %d", i, len(got), step.rows)
		}
		for j, use := range got {
			if want := fmt.Sprintf("key_%02d", 6*i+j); string(use.Key) != want {
				t.Errorf("run %d writes %s as number %d, want %s", i, use.Key, j, want)
			}
		}
	}
	if got := r.Overdue(at(20)); got != 0 {
		t.Errorf("when all is written, a use is due since %v", got)
	}
}

func TestUsesOfScopesDoNotStarve(t *testing.T) {
	r := usage.Recorder{RowsPerSecond: 4}
	for i := range 100 {
		key := ident.KeyID(fmt.Sprint("key_", i))
		r.Record(usage.Use{Key: key, At: at(0)})
		r.RecordScope(usage.ScopeUse{Key: key, Scope: "a:read", On: noon})
	}
	var w written
	if err := r.WriteDue(t.Context(), &w, at(1)); err != nil || len(w.uses) != 5 || len(w.scopes) != 1 {
		t.Errorf("%d uses of keys and %d of scopes are written (%v), want 5 and 1", len(w.uses), len(w.scopes), err)
	}
}

// TestNoUseIsLost uses keys while the job writes and forgets them all the time.
func TestNoUseIsLost(t *testing.T) {
	const keys, workers = 5, 4
	var r usage.Recorder
	var trackers [keys]usage.Tracker
	var latest [keys]atomic.Int64
	var clock atomic.Int64
	var using, writing sync.WaitGroup
	onRecord := map[ident.KeyID]time.Time{}
	keep := keepLatest(onRecord)
	for range workers {
		using.Go(func() {
			for i := range 2000 {
				at := clock.Add(int64(7 * time.Second / time.Microsecond)) // so that keys are often forgotten
				key := i % keys
				for seen := latest[key].Load(); seen < at && !latest[key].CompareAndSwap(seen, at); {
					seen = latest[key].Load()
				}
				trackers[key].Record(&r, usage.Use{Key: ident.KeyID(fmt.Sprint(key)), At: time.UnixMicro(at)})
			}
		})
	}
	stop := make(chan struct{})
	writing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := r.WriteDue(t.Context(), keep, time.UnixMicro(clock.Load())); err != nil {
					t.Error(err)
				}
			}
		}
	})
	using.Wait()
	close(stop)
	writing.Wait()
	if err := r.Flush(t.Context(), keep); err != nil {
		t.Fatal(err)
	}
	for key := range keys {
		want := time.UnixMicro(latest[key].Load())
		if got := onRecord[ident.KeyID(fmt.Sprint(key))]; !got.Equal(want) {
			t.Errorf("the last use of key %d is %v on record, want %v", key, got, want)
		}
	}
}

// keepLatest is a Store that keeps the latest use of each key.
type keepLatest map[ident.KeyID]time.Time

func (k keepLatest) RecordUses(_ context.Context, batch []usage.Use) error {
	for _, use := range batch {
		if use.At.After(k[use.Key]) {
			k[use.Key] = use.At
		}
	}
	return nil
}

func (keepLatest) RecordScopeUses(context.Context, []usage.ScopeUse) error { return nil }

func TestAUseOfAScopeIsDueOnceADayInUTC(t *testing.T) {
	var tracker usage.Tracker
	tracker.Init(time.Time{}, 2)
	day := noon.Truncate(policy.Day)
	for _, step := range []struct {
		at    time.Time
		scope int
		want  time.Time // the zero time where it is not due
	}{
		{noon, 0, day},
		{noon.Add(time.Hour), 0, time.Time{}},
		{noon.Add(time.Hour), 1, day},
		{day.Add(policy.Day - time.Microsecond), 0, time.Time{}},
		{day.Add(policy.Day), 0, day.Add(policy.Day)},
		{day.Add(policy.Day + time.Hour), 0, time.Time{}},
		{day, 0, time.Time{}}, // a request that read the clock before the others
	} {
		on, due := tracker.ScopeDue(step.scope, step.at)
		if !on.Equal(step.want) || due != !step.want.IsZero() {
			t.Errorf("at %s scope %d is due: %t, on %s, want %s", step.at, step.scope, due, on, step.want)
		}
	}
}

func TestTheLatestUseOfAKeyIsWrittenWithTheLastKnownAddress(t *testing.T) {
	use := func(s int, ip string) usage.Use { return usage.Use{Key: "key_1", At: at(s), IP: ip} }
	previous := func(u usage.Use, serial int) usage.Use {
		u.PreviousAt, u.PreviousSerial = u.At, serial
		return u
	}
	for name, c := range map[string]struct {
		recorded []usage.Use
		want     usage.Use
	}{
		"one use":                  {[]usage.Use{use(1, "192.0.2.1")}, use(1, "192.0.2.1")},
		"a later use":              {[]usage.Use{use(1, "192.0.2.1"), use(2, "192.0.2.2")}, use(2, "192.0.2.2")},
		"an earlier use":           {[]usage.Use{use(2, "192.0.2.2"), use(1, "192.0.2.1")}, use(2, "192.0.2.2")},
		"a later unknown address":  {[]usage.Use{use(1, "192.0.2.1"), use(2, "")}, use(2, "192.0.2.1")},
		"an earlier known address": {[]usage.Use{use(2, ""), use(1, "192.0.2.1")}, use(2, "192.0.2.1")},
		"the previous secret, then the current one": {
			[]usage.Use{previous(use(1, "192.0.2.1"), 4), use(2, "192.0.2.2")},
			usage.Use{Key: "key_1", At: at(2), IP: "192.0.2.2", PreviousAt: at(1), PreviousSerial: 4},
		},
		"two previous secrets": {
			[]usage.Use{previous(use(2, ""), 5), previous(use(1, ""), 4)}, previous(use(2, ""), 5),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var r usage.Recorder
			for _, u := range c.recorded {
				r.Record(u)
			}
			if got := flush(t, &r).uses; !slices.Equal(got, []usage.Use{c.want}) {
				t.Errorf("written is %+v, want %+v", got, c.want)
			}
			if again := flush(t, &r); again.uses != nil {
				t.Errorf("a second flush writes %+v", again.uses)
			}
		})
	}
}

func TestWhatCannotBeWrittenIsWrittenByTheNextFlush(t *testing.T) {
	var r usage.Recorder
	day := noon.Truncate(policy.Day)
	r.Record(usage.Use{Key: "key_1", At: noon, IP: "192.0.2.1"})
	r.RecordScope(usage.ScopeUse{Key: "key_1", Scope: "a:read", On: day})
	full := errors.New("disk full")
	if err := r.Flush(t.Context(), &written{err: full}); !errors.Is(err, full) {
		t.Fatalf("the flush returns %v", err)
	}
	r.Record(usage.Use{Key: "key_1", At: noon.Add(time.Minute)})
	r.RecordScope(usage.ScopeUse{Key: "key_1", Scope: "b:read", On: day})
	got := flush(t, &r)
	if want := []usage.Use{{Key: "key_1", At: noon.Add(time.Minute), IP: "192.0.2.1"}}; !slices.Equal(got.uses, want) {
		t.Errorf("written is %+v, want %+v", got.uses, want)
	}
	wantScopes := []usage.ScopeUse{{Key: "key_1", Scope: "a:read", On: day}, {Key: "key_1", Scope: "b:read", On: day}}
	if !slices.Equal(got.scopes, wantScopes) {
		t.Errorf("written is %+v, want %+v", got.scopes, wantScopes)
	}
	c := r.Counts()
	if failed, n := c.FlushesFailed.Load(), c.Written.Load(); failed != 2 || n != 3 {
		t.Errorf("%d batches count as failed and %d uses as written, want 2 and 3", failed, n)
	}
}

func TestUsesOfAWrongClockAreMovedToThePresent(t *testing.T) {
	var r usage.Recorder
	day := noon.Truncate(policy.Day)
	late := noon.Add(48 * time.Hour)
	r.Record(usage.Use{Key: "key_1", At: late, PreviousAt: late, PreviousSerial: 2})
	r.Record(usage.Use{Key: "key_2", At: noon.Add(-time.Hour)})
	r.RecordScope(usage.ScopeUse{Key: "key_1", Scope: "a:read", On: late.Truncate(policy.Day)})
	r.RecordScope(usage.ScopeUse{Key: "key_1", Scope: "b:read", On: day.Add(-policy.Day)})
	r.ClampTo(noon)
	got := flush(t, &r)
	want := []usage.Use{
		{Key: "key_1", At: noon, PreviousAt: noon, PreviousSerial: 2},
		{Key: "key_2", At: noon.Add(-time.Hour)},
	}
	if !slices.Equal(got.uses, want) {
		t.Errorf("written is %+v, want %+v", got.uses, want)
	}
	wantScopes := []usage.ScopeUse{
		{Key: "key_1", Scope: "a:read", On: day},
		{Key: "key_1", Scope: "b:read", On: day.Add(-policy.Day)},
	}
	if !slices.Equal(got.scopes, wantScopes) {
		t.Errorf("written is %+v, want %+v", got.scopes, wantScopes)
	}
}

// untilStopped is a store for which there is time for a few batches only.
type untilStopped struct {
	batches int
	stop    context.CancelFunc
	uses    []usage.Use
}

func (s *untilStopped) RecordUses(ctx context.Context, batch []usage.Use) error {
	if s.batches == 0 {
		s.stop()
		return ctx.Err()
	}
	s.batches--
	s.uses = append(s.uses, batch...)
	return nil
}

func (s *untilStopped) RecordScopeUses(ctx context.Context, _ []usage.ScopeUse) error {
	return ctx.Err()
}

func TestAFlushWithoutTimeForAllWritesTheOldestUsesAndKeepsTheOthers(t *testing.T) {
	const all, batches = 23_000, 2
	const written = 250 + 500 // a slow disk may finish no bigger ones in time
	var r usage.Recorder
	for i := range all { // the later a key comes, the older is its use
		r.Record(usage.Use{Key: ident.KeyID(fmt.Sprintf("key_%05d", i)), At: noon.Add(-time.Duration(i) * time.Second)})
	}
	r.RecordScope(usage.ScopeUse{Key: "key_1", Scope: "a:read", On: noon})
	ctx, stop := context.WithCancel(t.Context())
	s := untilStopped{batches: batches, stop: stop}
	if err := r.Flush(ctx, &s); !errors.Is(err, context.Canceled) {
		t.Errorf("the flush returns %v", err)
	}
	oldest := noon.Add(-(all - written) * time.Second)
	for _, use := range s.uses {
		if use.At.After(oldest) {
			t.Fatalf("a use at %s was written before older ones", use.At)
		}
	}
	if want := all - written + 1; len(s.uses) != written || r.Unwritten() != want {
		t.Errorf("%d are written and %d not, want %d", len(s.uses), r.Unwritten(), want)
	}
	if rest := flush(t, &r); len(rest.uses) != all-written || len(rest.scopes) != 1 || r.Unwritten() != 0 {
		t.Errorf("then %d uses and %d of scopes are written, and %d not", len(rest.uses), len(rest.scopes),
			r.Unwritten())
	}
}
