package verify_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
)

// subjectSource makes each key of the store one of a subject, and has the plans of the tenant.
type subjectSource struct {
	*countingSource
	mu       sync.Mutex
	plan     string
	plans    map[string]*policy.Plan
	planRead int
}

// subjectOf returns the subject that owns a key.
func subjectOf(id ident.KeyID) ident.PartyID { return ident.PartyID("sub_" + string(id[len("key_"):])) }

func (s *subjectSource) KeyFacts(ctx context.Context, lookup string) (verify.KeyRow, error) {
	row, err := s.countingSource.KeyFacts(ctx, lookup)
	if err != nil {
		return row, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	row.Owner = principal.Party{ID: subjectOf(row.ID), ExternalID: "customer"}
	row.Role, row.Plan = "", s.plan
	row.Scopes = scope.NewSet("films:read", "films:write")
	return row, nil
}

func (s *subjectSource) TenantFacts(ctx context.Context, id ident.TenantID) (verify.TenantRow, error) {
	row, err := s.countingSource.TenantFacts(ctx, id)
	row.Catalogue = scope.NewCatalogue([]scope.Entry{
		{Name: "films:read", Roles: scope.DefaultRoles()}, {Name: "films:write", Roles: scope.DefaultRoles()},
	})
	return row, err
}

func (s *subjectSource) Plans(context.Context, ident.TenantID) (map[string]*policy.Plan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.planRead++
	return s.plans, nil
}

// setPlan replaces the plan "basic" by one with these scopes.
func (s *subjectSource) setPlan(scopes ...scope.Scope) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plans = map[string]*policy.Plan{
		"basic": {Name: "basic", Scopes: scope.NewSet(scopes...), Applications: scope.Applications{All: true}},
	}
}

// subjectFixture is an engine for the keys of subjects with a plan.
type subjectFixture struct {
	*fixture
	source *subjectSource
	ids    []ident.KeyID
	keys   []credential.Parsed
}

// newSubjectFixture returns a fixture with keys that are all in the cache.
func newSubjectFixture(t *testing.T, keys int) *subjectFixture {
	t.Helper()
	f := &subjectFixture{fixture: newFixture(t)}
	f.source = &subjectSource{countingSource: f.countingSource, plan: "basic"}
	f.source.setPlan("films:read")
	f.options.Source = f.source
	f.engine = verify.New(f.options)
	for range keys {
		id, p := f.key(t)
		f.ids = append(f.ids, id)
		f.keys = append(f.keys, p)
	}
	f.decideAll(t)
	return f
}

// decideAll returns how many of the keys may use a scope.
func (f *subjectFixture) decideAll(t *testing.T, needs ...scope.Scope) (allowed int) {
	t.Helper()
	for _, p := range f.keys {
		d, err := f.engine.Decide(t.Context(), verify.PresentKey(p, policy.Location{}),
			verify.Request{Requirement: verify.Requirement{Scopes: needs}})
		if err != nil {
			t.Fatal(err)
		}
		if d.Code == "" {
			allowed++
		}
	}
	return allowed
}

func TestAChangeOfOneOwnerReadsNoKeyOfAnother(t *testing.T) {
	f := newSubjectFixture(t, 200)
	for _, changed := range []int{0, 7, 199} {
		reads := f.readsDuring(func() {
			f.options.Generations.Invalidate(audit.Invalidation{Owners: []ident.PartyID{subjectOf(f.ids[changed])}})
			f.decideAll(t)
		})
		if reads != 1 {
			t.Errorf("after a change of the owner of key %d, %d keys are read, want 1", changed, reads)
		}
	}
	f.source.plan = ""
	f.options.Generations.Invalidate(audit.Invalidation{Owners: []ident.PartyID{subjectOf(f.ids[3])}})
	if got := f.decideAll(t, "films:write"); got != 1 {
		t.Errorf("%d keys may write after one owner left the plan, want 1", got)
	}
}

// peopleSource divides the keys of the store among ten people.
type peopleSource struct{ *countingSource }

func (s peopleSource) KeyFacts(ctx context.Context, lookup string) (verify.KeyRow, error) {
	row, err := s.countingSource.KeyFacts(ctx, lookup)
	if err == nil {
		row.Owner.ID = personOf(row.ID)
	}
	return row, err
}

// personOf returns the person who owns a key.
func personOf(id ident.KeyID) ident.PartyID {
	return ident.PartyID(fmt.Sprint("usr_", id[len(id)-1]%10))
}

// A person with many keys may rename themselves again and again. Other people share a counter with
// them, but hardly ever.
func TestARenameOfAPersonReadsTheKeysOfThatPersonAlone(t *testing.T) {
	f := newSubjectFixture(t, 400)
	f.options.Source = peopleSource{f.countingSource}
	f.engine = verify.New(f.options)
	f.decideAll(t)
	person, own := personOf(f.ids[0]), 0
	for _, id := range f.ids {
		if personOf(id) == person {
			own++
		}
	}
	reads := f.readsDuring(func() {
		f.options.Generations.Invalidate(audit.Invalidation{Owners: []ident.PartyID{person}})
		f.decideAll(t)
	})
	if reads < own || reads > len(f.ids)/2 {
		t.Errorf("after a rename of the owner of %d keys, %d are read of %d", own, reads, len(f.ids))
	}
}

func TestAnEditOfAPlanReadsNoKeyAndThePlansOnce(t *testing.T) {
	f := newSubjectFixture(t, 200)
	if got := f.decideAll(t, "films:write"); got != 0 {
		t.Fatalf("%d keys may write, want none", got)
	}
	before := f.source.planRead
	for i, scopes := range [][]scope.Scope{{"films:write"}, {"films:read"}, {scope.Every}} {
		f.source.setPlan(scopes...)
		f.options.Generations.Invalidate(audit.Invalidation{Plans: []ident.TenantID{f.tenant.ID}})
		want := 0
		if scopes[0] != "films:read" {
			want = len(f.keys)
		}
		reads := f.readsDuring(func() {
			if got := f.decideAll(t, "films:write"); got != want {
				t.Errorf("with %v, %d keys may write, want %d", scopes, got, want)
			}
		})
		if reads != 0 || f.source.planRead != before+i+1 {
			t.Errorf("with %v, %d keys and %d times the plans are read, want 0 and 1", scopes, reads,
				f.source.planRead-before-i)
		}
	}
}

func TestRequestsThatNeedAnEditedPlanAtOnceShareOneRead(t *testing.T) {
	f := newSubjectFixture(t, 20)
	before := f.source.planRead
	f.source.setPlan("films:write")
	f.options.Generations.Invalidate(audit.Invalidation{Plans: []ident.TenantID{f.tenant.ID}})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if got := f.decideAll(t, "films:write"); got != len(f.keys) {
				t.Errorf("%d keys may write, want all", got)
			}
		})
	}
	all.Wait()
	if got := f.source.planRead - before; got != 1 {
		t.Errorf("the plans are read %d times, want once", got)
	}
}

// The key is read before the change, and put into the cache after it.
func TestAnOwnerWhoChangesWhileAKeyIsReadIsNotKeptAsBefore(t *testing.T) {
	f := newSubjectFixture(t, 1)
	owner := subjectOf(f.ids[0])
	f.options.Generations.Invalidate(audit.Invalidation{Owners: []ident.PartyID{owner}})
	f.afterRead = func() {
		f.source.mu.Lock()
		f.source.plan = ""
		f.source.mu.Unlock()
		f.options.Generations.Invalidate(audit.Invalidation{Owners: []ident.PartyID{owner}})
	}
	for i := range 2 {
		if got := f.decideAll(t, "films:write"); got != 1 {
			t.Errorf("decision %d: %d keys may write after their owner left the plan, want 1", i, got)
		}
	}
}

// bigSize is more than a tenant keeps of grants, so that each key pays for its own.
const bigSize = 100 << 10

// bigResponse is a response of that size.
type bigResponse struct{}

func (bigResponse) Size() int { return bigSize }

func TestATenantWithLargeKeysDoesNotPushOutTheKeysOfAnother(t *testing.T) {
	const keysOfEach = 150
	const room = 90 * bigSize
	f := newFixture(t)
	large, err := f.tenancies.CreateTenant(t.Context(), principal.Operator(), f.tenant.Account, "Large",
		policy.Standard, func(s *policy.Settings) { s.KeysPerUser = 0 })
	if err != nil {
		t.Fatal(err)
	}
	if err := f.tenancies.AddMember(t.Context(), principal.Operator(), large, f.person, scope.Member); err != nil {
		t.Fatal(err)
	}
	f.options.Cache = verify.NewCache(room)
	f.options.RenderGrant = func(g *verify.Grant) verify.Rendered {
		if g.Tenant == large.ID {
			return bigResponse{}
		}
		return nil
	}
	f.engine = verify.New(f.options)
	small, others := make([]credential.Parsed, 50), make([]credential.Parsed, keysOfEach)
	for i := range small {
		_, small[i] = f.key(t)
	}
	f.owner = principal.OfSession(&principal.Session{
		User: f.person, Memberships: []principal.Membership{{Tenant: large.ID, Role: scope.Member}},
	})
	f.tenant = large
	for i := range others {
		_, others[i] = f.key(t)
	}
	use := func(keys []credential.Parsed) {
		for _, p := range keys {
			f.codeOf(t, p)
		}
	}
	use(small)
	use(small)
	for range 10 { // those that are used more would stay, by their use alone
		use(others)
	}
	if reads := f.readsDuring(func() { use(small) }); reads > 0 {
		t.Errorf("%d of %d small keys are not in the cache", reads, len(small))
	}
	if got := f.engine.Entries(); got > room/bigSize+len(small) {
		t.Errorf("the cache has %d entries, more than it has room for", got)
	}
}

// Keys that may do the same share one grant. A key that may do something else has another.
func TestKeysShareAGrantOnlyIfTheyMayDoTheSame(t *testing.T) {
	f := newFixture(t)
	grantOf := func(p credential.Parsed) *verify.Grant {
		d, err := f.engine.Evaluate(t.Context(), verify.PresentKey(p, policy.Location{Transport: policy.Bearer}))
		if err != nil || d.Facts == nil {
			t.Fatal(d.Code, err)
		}
		return d.Facts.Grant
	}
	_, one := f.key(t)
	_, same := f.key(t)
	_, less := f.key(t, func(s *key.Spec) { s.Scopes = []scope.Scope{scope.TenantsRead} })
	if grantOf(one) != grantOf(same) {
		t.Error("two keys that may do the same have different grants")
	}
	if grantOf(one) == grantOf(less) {
		t.Error("two keys with different scopes have one grant")
	}
}
