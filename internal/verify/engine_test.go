package verify_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/ratelimit"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/sqlite"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/usage"
	"github.com/claviger-dev/claviger/internal/verify"
)

// fixture is an engine over a real store, whose reads are counted.
type fixture struct {
	*countingSource
	engine       *verify.Engine
	keys         *key.Service
	accounts     *account.Service
	tenancies    *tenancy.Service
	applications *application.Service
	tenant       tenancy.Tenant
	owner        principal.Principal
	person       principal.Person
	keyring      *credential.Keyring
	usage        *usage.Recorder
	options      verify.Options
}

// countingSource counts reads. It can call a function after a key was read and before the engine
// has it, or fail instead of reading.
type countingSource struct {
	verify.Source
	mu        sync.Mutex
	reads     int
	afterRead func()
	fail      error
}

func (s *countingSource) KeyFacts(ctx context.Context, lookup string) (verify.KeyRow, error) {
	s.mu.Lock()
	s.reads++
	after, fail := s.afterRead, s.fail
	s.afterRead = nil
	s.mu.Unlock()
	if fail != nil {
		return verify.KeyRow{}, fail
	}
	row, err := s.Source.KeyFacts(ctx, lookup)
	if after != nil {
		after()
	}
	return row, err
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	backend, err := sqlite.Open(t.Context(), testkit.MigratedFile(t))
	must(err)
	now := func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
	generations := verify.NewGenerations()
	s := store.New(backend, store.Options{Now: now, Rand: rand.Reader, Invalidate: generations.Invalidate})
	s.SetRoot(credential.NewRoot(rand.Reader))
	t.Cleanup(func() { must(s.Close()) })
	root := credential.NewRoot(rand.Reader)
	versions, err := s.AdoptRoot(t.Context(), root)
	must(err)
	keyring, err := credential.NewKeyring(root, versions, rand.Reader, time.Now)
	must(err)
	people := &identity.Service{
		Ledgers: identity.Ledgers{Users: store.NewLedger(s, func(t *store.Tx) identity.UserTx { return t })}, Store: s,
		Now: now, Rand: rand.Reader, Passwords: identity.NewHasher(identity.Cost{Memory: 8, Time: 1, Threads: 1}, 4),
	}
	b := &fixture{
		countingSource: &countingSource{Source: s},
		keys: &key.Service{
			Creates: store.NewLedger(s, func(t *store.Tx) key.CreateTx { return t }),
			Changes: store.NewLedger(s, func(t *store.Tx) key.ChangeTx { return t }),
			Store:   s, Keyring: keyring, Now: now, Rand: rand.Reader,
		},
		tenancies: &tenancy.Service{
			Ledgers: tenancy.Ledgers{
				Tenants: store.NewLedger(s, func(t *store.Tx) tenancy.TenantTx { return t }),
				Members: store.NewLedger(s, func(t *store.Tx) tenancy.MemberTx { return t }),
			},
			Store: s, Now: now, Rand: rand.Reader,
		},
		accounts: &account.Service{
			Ledger: store.NewLedger(s, func(t *store.Tx) account.Tx { return t }), Store: s, Now: now,
			Rand: rand.Reader,
		},
		keyring: keyring,
		usage:   &usage.Recorder{},
	}
	b.applications = &application.Service{
		Ledger: store.NewLedger(s, func(t *store.Tx) application.Tx { return t }), Store: s, Tenants: b.tenancies,
		Now: now, Rand: rand.Reader,
	}
	b.options = verify.Options{
		Source: b.countingSource, Keyring: keyring, Generations: generations, Now: now, Recorder: b.usage,
		Limiter:         &ratelimit.InMemory[ident.KeyID]{},
		VerifierLimiter: &ratelimit.InMemory[ident.KeyID]{},
	}
	b.engine = verify.New(b.options)
	user, err := people.Create(t.Context(), principal.Operator(),
		identity.NewUser{
			Email: "a@claviger.example", Name: "Key Owner",
			Password: credential.NewSecret("correct horse battery staple"),
		})
	must(err)
	b.person = user.Person()
	accountOwner, err := people.Create(t.Context(), principal.Operator(),
		identity.NewUser{
			Email: "b@claviger.example", Name: "Account Owner",
			Password: credential.NewSecret("correct horse battery staple"),
		})
	must(err)
	account, err := b.accounts.CreateAccount(t.Context(), principal.Operator(), "Account", accountOwner.Person(),
		false)
	must(err)
	b.tenant, err = b.tenancies.CreateTenant(t.Context(), principal.Operator(), account.ID, "Tenant", policy.Standard,
		func(s *policy.Settings) { s.KeysPerUser = 0 })
	must(err)
	must(b.tenancies.AddMember(t.Context(), principal.Operator(), b.tenant, b.person, scope.Member))
	b.owner = principal.OfSession(&principal.Session{
		User:        b.person,
		Memberships: []principal.Membership{{Tenant: b.tenant.ID, Role: scope.Member}},
	})
	return b
}

// key creates a key with a scope and access to all applications, unless more says otherwise.
func (b *fixture) key(t testing.TB, more ...func(*key.Spec)) (ident.KeyID, credential.Parsed) {
	t.Helper()
	spec := key.Spec{Name: "Test key", Scopes: []scope.Scope{scope.ApplicationsRead}, AllApplications: true}
	for _, change := range more {
		change(&spec)
	}
	issued, err := b.keys.Create(t.Context(), b.owner, b.tenant.ID, spec)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := credential.Parse(issued.Credential.Value.Reveal())
	if !ok {
		t.Fatal("a new key does not parse")
	}
	return issued.Key.ID, p
}

// codeOf returns the code with which the credential is refused; "" if it is accepted.
func (b *fixture) codeOf(t *testing.T, p credential.Parsed) fault.Kind {
	t.Helper()
	v, err := b.engine.Authenticate(t.Context(), verify.PresentKey(p, policy.Location{Transport: policy.Bearer}), "")
	if err != nil {
		t.Fatal(err)
	}
	return v.Code
}

func (b *fixture) readsDuring(act func()) int {
	before := b.reads
	act()
	return b.reads - before
}

func TestOnceWarmADecisionReadsNothing(t *testing.T) {
	b := newFixture(t)
	_, good := b.key(t)
	foreign, err := credential.NewKeyring(credential.NewRoot(rand.Reader), credential.FirstVersions(), rand.Reader,
		time.Now)
	if err != nil {
		t.Fatal(err)
	}
	shape := b.tenant.Settings.Shape()
	never, _ := credential.Parse(foreign.Issue(shape).Value.Reveal())     // false tag
	unknown, _ := credential.Parse(b.keyring.Issue(shape).Value.Reveal()) // right tag, no row
	cases := []struct {
		name       string
		p          credential.Parsed
		want       fault.Kind
		cold, warm int
	}{
		{"a good key", good, "", 1, 0},
		{"an id without a row", unknown, fault.KeyInvalid, 1, 0},
		{"an id that this server never issued", never, fault.KeyInvalid, 0, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			decide := func() {
				if got := b.codeOf(t, c.p); got != c.want {
					t.Fatalf("%q, want %q", got, c.want)
				}
			}
			if n := b.readsDuring(decide); n != c.cold {
				t.Errorf("%d reads when cold, want %d", n, c.cold)
			}
			if n := b.readsDuring(func() { decide(); decide() }); n != c.warm {
				t.Errorf("%d reads when warm, want %d", n, c.warm)
			}
		})
	}
}

// A cache can be wrong if a change commits and is answered between the read of the facts and the
// fill of the cache.
func TestAFactReadBeforeAChangeIsNeverServedAfterIt(t *testing.T) {
	changes := map[string]struct {
		change func(t *testing.T, b *fixture, id ident.KeyID)
		want   fault.Kind
	}{
		"the key is revoked": {func(t *testing.T, b *fixture, id ident.KeyID) {
			if _, _, err := b.keys.Revoke(t.Context(), b.owner, b.tenant.ID, id, ""); err != nil {
				t.Error(err)
			}
		}, fault.KeyRevoked},
		"the key is deleted": {func(t *testing.T, b *fixture, id ident.KeyID) {
			if err := b.keys.Delete(t.Context(), b.owner, b.tenant.ID, id); err != nil {
				t.Error(err)
			}
		}, fault.KeyInvalid},
	}
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			b := newFixture(t)
			id, p := b.key(t)
			b.afterRead = func() { c.change(t, b, id) }
			b.codeOf(t, p) // began before the change: both answers are right
			if got := b.codeOf(t, p); got != c.want {
				t.Errorf("after the change was answered: %q, want %q", got, c.want)
			}
		})
	}
}

// The tenant of a key is known only after the key was read. A change of the tenant during that read
// must not be lost.
func TestAChangeOfTheTenantDuringTheFirstReadOfAKeyIsSeen(t *testing.T) {
	b := newFixture(t)
	_, p := b.key(t)
	b.afterRead = func() {
		// The member becomes admin of the account while the key is read. The event invalidates the
		// tenant, not the key.
		if _, err := b.accounts.SetAccountMember(t.Context(), principal.Operator(), b.tenant.Account, b.person.ID,
			scope.AccountAdmin, ""); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		v, err := b.engine.Authenticate(t.Context(), verify.PresentKey(p, policy.Location{Transport: policy.Bearer}),
			"")
		if err != nil || v.Facts == nil {
			t.Fatal(v, err)
		}
		if got := v.Facts.Key.AccountRole; got != scope.AccountAdmin {
			t.Errorf("the owner counts as %q of the account", got)
		}
	}
}

func TestWhatCannotBeReadIsNeverDecided(t *testing.T) {
	b := newFixture(t)
	_, p := b.key(t)
	b.fail = errors.New("disk on fire")
	v, err := b.engine.Authenticate(t.Context(), verify.PresentKey(p, policy.Location{Transport: policy.Bearer}), "")
	if !errors.Is(err, fault.Unavailable) || v.Code != "" || v.Facts != nil {
		t.Errorf("%+v, %v; want unavailable and no decision", v, err)
	}
	b.fail = nil
	if got := b.codeOf(t, p); got != "" {
		t.Errorf("once it can be read: %q", got)
	}
}

// withRule is a source whose tenants have one more rule.
type withRule struct {
	verify.Source
	rule policy.Rule
}

func (s withRule) TenantFacts(ctx context.Context, id ident.TenantID) (verify.TenantRow, error) {
	t, err := s.Source.TenantFacts(ctx, id)
	t.Rules = append(t.Rules, s.rule)
	return t, err
}

// The lifetime of each secret counts from the time when it was set: a refresh does not extend that
// of the previous secret.
func TestAPolicyThatCameAfterARefreshEndsTheOlderSecretFirst(t *testing.T) {
	b := newFixture(t)
	id, old := b.key(t)
	created := b.options.Now()
	b.keys.Now = func() time.Time { return created.Add(12 * time.Hour) }
	issued, err := b.keys.Refresh(t.Context(), b.owner, b.tenant.ID, id,
		key.RefreshParams{KeepID: true, Overlap: key.MaxOverlap})
	if err != nil {
		t.Fatal(err)
	}
	fresh, _ := credential.Parse(issued.Credential.Value.Reveal())
	o := b.options
	o.Source = withRule{b.countingSource, policy.Rule{Reason: policy.ByMaxLifetime, Days: 1}}
	for after, want := range map[time.Duration][2]fault.Kind{
		23 * time.Hour:              {"", ""},
		25 * time.Hour:              {fault.KeyExpired, ""},
		37 * time.Hour:              {fault.KeyExpired, fault.KeyExpired},
		policy.Grace + 25*time.Hour: {fault.KeyInvalid, fault.KeyExpired},
	} {
		o.Now = func() time.Time { return created.Add(after) }
		b.engine = verify.New(o)
		if was, is := b.codeOf(t, old), b.codeOf(t, fresh); was != want[0] || is != want[1] {
			t.Errorf("%v after its creation the old secret is %q and the new one %q, want %q", after, was, is, want)
		}
	}
}

func TestUsesThatCannotBeWrittenAreWrittenLater(t *testing.T) {
	b := newFixture(t)
	id, p := b.key(t)
	b.codeOf(t, p)
	full := errors.New("disk full")
	if err := b.usage.Flush(t.Context(), usesFunc(func([]usage.Use) error { return full })); !errors.Is(err, full) {
		t.Fatalf("flush: %v", err)
	}
	var kept []usage.Use
	if err := b.usage.Flush(t.Context(),
		usesFunc(func(batch []usage.Use) error { kept = batch; return nil })); err != nil {
		t.Fatal(err)
	}
	if len(kept) != 1 || kept[0].Key != id {
		t.Errorf("written in the end: %+v", kept)
	}
}

type usesFunc func([]usage.Use) error

func (s usesFunc) RecordUses(_ context.Context, batch []usage.Use) error { return s(batch) }

func (s usesFunc) RecordScopeUses(context.Context, []usage.ScopeUse) error { return nil }

func TestAScopeIsRecordedOnceADayAndWhatCannotBeWrittenIsWrittenLater(t *testing.T) {
	b := newFixture(t)
	id, p := b.key(t)
	at := time.Now().Truncate(policy.Day)
	o := b.options
	o.Now = func() time.Time { return at }
	b.engine = verify.New(o)
	decide := func() {
		t.Helper()
		v, err := b.engine.Authenticate(t.Context(), verify.PresentKey(p, policy.Location{}), "")
		if err != nil || v.Code != "" {
			t.Fatal(v.Code, err)
		}
		c := verify.Caller{Principal: v.Principal(), Facts: v.Facts}
		if err := b.engine.Allow(t.Context(), c,
			verify.Requirement{Scopes: []scope.Scope{scope.ApplicationsRead}}); err != nil {
			t.Fatal(err)
		}
	}
	written := func(want ...usage.ScopeUse) {
		t.Helper()
		var got []usage.ScopeUse
		if err := b.usage.Flush(t.Context(),
			scopeUsesFunc(func(batch []usage.ScopeUse) error { got = batch; return nil })); err != nil ||
			!slices.Equal(got, want) {
			t.Errorf("written is %v (%v), want %v", got, err, want)
		}
	}
	used := func() usage.ScopeUse {
		return usage.ScopeUse{Key: id, Scope: scope.ApplicationsRead, On: at.Truncate(policy.Day).UTC()}
	}
	decide()
	full := errors.New("disk full")
	if err := b.usage.Flush(t.Context(), scopeUsesFunc(func([]usage.ScopeUse) error { return full })); !errors.Is(err,
		full) {
		t.Fatalf("flush: %v", err)
	}
	written(used())
	at = at.Add(policy.Day - time.Microsecond)
	decide()
	written()
	at = at.Add(2 * time.Second)
	decide()
	written(used())
}

type scopeUsesFunc func([]usage.ScopeUse) error

func (s scopeUsesFunc) RecordUses(context.Context, []usage.Use) error { return nil }

func (s scopeUsesFunc) RecordScopeUses(_ context.Context, batch []usage.ScopeUse) error {
	return s(batch)
}
