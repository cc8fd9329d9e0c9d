package verify

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/metadata"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/ratelimit"
	"github.com/claviger-dev/claviger/internal/route"
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
	OwnerEnded bool // the owner was deleted or left the tenant
	// Role is that of a user's membership or of a service account.
	Role        scope.Role
	MemberLive  bool // the membership of a user exists and is not disabled; true for other owners
	AccountRole scope.AccountRole
	// Plan is the name of a subject's plan; "" for none.
	Plan string
	// OwnerMetadata is the metadata of a subject.
	OwnerMetadata metadata.Metadata
	Scopes        scope.Set
	Applications  scope.Applications
	// Addresses are those from which the key may be used.
	Addresses   policy.Addresses
	Metadata    metadata.Metadata
	SecretSetAt time.Time
	// SecretByOwner is set if the owner set the current secret.
	SecretByOwner bool
	ExpiresAt     time.Time
	DisabledAt    time.Time
	RevokedAt     time.Time
	Slot          int64
	LastUsedAt    time.Time
	// RevokedTokens are the access tokens of the key that were revoked and have not expired.
	RevokedTokens []credential.AccessTokenID
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
	// Routes are the route rules of the applications, in the order of their numbers.
	Routes []route.Rule
	// RoutesFault is set if rules could not be read. Then no request is decided by rules.
	RoutesFault error
}

// Source reads facts.
type Source interface {
	// KeyFacts returns the key with this lookup, or fault.NotFound. It reads once, a second time
	// for a key with addresses or metadata, and again for one with revoked tokens.
	KeyFacts(ctx context.Context, lookup string) (KeyRow, error)
	// TenantFacts returns the tenant, or fault.NotFound.
	TenantFacts(ctx context.Context, id ident.TenantID) (TenantRow, error)
	// Plans returns the plans of a tenant by name.
	Plans(ctx context.Context, id ident.TenantID) (map[string]*policy.Plan, error)
}

// Facts are what a decision needs to know about a key. The credentials of a key share them, unless
// the owner's account role counts for only one of the two. They do not change, apart from the
// record of uses, the counters and the state of the limiters.
type Facts struct {
	Key principal.Key // with effective scopes
	// Owner is what an answer says about the owner.
	Owner *OwnerFacts
	// Reason says which rule sets the key's expiry.
	Reason policy.Reason
	// Metadata is the key's.
	Metadata metadata.Metadata
	// Grant has what the key may do.
	Grant *Grant
	// Identity holds what package forward made of the facts, once a request needed it.
	Identity atomic.Value

	tenant       *tenantFacts
	life         policy.Life
	dependencies policy.Dependencies
	addresses    policy.Addresses
	// revokedTokens has the key's access tokens that were revoked; nil for none.
	revokedTokens map[credential.AccessTokenID]bool
	uses          usage.Tracker
	counter       usage.KeyCounter
	// requests is the key as a caller of Engine.limiter, verifyRequests as one of
	// Engine.verifierLimiter.
	requests, verifyRequests ratelimit.Caller[ident.KeyID]
}

// OwnerFacts are what an answer says about the owner of a key. The keys of a service account or a
// subject share them.
type OwnerFacts struct {
	principal.Party
	// Plan and Metadata are those of a subject; "" and empty for none.
	Plan     string
	Metadata metadata.Metadata
	// Rendered is what Options.RenderOwner returned.
	Rendered string

	// The cache has the texts of an owner once. It does so as long as somebody holds these.
	party    unique.Handle[principal.Party]
	rendered unique.Handle[string]
}

// ownerFacts are the facts of an owner with the value of its counter from before they were read.
type ownerFacts struct {
	OwnerFacts
	generation uint64
}

// ownerFacts returns what an answer says about the owner of the key.
func (e *Engine) ownerFacts(row KeyRow, s stamp) *OwnerFacts {
	// The stamp keeps the counter alive, and with it the cell that the counter is in.
	_, cell := e.generations.ownerCounter(row.Owner.ID)
	if cell != nil {
		if kept := cell.facts.Load(); kept != nil && kept.generation == s.ownerValue {
			return &kept.OwnerFacts
		}
	}
	party := unique.Make(row.Owner)
	f := &ownerFacts{
		OwnerFacts{Party: party.Value(), Plan: row.Plan, Metadata: row.OwnerMetadata, party: party}, s.ownerValue,
	}
	if e.renderOwner != nil {
		f.rendered = unique.Make(e.renderOwner(&f.OwnerFacts))
		f.Rendered = f.rendered.Value()
	}
	if cell != nil {
		cell.facts.Store(f)
	}
	return &f.OwnerFacts
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
	// tenant is that of the key; "" if there is none.
	tenant ident.TenantID
	// row is what a key was read from whose owner has a plan; nil for every other key. The facts
	// are computed from it again when a plan of the tenant changes.
	row *KeyRow
}

// keyEntry is the entry of a key, in one piece of memory if the key has one secret: each piece more
// costs a request the time of another miss of the processor's caches.
type keyEntry struct {
	Entry
	facts Facts
	only  [1]credentialFacts
}

type tenantFacts struct {
	TenantRow
	routes     *route.Table
	generation uint64
	counter    usage.TenantCounter
	grants     grants
}

// stamp holds the generation counters of the facts with the values from before the facts were read.
type stamp struct {
	lookup, tenant           *atomic.Uint64
	lookupValue, tenantValue uint64
	// owner is nil where there is no key. That of a user counts changes of name and address: what
	// changes the rights of a user invalidates tenants.
	owner      *atomic.Uint64
	ownerValue uint64
	// plans is nil for a key whose owner has no plan.
	plans      *atomic.Uint64
	plansValue uint64
}

// current reports whether nothing that the entry was read from has changed.
func (e *Entry) current() bool {
	s := &e.stamp
	return s.lookup.Load() == s.lookupValue && (s.tenant == nil || s.tenant.Load() == s.tenantValue) &&
		(s.owner == nil || s.owner.Load() == s.ownerValue)
}

// plansCurrent reports whether no plan of the tenant has changed since the facts were computed. A
// current entry of which a plan changed is not read again: see [Engine.applyPlans].
func (e *Entry) plansCurrent() bool {
	return e.stamp.plans == nil || e.stamp.plans.Load() == e.stamp.plansValue
}

// The approximate sizes of what an entry holds, in bytes. That of the facts includes the records of
// uses and counts, the owner, and the identity for forward-auth.
const (
	entrySize      = 160
	credentialSize = 160
	factsSize      = 1200
	scopeSize      = 48
	networkSize    = 32
	tokenSize      = 40
)

// size returns the approximate size of the entry in the cache, in bytes.
func (e *Entry) size(lookup string) int64 {
	n := entrySize + 2*len(lookup)
	var counted *Facts
	for i := range e.credentials {
		c := &e.credentials[i]
		n += credentialSize
		if c.facts == counted {
			continue
		}
		counted = c.facts
		n += factsSize + len(c.facts.Metadata.Text()) + networkSize*c.facts.addresses.Len()
		n += tokenSize * len(c.facts.revokedTokens)
		if !c.facts.Grant.shared {
			n += c.facts.Grant.size()
		}
	}
	if e.row != nil {
		n += factsSize + scopeSize*len(e.row.Scopes)
	}
	return int64(n)
}

// load reads the facts of a lookup and puts them into the cache. For a lookup that does not exist
// it puts an entry without credentials there, so that a deleted id causes no further read. Requests
// that need the same facts at the same time share one read.
func (e *Engine) load(ctx context.Context, lookup string) (*Entry, error) {
	for {
		shared, first := e.reads.join(lookup)
		if first {
			return e.reads.run(shared, lookup, func() (*Entry, error) { return e.loadAlone(ctx, lookup) })
		}
		select {
		case <-shared.done:
		case <-ctx.Done():
			return nil, unavailable(ctx.Err())
		}
		if shared.err != nil {
			return e.loadAlone(ctx, lookup) // the reason may be one of that request alone
		}
		if shared.entry.current() && shared.entry.plansCurrent() { // nothing changed before this request
			return shared.entry, nil
		}
	}
}

// loadAlone is load for one request.
func (e *Engine) loadAlone(ctx context.Context, lookup string) (*Entry, error) {
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
	row, err := e.readRow(ctx, lookup, &s)
	if errors.Is(err, fault.NotFound) {
		absent := &Entry{stamp: s}
		e.cache.Put(strings.Clone(lookup), absent)
		return absent, nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	tenant, err := e.tenantFacts(ctx, row.Tenant)
	if err != nil {
		return nil, unavailable(err)
	}
	s.tenantValue = min(s.tenantValue, tenant.generation)
	return e.newEntry(ctx, lookup, row, tenant, s)
}

// readRow reads a key and completes its stamp. Its tenant and its owner are known only afterwards.
// If any tenant or owner changed while it was read, it is read again after the stamp, because the
// change may have been one of this key's.
func (e *Engine) readRow(ctx context.Context, lookup string, s *stamp) (KeyRow, error) {
	g := e.generations
	for {
		tenants, owners := g.tenantChanges.Load(), g.ownerChanges.Load()
		row, err := e.source.KeyFacts(ctx, lookup)
		if err != nil {
			return row, err
		}
		s.tenant = g.tenantCounter(row.Tenant)
		s.tenantValue = s.tenant.Load()
		s.owner, _ = g.ownerCounter(row.Owner.ID)
		s.ownerValue = s.owner.Load()
		if g.tenantChanges.Load() == tenants && g.ownerChanges.Load() == owners {
			return row, nil
		}
		row, err = e.source.KeyFacts(ctx, lookup)
		if err != nil || g.tenantCounter(row.Tenant) == s.tenant && s.ownedBy(g, row) {
			return row, err
		}
		// another key has the lookup now
	}
}

// ownedBy reports whether the stamp is of the row's owner.
func (s *stamp) ownedBy(g *Generations, row KeyRow) bool {
	owner, _ := g.ownerCounter(row.Owner.ID)
	return s.owner == owner
}

// newEntry computes an entry and puts it into the cache.
func (e *Engine) newEntry(ctx context.Context, lookup string, row KeyRow, tenant *tenantFacts,
	s stamp,
) (*Entry, error) {
	lookup = row.gather(lookup)
	kept := &keyEntry{Entry: Entry{stamp: s, tenant: tenant.ID}}
	var plans map[string]*policy.Plan
	if row.Plan != "" {
		read, err := e.tenantPlans(ctx, tenant.ID)
		if err != nil {
			return nil, unavailable(err)
		}
		kept.stamp.plans, kept.stamp.plansValue = e.generations.planCounter(tenant.ID), read.generation
		kept.row = &row
		plans = read.plans
	}
	if err := e.addCredentials(kept, row, tenant, plans); err != nil {
		return nil, err
	}
	e.cache.Put(lookup, &kept.Entry)
	return &kept.Entry, nil
}

// gather puts the texts by which the key is known into one piece of memory. It returns the lookup.
func (row *KeyRow) gather(lookup string) string {
	all := lookup + string(row.ID) + row.PublicID
	cut := func(n int) (text string) {
		text, all = all[:n], all[n:]
		return text
	}
	lookup, row.ID = cut(len(lookup)), ident.KeyID(cut(len(row.ID)))
	row.PublicID = cut(len(row.PublicID))
	secrets := slices.Clone(row.Secrets) // the row may be that of an entry in use
	for i := range secrets {
		if secrets[i].PublicID == row.PublicID {
			secrets[i].PublicID = row.PublicID
		}
	}
	row.Secrets = secrets
	return lookup
}

// applyPlans returns the entry with the present plans of its tenant. It does not read the key.
func (e *Engine) applyPlans(ctx context.Context, old *Entry, lookup string) (*Entry, error) {
	return e.newEntry(ctx, lookup, *old.row, old.credentials[0].facts.tenant, old.stamp)
}

// tenantPlans are the plans of a tenant.
type tenantPlans struct {
	mu         sync.Mutex
	generation uint64
	plans      map[string]*policy.Plan // nil if they were not read yet
}

// readPlans is a copy of what [tenantPlans] holds.
type readPlans struct {
	generation uint64
	plans      map[string]*policy.Plan
}

// tenantPlans returns the plans of a tenant. They were read after their last change. Requests that
// need them at the same time wait for one read.
func (e *Engine) tenantPlans(ctx context.Context, id ident.TenantID) (readPlans, error) {
	kept, _ := e.plans.LoadOrStore(id, &tenantPlans{})
	t := kept.(*tenantPlans)
	t.mu.Lock()
	defer t.mu.Unlock()
	generation := e.generations.planCounter(id).Load()
	if t.plans == nil || t.generation != generation {
		plans, err := e.source.Plans(ctx, id)
		if err != nil {
			return readPlans{}, err
		}
		t.plans, t.generation = plans, generation
	}
	return readPlans{t.generation, t.plans}, nil
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
	t := &tenantFacts{TenantRow: row, routes: route.Merge(row.Routes), generation: generation}
	t.counter.Init(e.counters, id, row.Applications)
	e.tenants.Store(id, t)
	return t, nil
}

// accepts reports whether the request is for credentials of the tenant.
func (t *tenantFacts) accepts(r Request) bool {
	return (r.Bound == "" || r.Bound == t.ID) && (r.Named == "" || t.isNamed(r.Named))
}

// isNamed reports whether a text is the id or the number of the tenant.
func (t *tenantFacts) isNamed(text string) bool {
	return text == string(t.ID) || text == strconv.FormatInt(t.Number, 10)
}

// TenantNamed reports whether a text is the id or the number of a tenant. It returns fault.NotFound
// if there is no such tenant.
func (e *Engine) TenantNamed(ctx context.Context, id ident.TenantID, text string) (bool, error) {
	t, err := e.tenantFacts(ctx, id)
	if errors.Is(err, fault.NotFound) {
		return false, fault.NotFound
	}
	if err != nil {
		return false, unavailable(err)
	}
	return t.isNamed(text), nil
}

// TenantAllowsPassword reports whether people may use the API of a tenant with their password. It
// is false if there is no such tenant.
func (e *Engine) TenantAllowsPassword(ctx context.Context, id ident.TenantID) (bool, error) {
	t, err := e.tenantFacts(ctx, id)
	switch {
	case errors.Is(err, fault.NotFound):
		return false, nil
	case err != nil:
		return false, unavailable(err)
	}
	return t.Active && t.Settings.LegacyPassword, nil
}

// TenantDialect returns the dialect of a tenant. It returns fault.NotFound if there is no such
// tenant.
func (e *Engine) TenantDialect(ctx context.Context, id ident.TenantID) (string, error) {
	t, err := e.tenantFacts(ctx, id)
	if err != nil {
		return "", err
	}
	return t.Settings.Dialect, nil
}

// TenantRoutes returns the route rules of a tenant's applications. They were read after the
// tenant's last change. It returns fault.NotFound if there is no such tenant.
func (e *Engine) TenantRoutes(ctx context.Context, id ident.TenantID) (*route.Table, error) {
	t, err := e.tenantFacts(ctx, id)
	if err != nil {
		return nil, err
	}
	if t.RoutesFault != nil {
		return nil, fault.Wrap(fault.Internal, t.RoutesFault, "")
	}
	return t.routes, nil
}

// setFacts sets the facts of a key. byAccount is set if the owner's role in the account counts.
func (e *Engine) setFacts(f *Facts, row KeyRow, tenant *tenantFacts, plans map[string]*policy.Plan,
	owner *OwnerFacts, byAccount bool,
) {
	if !byAccount {
		row.AccountRole = ""
	}
	rights := ownerRights(row, plans)
	life := policy.KeyDates{
		RevokedAt: row.RevokedAt, DisabledAt: row.DisabledAt, ExpiresAt: row.ExpiresAt, SecretSetAt: row.SecretSetAt,
		Slot: row.Slot,
	}.Under(tenant.Rules)
	f.Owner = owner
	scopes := rights.Effective(tenant.Catalogue, row.Scopes)
	f.Grant = tenant.grant(scopes, rights.Reaches(row.Applications), e.renderGrant)
	f.Key = principal.Key{
		ID: row.ID, PublicID: row.PublicID, Tenant: tenant.ID, Account: tenant.Account, Owner: owner.Party,
		Scopes: f.Grant.Scopes, Applications: f.Grant.Applications,
		Expires: life.Expiry.At, AccountRole: row.AccountRole,
	}
	f.Reason, f.life = life.Expiry.Reason, life
	f.Metadata, f.addresses = row.Metadata, row.Addresses
	f.tenant = tenant
	f.dependencies = policy.Dependencies{
		Owner: row.OwnerLive, Member: row.MemberLive, Tenant: tenant.Active, Ended: row.OwnerEnded,
	}
	for _, id := range row.RevokedTokens {
		if f.revokedTokens == nil {
			f.revokedTokens = map[credential.AccessTokenID]bool{}
		}
		f.revokedTokens[id] = true
	}
	f.uses.Init(row.LastUsedAt, len(f.Key.Scopes))
	f.counter.Init(e.counters, tenant.ID, owner.ID, row.ID)
	f.requests.ID = row.ID
	f.verifyRequests.ID = row.ID
}

// ownerRights returns what the owner of a key may do. A plan that does not exist gives nothing.
func ownerRights(row KeyRow, plans map[string]*policy.Plan) policy.OwnerRights {
	if row.Owner.Type() != ident.SubjectParty {
		return policy.OwnerRights{Role: scope.EffectiveRole(row.Role, row.AccountRole)}
	}
	rights := policy.OwnerRights{Subject: true}
	if row.Plan != "" {
		plan, known := plans[row.Plan]
		if !known {
			plan = &policy.Plan{Name: row.Plan}
		}
		rights.Plan = plan
	}
	return rights
}

// addCredentials adds the facts of the credentials of a key to its entry.
func (e *Engine) addCredentials(to *keyEntry, row KeyRow, tenant *tenantFacts, plans map[string]*policy.Plan) error {
	owner := e.ownerFacts(row, to.stamp)
	shared := map[bool]*Facts{} // by whether the owner's role in the account counts
	to.credentials = to.only[:0]
	for _, secret := range row.Secrets {
		byAccount := row.AccountRole.Valid() && policy.AccountRoleCounts(row.SecretByOwner, secret.ByOwner)
		f := shared[byAccount]
		if f == nil {
			f = &to.facts
			if len(shared) > 0 {
				f = new(Facts)
			}
			e.setFacts(f, row, tenant, plans, owner, byAccount)
			shared[byAccount] = f
		}
		digest, err := e.keyring.OpenDigest(secret.Digest, credential.Row{Key: row.ID, Serial: secret.Serial})
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "A stored key cannot be read.")
		}
		if f.Key.Serial == 0 {
			f.Key.Serial = secret.Serial
		}
		k := &f.Key // which most keys have only once
		if k.Serial != secret.Serial {
			other := f.Key
			other.Serial = secret.Serial
			k = &other
		}
		dates := policy.SecretDates{Previous: secret.Previous, SetAt: secret.SetAt, Until: secret.Until}
		to.credentials = append(to.credentials, credentialFacts{
			facts: f, serial: secret.Serial, shape: secret.Shape, publicID: secret.PublicID, digest: digest,
			life:      dates.Under(f.tenant.Rules),
			principal: principal.OfKey(k),
		})
	}
	return nil
}

// unavailable returns the error for a decision that could not be made because of err.
func unavailable(err error) error {
	if errors.Is(err, fault.Unavailable) || errors.Is(err, fault.Internal) { // a bug of ours fails again
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "The decision cannot be made right now. Try again.")
}
