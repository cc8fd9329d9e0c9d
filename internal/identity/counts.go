package identity

import (
	"errors"
	"sync/atomic"

	"github.com/claviger-dev/claviger/internal/fault"
)

// SignIns counts the sign-ins since the service started, by result. Only operators see the counts:
// a person who signs in gets the same answer whatever the cause.
type SignIns struct{ accepted, refused, throttled, failed atomic.Uint64 }

// SignIns returns the counts of the service.
func (s *Service) SignIns() *SignIns { return &s.signIns }

// Each emits the counts: accepted, refused for any cause but the next, throttled (refused without a
// check because they came too soon), and failed (undecided because of an error).
func (c *SignIns) Each(emit func(n uint64, result ...string)) {
	emit(c.accepted.Load(), "accepted")
	emit(c.refused.Load(), "refused")
	emit(c.throttled.Load(), "throttled")
	emit(c.failed.Load(), "failed")
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

// Queue counts who waits at the Hasher and who is served, and how many have given up since it was
// made because the wait was too long.
type Queue struct {
	Waiting, Running atomic.Int64
	GivenUp          atomic.Uint64
}

// Queue returns the counts of the Hasher.
func (h *Hasher) Queue() *Queue { return &h.queue }
