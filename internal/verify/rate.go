package verify

import (
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/ratelimit"
)

// allowance is what a key may still ask for. Allowances are kept by key and apart from the cache: facts come and go, and after a
// refresh two ids name one key.
type (
	allowance  = ratelimit.Limiter
	allowances = ratelimit.Limiters[ident.KeyID]
)

// spend is step 8. It takes one request off the key's allowance, or says how long to wait for it. Keys of tenants without a limit have none.
func (e *Engine) spend(f *Facts) (wait time.Duration) {
	perMinute := f.tenant.Settings.RequestsPerMinute
	if perMinute == 0 {
		return 0
	}
	now := e.now().UnixNano()
	for {
		if a := f.allowance.Load(); a != nil {
			if wait, current := a.Consume(now, int64(perMinute)); current {
				return wait
			}
			e.allowances.Drop(f.Key.ID, a)
		}
		f.allowance.Store(e.allowances.Of(f.Key.ID))
	}
}

// errRate refuses a caller of Claviger's own routes at step 8.
func errRate(wait time.Duration) error {
	return fault.Retry(fault.RateLimited, wait, "The key has made as many requests as its tenant allows. Wait as long as Retry-After says.")
}

// SweepAllowances drops those that are like new ones.
func (e *Engine) SweepAllowances() { e.allowances.Sweep(e.now().UnixNano()) }
