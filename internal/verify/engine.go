// Package verify decides requests: is this credential good, for this scope, on this application, right now.
//
// The steps of a decision are numbered as in the product's table and no way in can skip one:
//
//  1. one credential                  (web reads it from the request)
//  2. find and compare                Engine.Identify: parse → cache, or tag and one read → digest
//  3. state, now that possession is proven: revoked, expired, disabled
//  4. transport, and then the last use is noted
//  5. session only, then the tenant   Engine.Allow
//  6. scope
//  7. application
//  8. rate                            Engine.spend, for keys of tenants with a limit
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
	// Fresh, where given, reports whether this node knows what other nodes changed; while it does not, nothing is decided.
	Fresh func() bool
	// Render, where given, makes Facts.Rendered once for each fill of the cache.
	Render func(*Facts) any
}

// Engine decides. It is safe for concurrent use.
type Engine struct {
	source      Source
	keyring     *credential.Keyring
	generations *Generations
	now         func() time.Time
	fresh       func() bool
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
		o.Fresh = func() bool { return true }
	}
	return &Engine{
		source: o.Source, keyring: o.Keyring, generations: o.Generations, now: o.Now, fresh: o.Fresh, cache: o.Cache, render: o.Render, counts: newCounts(),
	}
}

// Counts of what the engine has done.
func (e *Engine) Counts() *Counts { return &e.counts }

// Entries is about how many lookups have facts in the cache.
func (e *Engine) Entries() int { return e.cache.Entries() }

// Verdict is the answer to "whose is this credential": a code, fault.Kind "" for good, and the facts wherever possession was proven.
type Verdict struct {
	Code  fault.Kind
	Facts *Facts

	secret *secretFacts
	at     time.Time
}

// Identify runs steps 2 to 4 and notes the use. An ip of "" leaves the address of last use. The error is not nil only where the facts cannot be had: then
// nothing was decided.
func (e *Engine) Identify(ctx context.Context, p credential.Presented, way policy.Way, ip string) (Verdict, error) {
	v, err := e.Examine(ctx, p, way)
	e.noteUse(v, ip)
	return v, err
}

// Examine runs steps 2 to 4 and leaves no trace. A zero way leaves the transport unjudged.
func (e *Engine) Examine(ctx context.Context, p credential.Presented, way policy.Way) (Verdict, error) {
	if e.halted.Load() {
		return Verdict{}, errHalted
	}
	if !e.fresh() {
		return Verdict{}, errStale
	}
	f, lookup := e.cached(p.Lookup())
	if f == nil && !e.keyring.Tagged(p) {
		lookup = Forged
	}
	e.counts.lookup(lookup)
	switch lookup {
	case Forged:
		e.keyring.Waste(p)
		return Verdict{Code: fault.KeyInvalid}, nil
	case Miss, Stale:
		var err error
		if f, err = e.load(ctx, p.Lookup()); err != nil {
			return Verdict{}, err
		}
	}
	secret, proven := e.prove(f, p)
	at := e.now()
	if !proven || secret.forgotten(at) {
		return Verdict{Code: fault.KeyInvalid}, nil
	}
	v := Verdict{Facts: f, secret: secret, at: at}
	v.Code = f.state(secret, v.at)
	if v.Code == "" && way.Transport != "" && !f.tenant.Settings.Carries(way) {
		v.Code = fault.TransportForbidden
	}
	return v, nil
}

// cached gives the facts of a lookup if they are in the cache and current.
func (e *Engine) cached(lookup string) (*Facts, Lookup) {
	switch f, known := e.cache.Get(lookup); {
	case !known:
		return nil, Miss
	case !f.current():
		return nil, Stale
	case len(f.secrets) == 0:
		return f, NegativeHit
	default:
		return f, Hit
	}
}

// noteUse notes a use once steps 1 to 4 have passed.
func (e *Engine) noteUse(v Verdict, ip string) {
	if v.Code == "" && v.Facts != nil {
		e.uses.note(v.Facts, v.secret, v.at, ip)
	}
}

// Halted reports whether Halt was called.
func (e *Engine) Halted() bool { return e.halted.Load() }

// Halt makes every decision from now on unavailable: the database can no longer be trusted.
func (e *Engine) Halt() { e.halted.Store(true) }

var (
	errHalted = fault.New(fault.Unavailable, "This node is stopping.")
	errStale  = fault.New(fault.Unavailable, "This node cannot see what other nodes changed. Try again.")
)

// prove compares the secret with those on file. Every path hashes once at least, so that an unknown id costs what a wrong secret costs.
func (e *Engine) prove(f *Facts, p credential.Presented) (*secretFacts, bool) {
	compared := false
	for i := range f.secrets {
		s := &f.secrets[i]
		if !p.Fits(s.shape, s.publicID) {
			continue
		}
		compared = true
		if p.Proves(f.Key.ID, s.digest) {
			return s, true
		}
	}
	if !compared {
		e.keyring.Waste(p)
	}
	return nil, false
}

// state is step 3: the first that holds of revoked, expired, disabled; the whole chain counts.
func (f *Facts) state(secret *secretFacts, now time.Time) fault.Kind {
	status := f.life.State(now)
	switch {
	case status == policy.Revoked:
		return fault.KeyRevoked
	case status == policy.Expired, f.lapsed, secret.over(now):
		return fault.KeyExpired
	case status == policy.Disabled, !f.chainLive, !f.tenant.Open:
		return fault.KeyDisabled
	}
	return ""
}

// Principal of a key whose possession was proven.
func (v Verdict) Principal() principal.Principal { return v.secret.who }
