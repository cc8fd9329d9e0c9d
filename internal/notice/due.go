package notice

import (
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

// thresholds are the days before its expiry at which the owner of a key is told, the nearest first.
var thresholds = [...]int{1, 7, 30}

const (
	// horizon is the farthest threshold.
	horizon = 30 * policy.Day
	// tellExpired is how long after an expiry it is still worth a notice, should it not have been found before.
	tellExpired = 7 * policy.Day
)

// Subject is a key as far as its expiry is concerned.
type Subject struct {
	Key     ident.KeyID
	Tenant  ident.TenantID
	Account ident.AccountID
	Owner   ident.UserID
	Name    string
	// PublicID, Last4, Serial and SetAt are those of the current secret.
	PublicID, Last4 string
	Serial          int
	SetAt           time.Time
	// ExpiresAt is the key's own expiry.
	ExpiresAt time.Time
	RevokedAt time.Time
}

// Due gives the notice of its expiry that the owner of a key should have by now; ok is false for none. Of several thresholds that are past it is the nearest
// one's alone, and a threshold that was past when the secret was made is left out: whoever made it knew.
func (s Subject) Due(rules []policy.Rule, now time.Time) (n Notice, ok bool) {
	e := policy.EffectiveExpiry(s.ExpiresAt, s.SetAt, rules)
	if e.At.IsZero() || !s.RevokedAt.IsZero() || s.SetAt.IsZero() {
		return Notice{}, false
	}
	if e.Passed(now) {
		return s.notice(KeyExpired, e, 0, now), now.Before(e.At.Add(tellExpired))
	}
	for _, days := range thresholds {
		if at := e.At.Add(-time.Duration(days) * policy.Day); !now.Before(at) {
			return s.notice(KeyExpiring, e, days, now), at.After(s.SetAt)
		}
	}
	return Notice{}, false
}

func (s Subject) notice(kind Kind, e policy.Expiry, days int, now time.Time) Notice {
	f := Facts{Tenant: s.Tenant, KeyName: s.Name, PublicID: s.PublicID, Last4: s.Last4, Days: days, Expiry: e}
	return OfKey(kind, s.Owner, s.Key, now, f, s.Serial, days, e.At.UnixMicro())
}
