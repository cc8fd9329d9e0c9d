package key

import (
	"context"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// ManagementHealth is what an admin should know about a management key that is neither revoked nor
// expired.
type ManagementHealth struct {
	machine.ManagementKeyView
	// Age is the age of the current secret. TimeLeft is the time until the management key expires.
	Age, TimeLeft time.Duration
	Findings      []Finding
}

// ManagementHealthListing is the health of all management keys of a tenant.
type ManagementHealthListing struct {
	Keys []ManagementHealth
	// Findings counts the management keys with each finding.
	Findings map[Finding]int
}

// ManagementHealth examines the management keys of a tenant that are neither revoked nor expired,
// newest first. A tenant has at most 1,000 of them: 5 of each of 200 service accounts. Admins and
// auditors of the tenant see them. For everybody else who sees the health of keys there is no
// listing, and the result is nil: a management key never reads about its own kind.
func (s *Service) ManagementHealth(ctx context.Context, who principal.Principal,
	tenant ident.TenantID,
) (*ManagementHealthListing, error) {
	t, filter, err := s.healthFilter(ctx, who, tenant)
	if err != nil || filter.program || filter.Owner != "" {
		return nil, err
	}
	now := s.Now()
	keys, err := s.Store.LiveManagementKeys(ctx, tenant, now)
	if err != nil {
		return nil, err
	}
	var live []machine.ManagementKeyView
	for _, k := range keys {
		v := k.View(t, now)
		// It may have expired by a rule of the account, or its service account may be deleted.
		if v.Status == policy.Active {
			live = append(live, v)
		}
	}
	admins, err := s.adminsShown(ctx, tenant, live)
	if err != nil {
		return nil, err
	}
	l := &ManagementHealthListing{Findings: map[Finding]int{}}
	for _, v := range live {
		h := examineManagementHealth(v, admins, now)
		for _, f := range h.Findings {
			l.Findings[f]++
		}
		l.Keys = append(l.Keys, h)
	}
	return l, nil
}

// adminsShown returns the admins of the tenant among the people who were shown a valid secret.
func (s *Service) adminsShown(ctx context.Context, tenant ident.TenantID,
	keys []machine.ManagementKeyView,
) ([]ident.UserID, error) {
	var people []ident.UserID
	for _, v := range keys {
		people = append(people, shownTo(v)...)
	}
	slices.Sort(people)
	people = slices.Compact(people)
	if len(people) == 0 {
		return nil, nil
	}
	return s.Store.AdminsAmong(ctx, tenant, people)
}

// shownTo returns the people who were shown a secret that is valid. The operator is none of them.
func shownTo(v machine.ManagementKeyView) (people []ident.UserID) {
	for _, by := range []ident.PartyID{v.SetBy, v.Previous.SetBy} {
		if person := by.User(); person != "" {
			people = append(people, person)
		}
	}
	return people
}

// examineManagementHealth examines a management key. admins are the admins of the tenant among
// those who were shown a secret.
func examineManagementHealth(v machine.ManagementKeyView, admins []ident.UserID, now time.Time) ManagementHealth {
	h := ManagementHealth{ManagementKeyView: v, Age: now.Sub(v.SecretSetAt), TimeLeft: v.Ends.At.Sub(now)}
	isFormer := func(person ident.UserID) bool { return !slices.Contains(admins, person) }
	h.Findings = managementGuidance.keep(map[Finding]bool{
		ShownToFormerAdmin:     slices.ContainsFunc(shownTo(v), isFormer),
		ExpiresSoon:            h.TimeLeft <= soon,
		NeverUsed:              v.LastUsedAt.IsZero() && h.Age >= unusedGrace,
		Unused:                 !v.LastUsedAt.IsZero() && now.Sub(v.LastUsedAt) >= recommendedAge,
		DueForRefresh:          h.Age >= recommendedAge,
		OverlapOpen:            !v.Previous.Until.IsZero(),
		ServiceAccountDisabled: !v.ServiceAccount.Active,
	})
	return h
}
