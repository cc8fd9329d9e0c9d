package key

import (
	"context"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Holding is what an owner has of keys that are active or disabled.
type Holding struct {
	Keys int
	// LastUsedAt is the latest use of any of them; zero for none.
	LastUsedAt time.Time
}

// Held returns what the owners hold in a tenant, of the keys that the caller may see. An owner
// without such a key is missing. The database does the counting.
func (s *Service) Held(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	owners ...ident.PartyID,
) (map[ident.PartyID]Holding, error) {
	caller, err := signedInPerson(who)
	if err != nil {
		return nil, err
	}
	t, err := s.visibleTenant(ctx, who, tenant)
	if err != nil {
		return nil, err
	}
	if !accessTo(who.RoleIn(t.ID, t.Account), unrelated, t.Settings.Visibility).see {
		seen, err := s.Store.StewardedBy(ctx, tenant, caller.ID)
		if err != nil {
			return nil, err
		}
		seen = append(seen, ident.PartyID(caller.ID))
		owners = slices.DeleteFunc(slices.Clone(owners), func(o ident.PartyID) bool {
			return !slices.Contains(seen, o)
		})
	}
	if len(owners) == 0 {
		return nil, nil
	}
	pass, err := s.SearchGate.Acquire(ctx, admission.Caller(tenant).Part(string(caller.ID)))
	if err != nil {
		return nil, err
	}
	defer pass.Release()
	now := s.Now()
	return s.Store.Held(ctx, tenant, owners, policy.LatestExpiredSecret(t.Rules, now), now)
}
