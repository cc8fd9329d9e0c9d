package notice

import (
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/policy"
)

// Idle gives the notice that the owner of a key should have by now since it will be disabled for idleness; ok is false for none. There is one for each time at
// which that would be by what the tenant asks and the key's last sign of life; whoever is told late is left as much time as others.
func (s Subject) Idle(t policy.Tenant, now time.Time) (n Notice, ok bool) {
	life := policy.Life{RevokedAt: s.RevokedAt, DisabledAt: s.DisabledAt, Expiry: policy.EffectiveExpiry(s.ExpiresAt, s.SetAt, t.Rules)}
	at := t.Idleness().IdleAt(policy.Idle{LastUsedAt: s.LastUsedAt, SecretSetAt: s.SetAt, EnabledAt: s.EnabledAt})
	if at.IsZero() || life.State(now) != policy.Active || now.Before(at.Add(policy.IdleMargin-policy.IdleNotice)) {
		return Notice{}, false
	}
	f := Facts{
		Tenant: s.Tenant, KeyName: s.Name, PublicID: s.PublicID, Last4: s.Last4, Expiry: life.Expiry,
		LastUsedAt: s.LastUsedAt, IdleAt: slices.MaxFunc([]time.Time{at, now.Add(policy.IdleNotice)}, time.Time.Compare),
	}
	return OfKey(KeyIdle, s.Owner, s.Key, now, f, at.UnixMicro()), true
}
