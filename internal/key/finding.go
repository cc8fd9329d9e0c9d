package key

import (
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Finding is something about a key that its owner should change.
type Finding string

// The findings.
const (
	NeverUsed     Finding = "never_used"
	Unused        Finding = "unused_90_days"
	DueForRefresh Finding = "older_than_90_days"
	TooOld        Finding = "older_than_12_months"
	NeverExpires  Finding = "never_expires"
	UnusedScopes  Finding = "unused_scopes"
	OverlapOpen   Finding = "overlap_open"
	// NoSteward says that the key belongs to a service account without an active steward.
	NoSteward Finding = "no_steward"
)

// guidance holds the advice for each finding, in the order in which findings are listed (seed
// LoadRunner, guidelines for access keys).
var guidance = []struct {
	finding Finding
	advice  string
}{
	{NeverUsed, "No request has used the key. Revoke it if nobody needs it."},
	{Unused, "No request has used the key for 90 days. Revoke it if nobody needs it."},
	{DueForRefresh, "Refresh the key. We recommend a new secret every 90 days, even if no policy asks for it."},
	{TooOld, "Refresh the key. Its secret has been in use for more than 12 months."},
	{NeverExpires, "Set expires_at, or let the account's policy expire keys."},
	{UnusedScopes, "Remove the scopes that no request has needed for 30 days."},
	{OverlapOpen, "Two secrets of the key are valid. End the previous one when nothing uses it any more."},
	{NoSteward, "The service account has no steward: admins of the tenant get the notices. Name a steward."},
}

// Findings lists all findings in the order in which they are shown.
func Findings() (all []Finding) {
	for _, g := range guidance {
		all = append(all, g.finding)
	}
	return all
}

// Advice returns what the owner should do about the finding.
func (f Finding) Advice() string {
	for _, g := range guidance {
		if g.finding == f {
			return g.advice
		}
	}
	return ""
}

// The periods that findings count in.
const (
	recommendedAge = 90 * policy.Day
	maxAge         = 365 * policy.Day
	scopeWindow    = 30 * policy.Day
)

// Health is what a key's owner should know about a usable key. A key is usable if it is active, or
// is disabled and would be active once it is enabled.
type Health struct {
	View
	// Age is the age of the current secret. TimeLeft is the time until the key expires; 0 for no
	// expiry.
	Age, TimeLeft time.Duration
	// IdleAt is when the key will be disabled for idleness if nobody uses it until then; zero for
	// never.
	IdleAt   time.Time
	Findings []Finding
	// UnusedScopes are the scopes of the key that no request has needed in the last 30 days. It is
	// empty for a key younger than that. It contains * only where that is not the tenant's default.
	UnusedScopes []scope.Scope
}

// ExamineHealth examines a key. used are the scopes that requests with the key needed in the last
// 30 days.
func ExamineHealth(v View, t policy.Tenant, used scope.Set, now time.Time) Health {
	k := v.Key
	h := Health{View: v, Age: now.Sub(k.SecretSetAt), IdleAt: k.IdleAt(t)}
	if v.Status != policy.Active {
		h.IdleAt = time.Time{}
	}
	if end := v.Life.Expiry.At; !end.IsZero() {
		h.TimeLeft = end.Sub(now)
	}
	if now.Sub(k.CreatedAt) >= scopeWindow {
		for _, name := range k.Scopes {
			if !used.Has(name) && (name != scope.Every || !slices.Contains(t.Settings.DefaultScopes, scope.Every)) {
				h.UnusedScopes = append(h.UnusedScopes, name)
			}
		}
	}
	found := map[Finding]bool{
		NeverUsed:     k.LastUsedAt.IsZero(),
		Unused:        !k.LastUsedAt.IsZero() && now.Sub(k.LastUsedAt) >= recommendedAge,
		DueForRefresh: h.Age >= recommendedAge && h.Age < maxAge,
		TooOld:        h.Age >= maxAge,
		NeverExpires:  v.Life.Expiry.At.IsZero(),
		UnusedScopes:  len(h.UnusedScopes) > 0,
		OverlapOpen:   !v.Previous.Until.IsZero(),
		NoSteward:     k.Owner.Type() == ident.ServiceAccountParty && len(k.Stewards) == 0,
	}
	for _, f := range Findings() {
		if found[f] {
			h.Findings = append(h.Findings, f)
		}
	}
	return h
}
