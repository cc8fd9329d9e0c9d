package tenancy

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Policy gives the policy of an account to whoever belongs to it or to a tenant of it.
func (s *Service) Policy(ctx context.Context, who principal.Principal, id ident.AccountID) (policy.Policy, error) {
	if _, err := s.Account(ctx, who, id); err != nil {
		return policy.Policy{}, err
	}
	return s.Store.Policy(ctx, id)
}

// ChangePolicy is for owners and admins of the account. Every key and session of its tenants obeys before it returns.
func (s *Service) ChangePolicy(ctx context.Context, who principal.Principal, id ident.AccountID, c policy.Change) (p policy.Policy, err error) {
	if err := fault.Refuse(c.Faults()...); err != nil {
		return policy.Policy{}, err
	}
	err = s.inAccount(ctx, who, id, "", func(ctx context.Context, tx Tx, a Account, _ scope.AccountRole) (audit.Event, error) {
		before, err := tx.Policy(ctx, id)
		if err != nil {
			return audit.Event{}, err
		}
		now := s.Now() // once the locks are had, so that the rules which end now end after the overrun of what is decided meanwhile
		var faults []fault.Field
		if p, faults = before.Apply(c, now); len(faults) > 0 {
			return audit.Event{}, fault.Refuse(faults...)
		}
		e := audit.By(who, "policy.edit", a.target())
		differences := before.Differences(p)
		for _, d := range differences {
			e = e.With(d.Name, d.Is).With(d.Name+"_before", d.Was)
		}
		if len(differences) == 0 {
			return e, audit.ErrNothing
		}
		return e, setPolicy(ctx, tx, id, before, p, now)
	})
	return p, err
}

// setPolicy writes a policy in the place of another. Sessions that had ended by the old one, or are about to, go first, lest the new one revive them.
func setPolicy(ctx context.Context, tx Tx, account ident.AccountID, before, p policy.Policy, now time.Time) error {
	if before.Sessions != p.Sessions {
		old := before.EffectiveSessions()
		soon := now.Add(policy.Overrun)
		if err := tx.EndSessionsIn(ctx, account, soon.Add(-old.Idle), soon.Add(-old.Absolute)); err != nil {
			return err
		}
	}
	return tx.SetPolicy(ctx, account, p)
}

// TryPolicy tells an owner or admin of the account what a change would do to its keys. It needs no acknowledgement, since it changes nothing.
func (s *Service) TryPolicy(ctx context.Context, who principal.Principal, id ident.AccountID, c policy.Change) (effect policy.Effect, err error) {
	if err := fault.Refuse(c.Faults()...); err != nil {
		return effect, err
	}
	if err := s.seesAll(who, id); err != nil {
		return effect, err
	}
	before, err := s.Store.Policy(ctx, id)
	if err != nil {
		return effect, err
	}
	now := s.Now()
	c.AcknowledgeRisk = true
	after, faults := before.Apply(c, now)
	if err := fault.Refuse(faults...); err != nil {
		return effect, err
	}
	err = s.Store.LivingKeys(ctx, id, func(own, secretSetAt time.Time) { effect.Count(own, secretSetAt, before.Rules, after.Rules, now) })
	return effect, err
}
