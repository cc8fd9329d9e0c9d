package verify

import (
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/ratelimit"
)

// Limiter limits the requests of keys (step 8). It counts by key: the states of keys outlast their
// facts in the cache, and after a refresh two credentials are one key.
type Limiter = ratelimit.Limiter[ident.KeyID]

// consume runs step 8 for a key: it takes one request from the key's burst and returns 0, or
// returns how long the key must wait. Keys of tenants without a limit are not counted.
func (e *Engine) consume(f *Facts) time.Duration {
	perMinute := f.tenant.Settings.RequestsPerMinute
	if perMinute == 0 {
		return 0
	}
	return e.limiter.Consume(&f.requests, e.now().UnixNano(), int64(perMinute))
}

// consumeVerify runs step 8 for a key that verifies n other credentials. These requests have a
// limit of their own: there are as many as requests that the verifier receives, and the keys of
// those have limits themselves.
func (e *Engine) consumeVerify(f *Facts, n int) error {
	perMinute := f.tenant.Settings.VerifyRequestsPerMinute
	if perMinute == 0 {
		return nil
	}
	if n > perMinute {
		return fault.Refuse(fault.Field{Name: "items", Code: "length", Message: fmt.Sprintf(
			"This key may verify %d times a minute (`verify_requests_per_minute` of its tenant). "+
				"Send at most as many items.", perMinute)})
	}
	wait := e.verifierLimiter.ConsumeMany(&f.verifyRequests, int64(n), e.now().UnixNano(), int64(perMinute))
	if wait == 0 {
		return nil
	}
	return fault.Retry(fault.RateLimited, wait, fmt.Sprintf(
		"This key may verify %d times a minute (`verify_requests_per_minute` of its tenant). "+
			"Wait as long as Retry-After says.", perMinute))
}

// errRateLimited refuses a caller of Claviger's own routes at step 8.
func errRateLimited(f *Facts, wait time.Duration) error {
	return fault.Retry(fault.RateLimited, wait, fmt.Sprintf(
		"This key may send %d requests a minute (`requests_per_minute` of its tenant). "+
			"Wait as long as Retry-After says.", f.tenant.Settings.RequestsPerMinute))
}
