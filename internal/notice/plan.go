package notice

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

const (
	planLease         = "notices"
	planLeaseDuration = 2 * time.Minute
	// overlap is how much of the time before the last pass is searched again: a change can commit
	// ten seconds after it read the clock.
	overlap = 10 * time.Minute
	// retention is how long notices are kept after they reach a final state: much longer than
	// Dedupe needs.
	retention = 90 * policy.Day
)

// Order is the order of a search.
type Order string

// The orders.
const (
	// ByExpiry is by the key's own expiry.
	ByExpiry Order = "expiry"
	// BySecret is by when the current secret was set.
	BySecret Order = "secret"
	// InTenant is all keys of a tenant, by when they were created.
	InTenant Order = "tenant"
)

// Search finds keys that are not revoked and have a secret.
type Search struct {
	By Order
	// From and Until are the first and the last time to find, in that order.
	From, Until time.Time
	// Tenant is set for InTenant.
	Tenant ident.TenantID
}

// Position is that of a key in the order of a search.
type Position struct {
	At  time.Time
	Key ident.KeyID
}

// Candidate is a key that a search found, with its position.
type Candidate struct {
	Subject
	Position Position
}

// Plan writes the notices that come with time into the outbox, in one pass. Of all nodes, one plans
// at a time.
//
// It finds the keys that reached a threshold since the last pass by indexes: by their own expiry
// and, for each number of days in some policy, by the age of their secret. It reads every key only
// in accounts whose policy has changed since, or where many keys reach a threshold at once because
// their secrets are older than the policy. In tenants that disable idle keys it reads some keys in
// each pass, and all of them in turn: a key stays enabled until its owner had a notice.
//
// [Subject.Due] and [Subject.Idle] decide whether a notice is due, so a search may find too many
// keys. It may also find one twice: the outbox keeps one notice.
func (s *Service) Plan(ctx context.Context) error {
	s.planning.Lock()
	defer s.planning.Unlock()
	now := s.Now()
	if held, err := s.renewLease(ctx); err != nil || !held {
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
	r := planPass{service: s, now: now, from: from, rules: rules}
	if done, err := r.plan(ctx); err != nil || !done {
		return err
	}
	if err := r.planFailedSignIns(ctx); err != nil {
		return err
	}
	if err := s.Store.DeleteOldNotices(ctx, s.Horizon().Add(-retention)); err != nil {
		return err
	}
	return s.Store.SetPlannedUntil(ctx, now)
}

// renewLease acquires or renews the lease of planning.
func (s *Service) renewLease(ctx context.Context) (bool, error) {
	now := s.Now()
	return s.Store.AcquireLease(ctx, planLease, s.Holder, now, now.Add(planLeaseDuration))
}

// planPass is one pass of planning.
type planPass struct {
	service *Service
	// from and now are the time span that the pass covers.
	from, now time.Time
	rules     map[ident.AccountID][]policy.Rule
}

// plan runs all searches; done is false where the lease was lost.
func (r *planPass) plan(ctx context.Context) (done bool, err error) {
	searches := r.thresholdSearches()
	for account, rules := range r.rules {
		if !r.rulesChanged(rules) {
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

// planIdle plans notices for the keys that will be disabled because they are idle. A pass reads a
// bounded number of keys, and the next one goes on from there.
func (r *planPass) planIdle(ctx context.Context) (done bool, err error) {
	tenants, err := r.service.Store.IdleTenants(ctx)
	if err != nil {
		return false, err
	}
	err = r.service.idle.RunPass(tenants, func(tenant ident.TenantID, after Position) (*Position, error) {
		return r.planIdleIn(ctx, tenant, after)
	})
	if errors.Is(err, errLeaseLost) {
		return false, nil
	}
	return err == nil, err
}

// errLeaseLost ends a pass because another node has the lease.
var errLeaseLost = errors.New("another node plans notices")

// planIdleIn plans notices for some keys of a tenant, and returns the position that it reached.
func (r *planPass) planIdleIn(ctx context.Context, tenant ident.TenantID, after Position) (last *Position, err error) {
	t, err := r.service.Store.TenantRules(ctx, tenant)
	if err != nil {
		return nil, err
	}
	unreachable := t.IdleRule().IdleCutoff(r.now.Add(policy.IdleNotice - policy.IdleMargin))
	if unreachable.IsZero() {
		return nil, nil
	}
	found, last, err := r.service.Store.IdleCandidates(ctx, tenant, unreachable, after)
	if err != nil {
		return nil, err
	}
	held, err := r.service.renewLease(ctx)
	if err == nil && !held {
		err = errLeaseLost
	}
	if err != nil {
		return nil, err
	}
	idle := func(c Candidate) (Notice, bool) { return c.Idle(t, r.now) }
	return last, r.service.Store.PlanNotices(ctx, dueNotices(found, idle))
}

// leadTimes returns how long before an expiry notices are due, and 0 for the expiry itself.
func leadTimes() []time.Duration {
	all := []time.Duration{0}
	for _, days := range thresholds {
		all = append(all, time.Duration(days)*policy.Day)
	}
	return all
}

// thresholdSearches returns the searches for keys that reached a threshold or their expiry within
// the pass.
func (r *planPass) thresholdSearches() (all []Search) {
	days := r.ruleDays()
	for _, lead := range leadTimes() {
		from, until := r.from.Add(lead), r.now.Add(lead)
		all = append(all, Search{By: ByExpiry, From: from, Until: until})
		for _, d := range days {
			age := time.Duration(d) * policy.Day
			all = append(all, Search{By: BySecret, From: from.Add(-age), Until: until.Add(-age)})
		}
	}
	return all
}

// ruleDays returns the different numbers of days in the rules.
func (r *planPass) ruleDays() (all []int) {
	for _, rules := range r.rules {
		for _, rule := range rules {
			all = append(all, rule.Days)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// rulesChanged reports whether the rules changed within the pass, or brought all older secrets to a
// threshold within it.
func (r *planPass) rulesChanged(rules []policy.Rule) bool {
	return slices.ContainsFunc(rules, func(rule policy.Rule) bool {
		if r.contains(rule.Since) || r.contains(rule.Until) {
			return true
		}
		deadline := rule.Deadline(rule.Since)
		return slices.ContainsFunc(leadTimes(),
			func(lead time.Duration) bool { return r.contains(deadline.Add(-lead)) })
	})
}

// contains reports whether a time is within the pass.
func (r *planPass) contains(at time.Time) bool { return at.After(r.from) && !at.After(r.now) }

// search plans the notices that are due for the keys that it finds, a page at a time. due returns
// the notice of a key.
func (r *planPass) search(ctx context.Context, search Search,
	due func(Candidate) (Notice, bool),
) (done bool, err error) {
	after := Position{At: search.From}
	for {
		found, err := r.service.Store.Candidates(ctx, search, after)
		if err != nil || len(found) == 0 {
			return err == nil, err
		}
		after = found[len(found)-1].Position
		if held, err := r.service.renewLease(ctx); err != nil || !held {
			return false, err
		}
		if err := r.service.Store.PlanNotices(ctx, dueNotices(found, due)); err != nil {
			return false, err
		}
	}
}

// expiry returns the notice of a key's expiry that is due.
func (r *planPass) expiry(c Candidate) (Notice, bool) { return c.Due(r.rules[c.Account], r.now) }

// dueNotices returns the notices that are due for the keys found.
func dueNotices(found []Candidate, due func(Candidate) (Notice, bool)) (all []Notice) {
	for _, c := range found {
		if n, ok := due(c); ok {
			all = append(all, n)
		}
	}
	return all
}
