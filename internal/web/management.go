package web

import (
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/ratelimit"
)

// managementPerMinute is how many requests one management key may send to one node, reads included.
const managementPerMinute = 600

// ManagementLimit limits the requests of each management key. It uses the machine's monotonic
// clock.
type ManagementLimit struct {
	started  time.Time
	requests ratelimit.InMemory[ident.ManagementKeyID]
}

// NewManagementLimit returns the limit.
func NewManagementLimit() *ManagementLimit { return &ManagementLimit{started: time.Now()} }

// Consume counts a request of a management key, or refuses it with fault.RateLimited. Others are
// not limited.
func (l *ManagementLimit) Consume(who principal.Principal) error {
	m, ok := who.ManagementKey()
	if l == nil || !ok {
		return nil
	}
	wait := l.requests.Consume(&ratelimit.Caller[ident.ManagementKeyID]{ID: m.ID}, int64(time.Since(l.started)),
		managementPerMinute)
	if wait == 0 {
		return nil
	}
	return fault.Retry(fault.RateLimited, wait,
		fmt.Sprintf("One management key may send %d requests a minute.", managementPerMinute)+retryAdvice)
}

// Sweep removes the counts of management keys that sent nothing for a while.
func (l *ManagementLimit) Sweep() { l.requests.Sweep(int64(time.Since(l.started))) }
