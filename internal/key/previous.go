package key

import (
	"context"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Previous is the secret that the last refresh replaced. It stays valid beside the current one for
// the overlap that the refresh asked for.
type Previous struct {
	PublicID string
	Last4    string
	SetAt    time.Time
	// SetBy is the party that set it, as in Key.
	SetBy ident.PartyID
	// Until is the end of the overlap. A rule that counts from SetAt can end the secret sooner.
	Until time.Time
	// LastUsedAt is when a request last used it after it was replaced.
	LastUsedAt time.Time
}

// validPrevious returns the previous secret if it is valid now, with Until set to when it really
// ends; zero otherwise.
func (k Key) validPrevious(life policy.Life, rules []policy.Rule, now time.Time) Previous {
	p := k.Previous
	if p.Until.IsZero() || !life.RevokedAt.IsZero() {
		return Previous{}
	}
	end := policy.EffectiveExpiry(earlierTime(p.Until, life.Expiry.At), p.SetAt, rules)
	if end.Passed(now) {
		return Previous{}
	}
	p.Until = end.At
	return p
}

// earlierTime returns the earlier of a time and another one, which is zero for none.
func earlierTime(at, other time.Time) time.Time {
	if !other.IsZero() && other.Before(at) {
		return other
	}
	return at
}

// EndPrevious ends the previous secret at once. It returns fault.NotFound if none is valid.
func (s *Service) EndPrevious(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.KeyID,
) error {
	_, err := s.change(ctx, who, tenant, id, policy.MayRevokeKeys,
		func(ctx context.Context, tx ChangeTx, c *keyTx) (audit.Action, error) {
			switch {
			case c.revoked():
				return "", errRevoked
			case c.validPrevious(c.Life(c.tenant.Rules), c.tenant.Rules, c.now).Until.IsZero():
				return "", fault.NotFound
			}
			c.details = map[string]string{"serial": strconv.Itoa(c.Serial)}
			c.effects = []audit.Effect{{
				Kind: audit.EffectKeyPreviousEnded, Tenant: c.Tenant, Key: c.ID, Serial: c.Serial,
			}}
			return audit.ActionKeyEndPrevious, tx.EndPrevious(ctx, id, c.now)
		})
	return err
}
