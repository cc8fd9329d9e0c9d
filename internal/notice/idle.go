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
	life := policy.Life{
		RevokedAt: s.RevokedAt, DisabledAt: s.DisabledAt,
		Expiry: policy.EffectiveExpiry(s.ExpiresAt, s.SetAt, t.Rules),
	}
	at := t.IdleRule().IdleAt(policy.Activity{LastUsedAt: s.LastUsedAt, SecretSetAt: s.SetAt, EnabledAt: s.EnabledAt})
	if s.Owner == "" || at.IsZero() || life.Status(now) != policy.Active ||
		now.Before(at.Add(policy.IdleMargin-policy.IdleNotice)) {
		return Notice{}, false
	}
	f := Facts{
		Tenant: s.Tenant, KeyName: s.Name, PublicID: s.PublicID, Last4: s.Last4, Expiry: life.Expiry,
		LastUsedAt: s.LastUsedAt,
		IdleAt:     slices.MaxFunc([]time.Time{at, now.Add(policy.IdleNotice)}, time.Time.Compare),
	}
	return OfKey(KeyIdle, s.Owner, s.Key, now, f, at.UnixMicro()), true
}
