package notice

import (
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// thresholds are the days before a key's expiry at which its owner gets a notice, nearest first.
var thresholds = [...]int{1, 7, 30}

const (
	// horizon is the earliest threshold.
	horizon = 30 * policy.Day
	// notifyExpired is how long after an expiry a notice of it is still planned, if none was
	// planned before.
	notifyExpired = 7 * policy.Day
)

// Subject is what planning reads of a key.
type Subject struct {
	Key     ident.KeyID
	Tenant  ident.TenantID
	Account ident.AccountID
	// Owner of the key. Where it is a subject, nothing is due.
	Owner principal.Party
	Name  string
	// PublicID, Last4, Serial and SetAt are those of the current secret.
	PublicID, Last4 string
	Serial          int
	SetAt           time.Time
	// ExpiresAt is the key's own expiry; zero for none.
	ExpiresAt             time.Time
	RevokedAt, DisabledAt time.Time
	// LastUsedAt, EnabledAt and SetAt show that the key is not idle.
	LastUsedAt, EnabledAt time.Time
}

// Due returns the notice of the key's expiry that its owner should have by now; ok is false for
// none. It leaves out a threshold that had already passed when the secret was made, by the expiry
// that it had then: the person who made it knew.
func (s Subject) Due(rules []policy.Rule, now time.Time) (n Notice, ok bool) {
	n, ok = s.Stage(rules, now)
	if !ok || n.Kind == KeyExpired {
		return n, ok && now.Before(n.Facts.Expiry.At.Add(notifyExpired))
	}
	then := slices.DeleteFunc(slices.Clone(rules), func(r policy.Rule) bool { return r.Since.After(s.SetAt) })
	at := n.Facts.Expiry.At.Add(-time.Duration(n.Facts.Days) * policy.Day)
	known := policy.EffectiveExpiry(s.ExpiresAt, s.SetAt, then).At.Equal(n.Facts.Expiry.At)
	return n, !known || at.After(s.SetAt)
}

// Stage returns the notice for how near its expiry the key is, whether or not its owner had one; ok
// is false where the expiry is not near or the key was revoked. Where several thresholds have
// passed, it is the notice of the nearest.
func (s Subject) Stage(rules []policy.Rule, now time.Time) (n Notice, ok bool) {
	e := policy.EffectiveExpiry(s.ExpiresAt, s.SetAt, rules)
	switch {
	case !Reaches(s.Owner.Type()) || e.At.IsZero() || !s.RevokedAt.IsZero() || s.SetAt.IsZero():
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

// notice returns the notice of an expiry.
func (s Subject) notice(kind Kind, e policy.Expiry, days int, now time.Time) Notice {
	f := Facts{Tenant: s.Tenant, KeyName: s.Name, PublicID: s.PublicID, Last4: s.Last4, Days: days, Expiry: e}
	return OfOwnersKey(kind, s.Owner, s.Key, now, f, s.Serial, days, e.At.UnixMicro())
}
