package usage_test

import (
	"context"
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
