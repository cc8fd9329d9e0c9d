package verify

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// KeyRow is what the store knows of a key found by lookup.
type KeyRow struct {
	ID           ident.KeyID
	Tenant       ident.TenantID
	PublicID     string
	Owner        principal.Person
	OwnerLive    bool // the user exists and is not disabled
	Member       scope.Role
	MemberLive   bool // the membership exists and is not disabled
	AccountRole  scope.AccountRole
	Scopes       scope.Set
	Applications scope.Applications
	SecretSetAt  time.Time
	ExpiresAt    time.Time
	DisabledAt   time.Time
	RevokedAt    time.Time
	Slot         int64
	LastUsedAt   time.Time
	// Secrets found under the lookup: the current one, the previous one, or both.
	Secrets []SecretRow
}

// SecretRow is what is stored of one secret.
type SecretRow struct {
	Serial   int
	Previous bool
	// Shape and PublicID it was minted with; after a refresh with a new id the two secrets differ in them.
	Shape    credential.Shape
	PublicID string
	Digest   credential.Sealed
	SetAt    time.Time
	// Until ends a previous secret, unless a policy does before; zero for the current one.
	Until time.Time
}

// TenantRow is what the store knows of a tenant and its account.
type TenantRow struct {
	policy.Tenant
	// Applications of the tenant: id → enabled.
	Applications map[string]bool
}

// Source is where facts come from.
type Source interface {
	// KeyFacts finds a key by lookup in one read, or fault.NotFound.
	KeyFacts(ctx context.Context, lookup string) (KeyRow, error)
	TenantFacts(ctx context.Context, id ident.TenantID) (TenantRow, error)
}

// Facts is everything a decision about one key needs. It is immutable but for the times of last uses and what is left of the allowance, and counts only while current.
type Facts struct {
	Key    principal.Key // scopes effective
	Reason policy.Reason
	// Rendered is whatever Options.Render made of the facts, kept so that an answer is one write.
	Rendered any

	tenant    *tenantFacts
	secrets   []secretFacts
	life      policy.Life
	chainLive bool // owner and membership; tenant and account are the tenant's
	lapsed    bool // without a slot it can authenticate no more
	lastUsed  atomic.Int64
	// previousUsed is the last use of the previous secret that was noted through these facts.
	previousUsed atomic.Int64
	// scopesUsed are the last days on which the scopes of Key were noted as used, by their places there.
	scopesUsed []atomic.Int32
	allowance  atomic.Pointer[allowance] // of a limited key once it was needed; a swept one is replaced
	stamp      stamp
}

type secretFacts struct {
	serial   int
	previous bool
	shape    credential.Shape
	publicID string
	digest   credential.Digest
	// who is the key as the one who shows this secret.
	who principal.Principal
	// until ends a previous secret, by its overlap or by a policy that counts from when it was set.
	until time.Time
}

// over reports whether the secret is a previous one that has run out.
func (s *secretFacts) over(now time.Time) bool { return s.previous && !now.Before(s.until) }

// forgotten reports whether it ran out so long ago that it is no secret of the key any more.
func (s *secretFacts) forgotten(now time.Time) bool { return s.over(now.Add(-policy.Grace)) }

type tenantFacts struct {
	TenantRow
	generation uint64
}

// stamp is where the counters stood before the facts were read.
type stamp struct {
	lookup, tenant     *atomic.Uint64
	lookupAt, tenantAt uint64
}

func (f *Facts) current() bool {
	return f.stamp.lookup.Load() == f.stamp.lookupAt && (f.stamp.tenant == nil || f.stamp.tenant.Load() == f.stamp.tenantAt)
}

// load reads the facts of a lookup and keeps them. What is not there is kept too, as facts without a secret, so that a deleted id costs no read.
func (e *Engine) load(ctx context.Context, lookup string) (*Facts, error) {
	start := time.Now()
	f, err := e.read(ctx, lookup)
	e.counts.Loads.Since(start)
	if err != nil && !fault.Abandoned(ctx, err) {
		e.counts.LoadsFailed.Add(1)
	}
	return f, err
}

func (e *Engine) read(ctx context.Context, lookup string) (*Facts, error) {
	s := stamp{lookup: e.generations.ofLookup(lookup)}
	s.lookupAt = s.lookup.Load()
	tenants := e.generations.tenants.Load()
	row, err := e.source.KeyFacts(ctx, lookup)
	if errors.Is(err, fault.NotFound) {
		absent := &Facts{stamp: s}
		e.cache.Put(strings.Clone(lookup), absent)
		return absent, nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	s.tenant = e.generations.ofTenant(row.Tenant)
	s.tenantAt = s.tenant.Load()
	if e.generations.tenants.Load() != tenants {
		// Some tenant changed while the key was read. Whose is known only now, so read once more behind the stamp.
		row, err = e.source.KeyFacts(ctx, lookup)
		if errors.Is(err, fault.NotFound) {
			return &Facts{stamp: s}, nil // deleted in between
		}
		if err != nil {
			return nil, unavailable(err)
		}
	}
	tenant, err := e.tenantFacts(ctx, row.Tenant)
	if err != nil {
		return nil, unavailable(err)
	}
	s.tenantAt = min(s.tenantAt, tenant.generation)
	facts, err := e.build(row, tenant, s)
	if err != nil {
		return nil, err
	}
	e.cache.Put(strings.Clone(lookup), facts)
	return facts, nil
}

// tenantFacts gives the facts of a tenant, read no earlier than its last change.
func (e *Engine) tenantFacts(ctx context.Context, id ident.TenantID) (*tenantFacts, error) {
	generation := e.generations.ofTenant(id).Load()
	if kept, ok := e.tenants.Load(id); ok && kept.(*tenantFacts).generation == generation {
		return kept.(*tenantFacts), nil
	}
	row, err := e.source.TenantFacts(ctx, id)
	if err != nil {
		return nil, err
	}
	t := &tenantFacts{TenantRow: row, generation: generation}
	e.tenants.Store(id, t)
	return t, nil
}

func (e *Engine) build(row KeyRow, tenant *tenantFacts, s stamp) (*Facts, error) {
	acting := scope.Acting(row.Member, row.AccountRole)
	expiry := policy.EffectiveExpiry(row.ExpiresAt, row.SecretSetAt, tenant.Rules)
	f := &Facts{
		Key: principal.Key{
			ID: row.ID, PublicID: row.PublicID, Tenant: row.Tenant, Account: tenant.Account, Owner: row.Owner,
			Scopes: tenant.Catalogue.Effective(row.Scopes, acting), Applications: row.Applications,
			Expires: expiry.At, AccountRole: row.AccountRole,
		},
		Reason: expiry.Reason, tenant: tenant, stamp: s,
		life:      policy.Life{RevokedAt: row.RevokedAt, DisabledAt: row.DisabledAt, Expiry: expiry},
		chainLive: row.OwnerLive && row.MemberLive,
		lapsed:    row.Slot == 0,
	}
	f.lastUsed.Store(row.LastUsedAt.UnixMicro())
	f.scopesUsed = make([]atomic.Int32, len(f.Key.Scopes))
	for _, secret := range row.Secrets {
		digest, err := e.keyring.OpenDigest(secret.Digest, credential.Row{Key: row.ID, Serial: secret.Serial})
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "A stored key cannot be read.")
		}
		k := f.Key
		k.Serial = secret.Serial
		f.secrets = append(f.secrets, secretFacts{
			serial: secret.Serial, previous: secret.Previous, shape: secret.Shape, publicID: secret.PublicID, digest: digest, who: principal.OfKey(&k),
			until: policy.EffectiveExpiry(secret.Until, secret.SetAt, tenant.Rules).At,
		})
	}
	if e.render != nil {
		f.Rendered = e.render(f)
	}
	return f, nil
}

func unavailable(err error) error {
	if errors.Is(err, fault.Unavailable) {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "The decision cannot be made right now. Try again.")
}
