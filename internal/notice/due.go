package notice

import (
	"slices"
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

// Subject is a key as far as its expiry and its idleness are concerned.
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
	ExpiresAt             time.Time
	RevokedAt, DisabledAt time.Time
	// LastUsedAt and EnabledAt are signs of life, as SetAt is.
	LastUsedAt, EnabledAt time.Time
}

// Due gives the notice of its expiry that the owner of a key should have by now; ok is false for none. A threshold that was past when the secret was made, by
// the expiry that it had then, is left out: whoever made it knew.
func (s Subject) Due(rules []policy.Rule, now time.Time) (n Notice, ok bool) {
	n, ok = s.Stage(rules, now)
	if !ok || n.Kind == KeyExpired {
		return n, ok && now.Before(n.Facts.Expiry.At.Add(tellExpired))
	}
	then := slices.DeleteFunc(slices.Clone(rules), func(r policy.Rule) bool { return r.Since.After(s.SetAt) })
	at := n.Facts.Expiry.At.Add(-time.Duration(n.Facts.Days) * policy.Day)
	known := policy.EffectiveExpiry(s.ExpiresAt, s.SetAt, then).At.Equal(n.Facts.Expiry.At)
	return n, !known || at.After(s.SetAt)
}

// Stage gives the notice that fits how near to its expiry a key is, whoever knows already; ok is false where it is not near, or was revoked. Of several thresholds
// that are past it is the nearest one's.
func (s Subject) Stage(rules []policy.Rule, now time.Time) (n Notice, ok bool) {
	e := policy.EffectiveExpiry(s.ExpiresAt, s.SetAt, rules)
	switch {
	case e.At.IsZero() || !s.RevokedAt.IsZero() || s.SetAt.IsZero():
		return Notice{}, false
	case e.Passed(now):
		return s.notice(KeyExpired, e, 0, now), true
	}
	for _, days := range thresholds {
		if !now.Before(e.At.Add(-time.Duration(days) * policy.Day)) {
			return s.notice(KeyExpiring, e, days, now), true
		}
	}
	return Notice{}, false
}

func (s Subject) notice(kind Kind, e policy.Expiry, days int, now time.Time) Notice {
	f := Facts{Tenant: s.Tenant, KeyName: s.Name, PublicID: s.PublicID, Last4: s.Last4, Days: days, Expiry: e}
	return OfKey(kind, s.Owner, s.Key, now, f, s.Serial, days, e.At.UnixMicro())
}
