package key

import (
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Finding is something that its owner should change about a key, or an admin of the tenant about a
// management key.
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
	// ShownToFormerAdmin says that a person who is no admin of the tenant any more was shown a
	// secret of the management key that is still valid.
	ShownToFormerAdmin Finding = "shown_to_former_admin"
	// ExpiresSoon says that the management key expires within 14 days. Unlike for keys, no notice
	// is sent before.
	ExpiresSoon Finding = "expires_soon"
	// ServiceAccountDisabled says that the management key is rejected until its service account is
	// enabled.
	ServiceAccountDisabled Finding = "service_account_disabled"
)

// guidance is a list of findings, each with the advice for it.
type guidance []struct {
	finding Finding
	advice  string
}

// keyGuidance holds the findings about keys in the order in which they are listed (seed LoadRunner,
// guidelines for access keys).
var keyGuidance = guidance{
	{
		NeverUsed, "No request has ever used the key, and its secret is at least 7 days old. Revoke it if nobody " +
			"needs it.",
	},
	{Unused, "No request has used the key for 90 days. Revoke it if nobody needs it."},
	{DueForRefresh, "Refresh the key. We recommend a new secret every 90 days, even if no policy asks for it."},
	{TooOld, "Refresh the key. Its secret has been in use for more than 12 months."},
	{NeverExpires, "Set expires_at, or let the account's policy expire keys."},
	{UnusedScopes, "Remove the scopes that no request has needed for 30 days."},
	{OverlapOpen, "Two secrets of the key are valid. End the previous one when nothing uses it any more."},
	{NoSteward, "The service account has no steward: admins of the tenant get the notices. Name a steward."},
}

// managementGuidance holds the findings about management keys, the most urgent first.
var managementGuidance = guidance{
	{
		ShownToFormerAdmin,
		"A person who is no longer an admin of the tenant was shown a secret of the management key that is still " +
			"valid. Refresh the management key without an overlap, or revoke it.",
	},
	{ExpiresSoon, "The management key expires within 14 days. Refresh it if its program is still needed."},
	{
		NeverUsed, "No request has ever used the management key, and its secret is at least 7 days old. Revoke it if " +
			"nobody needs it.",
	},
	{Unused, "No request has used the management key for 90 days. Revoke it if nobody needs it."},
	{DueForRefresh, "Refresh the management key. We recommend a new secret every 90 days."},
	{
		OverlapOpen,
		"Two secrets of the management key are valid. End the previous one when nothing uses it any more.",
	},
	{
		ServiceAccountDisabled, "The service account is disabled, and the management key works again when it is " +
			"enabled. Revoke the management key if nobody needs it.",
	},
}

// findings lists all findings in the order in which they are shown.
func (g guidance) findings() (all []Finding) {
	for _, a := range g {
		all = append(all, a.finding)
	}
	return all
}

// advice returns what to do about the finding.
func (g guidance) advice(f Finding) string {
	for _, a := range g {
		if a.finding == f {
			return a.advice
		}
	}
	return ""
}

// keep returns the findings that are set, in the order in which they are shown.
func (g guidance) keep(found map[Finding]bool) (kept []Finding) {
	for _, f := range g.findings() {
		if found[f] {
			kept = append(kept, f)
		}
	}
	return kept
}

// Findings lists all findings about keys in the order in which they are shown.
func Findings() []Finding { return keyGuidance.findings() }

// ManagementFindings lists all findings about management keys in the order in which they are shown.
func ManagementFindings() []Finding { return managementGuidance.findings() }

// Advice returns what the owner should do about the finding about a key.
func (f Finding) Advice() string { return keyGuidance.advice(f) }

// ManagementAdvice returns what an admin should do about the finding about a management key.
func (f Finding) ManagementAdvice() string { return managementGuidance.advice(f) }

// The periods that findings count in.
const (
	recommendedAge = 90 * policy.Day
	maxAge         = 365 * policy.Day
	scopeWindow    = 30 * policy.Day
	// unusedGrace is how long a new secret may wait for its first use: health is reviewed weekly.
	unusedGrace = 7 * policy.Day
	// soon is long enough for somebody who looks once a week.
	soon = 14 * policy.Day
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
		NeverUsed:     k.LastUsedAt.IsZero() && h.Age >= unusedGrace,
		Unused:        !k.LastUsedAt.IsZero() && now.Sub(k.LastUsedAt) >= recommendedAge,
		DueForRefresh: h.Age >= recommendedAge && h.Age < maxAge,
		TooOld:        h.Age >= maxAge,
		NeverExpires:  v.Life.Expiry.At.IsZero(),
		UnusedScopes:  len(h.UnusedScopes) > 0,
		OverlapOpen:   !v.Previous.Until.IsZero(),
		NoSteward:     k.Owner.Type() == ident.ServiceAccountParty && len(k.Stewards) == 0,
	}
	h.Findings = keyGuidance.keep(found)
	return h
}
