package account

import (
	"context"
	"slices"
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
			if p.FactorRule() != before.FactorRule() { // nodes of the version before ask for no second factor
				if err := tx.RequireUpgrade(ctx); err != nil {
					return audit.Event{}, err
				}
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
	if p.FactorRule() != before.FactorRule() {
		effects = append(effects,
			audit.Effect{Kind: audit.EffectSecondFactorRequired, Account: account, Require: p.FactorRule()})
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

// Preview is what a change of policy would do to the account's keys and people.
type Preview struct {
	policy.Impact
	// Keys are some of the keys that expire sooner: the first ones to expire.
	Keys []ChangedKey
	// Delayed is how many keys expire later than now, or never. DelayedKeys are some of them: the
	// first ones to expire without the change.
	Delayed     int
	DelayedKeys []ChangedKey
	// People is how many people own keys that expire sooner, who are told before, and
	// ServiceAccounts how many service accounts, whose stewards are. MoreOwners is set if only some
	// owners were counted.
	People, ServiceAccounts int
	MoreOwners              bool
	// Later is set if automatic expiration takes longer than before.
	Later bool
	// WithoutFactor is how many people must set up a second factor at their next request, if the
	// change makes another rule about it.
	WithoutFactor int
	// Weeks say how many keys expire in the weeks ahead.
	Weeks []Week
	// Busiest is the day on which the most keys expire after the change, of those that the weeks
	// cover, and how many; zero for none.
	Busiest     time.Time
	BusiestKeys int
}

// ChangedKey is a key that expires at another time because of a change. Was is zero for one that
// did not expire, and Is for one that does not expire any more.
type ChangedKey struct {
	Tenant  ident.TenantID
	Key     ident.KeyID
	Was, Is time.Time
}

// DatedKey is a key with the times from which its expiry follows.
type DatedKey struct {
	Tenant ident.TenantID
	Key    ident.KeyID
	// ExpiresAt is the key's own expiry; zero for none.
	SecretSetAt, ExpiresAt time.Time
}

// Week is how many keys expire in a week: by the present policy, and after the change.
type Week struct {
	From    time.Time
	Was, Is int
}

const (
	previewedWeeks = 13
	previewedKeys  = 5
	daysInWeek     = 7
	week           = daysInWeek * policy.Day
	// previewedOwners is how many owners of a range of keys a preview counts at most.
	previewedOwners = 10_000
)

// PreviewPolicy returns what a change of policy would do to the account's keys and people, for its
// owners and admins. It needs no acknowledgement, since it changes nothing. expected is the version
// that the policy must have; "" for any.
func (s *Service) PreviewPolicy(ctx context.Context, who principal.Principal, id ident.AccountID,
	c policy.Change, expected etag.Tag,
) (p Preview, err error) {
	if err := fault.Refuse(c.Faults()...); err != nil {
		return p, err
	}
	if err := RequireAdmin(who, id); err != nil {
		return p, err
	}
	before, err := s.Store.Policy(ctx, id)
	if err == nil {
		err = expected.Check(before.Version())
	}
	if err != nil {
		return p, err
	}
	now := s.Now()
	c.AcknowledgeRisk = true
	after, faults := before.Apply(c, now)
	if err := fault.Refuse(faults...); err != nil {
		return p, err
	}
	if err := checkRuleLimit(before, after); err != nil {
		return p, err
	}
	pass, err := s.Scans.Acquire(ctx, admission.Caller(id)) // counting reads all keys of the account
	if err != nil {
		return p, err
	}
	defer pass.Release()
	err = s.previewKeys(ctx, id, before.Rules, after.Rules, now, &p)
	if err == nil {
		err = s.previewDelayed(ctx, id, before.Rules, after.Rules, now, &p)
	}
	if err == nil {
		err = s.previewWeeks(ctx, id, before.Rules, after.Rules, now, &p)
	}
	was := policy.InForce(before.Rules, policy.ByAutoExpiry).Days
	p.Later = was > 0 && policy.InForce(after.Rules, policy.ByAutoExpiry).Days > was
	if err == nil && after.FactorRule() != before.FactorRule() {
		p.WithoutFactor, err = s.Store.CountWithoutFactor(ctx, id, after.FactorRule())
	}
	return p, err
}

// previewKeys sets how many keys expire sooner, and the first of them.
func (s *Service) previewKeys(ctx context.Context, id ident.AccountID, before, after []policy.Rule, now time.Time,
	p *Preview,
) error {
	owners := map[ident.PartyID]bool{}
	for _, span := range policy.ImpactRanges(before, after, now) {
		keys, first, err := s.Store.CountKeys(ctx, id, span, now)
		if err != nil {
			return err
		}
		p.Add(span, keys, first, now)
		if keys == 0 {
			continue
		}
		of, err := s.Store.OwnersIn(ctx, id, span, now, previewedOwners)
		if err != nil {
			return err
		}
		p.MoreOwners = p.MoreOwners || len(of) == previewedOwners
		for _, owner := range of {
			owners[owner] = true
		}
		list, err := s.Store.FirstKeys(ctx, id, span, now, previewedKeys)
		if err != nil {
			return err
		}
		for _, k := range list {
			p.Keys = append(p.Keys, k.changed(before, after))
		}
	}
	for owner := range owners {
		switch owner.Type() {
		case ident.UserParty:
			p.People++
		case ident.ServiceAccountParty:
			p.ServiceAccounts++
		}
	}
	slices.SortStableFunc(p.Keys, func(a, b ChangedKey) int { return a.Is.Compare(b.Is) })
	p.Keys = p.Keys[:min(len(p.Keys), previewedKeys)]
	return nil
}

// changed returns when a key expires by the rules before a change, and after it.
func (k DatedKey) changed(before, after []policy.Rule) ChangedKey {
	return ChangedKey{
		Tenant: k.Tenant, Key: k.Key, Was: policy.EffectiveExpiry(k.ExpiresAt, k.SecretSetAt, before).At,
		Is: policy.EffectiveExpiry(k.ExpiresAt, k.SecretSetAt, after).At,
	}
}

// previewDelayed sets how many keys expire later, and the first of them.
func (s *Service) previewDelayed(ctx context.Context, id ident.AccountID, before, after []policy.Rule,
	now time.Time, p *Preview,
) error {
	for _, span := range policy.LaterRanges(before, after, now) {
		keys, _, err := s.Store.CountKeys(ctx, id, span, now)
		if err != nil {
			return err
		}
		p.Delayed += keys
		if keys == 0 {
			continue
		}
		list, err := s.Store.FirstKeys(ctx, id, span, now, previewedKeys)
		if err != nil {
			return err
		}
		for _, k := range list {
			p.DelayedKeys = append(p.DelayedKeys, k.changed(before, after))
		}
	}
	slices.SortStableFunc(p.DelayedKeys, func(a, b ChangedKey) int { return a.Was.Compare(b.Was) })
	p.DelayedKeys = p.DelayedKeys[:min(len(p.DelayedKeys), previewedKeys)]
	return nil
}

// previewWeeks sets how many keys expire in the weeks ahead, and on which day the most do.
func (s *Service) previewWeeks(ctx context.Context, id ident.AccountID, before, after []policy.Rule,
	now time.Time, p *Preview,
) error {
	was, is := make([]int, previewedWeeks*daysInWeek), make([]int, previewedWeeks*daysInWeek)
	for _, by := range []struct {
		rules []policy.Rule
		ends  []int
	}{{before, was}, {after, is}} {
		for _, span := range policy.ExpiryRanges(by.rules, now) {
			if err := s.Store.CountEnds(ctx, id, span, now, policy.Day, by.ends); err != nil {
				return err
			}
		}
	}
	p.Weeks = make([]Week, previewedWeeks)
	for i := range p.Weeks {
		p.Weeks[i].From = now.Add(time.Duration(i) * week)
	}
	for day := range is {
		w := &p.Weeks[day/daysInWeek]
		w.Was += was[day]
		w.Is += is[day]
		if is[day] > p.BusiestKeys {
			p.BusiestKeys, p.Busiest = is[day], now.Add(time.Duration(day)*policy.Day)
		}
	}
	return nil
}
