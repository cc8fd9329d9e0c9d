package key

import (
	"context"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

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
	More     bool
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
	states, err := s.Store.KeyStates(ctx, tenant, Position{}, maxCounted+1)
	if err != nil {
		return Counts{}, err
	}
	c := Counts{ByStatus: map[policy.Status]int{}, More: len(states) > maxCounted}
	for _, k := range states[:min(len(states), maxCounted)] {
		v := s.view(caller.ID, role, t, k)
		c.All++
		if v.BlockedBy != "" {
			c.Blocked++
		} else {
			c.ByStatus[v.Status]++
		}
	}
	return c, nil
}
