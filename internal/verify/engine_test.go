package verify_test

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/sqlite"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/verify"
)

// bench is an engine over a real store, with a tap on what it reads.
type bench struct {
	*tap
	engine  *verify.Engine
	keys    *key.Service
	places  *tenancy.Service
	tenant  tenancy.Tenant
	owner   principal.Principal
	person  principal.Person
	keyring *credential.Keyring
	options verify.Options
}

// tap counts reads, and can run something after a key was read and before the engine has it, or fail in its place.
type tap struct {
	verify.Source
	mu    sync.Mutex
	reads int
	after func()
	fail  error
}

func (s *tap) KeyFacts(ctx context.Context, lookup string) (verify.KeyRow, error) {
	s.mu.Lock()
	s.reads++
	after, fail := s.after, s.fail
	s.after = nil
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

func newBench(t *testing.T) *bench {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "claviger.db"))
	must(err)
	now := func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
	generations := verify.NewGenerations()
	s := store.New(backend, store.Options{Now: now, Rand: rand.Reader, Outdate: generations.Outdate})
	t.Cleanup(func() { must(s.Close()) })
	root := credential.NewRoot(rand.Reader)
	versions, err := s.AdoptRoot(t.Context(), root)
	must(err)
	keyring, err := credential.NewKeyring(root, versions, rand.Reader, time.Now)
	must(err)
	people := &identity.Service{Ledger: store.NewLedger(s, func(t *store.Tx) identity.Tx { return t }), Store: s, Now: now, Rand: rand.Reader, Passwords: identity.NewHasher(identity.Cost{Memory: 8, Time: 1, Threads: 1}, 4)}
	b := &bench{
		tap:     &tap{Source: s},
		keys:    &key.Service{Ledger: store.NewLedger(s, func(t *store.Tx) key.Tx { return t }), Store: s, Keyring: keyring, Now: now, Rand: rand.Reader},
		places:  &tenancy.Service{Ledger: store.NewLedger(s, func(t *store.Tx) tenancy.Tx { return t }), Store: s, Now: now, Rand: rand.Reader},
		keyring: keyring,
	}
	b.options = verify.Options{Source: b.tap, Keyring: keyring, Generations: generations, Now: now}
	b.engine = verify.New(b.options)
	user, err := people.Create(t.Context(), principal.Operator(), identity.NewUser{Email: "a@claviger.example", Name: "Key Owner", Password: credential.NewSecret("correct horse battery staple")})
	must(err)
	b.person = user.Person()
	landlord, err := people.Create(t.Context(), principal.Operator(), identity.NewUser{Email: "b@claviger.example", Name: "Account Owner", Password: credential.NewSecret("correct horse battery staple")})
	must(err)
	account, err := b.places.CreateAccount(t.Context(), principal.Operator(), "Account", landlord.Person(), false)
	must(err)
	b.tenant, err = b.places.CreateTenant(t.Context(), principal.Operator(), account.ID, "Tenant", policy.Standard, func(s *policy.Settings) { s.KeysPerUser = 0 })
	must(err)
	must(b.places.AddMember(t.Context(), principal.Operator(), b.tenant, b.person, scope.Member))
	b.owner = principal.OfSession(&principal.Session{User: b.person, Memberships: []principal.Membership{{Tenant: b.tenant.ID, Role: scope.Member}}})
	return b
}

func (b *bench) key(t *testing.T) (ident.KeyID, credential.Presented) {
	t.Helper()
	issued, err := b.keys.Create(t.Context(), b.owner, b.tenant.ID, key.Spec{Name: "Test key", Scopes: []scope.Scope{scope.ApplicationsRead}, AllApplications: true})
	if err != nil {
		t.Fatal(err)
	}
	p, ok := credential.Parse(issued.Credential.Value.Reveal())
	if !ok {
		t.Fatal("a new key does not parse")
	}
	return issued.Key.ID, p
}

// identify gives the code, "" for good.
func (b *bench) identify(t *testing.T, p credential.Presented) fault.Kind {
	t.Helper()
	v, err := b.engine.Authenticate(t.Context(), verify.PresentKey(p, policy.Way{Transport: policy.Bearer}), "")
	if err != nil {
		t.Fatal(err)
	}
	return v.Code
}

func (b *bench) readsDuring(act func()) int {
	before := b.reads
	act()
	return b.reads - before
}

func TestOnceWarmADecisionReadsNothing(t *testing.T) {
	b := newBench(t)
	_, good := b.key(t)
	foreign, err := credential.NewKeyring(credential.NewRoot(rand.Reader), credential.FirstVersions(), rand.Reader, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	shape := b.tenant.Settings.Shape()
	never, _ := credential.Parse(foreign.Mint(shape).Value.Reveal())     // false tag
	unknown, _ := credential.Parse(b.keyring.Mint(shape).Value.Reveal()) // right tag, no row
	cases := []struct {
		name       string
		p          credential.Presented
		want       fault.Kind
		cold, warm int
	}{
		{"a good key", good, "", 1, 0},
		{"an id without a row", unknown, fault.KeyInvalid, 1, 0},
		{"an id this server never made", never, fault.KeyInvalid, 0, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ask := func() {
				if got := b.identify(t, c.p); got != c.want {
					t.Fatalf("%q, want %q", got, c.want)
				}
			}
			if n := b.readsDuring(ask); n != c.cold {
				t.Errorf("%d reads when cold, want %d", n, c.cold)
			}
			if n := b.readsDuring(func() { ask(); ask() }); n != c.warm {
				t.Errorf("%d reads when warm, want %d", n, c.warm)
			}
		})
	}
}

// The race of a cache: a change commits and is answered between the read of a fact and its keeping.
func TestAFactReadBeforeAChangeIsNeverServedAfterIt(t *testing.T) {
	changes := map[string]struct {
		change func(t *testing.T, b *bench, id ident.KeyID)
		want   fault.Kind
	}{
		"the key is revoked": {func(t *testing.T, b *bench, id ident.KeyID) {
			if _, _, err := b.keys.Revoke(t.Context(), b.owner, b.tenant.ID, id, ""); err != nil {
				t.Error(err)
			}
		}, fault.KeyRevoked},
		"the key is deleted": {func(t *testing.T, b *bench, id ident.KeyID) {
			if err := b.keys.Delete(t.Context(), b.owner, b.tenant.ID, id); err != nil {
				t.Error(err)
			}
		}, fault.KeyInvalid},
	}
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			id, p := b.key(t)
			b.after = func() { c.change(t, b, id) }
			b.identify(t, p) // began before the change: either answer is right
			if got := b.identify(t, p); got != c.want {
				t.Errorf("after the change was answered: %q, want %q", got, c.want)
			}
		})
	}
}

// Which tenant a key belongs to is known only once it was read: a change of the tenant in between must not be lost either.
func TestAChangeOfTheTenantDuringTheFirstReadOfAKeyIsSeen(t *testing.T) {
	b := newBench(t)
	_, p := b.key(t)
	b.after = func() {
		// The member becomes admin of the account while the key is being read; the event outdates the tenant, not the key.
		if _, err := b.places.SetStanding(t.Context(), principal.Operator(), b.tenant.Account, b.person.ID, scope.AccountAdmin); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		v, err := b.engine.Authenticate(t.Context(), verify.PresentKey(p, policy.Way{Transport: policy.Bearer}), "")
		if err != nil || v.Facts == nil {
			t.Fatal(v, err)
		}
		if got := v.Facts.Key.AccountRole; got != scope.AccountAdmin {
			t.Errorf("the owner counts as %q of the account", got)
		}
	}
}

func TestWhatCannotBeReadIsNeverDecided(t *testing.T) {
	b := newBench(t)
	_, p := b.key(t)
	b.fail = errors.New("disk on fire")
	v, err := b.engine.Authenticate(t.Context(), verify.PresentKey(p, policy.Way{Transport: policy.Bearer}), "")
	if !errors.Is(err, fault.Unavailable) || v.Code != "" || v.Facts != nil {
		t.Errorf("%+v, %v; want unavailable and no verdict", v, err)
	}
	b.fail = nil
	if got := b.identify(t, p); got != "" {
		t.Errorf("once it can be read: %q", got)
	}
}

// tightened is a source whose tenants got one more rule.
type tightened struct {
	verify.Source
	rule policy.Rule
}

func (s tightened) TenantFacts(ctx context.Context, id ident.TenantID) (verify.TenantRow, error) {
	t, err := s.Source.TenantFacts(ctx, id)
	t.Rules = append(t.Rules, s.rule)
	return t, err
}

// Each secret counts from when it was set: the refresh does not make the old one younger.
func TestAPolicyThatCameAfterARefreshEndsTheOlderSecretFirst(t *testing.T) {
	b := newBench(t)
	id, old := b.key(t)
	created := b.options.Now()
	b.keys.Now = func() time.Time { return created.Add(12 * time.Hour) }
	issued, err := b.keys.Refresh(t.Context(), b.owner, b.tenant.ID, id, key.Renewal{KeepID: true, Overlap: key.MaxOverlap})
	if err != nil {
		t.Fatal(err)
	}
	fresh, _ := credential.Parse(issued.Credential.Value.Reveal())
	o := b.options
	o.Source = tightened{b.tap, policy.Rule{Reason: policy.ByMaxLifetime, Days: 1}}
	for after, want := range map[time.Duration][2]fault.Kind{
		23 * time.Hour:              {"", ""},
		25 * time.Hour:              {fault.KeyExpired, ""},
		37 * time.Hour:              {fault.KeyExpired, fault.KeyExpired},
		policy.Grace + 25*time.Hour: {fault.KeyInvalid, fault.KeyExpired},
	} {
		o.Now = func() time.Time { return created.Add(after) }
		b.engine = verify.New(o)
		if was, is := b.identify(t, old), b.identify(t, fresh); was != want[0] || is != want[1] {
			t.Errorf("%v after its creation the old secret is %q and the new one %q, want %q", after, was, is, want)
		}
	}
}

func TestUsesThatCannotBeWrittenAreWrittenLater(t *testing.T) {
	b := newBench(t)
	id, p := b.key(t)
	b.identify(t, p)
	full := errors.New("disk full")
	if err := b.engine.FlushUses(t.Context(), sink(func([]verify.Use) error { return full })); !errors.Is(err, full) {
		t.Fatalf("flush: %v", err)
	}
	var kept []verify.Use
	if err := b.engine.FlushUses(t.Context(), sink(func(batch []verify.Use) error { kept = batch; return nil })); err != nil {
		t.Fatal(err)
	}
	if len(kept) != 1 || kept[0].Key != id {
		t.Errorf("written in the end: %+v", kept)
	}
}

type sink func([]verify.Use) error

func (s sink) RecordUses(_ context.Context, batch []verify.Use) error { return s(batch) }

func (s sink) RecordScopeUses(context.Context, []verify.ScopeUse) error { return nil }

func TestAScopeIsNotedOnceADayAndWhatCannotBeWrittenIsWrittenLater(t *testing.T) {
	b := newBench(t)
	id, p := b.key(t)
	at := time.Now().Truncate(policy.Day)
	o := b.options
	o.Now = func() time.Time { return at }
	b.engine = verify.New(o)
	ask := func() {
		t.Helper()
		v, err := b.engine.Authenticate(t.Context(), verify.PresentKey(p, policy.Way{}), "")
		if err != nil || v.Code != "" {
			t.Fatal(v.Code, err)
		}
		c := verify.Caller{Principal: v.Principal(), Facts: v.Facts}
		if err := b.engine.Allow(t.Context(), c, verify.Requirement{Scopes: []scope.Scope{scope.ApplicationsRead}}); err != nil {
			t.Fatal(err)
		}
	}
	written := func(want ...verify.ScopeUse) {
		t.Helper()
		var got []verify.ScopeUse
		if err := b.engine.FlushUses(t.Context(), scopeSink(func(batch []verify.ScopeUse) error { got = batch; return nil })); err != nil || !slices.Equal(got, want) {
			t.Errorf("written is %v (%v), want %v", got, err, want)
		}
	}
	used := func() verify.ScopeUse {
		return verify.ScopeUse{Key: id, Scope: scope.ApplicationsRead, On: at.Truncate(policy.Day).UTC()}
	}
	ask()
	full := errors.New("disk full")
	if err := b.engine.FlushUses(t.Context(), scopeSink(func([]verify.ScopeUse) error { return full })); !errors.Is(err, full) {
		t.Fatalf("flush: %v", err)
	}
	written(used())
	at = at.Add(policy.Day - time.Microsecond)
	ask()
	written()
	at = at.Add(2 * time.Second)
	ask()
	written(used())
}

type scopeSink func([]verify.ScopeUse) error

func (s scopeSink) RecordUses(context.Context, []verify.Use) error { return nil }

func (s scopeSink) RecordScopeUses(_ context.Context, batch []verify.ScopeUse) error { return s(batch) }
