package verify_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/verify"
)

// slowSource has one key. Its reads take a minute. Those that begin before it is repaired fail.
type slowSource struct {
	mu     sync.Mutex
	row    verify.KeyRow
	tenant verify.TenantRow
	reads  int
	broken bool
}

func (s *slowSource) KeyFacts(ctx context.Context, _ string) (verify.KeyRow, error) {
	s.mu.Lock()
	row, broken := s.row, s.broken
	s.reads++
	s.mu.Unlock()
	select {
	case <-time.After(time.Minute):
	case <-ctx.Done():
		return verify.KeyRow{}, ctx.Err()
	}
	if broken {
		return verify.KeyRow{}, errors.New("disk on fire")
	}
	return row, nil
}

func (s *slowSource) TenantFacts(context.Context, ident.TenantID) (verify.TenantRow, error) {
	return s.tenant, nil
}

func (s *slowSource) Plans(context.Context, ident.TenantID) (map[string]*policy.Plan, error) {
	return nil, nil
}

// coldKey is a key that is not in the cache of the engine.
type coldKey struct {
	*slowSource
	engine  *verify.Engine
	key     credential.Parsed
	options verify.Options
}

// withColdKey runs a test in which time passes only when everybody waits.
func withColdKey(t *testing.T, test func(*testing.T, *coldKey)) {
	t.Helper()
	b := newFixture(t)
	_, key := b.key(t)
	row, err := b.KeyFacts(t.Context(), key.Lookup())
	if err != nil {
		t.Fatal(err)
	}
	tenant, err := b.TenantFacts(t.Context(), row.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		c := &coldKey{slowSource: &slowSource{row: row, tenant: tenant}, key: key, options: b.options}
		c.options.Source = c.slowSource
		c.engine = verify.New(c.options)
		test(t, c)
	})
}

// ask makes a request, and returns a function that waits for its outcome.
func (c *coldKey) ask(ctx context.Context) (wait func() (fault.Kind, error)) {
	var code fault.Kind
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		var d verify.Decision
		d, err = c.engine.Authenticate(ctx, verify.PresentKey(c.key, policy.Location{Transport: policy.Bearer}), "")
		code = d.Code
	}()
	synctest.Wait() // until the request waits for the read
	return func() (fault.Kind, error) {
		<-done
		return code, err
	}
}

func TestRequestsThatNeedTheSameFactsShareOneRead(t *testing.T) {
	withColdKey(t, func(t *testing.T, c *coldKey) {
		var requests []func() (fault.Kind, error)
		for range 20 {
			requests = append(requests, c.ask(t.Context()))
		}
		for i, wait := range requests {
			if code, err := wait(); code != "" || err != nil {
				t.Errorf("request %d: %q, %v", i, code, err)
			}
		}
		if c.reads != 1 {
			t.Errorf("%d reads, want one", c.reads)
		}
	})
}

func TestARequestAfterARevocationDoesNotShareAReadFromBefore(t *testing.T) {
	withColdKey(t, func(t *testing.T, c *coldKey) {
		before := c.ask(t.Context())
		c.mu.Lock()
		c.row.RevokedAt = c.options.Now()
		c.mu.Unlock()
		c.options.Generations.Invalidate(audit.Invalidation{Lookups: []string{c.key.Lookup()}})
		after := c.ask(t.Context())
		if code, err := before(); code != "" || err != nil {
			t.Errorf("the request from before the revocation: %q, %v", code, err)
		}
		if code, err := after(); code != fault.KeyRevoked || err != nil {
			t.Errorf("the request from after the revocation: %q, %v", code, err)
		}
	})
}

func TestAReadThatFailsForOneRequestIsMadeAgainForTheOthers(t *testing.T) {
	withColdKey(t, func(t *testing.T, c *coldKey) {
		leaving, leave := context.WithCancel(t.Context())
		first, second := c.ask(leaving), c.ask(t.Context())
		leave()
		if _, err := first(); err == nil {
			t.Error("the request of the client that left is answered")
		}
		if code, err := second(); code != "" || err != nil {
			t.Errorf("the request that waited: %q, %v", code, err)
		}
	})
}

func TestARequestWaitsNoLongerThanItsClientForASharedRead(t *testing.T) {
	withColdKey(t, func(t *testing.T, c *coldKey) {
		first := c.ask(t.Context())
		leaving, leave := context.WithCancel(t.Context())
		began := time.Now()
		second := c.ask(leaving)
		leave()
		if _, err := second(); !errors.Is(err, fault.Unavailable) || time.Since(began) != 0 {
			t.Errorf("the request of a client that left returns %v after %v", err, time.Since(began))
		}
		if _, err := first(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatCannotBeReadFailsForAllThatWaitAndIsReadLater(t *testing.T) {
	withColdKey(t, func(t *testing.T, c *coldKey) {
		c.broken = true
		first, second := c.ask(t.Context()), c.ask(t.Context())
		for _, wait := range []func() (fault.Kind, error){first, second} {
			if code, err := wait(); !errors.Is(err, fault.Unavailable) || code != "" {
				t.Errorf("%q, %v; want no decision", code, err)
			}
		}
		c.broken = false
		if code, err := c.ask(t.Context())(); code != "" || err != nil {
			t.Errorf("once it can be read: %q, %v", code, err)
		}
	})
}
