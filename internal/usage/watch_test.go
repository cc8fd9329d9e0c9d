package usage_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/usage"
)

// watchStore is a usage.WatchStore in memory. Its hooks, if set, run before a method returns.
type watchStore struct {
	list     []usage.Watch
	onRecord func(ctx context.Context, batch []usage.Sighting) error
	onList   func()
}

func (s *watchStore) InsertWatch(_ context.Context, w usage.Watch, _ ident.TenantID, _ int) error {
	s.list = append(s.list, w)
	return nil
}

func (s *watchStore) Watches(context.Context, time.Time, int) ([]usage.Watch, error) {
	list := s.list
	if s.onList != nil {
		s.onList()
	}
	return list, nil
}

func (s *watchStore) RecordSightings(ctx context.Context, batch []usage.Sighting) error {
	return s.onRecord(ctx, batch)
}

func (s *watchStore) Sighting(context.Context, ident.KeyID) (usage.Sighting, error) {
	return usage.Sighting{}, fault.NotFound
}

func (s *watchStore) RemoveWatches(context.Context, time.Time) error { return nil }

func newWatches(s *watchStore) *usage.Watches {
	return &usage.Watches{Store: s, Now: func() time.Time { return noon }}
}

// begin watches a key.
func begin(t *testing.T, w *usage.Watches, id ident.KeyID) {
	t.Helper()
	if err := w.Begin(t.Context(), id, "ten_1"); err != nil {
		t.Fatal(err)
	}
}

func TestThePageWithASecretDoesNotWaitForASlowWriteOfWhatOtherKeysDid(t *testing.T) {
	t.Parallel()
	var store watchStore
	w := newWatches(&store)
	begin(t, w, "key_1")
	w.Of("key_1").Saw(usage.Seen{At: noon})
	begun := make(chan error, 1)
	store.onRecord = func(context.Context, []usage.Sighting) error {
		go func() { begun <- w.Begin(t.Context(), "key_2", "ten_1") }()
		select {
		case err := <-begun:
			return err
		case <-time.After(10 * time.Second): // the deadline of a write
			t.Error("Begin waits for the write of another key")
			return fault.Unavailable
		}
	}
	if err := w.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.Of("key_2") == nil {
		t.Error("the key is not watched")
	}
}

func TestAWatchThatBeginsWhileTheListIsReadGoesOn(t *testing.T) {
	t.Parallel()
	var store watchStore
	w := newWatches(&store)
	begin(t, w, "key_1")
	first := w.Of("key_1")
	store.onList = func() {
		store.onList = nil
		begin(t, w, "key_2")
	}
	for range 2 {
		if err := w.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if w.Of("key_1") != first || w.Of("key_2") == nil {
			t.Fatal("a watch was lost or began anew")
		}
	}
}

func TestANodeWatchesTheKeysThatWereShownLast(t *testing.T) {
	t.Parallel()
	at := noon
	w := &usage.Watches{Store: &watchStore{}, Now: func() time.Time { return at }}
	for n := range usage.MaxWatches + 1 {
		at = at.Add(time.Millisecond)
		begin(t, w, ident.KeyID(fmt.Sprint("key_", n)))
	}
	if w.Of("key_0") != nil || w.Of("key_1") == nil || w.Of(ident.KeyID(fmt.Sprint("key_", usage.MaxWatches))) == nil {
		t.Error("the oldest watch did not give way, or another one did")
	}
}

// recording is Watches of one key, with a clock and a store that counts.
type recording struct {
	*usage.Watches
	t  *testing.T
	at time.Time
	// batches are what was written.
	batches [][]usage.Sighting
	err     error
}

func newRecording(t *testing.T) *recording {
	r := &recording{t: t, at: noon}
	store := &watchStore{onRecord: func(_ context.Context, batch []usage.Sighting) error {
		if r.err == nil {
			r.batches = append(r.batches, batch)
		}
		return r.err
	}}
	r.Watches = &usage.Watches{Store: store, Now: func() time.Time { return r.at }}
	begin(t, r.Watches, "key_1")
	return r
}

// refuse tells the watch of a refusal, and lets the job run.
func (r *recording) refuse(code fault.Kind, missing string) {
	r.t.Helper()
	r.Of("key_1").Saw(usage.Seen{At: r.at, Code: code, Missing: missing})
	if err := r.Sync(r.t.Context()); !errors.Is(err, r.err) {
		r.t.Fatal(err)
	}
	r.at = r.at.Add(400 * time.Millisecond)
}

// last returns the last refusal that was written.
func (r *recording) last() usage.Seen {
	r.t.Helper()
	if len(r.batches) == 0 {
		r.t.Fatal("nothing was written")
	}
	return r.batches[len(r.batches)-1][0].Refused
}

func TestAClientThatIsRefusedAgainAndAgainCostsFewWrites(t *testing.T) {
	t.Parallel()
	for name, missing := range map[string]func(n int) string{
		"as before":                func(int) string { return "a:read" },
		"in turn":                  func(n int) string { return []string{"a:read", "b:read"}[n%2] },
		"always for another scope": func(n int) string { return fmt.Sprintf("a%d:read", n) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecording(t)
			const runs = 250 // for 100 seconds
			for n := range runs {
				r.refuse(fault.InsufficientScope, missing(n))
			}
			if n := len(r.batches); n < 15 || n > 30 {
				t.Errorf("%d writes in %s, want one in %s and a few at once", n, r.at.Sub(noon), usage.RepeatPeriod)
			}
			if at := r.last().At; r.at.Sub(at) > usage.RepeatPeriod+time.Second {
				t.Errorf("the last refusal on record is of %s, it is %s", at, r.at)
			}
		})
	}
}

func TestWhatIsNewAboutAWatchedKeyIsWrittenAtOnce(t *testing.T) {
	t.Parallel()
	r := newRecording(t)
	r.refuse(fault.InsufficientScope, "a:read")
	r.refuse(fault.InsufficientScope, "a:read")
	r.refuse(fault.InsufficientScope, "b:read")
	if got := r.last(); len(r.batches) != 2 || got.Missing != "b:read" {
		t.Errorf("after another scope: %d writes, the last of %+v", len(r.batches), got)
	}
	r.Of("key_1").Saw(usage.Seen{At: r.at})
	r.refuse(fault.InsufficientScope, "b:read")
	if len(r.batches) != 3 || r.batches[2][0].Used.At.IsZero() {
		t.Errorf("after the first use: %+v", r.batches)
	}
	r.err = fault.Unavailable
	r.refuse(fault.KeyDisabled, "")
	r.err = nil
	r.refuse(fault.KeyDisabled, "")
	if got := r.last(); len(r.batches) != 4 || got.Code != fault.KeyDisabled {
		t.Errorf("once the database is back: %d writes, the last of %+v", len(r.batches), got)
	}
}

func TestAWrongSecretHidesNoRefusalOfTheRightOne(t *testing.T) {
	t.Parallel()
	r := newRecording(t)
	r.refuse(fault.KeyInvalid, "")
	if got := r.last(); got.Code != fault.KeyInvalid {
		t.Errorf("a wrong secret: %+v", got)
	}
	r.Of("key_1").Saw(usage.Seen{At: r.at, Code: fault.InsufficientScope, Missing: "a:read"})
	r.refuse(fault.KeyInvalid, "")
	r.at = r.at.Add(time.Minute)
	r.refuse(fault.KeyInvalid, "")
	if got := r.last(); got.Code != fault.InsufficientScope || len(r.batches) != 2 {
		t.Errorf("%d writes, the last of %+v", len(r.batches), got)
	}
}
