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

// HealthListing is a part of a list. A part can be shorter than asked, even if it is not the last.
type HealthListing struct {
	Keys []Health
	// Next asks for the part after this one; nil on the last.
	Next *Page
}

// Summary counts the usable keys of a whole list, and those of them with each finding.
type Summary struct {
	Keys     int
	Findings map[Finding]int
}

// Health examines the usable keys of a tenant, newest first. Admins and auditors see the health of
// all keys, a member that of their own.
func (s *Service) Health(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	page Page,
) (HealthListing, error) {
	t, filter, err := s.healthFilter(ctx, who, tenant)
	if err != nil {
		return HealthListing{}, err
	}
	return s.examineHealth(ctx, who, t, filter, page)
}

// HealthSummary counts what all parts of Health return together. It counts one tenant at a time.
func (s *Service) HealthSummary(ctx context.Context, who principal.Principal, tenant ident.TenantID) (Summary, error) {
	t, filter, err := s.healthFilter(ctx, who, tenant)
	if err != nil {
		return Summary{}, err
	}
	pass, err := s.ScanGate.Acquire(ctx, admission.Caller(tenant))
	if err != nil {
		return Summary{}, err
	}
	defer pass.Release()
	return s.Store.HealthSummary(ctx, tenant, filter.Owner, healthBounds(t, s.Now()))
}

// healthFilter returns the tenant, and the filter for the keys whose health the caller may see.
func (s *Service) healthFilter(ctx context.Context, who principal.Principal,
	tenant ident.TenantID,
) (t policy.Tenant, filter Filter, err error) {
	t, err = s.visibleTenant(ctx, who, tenant)
	if err != nil {
		return t, filter, err
	}
	caller, err := actorOf(who)
	if err == nil && caller.management != nil {
		filter.OwnerTypes, filter.program = caller.management.Rights.Owners, true
		return t, filter, nil
	}
	if err == nil && !accessTo(who.RoleIn(t.ID, t.Account), unrelated, t.Settings.Visibility).full {
		filter.Owner = ident.PartyID(caller.person.ID)
	}
	return t, filter, err
}

// HealthBounds are the times that a summary of health compares with. Keys whose secrets were set by
// ExpiredSetBy have expired by a rule of the account. Where no rule applies to new secrets, keys
// whose secrets were set after EndlessAfter never expire by a rule.
type HealthBounds struct {
	Now, ExpiredSetBy, EndlessAfter time.Time
	UnusedBy, TooOldBy, ScopesSince time.Time
	// NeverUsedBy is the latest time of a secret whose key counts as never used.
	NeverUsedBy time.Time
	// SomeRuleBinds is set where a rule applies to new secrets.
	SomeRuleBinds bool
	// EveryScopeIsDefault is set where keys of the tenant have every scope by default.
	EveryScopeIsDefault bool
}

// endOfTime is later than the end of any rule.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func healthBounds(t policy.Tenant, now time.Time) HealthBounds {
	var ended []policy.Rule
	for _, r := range t.Rules {
		if !r.Until.IsZero() {
			ended = append(ended, r)
		}
	}
	return HealthBounds{
		Now: now, ExpiredSetBy: policy.LatestExpiredSecret(t.Rules, now),
		EndlessAfter: policy.LatestExpiredSecret(ended, endOfTime),
		UnusedBy:     now.Add(-recommendedAge), TooOldBy: now.Add(-maxAge), ScopesSince: now.Add(-scopeWindow),
		NeverUsedBy:         now.Add(-unusedGrace),
		SomeRuleBinds:       len(ended) < len(t.Rules),
		EveryScopeIsDefault: slices.Contains(t.Settings.DefaultScopes, scope.Every),
	}
}

// examineHealth reads a page of keys and examines those that are usable.
func (s *Service) examineHealth(ctx context.Context, who principal.Principal, t policy.Tenant, filter Filter,
	page Page,
) (HealthListing, error) {
	fetch := func(p Page) ([]Key, *Position, error) { return s.Store.Keys(ctx, t.ID, filter, p) }
	found, err := scan(filter, page, fetch, s.viewer(who, t))
	if err != nil {
		return HealthListing{}, err
	}
	usable := slices.DeleteFunc(found.Views, func(v View) bool {
		return !v.isUsable()
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
		l.Keys = append(l.Keys, ExamineHealth(v, t, used[v.Key.ID], now))
	}
	return l, nil
}
