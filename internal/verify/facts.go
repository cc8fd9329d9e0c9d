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

// Facts is what a decision needs to know of a key, whichever of its credentials is presented. It is immutable but for the times
// of last uses and what is left of the allowance.
type Facts struct {
	Key    principal.Key // scopes effective
	Reason policy.Reason
	// Rendered is whatever Options.Render made of the facts, kept so that an answer is one write.
	Rendered any

	tenant   *tenantFacts
	life     policy.Life
	chain    policy.Chain
	lastUsed atomic.Int64
	// previousUsed is the last use of the previous secret that was noted through these facts.
	previousUsed atomic.Int64
	// scopesUsed are the last days on which the scopes of Key were noted as used, by their places there.
	scopesUsed []atomic.Int32
	allowance  atomic.Pointer[allowance] // of a limited key once it was needed; a swept one is replaced
}

// credentialFacts is what a decision needs to know of one credential: how it is recognised, and how long it lasts.
type credentialFacts struct {
	serial   int
	shape    credential.Shape
	publicID string
	digest   credential.Digest
	life     policy.SecretLife
	// who is the key as the one who shows this credential.
	who principal.Principal
}

// Entry is what the cache keeps of a lookup: a key with those of its credentials that have this lookup, or that there is none.
// It counts only while current.
type Entry struct {
	facts       *Facts
	credentials []credentialFacts
	stamp       stamp
}

type tenantFacts struct {
	TenantRow
	generation uint64
}

// stamp is where the counters stood before the facts were read.
type stamp struct {
	lookup, tenant     *atomic.Uint64
	lookupAt, tenantAt uint64
}

func (e *Entry) current() bool {
	return e.stamp.lookup.Load() == e.stamp.lookupAt && (e.stamp.tenant == nil || e.stamp.tenant.Load() == e.stamp.tenantAt)
}

// load reads the facts of a lookup and keeps them. What is not there is kept too, as an entry without a credential, so that a deleted id costs no read.
func (e *Engine) load(ctx context.Context, lookup string) (*Entry, error) {
	start := time.Now()
	f, err := e.read(ctx, lookup)
	e.counts.Loads.Since(start)
	if err != nil && !fault.Abandoned(ctx, err) {
		e.counts.LoadsFailed.Add(1)
	}
	return f, err
}

func (e *Engine) read(ctx context.Context, lookup string) (*Entry, error) {
	s := stamp{lookup: e.generations.ofLookup(lookup)}
	s.lookupAt = s.lookup.Load()
	tenants := e.generations.tenants.Load()
	row, err := e.source.KeyFacts(ctx, lookup)
	if errors.Is(err, fault.NotFound) {
		absent := &Entry{stamp: s}
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
			return &Entry{stamp: s}, nil // deleted in between
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
	entry := &Entry{facts: e.factsOf(row, tenant), stamp: s}
	if entry.credentials, err = e.credentialsOf(row, entry.facts); err != nil {
		return nil, err
	}
	e.cache.Put(strings.Clone(lookup), entry)
	return entry, nil
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

func (e *Engine) factsOf(row KeyRow, tenant *tenantFacts) *Facts {
	acting := scope.Acting(row.Member, row.AccountRole)
	life := policy.KeyDates{
		RevokedAt: row.RevokedAt, DisabledAt: row.DisabledAt, ExpiresAt: row.ExpiresAt, SecretSetAt: row.SecretSetAt, Slot: row.Slot,
	}.Under(tenant.Rules)
	f := &Facts{
		Key: principal.Key{
			ID: row.ID, PublicID: row.PublicID, Tenant: row.Tenant, Account: tenant.Account, Owner: row.Owner,
			Scopes: tenant.Catalogue.Effective(row.Scopes, acting), Applications: row.Applications,
			Expires: life.Expiry.At, AccountRole: row.AccountRole,
		},
		Reason: life.Expiry.Reason, tenant: tenant, life: life,
		chain: policy.Chain{Owner: row.OwnerLive, Member: row.MemberLive, Tenant: tenant.Open},
	}
	f.lastUsed.Store(row.LastUsedAt.UnixMicro())
	f.scopesUsed = make([]atomic.Int32, len(f.Key.Scopes))
	if e.render != nil {
		f.Rendered = e.render(f)
	}
	return f
}

func (e *Engine) credentialsOf(row KeyRow, f *Facts) (list []credentialFacts, err error) {
	for _, secret := range row.Secrets {
		digest, err := e.keyring.OpenDigest(secret.Digest, credential.Row{Key: row.ID, Serial: secret.Serial})
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "A stored key cannot be read.")
		}
		k := f.Key
		k.Serial = secret.Serial
		dates := policy.SecretDates{Previous: secret.Previous, SetAt: secret.SetAt, Until: secret.Until}
		list = append(list, credentialFacts{
			serial: secret.Serial, shape: secret.Shape, publicID: secret.PublicID, digest: digest, life: dates.Under(f.tenant.Rules),
			who: principal.OfKey(&k),
		})
	}
	return list, nil
}

func unavailable(err error) error {
	if errors.Is(err, fault.Unavailable) {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "The decision cannot be made right now. Try again.")
}
