package notice

import (
	"context"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

const (
	planLease = "notices"
	planFor   = 2 * time.Minute
	// overlap is how much of the time before the last pass is looked at once more: a change can commit ten seconds after it looked at the clock.
	overlap = 10 * time.Minute
	// keepFor is how long notices that are over are kept: much longer than the dedupe texts count.
	keepFor = 90 * policy.Day
)

// Order is what a search goes by.
type Order string

// The orders.
const (
	// ByExpiry of the key itself.
	ByExpiry Order = "expiry"
	// BySecret goes by when the current secret was set.
	BySecret Order = "secret"
	// InTenant goes through all keys of a tenant, by when they were made.
	InTenant Order = "tenant"
	// ByIdleness goes through the keys of a tenant that are not disabled and without a sign of life since, by when their secret was set.
	ByIdleness Order = "idleness"
)

// Search finds keys that are not revoked and have a secret.
type Search struct {
	By Order
	// From and Until are the first and the last time in that order.
	From, Until time.Time
	// Tenant is for InTenant and ByIdleness.
	Tenant ident.TenantID
}

// Place in the order of a search.
type Place struct {
	At  time.Time
	Key ident.KeyID
}

// Candidate is a key that a search found, and its place there.
type Candidate struct {
	Subject
	Place Place
}

// Plan puts the notices of what time does to keys into the outbox: one pass, of one service at a time.
//
// It looks at the keys that came to a threshold since the last pass. Those are found by indexes: by their own expiry, and for each number of days that some policy
// counts by the age of their secret. Only of accounts whose policy changed since, or whose keys all come to a threshold at once since their secrets are older than the policy, it looks at
// every key. Of tenants that disable idle keys it looks at all that will be soon, since they stay on until their owner was told. Whether a key is really due, [Subject.Due]
// and [Subject.Idle] say, so finding too many does no harm, and finding one twice neither: the outbox keeps one.
func (s *Service) Plan(ctx context.Context) error {
	s.planning.Lock()
	defer s.planning.Unlock()
	now := s.Now()
	if held, err := s.hold(ctx); err != nil || !held {
		return err
	}
	last, err := s.Store.PlannedUntil(ctx)
	if err != nil {
		return err
	}
	rules, err := s.Store.Policies(ctx)
	if err != nil {
		return err
	}
	from := slices.MaxFunc([]time.Time{last.Add(-overlap), now.Add(-horizon)}, time.Time.Compare)
	r := round{service: s, now: now, from: from, rules: rules}
	if done, err := r.plan(ctx); err != nil || !done {
		return err
	}
	if err := s.Store.ForgetNotices(ctx, s.Horizon().Add(-keepFor)); err != nil {
		return err
	}
	return s.Store.SetPlannedUntil(ctx, now)
}

// hold takes or renews the lease of planning.
func (s *Service) hold(ctx context.Context) (bool, error) {
	now := s.Now()
	return s.Store.Lease(ctx, planLease, s.Holder, now, now.Add(planFor))
}

// round is one pass of planning.
type round struct {
	service *Service
	// from and now bound the time that the pass is about.
	from, now time.Time
	rules     map[ident.AccountID][]policy.Rule
}

// plan goes through all searches; done is false where the lease was lost.
func (r *round) plan(ctx context.Context) (done bool, err error) {
	searches := r.crossing()
	for account, rules := range r.rules {
		if !r.moved(rules) {
			continue
		}
		tenants, err := r.service.Store.TenantsIn(ctx, account)
		if err != nil {
			return false, err
		}
		for _, tenant := range tenants {
			searches = append(searches, Search{By: InTenant, Until: r.now, Tenant: tenant})
		}
	}
	for _, search := range searches {
		if done, err := r.search(ctx, search, r.expiry); err != nil || !done {
			return done, err
		}
	}
	return r.planIdle(ctx)
}

// planIdle plans for the keys that will be disabled for idleness.
func (r *round) planIdle(ctx context.Context) (done bool, err error) {
	tenants, err := r.service.Store.IdleTenants(ctx)
	if err != nil {
		return false, err
	}
	for _, id := range tenants {
		t, err := r.service.Store.TenantRules(ctx, id)
		if err != nil {
			return false, err
		}
		silent := t.Idleness().IdleSince(r.now.Add(policy.IdleNotice - policy.IdleMargin))
		idle := func(c Candidate) (Notice, bool) { return c.Idle(t, r.now) }
		if done, err := r.search(ctx, Search{By: ByIdleness, Until: silent, Tenant: id}, idle); err != nil || !done {
			return done, err
		}
	}
	return true, nil
}

// aheads are how long before an expiry its owner is told.
func aheads() []time.Duration {
	all := []time.Duration{0}
	for _, days := range thresholds {
		all = append(all, time.Duration(days)*policy.Day)
	}
	return all
}

// crossing finds the keys that came to a threshold, or to their expiry, during the round.
func (r *round) crossing() (all []Search) {
	days := r.days()
	for _, ahead := range aheads() {
		from, until := r.from.Add(ahead), r.now.Add(ahead)
		all = append(all, Search{By: ByExpiry, From: from, Until: until})
		for _, d := range days {
			age := time.Duration(d) * policy.Day
			all = append(all, Search{By: BySecret, From: from.Add(-age), Until: until.Add(-age)})
		}
	}
	return all
}

// days that the rules count, each once.
func (r *round) days() (all []int) {
	for _, rules := range r.rules {
		for _, rule := range rules {
			all = append(all, rule.Days)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// moved reports whether the rules changed during the round, or brought all older secrets to a threshold in it.
func (r *round) moved(rules []policy.Rule) bool {
	return slices.ContainsFunc(rules, func(rule policy.Rule) bool {
		if r.covers(rule.Since) || r.covers(rule.Until) {
			return true
		}
		deadline := rule.Deadline(rule.Since)
		return slices.ContainsFunc(aheads(), func(ahead time.Duration) bool { return r.covers(deadline.Add(-ahead)) })
	})
}

func (r *round) covers(at time.Time) bool { return at.After(r.from) && !at.After(r.now) }

// search plans what is due of the keys that it finds, a page at a time.
func (r *round) search(ctx context.Context, search Search, judge func(Candidate) (Notice, bool)) (done bool, err error) {
	after := Place{At: search.From}
	for {
		found, err := r.service.Store.Candidates(ctx, search, after)
		if err != nil || len(found) == 0 {
			return err == nil, err
		}
		after = found[len(found)-1].Place
		if held, err := r.service.hold(ctx); err != nil || !held {
			return false, err
		}
		if err := r.service.Store.PlanNotices(ctx, due(found, judge)); err != nil {
			return false, err
		}
	}
}

func (r *round) expiry(c Candidate) (Notice, bool) { return c.Due(r.rules[c.Account], r.now) }

func due(found []Candidate, judge func(Candidate) (Notice, bool)) (all []Notice) {
	for _, c := range found {
		if n, ok := judge(c); ok {
			all = append(all, n)
		}
	}
	return all
}
