package usage_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/usage"
)

// countStore adds up the batches that it is given, each once. It fails as often as fail says.
type countStore struct {
	mu       sync.Mutex
	batches  map[int64]usage.Batch
	attempts []int64
	fail     int
	keep     bool // whether a batch that fails was kept
}

func (s *countStore) AddCounts(_ context.Context, b usage.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts = append(s.attempts, b.Number)
	failing := s.fail > 0
	if failing {
		s.fail--
	}
	if !failing || s.keep {
		if s.batches == nil {
			s.batches = map[int64]usage.Batch{}
		}
		s.batches[b.Number] = b
	}
	if failing {
		return errors.New("the COMMIT was not answered")
	}
	return nil
}

func (s *countStore) CompleteHours(_ context.Context, now time.Time) (time.Time, error) {
	return now, nil
}

func (s *countStore) DeleteOldCounts(context.Context, usage.Retention) error { return nil }

// keySums returns the sums of keys over all batches.
func (s *countStore) keySums() map[ident.KeyID]usage.Sum {
	sums := map[ident.KeyID]usage.Sum{}
	for _, b := range s.batches {
		for _, c := range b.Keys {
			n := sums[c.Key]
			sums[c.Key] = usage.Sum{Accepted: n.Accepted + c.Accepted, Refused: n.Refused + c.Refused}
		}
	}
	return sums
}

// requests returns the sum of the counts of tenants.
func (s *countStore) requests() (n int64) {
	for _, b := range s.batches {
		for _, c := range b.Tenants {
			n += c.Requests
		}
	}
	return n
}

// counting are counters with a clock that the test moves.
type counting struct {
	*usage.Counters
	store *countStore
	mu    sync.Mutex
	at    time.Time
}

func newCounting() *counting {
	c := &counting{store: &countStore{}, at: noon}
	c.Counters = &usage.Counters{Store: c.store, Run: "run", Node: func() string { return "node" }, Now: c.now}
	return c
}

func (c *counting) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *counting) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (c *counting) key(id ident.KeyID) *usage.KeyCounter {
	k := &usage.KeyCounter{}
	k.Init(c.Counters, "ten_1", "usr_1", id)
	return k
}

func (c *counting) tenant(applications ...string) *usage.TenantCounter {
	own := map[string]bool{}
	for _, a := range applications {
		own[a] = true
	}
	t := &usage.TenantCounter{}
	t.Init(c.Counters, "ten_1", own)
	return t
}

func (c *counting) flush(t *testing.T) {
	t.Helper()
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestEveryRequestIsInExactlyOneFlush(t *testing.T) {
	c := newCounting()
	const workers, each = 4, 20_000
	key, tenant := c.key("key_1"), c.tenant("app_1")
	done := make(chan struct{})
	var counting, flushing sync.WaitGroup
	for worker := range workers {
		counting.Go(func() {
			for i := range each {
				code := fault.Kind("")
				if i%4 == 0 {
					code = fault.InsufficientScope
				}
				if i%100 == 0 { // facts that were read anew
					c.key("key_1").Count(c.now(), code == "", policy.Bearer)
				} else {
					key.Count(c.now(), code == "", policy.Bearer)
				}
				tenant.Count(c.now(), code, []string{"", "app_1"}[worker%2], policy.Bearer)
			}
		})
	}
	flushing.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			c.flush(t)
			c.move(7 * time.Minute) // hours begin and end meanwhile
		}
	})
	counting.Wait()
	close(done)
	flushing.Wait()
	c.move(2 * time.Hour)
	c.flush(t)
	got, want := c.store.keySums()["key_1"], usage.Sum{Accepted: workers * each * 3 / 4, Refused: workers * each / 4}
	if got != want {
		t.Errorf("the key: %+v, want %+v", got, want)
	}
	if got := c.store.requests(); got != workers*each {
		t.Errorf("the tenant: %d, want %d", got, workers*each)
	}
	if c.OpenKeys() != 0 {
		t.Errorf("%d counters stay open", c.OpenKeys())
	}
}

func TestABatchWhoseCommitIsInDoubtIsWrittenAgainWithItsNumber(t *testing.T) {
	for _, kept := range []bool{false, true} {
		c := newCounting()
		key := c.key("key_1")
		for i := range 1000 { // more than one batch
			c.key(ident.KeyID(fmt.Sprintf("key_%d", i))).Count(noon, true, policy.Basic)
		}
		c.store.fail, c.store.keep = 2, kept
		for range 2 {
			if err := c.Flush(t.Context()); err == nil {
				t.Fatal("a flush that fails says that it succeeds")
			}
			key.Count(noon, false, "")
		}
		c.flush(t)
		if a := c.store.attempts; len(a) < 4 || a[0] != 1 || a[1] != 1 || a[2] != 1 {
			t.Errorf("the attempts are %v", a)
		}
		sums := c.store.keySums()
		if len(sums) != 1000 || sums["key_1"] != (usage.Sum{Accepted: 1, Refused: 2}) {
			t.Errorf("kept %t: %d keys, %+v", kept, len(sums), sums["key_1"])
		}
	}
}

func TestKeysBeyondTheLimitAreCountedTogether(t *testing.T) {
	c := newCounting()
	c.LimitOpenKeys(2)
	keys := []*usage.KeyCounter{c.key("key_1"), c.key("key_2"), c.key("key_3"), c.key("key_4")}
	for range 5 {
		for _, k := range keys {
			k.Count(noon, true, policy.Bearer)
		}
	}
	if c.OpenKeys() != 2 || c.Overflowed() != 10 {
		t.Errorf("%d counters are open, and %d requests overflowed", c.OpenKeys(), c.Overflowed())
	}
	c.flush(t)
	sums := c.store.keySums()
	if len(sums) != 3 || sums["key_1"].Accepted != 5 || sums["key_2"].Accepted != 5 || sums[""].Accepted != 10 {
		t.Errorf("%+v", sums)
	}
	for _, b := range c.store.batches {
		for _, k := range b.Keys {
			if (k.Key == "") != (k.Owner == "") {
				t.Errorf("keys that are counted together have an owner: %+v", k)
			}
		}
	}
	c.flush(t) // closes the counters of keys that were not used since
	keys[3].Count(noon, true, policy.Bearer)
	c.flush(t)
	if got := c.store.keySums()["key_4"]; got.Accepted != 1 {
		t.Errorf("a key has no counter though there is room: %+v", got)
	}
}

func TestOnlyApplicationsOfTheTenantAreCountedByName(t *testing.T) {
	c := newCounting()
	tenant := c.tenant("app_1")
	for _, name := range []string{"app_1", "app_2", "", "whatever a client sends"} {
		tenant.Count(noon, fault.ApplicationForbidden, name, policy.Header)
	}
	c.flush(t)
	got := map[string]int64{}
	for _, n := range c.store.batches[1].Tenants {
		got[n.Application] += n.Requests
		if n.Code != fault.ApplicationForbidden || n.Transport != policy.Header || !n.Hour.Equal(noon) {
			t.Errorf("%+v", n)
		}
	}
	if len(got) != 2 || got["app_1"] != 1 || got[""] != 3 {
		t.Errorf("%v", got)
	}
}

func TestTheTransportsOfAKeyAreNotedOnceAnHour(t *testing.T) {
	c := newCounting()
	key := c.key("key_1")
	for range 3 {
		key.Count(c.now(), true, policy.Basic)
		key.Count(c.now(), true, policy.Header)
		key.Count(c.now(), false, policy.OAuth) // a refusal is no use
		c.flush(t)
	}
	c.move(time.Hour)
	key.Count(c.now(), true, policy.Basic)
	c.flush(t)
	noted := map[policy.Transport]int{}
	for _, b := range c.store.batches {
		for _, u := range b.Transports {
			noted[u.Transport]++
		}
	}
	if len(noted) != 2 || noted[policy.Basic] != 2 || noted[policy.Header] != 1 {
		t.Errorf("%v", noted)
	}
}

func TestANodeWithoutRequestsSaysOnceAnHourThatItHasNone(t *testing.T) {
	c := newCounting()
	for range 10 {
		c.flush(t)
		c.move(time.Minute)
	}
	if len(c.store.attempts) != 2 { // for the hour before noon, and for noon
		t.Errorf("%d batches", len(c.store.attempts))
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	c := newCounting()
	key, tenant := c.key("key_1"), c.tenant("app_1")
	if n := testing.AllocsPerRun(1000, func() {
		key.Count(noon, true, policy.Bearer)
		tenant.Count(noon, "", "app_1", policy.Bearer)
		tenant.Count(noon, fault.RateLimited, "", policy.Basic)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCount(b *testing.B) {
	c := newCounting()
	key, tenant := c.key("key_1"), c.tenant("app_1")
	b.ReportAllocs()
	for b.Loop() {
		key.Count(noon, true, policy.Bearer)
		tenant.Count(noon, "", "app_1", policy.Bearer)
	}
}
