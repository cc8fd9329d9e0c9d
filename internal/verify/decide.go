package verify

import (
	"context"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Request is what is to be decided about a credential: the request that it came with.
type Request struct {
	Requirement
	// Way the credential came, where the presentation does not know it; zero leaves its transport undecided.
	Way policy.Way
	// IP of the client; "" where it is not known.
	IP string
}

// Decide runs the whole decision about a credential, for whoever received the request that carried it. An error says that
// nothing could be decided; every other outcome is a Decision.
func (e *Engine) Decide(ctx context.Context, p Presentation, r Request) (Decision, error) {
	return e.decide(ctx, nil, p, r)
}

// Verifier is a caller who may ask about other credentials, accepted by steps 1 to 6. Its steps 7 and 8 depend on what it
// asks: DecideFor runs them.
type Verifier struct{ caller Caller }

// keysVerify is what a key needs to ask about others.
var keysVerify = Requirement{Scopes: []scope.Scope{scope.KeysVerify}}

// Verifier runs steps 5 and 6 for a caller who wants to ask about another credential.
func (c Caller) Verifier() (Verifier, error) {
	if c.Facts == nil {
		if !mayVerify(c.Principal) {
			return Verifier{}, fault.New(fault.Forbidden, "Your roles do not let you verify keys.")
		}
	} else if code := c.Facts.meets(keysVerify); code != "" {
		return Verifier{}, code
	}
	return Verifier{c}, nil
}

// DecideFor decides about somebody else's credential for a verifier. If the verifier may not inspect the key, it learns, and
// leaves, nothing. An error is about the verifier, or says that nothing could be decided.
func (e *Engine) DecideFor(ctx context.Context, verifier Verifier, p Presentation, r Request) (Decision, error) {
	via := verifier.caller.Transport
	if err := e.mayAsk(verifier, r); err != nil {
		e.counts.Callers.Count(fault.KindOf(err), via)
		return Decision{}, err
	}
	e.counts.Callers.Count("", via)
	return e.decide(ctx, &verifier, p, r)
}

// mayAsk runs steps 7 and 8 for a verifier: one restricted to applications must name one of them.
func (e *Engine) mayAsk(v Verifier, r Request) error {
	f := v.caller.Facts
	if f == nil {
		return nil
	}
	if policy.RequireReach(f.Key.Applications, r.Application, r.Application == "") != "" {
		return fault.New(fault.ApplicationForbidden, "A key restricted to applications must name one of them as application_id.")
	}
	e.uses.noteScopes(f, keysVerify.Scopes)
	if wait := e.spend(f); wait > 0 {
		return errRate(wait)
	}
	return nil
}

// decide counts a decision, for a verifier or, with nil, for the receiver of the request.
func (e *Engine) decide(ctx context.Context, verifier *Verifier, p Presentation, r Request) (Decision, error) {
	way := p.way
	if way.Transport == "" {
		way = r.Way
	}
	d, err := e.run(ctx, verifier, p, way, r)
	if err != nil {
		e.counts.Decisions.Count(Outcome(ctx, err), way.Transport)
		return Decision{}, err
	}
	e.counts.Decisions.Count(d.Code, way.Transport)
	return d, nil
}

// run runs steps 2 to 8 of a decision.
func (e *Engine) run(ctx context.Context, verifier *Verifier, p Presentation, way policy.Way, r Request) (Decision, error) {
	d, err := e.evaluate(ctx, p, way)
	if err != nil || d.Facts == nil {
		return d, err
	}
	if verifier != nil && !verifier.canInspect(d.Facts, r) {
		return Decision{Code: fault.KeyInvalid}, nil
	}
	if d.Code != "" {
		return d, nil
	}
	e.noteUse(d, r.IP)
	d.Code, d.RetryAfter = e.authorize(d.Facts, r.Requirement)
	if d.Code == fault.NotFound && (r.Tenant == "" || r.Tenant == d.Facts.Key.Tenant) {
		d.Code = fault.ApplicationForbidden // an application that does not exist
	}
	return d, nil
}

// mayVerify reports whether a signed-in person's roles let them ask about any key at all.
func mayVerify(who principal.Principal) bool {
	s, _ := who.Session()
	for _, m := range s.Memberships {
		if ownCatalogue.Holds(m.Role, scope.KeysVerify) {
			return true
		}
	}
	return len(s.Standings) > 0
}

// canInspect reports whether the verifier may learn about the key: one of the tenant that it named, of its own tenant, or of
// every tenant of an account that its owner runs.
func (v *Verifier) canInspect(f *Facts, r Request) bool {
	if r.Tenant != "" && r.Tenant != f.Key.Tenant {
		return false
	}
	if k, ok := v.caller.Key(); ok {
		return k.Tenant == f.Key.Tenant || k.AccountRole.Valid() && k.Account == f.Key.Account
	}
	return ownCatalogue.Holds(v.caller.RoleIn(f.Key.Tenant, f.Key.Account), scope.KeysVerify)
}
