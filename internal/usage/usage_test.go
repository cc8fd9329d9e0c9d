package usage_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

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

func TestAUseIsDueOnceASecondForEachSecret(t *testing.T) {
	var tracker usage.Tracker
	tracker.Init(noon, 0)
	for _, step := range []struct {
		after    time.Duration
		previous bool
		want     bool
	}{
		{0, false, false},
		{time.Second - time.Microsecond, false, false},
		{time.Second, false, true},
		{time.Second, false, false},
		{time.Second, true, true}, // the previous secret was never used
		{2*time.Second - time.Microsecond, true, false},
		{2 * time.Second, true, true},
		{2 * time.Second, false, true},
		{0, false, false}, // a request that read the clock before the others
		{time.Hour, false, true},
	} {
		if got := tracker.Due(noon.Add(step.after), step.previous); got != step.want {
			t.Errorf("%s after the use on record, previous secret %t: due is %t, want %t", step.after, step.previous,
				got, step.want)
		}
	}
}

func TestAUseOfAScopeIsDueOnceADayInUTC(t *testing.T) {
	var tracker usage.Tracker
	tracker.Init(time.Time{}, 2)
	day := noon.Truncate(policy.Day)
	for _, step := range []struct {
		at       time.Time
		previous bool
		scope    int
		want     time.Time // the zero time where it is not due
	}{
		{noon, false, 0, day},
		{noon.Add(time.Hour), false, 0, time.Time{}},
		{noon.Add(time.Hour), false, 1, day},
		{day.Add(policy.Day - time.Microsecond), false, 0, time.Time{}},
		{day.Add(policy.Day), true, 0, day.Add(policy.Day)},
		{day.Add(policy.Day + time.Hour), false, 0, time.Time{}},
	} {
		tracker.Due(step.at, step.previous)
		on, due := tracker.ScopeDue(step.scope)
		if !on.Equal(step.want) || due != !step.want.IsZero() {
			t.Errorf("at %s scope %d is due: %t, on %s, want %s", step.at, step.scope, due, on, step.want)
		}
	}
}

func TestTheLatestUseOfAKeyIsWrittenWithTheLastKnownAddress(t *testing.T) {
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
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
