package session

import (
	"errors"
	"sync/atomic"

	"github.com/claviger-dev/claviger/internal/fault"
)

// Resumes counts the cookies that were presented since the service started, by result.
type Resumes struct{ resumed, dead, failed atomic.Uint64 }

// Resumes returns the counts of the service.
func (s *Service) Resumes() *Resumes { return &s.resumes }

// Each emits the counts: resumed (live sessions), dead (unknown or ended), and failed (undecided
// because of an error).
func (r *Resumes) Each(emit func(n uint64, result ...string)) {
	emit(r.resumed.Load(), "resumed")
	emit(r.dead.Load(), "dead")
	emit(r.failed.Load(), "failed")
}

func (r *Resumes) count(err error) {
	switch {
	case err == nil:
		r.resumed.Add(1)
	case errors.Is(err, fault.NotFound), errors.Is(err, fault.SessionEnded),
		errors.Is(err, fault.SecondFactorRequired):
		r.dead.Add(1)
	default:
		r.failed.Add(1)
	}
}
