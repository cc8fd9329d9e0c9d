package session

import (
	"errors"
	"sync/atomic"

	"github.com/claviger-dev/claviger/internal/fault"
)

// Resumes are how often a cookie was shown since the service began, by what came of it.
type Resumes struct{ resumed, dead, failed atomic.Uint64 }

// Resumes of the service.
func (s *Service) Resumes() *Resumes { return &s.resumes }

// Each gives the counts: of live sessions, of those that are unknown or have ended, and of those of which nothing could be learnt.
func (r *Resumes) Each(give func(n uint64, result ...string)) {
	give(r.resumed.Load(), "resumed")
	give(r.dead.Load(), "dead")
	give(r.failed.Load(), "failed")
}

func (r *Resumes) count(err error) {
	switch {
	case err == nil:
		r.resumed.Add(1)
	case errors.Is(err, fault.NotFound):
		r.dead.Add(1)
	default:
		r.failed.Add(1)
	}
}
