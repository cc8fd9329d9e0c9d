package account

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Policy returns the policy of an account to a signed-in person who belongs to it or to one of its
// tenants.
func (s *Service) Policy(ctx context.Context, who principal.Principal, id ident.AccountID) (policy.Policy, error) {
	if _, err := s.Account(ctx, who, id); err != nil {
		return policy.Policy{}, err
	}
	return s.Store.Policy(ctx, id)
}

// ChangePolicy changes the policy of an account, for its owners and admins. Once it returns, the
// new policy binds every key and session in the account's tenants. expected is the version that the
// policy must have before; "" for any. With [etag.ErrChanged] it returns the policy as it is.
func (s *Service) ChangePolicy(ctx context.Context, who principal.Principal, id ident.AccountID,
	c policy.Change, expected etag.Tag,
) (p policy.Policy, err error) {
	if err := fault.Refuse(c.Faults()...); err != nil {
		return policy.Policy{}, err
	}
	err = s.inAccount(ctx, who, id, "",
		func(ctx context.Context, tx Tx, a Account, _ scope.AccountRole) (audit.Event, error) {
			before, err := tx.Policy(ctx, id)
			if err != nil {
				return audit.Event{}, err
			}
			p = before
			if err := expected.Check(p.Version()); err != nil {
				return audit.Event{}, err
			}
			// Read the time after taking the locks: a rule that ends now must end after every
			// decision that was made while this change waited for them.
			now := s.Now()
			var faults []fault.Field
			p, faults = before.Apply(c, now)
			if len(faults) > 0 {
				return audit.Event{}, fault.Refuse(faults...)
			}
			if err := checkRuleLimit(before, p); err != nil {
				return audit.Event{}, err
			}
			e := audit.By(who, audit.ActionPolicyEdit, a.target())
			differences := before.Differences(p)
			for _, d := range differences {
				e = e.With(d.Name, d.Is).With(d.Name+"_before", d.Was)
			}
			if len(differences) == 0 {
				return e, audit.ErrNothing
			}
			return e.WithEffects(policyEffects(id, before, p)...), setPolicy(ctx, tx, id, before, p, now)
		})
	return p, err
}

// policyEffects returns the effects of replacing a policy: how long keys and sessions may live now,
// where that has changed.
func policyEffects(account ident.AccountID, before, p policy.Policy) (effects []audit.Effect) {
	for _, reason := range []policy.Reason{policy.ByAutoExpiry, policy.ByMaxLifetime} {
		if days := policy.InForce(p.Rules, reason).Days; days != policy.InForce(before.Rules, reason).Days {
			effects = append(effects,
				audit.Effect{Kind: audit.EffectLifetimeSet, Account: account, Reason: reason, Days: days})
		}
	}
	if bounds := p.EffectiveSessions(); bounds != before.EffectiveSessions() {
		effects = append(effects, audit.Effect{
			Kind: audit.EffectSessionBoundsSet, Account: account,
			IdleMinutes: int(bounds.Idle / time.Minute), AbsoluteHours: int(bounds.Absolute / time.Hour),
		})
	}
	return effects
}

// setPolicy replaces a policy. It first ends the sessions that had ended by the old policy, or are
// about to, because a new policy with longer limits would otherwise bring them back.
func setPolicy(ctx context.Context, tx Tx, account ident.AccountID, before, p policy.Policy, now time.Time) error {
	if before.Sessions != p.Sessions {
		seenBy, begunBy := before.EndedSessionCutoffs(now)
		if err := tx.EndSessionsIn(ctx, account, seenBy, begunBy); err != nil {
			return err
		}
	}
	return tx.SetPolicy(ctx, account, p)
}

// PreviewPolicy returns what a change of policy would do to the account's keys, for its owners and
// admins. It needs no acknowledgement, since it changes nothing. expected is the version that the
// policy must have; "" for any.
func (s *Service) PreviewPolicy(ctx context.Context, who principal.Principal, id ident.AccountID,
	c policy.Change, expected etag.Tag,
) (effect policy.Impact, err error) {
	if err := fault.Refuse(c.Faults()...); err != nil {
		return effect, err
	}
	if err := checkAdmin(who, id); err != nil {
		return effect, err
	}
	before, err := s.Store.Policy(ctx, id)
	if err == nil {
		err = expected.Check(before.Version())
	}
	if err != nil {
		return effect, err
	}
	now := s.Now()
	c.AcknowledgeRisk = true
	after, faults := before.Apply(c, now)
	if err := fault.Refuse(faults...); err != nil {
		return effect, err
	}
	if err := checkRuleLimit(before, after); err != nil {
		return effect, err
	}
	pass, err := s.Scans.Acquire(ctx, admission.Caller(id)) // counting reads all keys of the account
	if err != nil {
		return effect, err
	}
	defer pass.Release()
	for _, span := range policy.ImpactRanges(before.Rules, after.Rules, now) {
		keys, first, err := s.Store.CountKeys(ctx, id, span, now)
		if err != nil {
			return effect, err
		}
		effect.Add(span, keys, first, now)
	}
	return effect, nil
}
