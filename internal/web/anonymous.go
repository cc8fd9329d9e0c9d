package web

import (
	"fmt"
	"hash/maphash"
	"net/http"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ratelimit"
)

// AddressLimit limits the requests of one client address (of IPv6 the /56) to the routes that need
// no credential. It uses the machine's monotonic clock.
//
// Its memory is fixed: a hash with a secret seed maps each address to one of many limiters. Two
// addresses may share a limiter, and then each uses up what the other has. Nobody can choose an
// address that shares the limiter of another one.
type AddressLimit struct {
	perMinute int64
	// refusal is the format of the message; its argument is perMinute.
	refusal  string
	started  time.Time
	seed     maphash.Seed
	limiters [1 << 16]ratelimit.GCRA
}

// NewAddressLimit returns a limit of perMinute requests.
func NewAddressLimit(perMinute int) *AddressLimit {
	return newAddressLimit(perMinute,
		"One client address may send %d requests a minute without a credential (`limits.anonymous_per_minute`).")
}

// resetsPerMinute is how many links to set a password one client address may request.
const resetsPerMinute = 60

// NewResetLimit returns the limit of requests for links to set a password.
func NewResetLimit() *AddressLimit {
	return newAddressLimit(resetsPerMinute, "One client address may request %d links to set a password a minute.")
}

func newAddressLimit(perMinute int, refusal string) *AddressLimit {
	return &AddressLimit{
		perMinute: int64(perMinute), refusal: refusal, started: time.Now(), seed: maphash.MakeSeed(),
	}
}

// Consume counts a request from the address, or refuses it with fault.RateLimited.
func (l *AddressLimit) Consume(ip string) error {
	if l == nil {
		return nil
	}
	i := maphash.String(l.seed, string(admission.ForAddress(ip))) % uint64(len(l.limiters))
	wait, _ := l.limiters[i].Consume(int64(time.Since(l.started)), l.perMinute) // no limiter is evicted
	if wait == 0 {
		return nil
	}
	return fault.Retry(fault.RateLimited, wait, fmt.Sprintf(l.refusal, l.perMinute)+retryAdvice)
}

// retryAdvice says what to do about a limit.
const retryAdvice = " Wait as long as the Retry-After header says."

// AdmitAnonymous counts a request without a credential against its client address. If it refuses
// the request, it neither reads the body nor waits for it.
func (m *Middleware) AdmitAnonymous(w http.ResponseWriter, r *http.Request) error {
	err := m.Anonymous.Consume(m.Authenticator.clientAddress(r))
	if err != nil {
		DiscardBody(w, r)
	}
	return err
}
