// Package verify decides requests: is this credential good, for this scope, on this application, right now.
//
// The steps of a decision are numbered as in the product's table and no way in can skip one:
//
//  1. one credential                  (web reads it from the request)
//  2. find and compare                Engine.Evaluate: cache, or tag and one read → digest
//  3. state, now that possession is proven: revoked, expired, disabled (policy.KeyStatus)
//  4. transport; then Engine.Authenticate notes the last use
//  5. session only, then the tenant   Engine.Allow for a caller of Claviger's own routes,
//  6. scope                           Engine.Decide for a request that another API received,
//  7. application                     Engine.DecideFor for whoever asks about another's credential
//  8. rate                            Engine.spend, for keys of tenants with a limit
//
// Steps 3, 6 and 7 are functions of package policy. A transaction calls them again for the key that asked for its change.
//
// Facts are cached, decisions never: each decision compares the time, the scope and the application anew. A cached fact counts only
// while nothing it was read from has changed (see [Generations]), so that no revoked key is accepted once its revocation was answered. Once warm,
// a decision touches no database, and an id this server never made does not even when cold.
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
)

// Options of an Engine. Source, Keyring, Generations and Now are required.
type Options struct {
	Source      Source
	Keyring     *credential.Keyring
	Generations *Generations
	// Now must never go back.
	Now func() time.Time
	// Cache defaults to one of a million keys.
	Cache Cache
	// Fresh, where given, returns why this node cannot decide anything now: it does not know what other
	// nodes changed, or what time it is. It is called after Now.
	Fresh func() error
	// Render, where given, makes Facts.Rendered once for each fill of the cache.
	Render func(*Facts) any
}

// Engine decides. It is safe for concurrent use.
type Engine struct {
	source      Source
	keyring     *credential.Keyring
	generations *Generations
	now         func() time.Time
	fresh       func() error
	cache       Cache
	render      func(*Facts) any
	tenants     sync.Map // ident.TenantID → *tenantFacts
	uses        uses
	allowances  allowances
	halted      atomic.Bool
	counts      Counts
}

const defaultEntries = 1_000_000

// New makes an Engine.
func New(o Options) *Engine {
	if o.Cache == nil {
		o.Cache = NewCache(defaultEntries)
	}
	if o.Fresh == nil {
		o.Fresh = func() error { return nil }
	}
	return &Engine{
		source: o.Source, keyring: o.Keyring, generations: o.Generations, now: o.Now, fresh: o.Fresh, cache: o.Cache, render: o.Render, counts: newCounts(),
	}
}

// Counts of what the engine has done.
func (e *Engine) Counts() *Counts { return &e.counts }

// Entries is about how many lookups have facts in the cache.
func (e *Engine) Entries() int { return e.cache.Entries() }

// Decision says whether a credential is accepted: a code, "" for yes, and the key's facts wherever possession was proven.
type Decision struct {
	Code  fault.Kind
	Facts *Facts
	// RetryAfter is how long to wait, with fault.RateLimited.
	RetryAfter time.Duration

	entry      *Entry
	credential *credentialFacts
	at         time.Time
}

// Authenticate runs steps 2 to 4 and notes the use. An ip of "" leaves the address of last use. The error is not nil only
// where the facts cannot be had: then nothing was decided.
func (e *Engine) Authenticate(ctx context.Context, p Presentation, ip string) (Decision, error) {
	d, err := e.Evaluate(ctx, p)
	e.noteUse(d, ip)
	return d, err
}

// Evaluate runs steps 2 to 4 and leaves no trace. It accepts API keys alone.
func (e *Engine) Evaluate(ctx context.Context, p Presentation) (Decision, error) {
	return e.evaluate(ctx, p, p.way)
}

// evaluate takes the way apart from the presentation: stored there, the request that it comes from would be allocated.
func (e *Engine) evaluate(ctx context.Context, p Presentation, way policy.Way) (Decision, error) {
	if code := p.refusal(); code != "" {
		return Decision{Code: code}, nil
	}
	if e.halted.Load() {
		return Decision{}, errHalted
	}
	at := e.now() // which notices a clock that stepped, so it comes before fresh
	if err := e.fresh(); err != nil {
		return Decision{}, err
	}
	entry, lookup := e.cached(p.key.Lookup())
	if entry == nil && !e.keyring.Tagged(p.key) {
		lookup = Forged
	}
	e.counts.lookup(lookup)
	switch lookup {
	case Forged:
		e.keyring.Waste(p.key)
		return Decision{Code: fault.KeyInvalid}, nil
	case Miss, Stale:
		var err error
		if entry, err = e.load(ctx, p.key.Lookup()); err != nil {
			return Decision{}, err
		}
		at = e.now()
	}
	proven := e.prove(entry, p.key)
	if proven == nil {
		return Decision{Code: fault.KeyInvalid}, nil
	}
	d := Decision{Facts: entry.facts, entry: entry, credential: proven, at: at}
	status := policy.KeyStatus(d.Facts.life, proven.life, d.Facts.chain, d.at)
	if status == policy.Unknown {
		return Decision{Code: fault.KeyInvalid}, nil
	}
	d.Code = status.Refusal()
	if d.Code == "" && way.Transport != "" && !d.Facts.tenant.Settings.Allows(way) {
		d.Code = fault.TransportForbidden
	}
	return d, nil
}

// cached gives the entry of a lookup if it is in the cache and current.
func (e *Engine) cached(lookup string) (*Entry, Lookup) {
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

// Unchanged reports whether a key that was accepted a moment ago would be accepted again, for the same facts. It is false for a session, which must be
// asked for again.
func (e *Engine) Unchanged(c Caller) bool {
	at := e.now()
	return c.entry != nil && !e.halted.Load() && e.fresh() == nil && c.entry.current() &&
		policy.KeyStatus(c.Facts.life, c.credential.life, c.Facts.chain, at) == policy.Active
}

// Issued reports whether the credential has the id of a key that there is, or was until a moment ago; whether its secret is right, it does
// not say. It is false where that cannot be known now. It is for telling a key from a value that only looks like one.
func (e *Engine) Issued(ctx context.Context, p credential.Presented) bool {
	entry, lookup := e.cached(p.Lookup())
	if lookup == Miss || lookup == Stale {
		if !e.keyring.Tagged(p) {
			return false
		}
		var err error
		if entry, err = e.load(ctx, p.Lookup()); err != nil {
			return false
		}
	}
	return len(entry.credentials) > 0
}

// noteUse notes a use once steps 1 to 4 have passed.
func (e *Engine) noteUse(d Decision, ip string) {
	if d.Code == "" && d.Facts != nil {
		e.uses.note(d.Facts, d.credential, d.at, ip)
	}
}

// Halted reports whether Halt was called.
func (e *Engine) Halted() bool { return e.halted.Load() }

// Halt makes every decision from now on unavailable: the database can no longer be trusted.
func (e *Engine) Halt() { e.halted.Store(true) }

var errHalted = fault.New(fault.Unavailable, "This node is stopping.")

// prove returns the credential whose secret was presented; nil if it is none of the entry's. Every path hashes once at least, so
// that an unknown id costs what a wrong secret costs.
func (e *Engine) prove(entry *Entry, p credential.Presented) *credentialFacts {
	compared := false
	for i := range entry.credentials {
		c := &entry.credentials[i]
		if !p.Fits(c.shape, c.publicID) {
			continue
		}
		compared = true
		if p.Proves(entry.facts.Key.ID, c.digest) {
			return c
		}
	}
	if !compared {
		e.keyring.Waste(p)
	}
	return nil
}

// Principal of a key whose possession was proven.
func (d Decision) Principal() principal.Principal { return d.credential.who }
