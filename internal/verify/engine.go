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
//
// Facts are cached, decisions never: each decision compares the time, the scope and the application anew. A cached fact counts only
// while nothing it was read from has changed (see [Generations]), so that no revoked key is accepted once its revocation was answered. Once warm,
// a decision touches no database, and an id this server never made does not even when cold.
package verify

import (
	"context"
	"strings"
	"sync"
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
	// Render, where given, makes Facts.Rendered once for each fill of the cache.
	Render func(*Facts) any
}

// Engine decides. It is safe for concurrent use.
type Engine struct {
	source      Source
	keyring     *credential.Keyring
	generations *Generations
	now         func() time.Time
	cache       Cache
	render      func(*Facts) any
	tenants     sync.Map // ident.TenantID → *tenantFacts
	uses        uses
}

const defaultEntries = 1_000_000

// New makes an Engine.
func New(o Options) *Engine {
	if o.Cache == nil {
		o.Cache = NewCache(defaultEntries)
	}
	return &Engine{source: o.Source, keyring: o.Keyring, generations: o.Generations, now: o.Now, cache: o.Cache, render: o.Render}
}

// Verdict is the answer to "whose is this credential": a code, fault.Kind "" for good, and the facts wherever possession was proven.
type Verdict struct {
	Code  fault.Kind
	Facts *Facts
}

// Identify runs steps 2 to 4. A via of "" leaves the transport unjudged; an ip of "" leaves the address of last use. The error is not nil only where the
// facts cannot be had: then nothing was decided.
func (e *Engine) Identify(ctx context.Context, p credential.Presented, via policy.Transport, ip string) (Verdict, error) {
	f, known := e.cache.Get(p.Lookup())
	if !known || !f.current() {
		if !e.keyring.Tagged(p) {
			e.keyring.Waste(p)
			return Verdict{Code: fault.KeyInvalid}, nil
		}
		var err error
		if f, err = e.load(ctx, p.Lookup()); err != nil {
			return Verdict{}, err
		}
	}
	secret, proven := e.prove(f, p)
	if !proven {
		return Verdict{Code: fault.KeyInvalid}, nil
	}
	now := e.now()
	if code := f.state(secret, now); code != "" {
		return Verdict{Code: code, Facts: f}, nil
	}
	if via != "" && !f.tenant.Settings.Carries(via) {
		return Verdict{Code: fault.TransportForbidden, Facts: f}, nil
	}
	e.uses.note(f, secret, now, ip)
	return Verdict{Facts: f}, nil
}

// prove compares the secret with those on file. Every path hashes once at least, so that an unknown id costs what a wrong secret costs.
func (e *Engine) prove(f *Facts, p credential.Presented) (*secretFacts, bool) {
	for i := range f.secrets {
		if s := &f.secrets[i]; p.Fits(s.shape, s.publicID) && p.Proves(f.Key.ID, s.digest) {
			return s, true
		}
	}
	if len(f.secrets) == 0 {
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
	case status == policy.Expired, f.lapsed, secret.previous && !now.Before(secret.until):
		return fault.KeyExpired
	case status == policy.Disabled, !f.chainLive, !f.tenant.Open:
		return fault.KeyDisabled
	}
	return ""
}

// Principal of the key.
func (f *Facts) Principal() principal.Principal { return f.who }

func clone(s string) string { return strings.Clone(s) }
