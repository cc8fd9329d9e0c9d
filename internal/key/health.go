package key

import (
	"context"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
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
	SpareScopes   Finding = "unused_scopes"
	OverlapOpen   Finding = "overlap_open"
)

// guidance says what to do about each finding, in the order in which they are told (seed LoadRunner, guidelines for access keys).
var guidance = []struct {
	finding Finding
	advice  string
}{
	{NeverUsed, "Remove keys that nobody uses."},
	{Unused, "Not used for 90 days. Remove keys that nobody uses."},
	{DueForRefresh, "Refresh the key: 90 days is the lifetime to recommend, also where no policy forces it."},
	{TooOld, "Refresh the key: using one for more than 12 months is bad security."},
	{NeverExpires, "Give the key an expiry, or let the account's policy expire it."},
	{SpareScopes, "Take away the scopes that the key has not needed for 30 days."},
	{OverlapOpen, "Two secrets count. End the old one once nothing uses it any more."},
}

// Findings lists them in the order in which they are told.
func Findings() (all []Finding) {
	for _, g := range guidance {
		all = append(all, g.finding)
	}
	return all
}

// Advice says what to do about the finding.
func (f Finding) Advice() string {
	for _, g := range guidance {
		if g.finding == f {
			return g.advice
		}
	}
	return ""
}

// What is long, for a key.
const (
	recommended = 90 * policy.Day
	tooLong     = 365 * policy.Day
	scopeWindow = 30 * policy.Day
)

// Health is what is to be said of a key that can be used, now or once it is enabled.
type Health struct {
	View
	// Age of the current secret, and what is Left until the key expires, 0 for no end.
	Age, Left time.Duration
	// IdleAt is when the key will be disabled for idleness if it stays unused; zero for never.
	IdleAt   time.Time
	Findings []Finding
	// SpareScopes are those of the key's own that no decision has asked it for in the last 30 days. They are judged of keys older than that alone; that a key
	// has every scope is said where it is not what the tenant gives its keys by default.
	SpareScopes []scope.Scope
}

// Examine judges a key by what decisions asked it for within the last 30 days.
func Examine(v View, t policy.Tenant, used scope.Set, now time.Time) Health {
	k := v.Key
	h := Health{View: v, Age: now.Sub(k.SecretSetAt), IdleAt: k.IdleAt(t)}
	if v.State != policy.Active {
		h.IdleAt = time.Time{}
	}
	if end := v.Life.Expiry.At; !end.IsZero() {
		h.Left = end.Sub(now)
	}
	if now.Sub(k.CreatedAt) >= scopeWindow {
		for _, name := range k.Scopes {
			if !used.Has(name) && (name != scope.Every || !slices.Contains(t.Settings.DefaultScopes, scope.Every)) {
				h.SpareScopes = append(h.SpareScopes, name)
			}
		}
	}
	holds := map[Finding]bool{
		NeverUsed:     k.LastUsedAt.IsZero(),
		Unused:        !k.LastUsedAt.IsZero() && now.Sub(k.LastUsedAt) >= recommended,
		DueForRefresh: h.Age >= recommended && h.Age < tooLong,
		TooOld:        h.Age >= tooLong,
		NeverExpires:  v.Life.Expiry.At.IsZero(),
		SpareScopes:   len(h.SpareScopes) > 0,
		OverlapOpen:   !v.Previous.Until.IsZero(),
	}
	for _, f := range Findings() {
		if holds[f] {
			h.Findings = append(h.Findings, f)
		}
	}
	return h
}

// HealthListing is a part of a list. It may be shorter than asked, also where it is not the last.
type HealthListing struct {
	Keys []Health
	// Next asks for the part after this one; nil on the last.
	Next *Page
}

// Summary counts the keys of a whole list, and of them those with each finding.
type Summary struct {
	Keys     int
	Findings map[Finding]int
}

// Health examines the keys of a tenant that can be used, newest first: all of them for admins and auditors, for a member their own.
func (s *Service) Health(ctx context.Context, who principal.Principal, tenant ident.TenantID, page Page) (HealthListing, error) {
	t, filter, err := s.healthOf(ctx, who, tenant)
	if err != nil {
		return HealthListing{}, err
	}
	return s.examine(ctx, who, t, filter, page)
}

// healthOf returns the tenant and whose keys of it the caller is told the health of.
func (s *Service) healthOf(ctx context.Context, who principal.Principal, tenant ident.TenantID) (t policy.Tenant, filter Filter, err error) {
	if t, err = s.visible(ctx, who, tenant); err != nil {
		return t, filter, err
	}
	caller, err := person(who)
	if err == nil && who.RoleIn(t.ID, t.Account) == scope.Member {
		filter.Owner = caller.ID
	}
	return t, filter, err
}

// HealthBounds are the times by which a summary of health counts. Keys whose secrets were set by ExpiredSetBy have expired by a
// rule of the account; where no rule binds new secrets, those of keys set after EndlessAfter never expire by one.
type HealthBounds struct {
	Now, ExpiredSetBy, EndlessAfter time.Time
	UnusedBy, TooOldBy, ScopesSince time.Time
	SomeRuleBinds                   bool
	// EveryScopeIsDefault is set where the tenant gives its keys every scope by default.
	EveryScopeIsDefault bool
}

// endOfTime is later than any rule ends.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func healthBounds(t policy.Tenant, now time.Time) HealthBounds {
	var ended []policy.Rule
	for _, r := range t.Rules {
		if !r.Until.IsZero() {
			ended = append(ended, r)
		}
	}
	return HealthBounds{
		Now: now, ExpiredSetBy: policy.SetBy(t.Rules, now), EndlessAfter: policy.SetBy(ended, endOfTime), SomeRuleBinds: len(ended) < len(t.Rules),
		UnusedBy: now.Add(-recommended), TooOldBy: now.Add(-tooLong), ScopesSince: now.Add(-scopeWindow),
		EveryScopeIsDefault: slices.Contains(t.Settings.DefaultScopes, scope.Every),
	}
}

// HealthSummary counts what all parts of Health say together. Of each tenant one at a time is counted.
func (s *Service) HealthSummary(ctx context.Context, who principal.Principal, tenant ident.TenantID) (Summary, error) {
	t, filter, err := s.healthOf(ctx, who, tenant)
	if err != nil {
		return Summary{}, err
	}
	pass, err := s.Scans.Enter(ctx, admission.Caller(tenant))
	if err != nil {
		return Summary{}, err
	}
	defer pass.Leave()
	return s.Store.HealthSummary(ctx, tenant, filter.Owner, healthBounds(t, s.Now()))
}

// examine reads a page of keys and leaves out those that cannot be used any more, or not yet.
func (s *Service) examine(ctx context.Context, who principal.Principal, t policy.Tenant, filter Filter, page Page) (HealthListing, error) {
	fetch := func(p Page) ([]Key, error) { return s.Store.Keys(ctx, t.ID, filter, p) }
	found, err := scan(filter, page, fetch, func(k Key) (View, error) { return s.view(who, t, k), nil })
	if err != nil {
		return HealthListing{}, err
	}
	usable := slices.DeleteFunc(found.Views, func(v View) bool {
		return v.State != policy.Active && v.State != policy.Disabled || v.Key.SecretSetAt.IsZero()
	})
	ids := make([]ident.KeyID, len(usable))
	for i, v := range usable {
		ids[i] = v.Key.ID
	}
	now := s.Now()
	used, err := s.Store.ScopesUsed(ctx, ids, now.Add(-scopeWindow))
	if err != nil {
		return HealthListing{}, err
	}
	l := HealthListing{Next: found.Next}
	for _, v := range usable {
		l.Keys = append(l.Keys, Examine(v, t, used[v.Key.ID], now))
	}
	return l, nil
}
