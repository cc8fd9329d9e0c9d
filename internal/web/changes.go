package web

import (
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/ratelimit"
)

// AdmitChange counts a change of the principal and refuses it if there were too many, or if there
// is no room on the disk. Requests that only take authority away have their own count and reserve.
func (m *Middleware) AdmitChange(who principal.Principal, reduces bool) error {
	if err := m.Changes.Consume(who, reduces); err != nil || m.Admit == nil {
		return err
	}
	return m.Admit(reduces)
}

// ChangeLimit limits the requests of one person that change something, and so how fast a person
// makes the database grow. All sessions and keys of the person count together. A request counts
// before anything is read or written for it. The limit uses the machine's monotonic clock.
//
// Requests that only take authority away are counted apart: by session, and all keys of a person
// together. A person who has used up their changes can still revoke, and no stolen key or session
// prevents its owner from doing so in another session.
type ChangeLimit struct {
	perMinute  int64
	started    time.Time
	changes    ratelimit.InMemory[ident.PartyID]
	reductions ratelimit.InMemory[reducer]
}

// reducer is who has one count of requests that only take authority away: a session, or all keys of
// an owner.
type reducer struct {
	// owner is the person, or another owner of keys.
	owner ident.PartyID
	// session is "" for the owner's keys.
	session ident.SessionID
}

// reductionFactor is how many times as many requests are allowed that only take authority away.
// Even an incident needs fewer.
const reductionFactor = 10

// NewChangeLimit returns a limit of perMinute changes.
func NewChangeLimit(perMinute int) *ChangeLimit {
	return &ChangeLimit{perMinute: int64(perMinute), started: time.Now()}
}

// Consume counts a request of the principal, or refuses it with fault.LimitOfChanges. reduces is
// set if the request only takes authority away. Operators and the system are not limited.
func (l *ChangeLimit) Consume(who principal.Principal, reduces bool) error {
	by := reducerOf(who)
	if l == nil || by.owner == "" {
		return nil
	}
	now := int64(time.Since(l.started))
	if !reduces {
		wait := l.changes.Consume(&ratelimit.Caller[ident.PartyID]{ID: by.owner}, now, l.perMinute)
		return refuseChange(wait,
			"One person or service account may send %d requests a minute that change something.", l.perMinute)
	}
	text := "The keys of one owner may send %d requests a minute that take authority away."
	if by.session != "" {
		text = "One session may send %d requests a minute that take authority away."
	}
	perMinute := l.perMinute * reductionFactor
	return refuseChange(l.reductions.Consume(&ratelimit.Caller[reducer]{ID: by}, now, perMinute), text, perMinute)
}

// refuseChange refuses a request that must wait.
func refuseChange(wait time.Duration, text string, perMinute int64) error {
	if wait == 0 {
		return nil
	}
	return fault.Retry(fault.LimitOfChanges, wait, fmt.Sprintf(text, perMinute)+retryAdvice)
}

// reducerOf returns the session of a person, the owner of a key, or the service account of a
// management key. It is empty for every other principal.
func reducerOf(who principal.Principal) reducer {
	if s, ok := who.Session(); ok {
		return reducer{ident.PartyID(s.User.ID), s.ID}
	}
	if m, ok := who.ManagementKey(); ok {
		return reducer{owner: m.ServiceAccount.ID}
	}
	k, _ := who.Key()
	return reducer{owner: k.Owner.ID}
}

// Sweep removes the counts of people who have not changed anything for a while.
func (l *ChangeLimit) Sweep() {
	now := int64(time.Since(l.started))
	l.changes.Sweep(now)
	l.reductions.Sweep(now)
}
