package notice

import (
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/policy"
)

// Idle returns the notice that the owner of a key should have by now because the key will be
// disabled as idle; ok is false for none. There is one notice for each time at which that would
// happen by the tenant's settings and the key's last use. An owner who gets the notice late has as
// much time as others.
func (s Subject) Idle(t policy.Tenant, now time.Time) (n Notice, ok bool) {
	expiry, at := s.idleAt(t, now)
	if !Reaches(s.Owner.Type()) || at.IsZero() || now.Before(at.Add(policy.IdleMargin-policy.IdleNotice)) {
		return Notice{}, false
	}
	f := Facts{
		Tenant: s.Tenant, KeyName: s.Name, PublicID: s.PublicID, Last4: s.Last4, Expiry: expiry,
		LastUsedAt: s.LastUsedAt,
		IdleAt:     slices.MaxFunc([]time.Time{at, now.Add(policy.IdleNotice)}, time.Time.Compare),
	}
	return OfOwnersKey(KeyIdle, s.Owner, s.Key, now, f, at.UnixMicro()), true
}

// IdleWithoutNotice reports whether the key is to be disabled as idle although nobody gets a notice
// of it: it belongs to a subject.
func (s Subject) IdleWithoutNotice(t policy.Tenant, now time.Time) bool {
	_, at := s.idleAt(t, now)
	return !Reaches(s.Owner.Type()) && !at.IsZero() && !now.Before(at.Add(policy.IdleMargin))
}

// idleAt returns when the key will be disabled as idle, and its expiry; zero for a key that will
// not be.
func (s Subject) idleAt(t policy.Tenant, now time.Time) (expiry policy.Expiry, at time.Time) {
	life := policy.Life{
		RevokedAt: s.RevokedAt, DisabledAt: s.DisabledAt,
		Expiry: policy.EffectiveExpiry(s.ExpiresAt, s.SetAt, t.Rules),
	}
	if life.Status(now) != policy.Active {
		return life.Expiry, time.Time{}
	}
	used := policy.Activity{LastUsedAt: s.LastUsedAt, SecretSetAt: s.SetAt, EnabledAt: s.EnabledAt}
	return life.Expiry, t.IdleRule().IdleAt(used)
}
