package verify

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
)

// allowance is what a key may still ask for, by the generic cell rate algorithm (ITU-T I.371): all there is to know is when it will be whole
// again. A request puts that off by its share of a minute; one that would put it off beyond a minute must wait.
type allowance struct {
	whole atomic.Int64 // nanoseconds since 1970, or swept
}

// swept marks an allowance that has been dropped. Whoever still holds it must ask for the key's other one, or the key would have two.
const swept = math.MaxInt64

// minute is what requests are counted by, and how much of them may come at once.
const minute = int64(time.Minute)

// take takes one request off, or says how long to wait for it. It does neither where the allowance is swept.
func (a *allowance) take(now, perMinute int64) (wait time.Duration, current bool) {
	share := (minute-1)/perMinute + 1 // rounded up: never more than the limit
	for {
		whole := a.whole.Load()
		if whole == swept {
			return 0, false
		}
		next := max(whole, now) + share
		if early := next - now - share*perMinute; early > 0 {
			return time.Duration(early), true
		}
		if a.whole.CompareAndSwap(whole, next) {
			return 0, true
		}
	}
}

// sweep marks the allowance if it was whole before that time.
func (a *allowance) sweep(before int64) bool {
	whole := a.whole.Load()
	return whole < before && a.whole.CompareAndSwap(whole, swept)
}

// allowances are kept by key and apart from the cache: facts come and go, and after a refresh two ids name one key.
type allowances struct {
	byKey sync.Map // ident.KeyID → *allowance
}

func (s *allowances) of(id ident.KeyID) *allowance {
	kept, _ := s.byKey.LoadOrStore(id, &allowance{})
	return kept.(*allowance)
}

func (s *allowances) drop(id ident.KeyID, a *allowance) { s.byKey.CompareAndDelete(id, a) }

// spend is step 8. It takes one request off the key's allowance, or says how long to wait for it. Keys of tenants without a limit have none.
func (e *Engine) spend(f *Facts) (wait time.Duration) {
	perMinute := f.tenant.Settings.RequestsPerMinute
	if perMinute == 0 {
		return 0
	}
	now := e.now().UnixNano()
	for {
		if a := f.allowance.Load(); a != nil {
			if wait, current := a.take(now, int64(perMinute)); current {
				return wait
			}
			e.allowances.drop(f.Key.ID, a)
		}
		f.allowance.Store(e.allowances.of(f.Key.ID))
	}
}

// errRate refuses a caller of Claviger's own routes at step 8.
func errRate(wait time.Duration) error {
	return fault.Retry(fault.RateLimited, wait, "The key has made as many requests as its tenant allows. Wait as long as Retry-After says.")
}

// SweepAllowances drops those that have been whole for a minute and so are like new ones. The minute is for requests that read the clock just before.
func (e *Engine) SweepAllowances() {
	before := e.now().UnixNano() - minute
	e.allowances.byKey.Range(func(id, kept any) bool {
		if a := kept.(*allowance); a.sweep(before) {
			e.allowances.drop(id.(ident.KeyID), a)
		}
		return true
	})
}
