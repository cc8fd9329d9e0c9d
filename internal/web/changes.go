package web

import (
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/ratelimit"
)

// AdmitChange counts a change of the principal and asks whether there is room for it. What only takes authority away has a
// count and room of its own.
func (d *Door) AdmitChange(who principal.Principal, reduces bool) error {
	if err := d.Changes.Consume(who, reduces); err != nil || d.Admit == nil {
		return err
	}
	return d.Admit(reduces)
}

// ChangeLimit bounds how many requests a minute one person sends that change something, and so how fast they make the database
// grow. A request counts once, however it comes: over all sessions and keys of the person. It counts before anything is read or
// written for it, and by the machine's monotonic clock.
type ChangeLimit struct {
	perMinute int64
	begun     time.Time
	// Requests that only take authority away are counted apart: whoever has used up their changes can still revoke.
	changes, reductions ratelimit.Limiters[ident.UserID]
}

// reductionFactor is how many more requests are allowed that only take authority away. Even an incident asks for fewer.
const reductionFactor = 10

// NewChangeLimit returns a limit of so many changes a minute.
func NewChangeLimit(perMinute int) *ChangeLimit {
	return &ChangeLimit{perMinute: int64(perMinute), begun: time.Now()}
}

// Consume counts a request of the principal, or refuses it with fault.LimitOfChanges. reduces is set where the request only
// takes authority away. Operators and Claviger itself are not limited.
func (l *ChangeLimit) Consume(who principal.Principal, reduces bool) error {
	person := personOf(who)
	if l == nil || person == "" {
		return nil
	}
	limiters, perMinute, what := &l.changes, l.perMinute, "change something"
	if reduces {
		limiters, perMinute, what = &l.reductions, l.perMinute*reductionFactor, "take authority away"
	}
	wait := limiters.Consume(person, int64(time.Since(l.begun)), perMinute)
	if wait == 0 {
		return nil
	}
	return fault.Retry(fault.LimitOfChanges, wait, fmt.Sprintf(
		"One person may send %d requests a minute that %s. Wait as long as Retry-After says.", perMinute, what))
}

// personOf returns the person who asks, or who owns the key that does; "" for everybody else.
func personOf(who principal.Principal) ident.UserID {
	if s, ok := who.Session(); ok {
		return s.User.ID
	}
	k, _ := who.Key()
	return k.Owner.ID
}

// Sweep forgets the people who have not changed anything for a while.
func (l *ChangeLimit) Sweep() {
	now := int64(time.Since(l.begun))
	l.changes.Sweep(now)
	l.reductions.Sweep(now)
}
