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
	"github.com/claviger-dev/claviger/internal/ratelimit"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/usage"
)

// KeyRow is what the store knows about a key that was found by its lookup.
type KeyRow struct {
	ID         ident.KeyID
	Tenant     ident.TenantID
	PublicID   string
	Owner      principal.Party
	OwnerLive  bool // the owner exists and is not disabled
	OwnerEnded bool // the owner is a service account or a subject that was deleted
	// Role is that of a user's membership or of a service account.
	Role        scope.Role
	MemberLive  bool // the membership of a user exists and is not disabled; true for other owners
	AccountRole scope.AccountRole
	// Plan is the name of a subject's plan; "" for none.
	Plan         string
	Scopes       scope.Set
	Applications scope.Applications
	SecretSetAt  time.Time
	// SecretByOwner is set if the owner set the current secret.
	SecretByOwner bool
	ExpiresAt     time.Time
	DisabledAt    time.Time
	RevokedAt     time.Time
	Slot          int64
	LastUsedAt    time.Time
	// Secrets are those found by the lookup: the current one, the previous one, or both.
	Secrets []SecretRow
}

// SecretRow is what is stored about one secret.
type SecretRow struct {
	Serial   int
	Previous bool
	// Shape and PublicID are those that the secret was issued with. After a refresh with a new id
	// they differ between the two secrets.
	Shape    credential.Shape
	PublicID string
	Digest   credential.Sealed
	SetAt    time.Time
	// ByOwner is set if the key's owner set the secret.
	ByOwner bool
	// Until is the end of a previous secret, unless a policy ends it before; zero for the current
	// one.
	Until time.Time
}

// TenantRow is what the store knows about a tenant and its account.
type TenantRow struct {
	policy.Tenant
	// Applications maps the id of each of the tenant's applications to whether it is enabled.
	Applications map[string]bool
	// Plans has the tenant's plans by name.
	Plans map[string]*policy.Plan
}

// Source reads facts.
type Source interface {
	// KeyFacts returns the key with this lookup, in one read, or fault.NotFound.
	KeyFacts(ctx context.Context, lookup string) (KeyRow, error)
	// TenantFacts returns the tenant, or fault.NotFound.
	TenantFacts(ctx context.Context, id ident.TenantID) (TenantRow, error)
}

// Facts are what a decision needs to know about a key. The credentials of a key share them, unless
// the owner's account role counts for only one of the two. They do not change, apart from the
// record of uses and the state of the limiters.
type Facts struct {
	Key principal.Key // with effective scopes
	// Reason says which rule sets the key's expiry.
	Reason policy.Reason
	// Rendered is what Options.Render made of the facts. With it, a response needs only one write.
	Rendered any

	tenant       *tenantFacts
	life         policy.Life
	dependencies policy.Dependencies
	uses         usage.Tracker
	// requests is the key as a caller of Engine.limiter, verifyRequests as one of
	// Engine.verifierLimiter.
	requests, verifyRequests ratelimit.Caller[ident.KeyID]
}

// credentialFacts are what a decision needs to know about one credential of a key: how it is
// recognised and how long it is valid.
type credentialFacts struct {
	// facts are the key's facts for requests with this credential.
	facts    *Facts
	serial   int
	shape    credential.Shape
	publicID string
	digest   credential.Digest
	life     policy.SecretLife
	// principal is the key as the sender of requests with this credential.
	principal principal.Principal
}

// Entry is a cache entry: the credentials with one lookup. It has none if no key has the lookup. It
// counts only while it is current.
type Entry struct {
	credentials []credentialFacts
	stamp       stamp
}

type tenantFacts struct {
	TenantRow
	generation uint64
}

// stamp holds the generation counters of the facts with the values from before the facts were read.
type stamp struct {
	lookup, tenant           *atomic.Uint64
	lookupValue, tenantValue uint64
}

// current reports whether nothing that the entry was read from has changed.
func (e *Entry) current() bool {
	return e.stamp.lookup.Load() == e.stamp.lookupValue && (e.stamp.tenant == nil ||
		e.stamp.tenant.Load() == e.stamp.tenantValue)
}

// load reads the facts of a lookup and puts them into the cache. For a lookup that does not exist
// it puts an entry without credentials there, so that a deleted id causes no further read.
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
	s := stamp{lookup: e.generations.lookupCounter(lookup)}
	s.lookupValue = s.lookup.Load()
	tenants := e.generations.tenantChanges.Load()
	row, err := e.source.KeyFacts(ctx, lookup)
	if errors.Is(err, fault.NotFound) {
		absent := &Entry{stamp: s}
		e.cache.Put(strings.Clone(lookup), absent)
		return absent, nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	s.tenant = e.generations.tenantCounter(row.Tenant)
	s.tenantValue = s.tenant.Load()
	if e.generations.tenantChanges.Load() != tenants {
		// A tenant changed while the key was read. It may be the key's tenant, which is known only
		// now, so read the key again after the stamp.
		row, err = e.source.KeyFacts(ctx, lookup)
		if errors.Is(err, fault.NotFound) {
			return &Entry{stamp: s}, nil // deleted meanwhile
		}
		if err != nil {
			return nil, unavailable(err)
		}
	}
	tenant, err := e.tenantFacts(ctx, row.Tenant)
	if err != nil {
		return nil, unavailable(err)
	}
	s.tenantValue = min(s.tenantValue, tenant.generation)
	entry := &Entry{stamp: s}
	entry.credentials, err = e.newCredentials(row, tenant)
	if err != nil {
		return nil, err
	}
	e.cache.Put(strings.Clone(lookup), entry)
	return entry, nil
}

// tenantFacts returns the facts of a tenant. They were read after its last change.
func (e *Engine) tenantFacts(ctx context.Context, id ident.TenantID) (*tenantFacts, error) {
	generation := e.generations.tenantCounter(id).Load()
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

// newFacts returns the facts of a key. byAccount is set if the owner's role in the account counts.
func (e *Engine) newFacts(row KeyRow, tenant *tenantFacts, byAccount bool) *Facts {
	if !byAccount {
		row.AccountRole = ""
	}
	rights := tenant.ownerRights(row)
	life := policy.KeyDates{
		RevokedAt: row.RevokedAt, DisabledAt: row.DisabledAt, ExpiresAt: row.ExpiresAt, SecretSetAt: row.SecretSetAt,
		Slot: row.Slot,
	}.Under(tenant.Rules)
	f := &Facts{
		Key: principal.Key{
			ID: row.ID, PublicID: row.PublicID, Tenant: row.Tenant, Account: tenant.Account, Owner: row.Owner,
			Scopes: rights.Effective(tenant.Catalogue, row.Scopes), Applications: rights.Reaches(row.Applications),
			Expires: life.Expiry.At, AccountRole: row.AccountRole,
		},
		Reason: life.Expiry.Reason, tenant: tenant, life: life,
		dependencies: policy.Dependencies{
			Owner: row.OwnerLive, Member: row.MemberLive, Tenant: tenant.Active, Ended: row.OwnerEnded,
		},
	}
	f.uses.Init(row.LastUsedAt, len(f.Key.Scopes))
	f.requests.ID = row.ID
	f.verifyRequests.ID = row.ID
	if e.render != nil {
		f.Rendered = e.render(f)
	}
	return f
}

// ownerRights returns what the owner of a key may do. A plan that does not exist gives nothing.
func (t *tenantFacts) ownerRights(row KeyRow) policy.OwnerRights {
	if row.Owner.Type() != ident.SubjectParty {
		return policy.OwnerRights{Role: scope.EffectiveRole(row.Role, row.AccountRole)}
	}
	rights := policy.OwnerRights{Subject: true}
	if row.Plan != "" {
		plan, known := t.Plans[row.Plan]
		if !known {
			plan = &policy.Plan{Name: row.Plan}
		}
		rights.Plan = plan
	}
	return rights
}

// newCredentials returns the facts of the credentials of a key.
func (e *Engine) newCredentials(row KeyRow, tenant *tenantFacts) (list []credentialFacts, err error) {
	shared := map[bool]*Facts{} // by whether the owner's role in the account counts
	for _, secret := range row.Secrets {
		byAccount := row.AccountRole.Valid() && policy.AccountRoleCounts(row.SecretByOwner, secret.ByOwner)
		if shared[byAccount] == nil {
			shared[byAccount] = e.newFacts(row, tenant, byAccount)
		}
		f := shared[byAccount]
		digest, err := e.keyring.OpenDigest(secret.Digest, credential.Row{Key: row.ID, Serial: secret.Serial})
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "A stored key cannot be read.")
		}
		k := f.Key
		k.Serial = secret.Serial
		dates := policy.SecretDates{Previous: secret.Previous, SetAt: secret.SetAt, Until: secret.Until}
		list = append(list, credentialFacts{
			facts: f, serial: secret.Serial, shape: secret.Shape, publicID: secret.PublicID, digest: digest,
			life:      dates.Under(f.tenant.Rules),
			principal: principal.OfKey(&k),
		})
	}
	return list, nil
}

// unavailable returns the error for a decision that could not be made because of err.
func unavailable(err error) error {
	if errors.Is(err, fault.Unavailable) || errors.Is(err, fault.Internal) { // a bug of ours fails again
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "The decision cannot be made right now. Try again.")
}
