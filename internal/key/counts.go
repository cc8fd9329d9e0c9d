package key

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Group is a group of keys of a tenant that are active or disabled: those with a scope or with an
// application by name, those of the subjects on a plan, and those of them that have a scope or an
// application. Keys with all scopes, or with all applications, are in a group that has a plan.
type Group struct {
	Plan, Application string
	Scope             scope.Scope
}

// CountGroups counts the keys in groups, each up to most, for a caller who sees all keys of the
// tenant in full. It fails with ErrNotYet if the tenants of rights are not written yet.
func (s *Service) CountGroups(ctx context.Context, who principal.Principal, tenant ident.TenantID, most int,
	groups ...Group,
) (map[Group]int, error) {
	t, err := s.visibleTenant(ctx, who, tenant)
	if err != nil {
		return nil, err
	}
	if _, err := signedInPerson(who); err != nil {
		return nil, err
	}
	if !accessTo(who.RoleIn(t.ID, t.Account), unrelated, t.Settings.Visibility).full {
		return nil, errHiddenKeys
	}
	pass, err := s.SearchGate.Acquire(ctx, admission.Caller(tenant)) // keys that do not count are read, too
	if err != nil {
		return nil, err
	}
	defer pass.Release()
	now := s.Now()
	counts := make(map[Group]int, len(groups))
	for _, g := range groups {
		counts[g], err = s.Store.CountGroup(ctx, tenant, g, policy.LatestExpiredSecret(t.Rules, now), now, most)
		if err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// maxCounted is how many keys of a tenant Counts looks at, the newest. Their rows are read, because
// the status of a key is computed.
const maxCounted = 20_000

// Counts are the numbers of keys of a tenant by their status. They are numbers of the newest keys
// where More is set.
type Counts struct {
	All int
	// ByStatus counts the keys of each status. Active keys that are blocked do not count as active.
	ByStatus map[policy.Status]int
	Blocked  int
	// NotClaimed, NeverUsed and Soon count the keys that a [Filter] of that name lists, and those
	// that expire within [SoonPeriod]. They are 0 for a caller who does not see all keys in full.
	NotClaimed, NeverUsed, Soon int
	More                        bool
}

// Counts counts the keys of a tenant, for a caller who may see all of them.
func (s *Service) Counts(ctx context.Context, who principal.Principal, tenant ident.TenantID) (Counts, error) {
	t, err := s.visibleTenant(ctx, who, tenant)
	if err != nil {
		return Counts{}, err
	}
	caller, err := signedInPerson(who)
	if err != nil {
		return Counts{}, err
	}
	role := who.RoleIn(t.ID, t.Account)
	if !accessTo(role, unrelated, t.Settings.Visibility).see {
		return Counts{}, errHiddenKeys
	}
	states, _, err := s.Store.KeyStates(ctx, tenant, Order{}, Position{}, maxCounted+1, States{Uses: true})
	if err != nil {
		return Counts{}, err
	}
	now := s.Now()
	c := Counts{ByStatus: map[policy.Status]int{}, More: len(states) > maxCounted}
	for _, k := range states[:min(len(states), maxCounted)] {
		v := s.view(caller.ID, role, t, k)
		c.All++
		if v.BlockedBy != "" {
			c.Blocked++
		} else {
			c.ByStatus[v.Status]++
		}
		if v.Full {
			c.addFull(v, now)
		}
	}
	return c, nil
}

// addFull counts what only those know of a key who see it in full.
func (c *Counts) addFull(v View, now time.Time) {
	if v.isNotClaimed() {
		c.NotClaimed++
	}
	if v.isNeverUsed() {
		c.NeverUsed++
	}
	if v.expiresSoon(now) {
		c.Soon++
	}
}
