package tenancy

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
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
		e := audit.By(who, audit.ActionPolicyEdit, a.target())
		differences := before.Differences(p)
		for _, d := range differences {
			e = e.With(d.Name, d.Is).With(d.Name+"_before", d.Was)
		}
		if len(differences) == 0 {
			return e, audit.ErrNothing
		}
		return e.WithEffects(lifetimes(id, before, p)...), setPolicy(ctx, tx, id, before, p, now)
	})
	return p, err
}

// lifetimes are the effects of a policy that took the place of another: how long it lets keys live, where that is not as it was.
func lifetimes(account ident.AccountID, before, p policy.Policy) (effects []audit.Effect) {
	for _, reason := range []policy.Reason{policy.ByAutoExpiry, policy.ByMaxLifetime} {
		if days := policy.InForce(p.Rules, reason).Days; days != policy.InForce(before.Rules, reason).Days {
			effects = append(effects, audit.Effect{Kind: audit.EffectLifetimeSet, Account: account, Reason: reason, Days: days})
		}
	}
	return effects
}

// setPolicy writes a policy in the place of another. Sessions that had ended by the old one, or are about to, go first, lest the new one revive them.
func setPolicy(ctx context.Context, tx Tx, account ident.AccountID, before, p policy.Policy, now time.Time) error {
	if before.Sessions != p.Sessions {
		seenBy, begunBy := before.Stale(now)
		if err := tx.EndSessionsIn(ctx, account, seenBy, begunBy); err != nil {
			return err
		}
	}
	return tx.SetPolicy(ctx, account, p)
}

// release ends those sessions of a person that had ended by the policy of an account, or are about to, before it binds them no longer: by others they could live again.
func (s *Service) release(ctx context.Context, tx Tx, account ident.AccountID, user ident.UserID) error {
	p, err := tx.Policy(ctx, account)
	if err != nil {
		return err
	}
	seenBy, begunBy := p.Stale(s.Now())
	return tx.EndSessionsOf(ctx, user, seenBy, begunBy)
}

// releaseAll does so for all people of an account.
func (s *Service) releaseAll(ctx context.Context, tx Tx, account ident.AccountID) error {
	p, err := tx.Policy(ctx, account)
	if err != nil {
		return err
	}
	seenBy, begunBy := p.Stale(s.Now())
	return tx.EndSessionsIn(ctx, account, seenBy, begunBy)
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
	pass, err := s.Scans.Enter(ctx, admission.Caller(id)) // it reads every key of the account
	if err != nil {
		return effect, err
	}
	defer pass.Leave()
	now := s.Now()
	c.AcknowledgeRisk = true
	after, faults := before.Apply(c, now)
	if err := fault.Refuse(faults...); err != nil {
		return effect, err
	}
	err = s.Store.LivingKeys(ctx, id, func(own, secretSetAt time.Time) { effect.Count(own, secretSetAt, before.Rules, after.Rules, now) })
	return effect, err
}
