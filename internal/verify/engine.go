// Package verify decides whether a request is allowed: is its credential valid now, for this scope
// and this application?
//
// A decision has numbered steps. No entry point can skip one.
//
//  1. one credential                  (web reads it from the request)
//  2. find and compare                Engine.Evaluate: cache, or tag and one read → digest
//  3. status                          policy.KeyStatus: revoked, expired, disabled. Only the holder
//     of the secret learns it.
//  4. transport, 4b. address          then Engine.Authenticate records the last use
//  5. session only, then the tenant   Engine.Allow for a caller of Claviger's own routes,
//  6. scope                           Engine.Decide for the receiver of a request (of a session,
//     Authenticator.DecideForwarded),
//  7. application                     Engine.DecideFor for a verifier
//  8. rate                            Engine.consume for keys of tenants with a limit,
//     Engine.consumeVerify for keys that verify others
//
// Steps 3, 4b, 6 and 7 are functions of package policy. A transaction calls them again for the key
// that requested its change.
//
// Facts are cached, decisions are not: each decision checks the time, the scope and the application
// anew. A cache entry is used only while nothing that it was read from has changed (see
// [Generations]). So no revoked key is accepted after its revocation was answered. A decision from
// the cache reads nothing from the database. Nor does an id that this server never issued.
package verify

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/usage"
)

// Options of an Engine. Those without a default are required.
type Options struct {
	Source      Source
	Keyring     *credential.Keyring
	Generations *Generations
	// Now returns the time, which must never go back.
	Now func() time.Time
	// Limiter limits the requests of each key, VerifierLimiter the requests by which a key verifies
	// other credentials.
	Limiter, VerifierLimiter Limiter
	// Recorder records the last uses of keys and of their scopes.
	Recorder *usage.Recorder
	// Watches are told what becomes of requests with newly shown keys. The default watches none.
	Watches *usage.Watches
	// Counters count the requests of keys and tenants. The default counts none.
	Counters *usage.Counters
	// Tokens reads access tokens. Without it, none is accepted.
	Tokens Tokens
	// Cache defaults to one of a gibibyte, which holds about a million keys.
	Cache Cache
	// Fresh, if set, returns an error while this node cannot make decisions, because it does not
	// know what other nodes changed or what time it is. It is called after Now.
	Fresh func() error
	// RenderOwner, if set, makes OwnerFacts.Rendered, and RenderGrant makes Grant.Rendered. So a
	// response is only put together.
	RenderOwner func(*OwnerFacts) string
	RenderGrant func(*Grant) Rendered
}

// Engine makes decisions. It is safe for concurrent use.
type Engine struct {
	source          Source
	keyring         *credential.Keyring
	generations     *Generations
	now             func() time.Time
	fresh           func() error
	cache           Cache
	reads           sharedReads
	renderGrant     func(*Grant) Rendered
	renderOwner     func(*OwnerFacts) string
	tenants         sync.Map // ident.TenantID → *tenantFacts
	plans           sync.Map // ident.TenantID → *tenantPlans
	limiter         Limiter
	verifierLimiter Limiter
	recorder        *usage.Recorder
	watches         *usage.Watches
	counters        *usage.Counters
	tokens          Tokens
	halted          atomic.Bool
	counts          Counts
}

// New returns an Engine.
func New(o Options) *Engine {
	if o.Cache == nil {
		o.Cache = NewCache(defaultCacheBytes)
	}
	if o.Watches == nil {
		o.Watches = &usage.Watches{}
	}
	if o.Fresh == nil {
		o.Fresh = func() error { return nil }
	}
	return &Engine{
		source: o.Source, keyring: o.Keyring, generations: o.Generations, now: o.Now, fresh: o.Fresh, cache: o.Cache,
		renderGrant: o.RenderGrant, renderOwner: o.RenderOwner, limiter: o.Limiter,
		verifierLimiter: o.VerifierLimiter, recorder: o.Recorder, watches: o.Watches, tokens: o.Tokens,
		counters: o.Counters, counts: newCounts(),
	}
}

// Counts returns what the engine has done.
func (e *Engine) Counts() *Counts { return &e.counts }

// Entries returns the approximate number of cache entries.
func (e *Engine) Entries() int { return e.cache.Entries() }

// Decision says whether a request is allowed.
type Decision struct {
	// Code is why the request is refused; "" if it is allowed.
	Code fault.Kind
	// Facts are those of the key if the right secret was sent; otherwise nil.
	Facts *Facts
	// RetryAfter is how long to wait; set with fault.RateLimited.
	RetryAfter time.Duration
	// OtherTenant is set with fault.KeyInvalid if the right secret was sent, but the key belongs to
	// another tenant than the verifier named, and the verifier may inspect that one, too.
	OtherTenant bool

	// Session is set if a session was accepted; then Facts is nil.
	Session *SessionFacts

	entry      *Entry
	credential *credentialFacts
	// token is the access token that was sent; nil for a key.
	token *Token
	// tenant is that of a session in which the person has a role.
	tenant *tenantFacts
	at     time.Time
}

// Scopes returns the effective scopes: those of the session or the key or, for an access token that
// has only some of the key's, those. It is empty if the decision has neither Facts nor Session.
func (d *Decision) Scopes() scope.Set {
	switch {
	case d.Session != nil:
		return d.Session.Scopes
	case d.Facts != nil:
		return grantedScopes(d.Facts, d.token)
	}
	return nil
}

// Token returns the access token that was sent, with the right signature or seal; nil for a key.
func (d *Decision) Token() *Token { return d.token }

// Authenticate runs steps 2 to 4b for a request from the address, and records the use. An ip of ""
// keeps the recorded address; a key that is restricted to addresses is then refused. The error is
// not nil only if the facts cannot be read: then no decision was made.
func (e *Engine) Authenticate(ctx context.Context, p Presentation, ip string) (Decision, error) {
	d, err := e.Evaluate(ctx, p)
	d.checkAddress(ip)
	e.recordUse(&d, ip)
	if d.Code != "" && err == nil {
		e.sight(&d, &noRequirement, p.location.Transport, ip)
		d.count("", p.location.Transport)
	}
	return d, err
}

// noRequirement is what a request needs before its route is known.
var noRequirement Requirement

// checkAddress runs step 4b, if the steps before it accept the key.
func (d *Decision) checkAddress(ip string) {
	if d.Code == "" && d.Facts != nil {
		d.Code = policy.RequireAddress(d.Facts.addresses, ip)
	}
}

// Evaluate runs steps 2 to 4 and records nothing. It accepts API keys and access tokens. It knows
// no address, so it does not run step 4b.
func (e *Engine) Evaluate(ctx context.Context, p Presentation) (Decision, error) {
	return e.evaluate(ctx, p, p.location)
}

// evaluate takes the location as a parameter of its own: if it were stored in the presentation, the
// request that it comes from would be allocated on the heap.
func (e *Engine) evaluate(ctx context.Context, p Presentation, location policy.Location) (Decision, error) {
	if p.kind == AccessToken && e.tokens != nil {
		return e.evaluateToken(ctx, p)
	}
	if code := p.refusal(); code != "" {
		return Decision{Code: code}, nil
	}
	at, err := e.begin()
	if err != nil {
		return Decision{}, err
	}
	entry, lookup := e.cached(p.key.Lookup())
	if entry == nil && !e.keyring.Tagged(p.key) {
		lookup = Forged
	}
	e.counts.countLookup(lookup)
	if lookup == Forged {
		e.keyring.DummyCompare(p.key)
		return Decision{Code: fault.KeyInvalid}, nil
	}
	entry, at, err = e.complete(ctx, entry, lookup, p.key.Lookup(), at)
	if err != nil {
		return Decision{}, err
	}
	matched := e.matchSecret(entry, p.key)
	if matched == nil {
		return Decision{Code: fault.KeyInvalid, entry: entry, at: at}, nil
	}
	d := Decision{Facts: matched.facts, entry: entry, credential: matched, at: at}
	status := policy.KeyStatus(d.Facts.life, matched.life, d.Facts.dependencies, d.at)
	if status == policy.Unknown {
		return Decision{Code: fault.KeyInvalid}, nil
	}
	d.Code = status.Refusal()
	if d.Code == "" && location.Transport != "" && !d.Facts.tenant.Settings.Allows(location) {
		d.Code = fault.TransportForbidden
	}
	return d, nil
}

// begin returns the time of a decision, or the reason why this node makes none.
func (e *Engine) begin() (at time.Time, err error) {
	if e.halted.Load() {
		return at, errHalted
	}
	at = e.now() // before fresh, because reading the time detects a step of the clock
	return at, e.fresh()
}

// complete returns the current entry of a lookup that was looked for in the cache. It reads what
// changed or is missing, and then the time, too.
func (e *Engine) complete(ctx context.Context, cached *Entry, found LookupResult, lookup string,
	at time.Time,
) (entry *Entry, now time.Time, err error) {
	switch {
	case found == Miss, found == Stale:
		entry, err = e.load(ctx, lookup)
	case found == Hit && !cached.plansCurrent():
		entry, err = e.applyPlans(ctx, cached, lookup)
	default:
		return cached, at, nil
	}
	if err != nil {
		return nil, at, err
	}
	return entry, e.now(), nil
}

// cached returns the entry of a lookup, or nil if it is not in the cache or not current.
func (e *Engine) cached(lookup string) (*Entry, LookupResult) {
	switch entry, known := e.cache.Get(lookup); {
	case !known:
		return nil, Miss
	case !entry.current():
		return nil, Stale
	case len(entry.credentials) == 0:
		return entry, NegativeHit
	default:
		return entry, Hit
	}
}

// Unchanged reports whether a key that was accepted a moment ago would be accepted again because of
// the same facts. It is always false for a session, which must be authenticated again.
func (e *Engine) Unchanged(c Caller) bool {
	at := e.now()
	return c.entry != nil && !e.halted.Load() && e.fresh() == nil && c.entry.current() && c.entry.plansCurrent() &&
		(c.token == nil || at.Before(c.token.Expires)) &&
		policy.KeyStatus(c.Facts.life, c.credential.life, c.Facts.dependencies, at) == policy.Active
}

// KeyExists reports whether the credential has the id of a key that exists, or existed a moment
// ago. It does not check the secret. It is false if that cannot be known now. It distinguishes keys
// from values that only look like keys.
func (e *Engine) KeyExists(ctx context.Context, p credential.Parsed) bool {
	entry, lookup := e.cached(p.Lookup())
	if lookup == Miss || lookup == Stale {
		if !e.keyring.Tagged(p) {
			return false
		}
		var err error
		entry, err = e.load(ctx, p.Lookup())
		if err != nil {
			return false
		}
	}
	return len(entry.credentials) > 0
}

// Halted reports whether Halt was called.
func (e *Engine) Halted() bool { return e.halted.Load() }

// Halt makes every later decision fail with fault.Unavailable: the database can no longer be
// trusted.
func (e *Engine) Halt() { e.halted.Store(true) }

var errHalted = fault.New(fault.Unavailable, "This node is stopping.")

// matchSecret returns the credential of the entry that has the presented secret; nil if none has
// it. It hashes at least once, so that an unknown id takes as long as a wrong secret.
func (e *Engine) matchSecret(entry *Entry, p credential.Parsed) *credentialFacts {
	compared := false
	for i := range entry.credentials {
		c := &entry.credentials[i]
		if !p.MatchesShape(c.shape, c.publicID) {
			continue
		}
		compared = true
		if p.Matches(c.facts.Key.ID, c.digest) {
			return c
		}
	}
	if !compared {
		e.keyring.DummyCompare(p)
	}
	return nil
}

// Principal returns the key as a principal. Facts must not be nil.
func (d Decision) Principal() principal.Principal {
	if d.token == nil {
		return d.credential.principal
	}
	return d.token.principal(d.Facts.Key, d.credential.serial)
}
