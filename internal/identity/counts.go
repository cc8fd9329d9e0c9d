package identity

import (
	"errors"
	"sync/atomic"

	"github.com/claviger-dev/claviger/internal/fault"
)

// SignIns are how many there were since the service began, by what came of them. Operators alone see them; whoever signs in learns no more than the one answer.
type SignIns struct{ accepted, refused, throttled, failed atomic.Uint64 }

// SignIns of the service.
func (s *Service) SignIns() *SignIns { return &s.signIns }

// Each gives the counts: of those that were right, of those refused for whatever other cause, of those refused unjudged since they came too soon, and of
// those of which nothing could be learnt.
func (c *SignIns) Each(give func(n uint64, result ...string)) {
	give(c.accepted.Load(), "accepted")
	give(c.refused.Load(), "refused")
	give(c.throttled.Load(), "throttled")
	give(c.failed.Load(), "failed")
}

func (c *SignIns) count(err error) {
	switch {
	case err == nil:
		c.accepted.Add(1)
	case errors.Is(err, errThrottled):
		c.throttled.Add(1)
	case errors.Is(err, fault.SignInFailed):
		c.refused.Add(1)
	default:
		c.failed.Add(1)
	}
}

// Queue is who is at the Hasher now, and how many have left it since it was made because it took too long.
type Queue struct {
	Waiting, Running atomic.Int64
	GivenUp          atomic.Uint64
}

// Queue for turns at the hasher.
func (h *Hasher) Queue() *Queue { return &h.gauge }
