package web_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/web"
)

func TestAManagementKeySends600RequestsAMinute(t *testing.T) {
	program := func(id ident.ManagementKeyID) principal.Principal {
		return principal.OfManagementKey(&principal.ManagementKey{ID: id})
	}
	synctest.Test(t, func(t *testing.T) {
		limit := web.NewManagementLimit()
		consume := func(who principal.Principal, n int) {
			t.Helper()
			for i := range n {
				if err := limit.Consume(who); err != nil {
					t.Fatalf("request %d: %v", i+1, err)
				}
			}
		}
		refused := func() time.Duration {
			t.Helper()
			err := limit.Consume(program("mgk_1"))
			if fault.KindOf(err) != fault.RateLimited {
				t.Fatalf("one more: %v, want %s", err, fault.RateLimited)
			}
			return fault.RetryAfter(err)
		}
		consume(program("mgk_1"), 600)
		wait := refused()
		if wait <= 0 || wait > time.Second {
			t.Errorf("the next request is allowed in %s", wait)
		}
		consume(program("mgk_2"), 600) // another one counts apart
		consume(principal.Operator(), 2000)
		consume(principal.OfSession(&principal.Session{}), 2000)
		<-time.After(wait)
		consume(program("mgk_1"), 1)
		<-time.After(30 * time.Second)
		limit.Sweep() // forgets only what a minute has made whole
		consume(program("mgk_1"), 300)
		refused()
		<-time.After(time.Minute)
		consume(program("mgk_1"), 600)
		refused()
	})
}
